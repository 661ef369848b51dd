/** Which proxy the environment names for a server: variables that have no standard, read as curl and Go read them. */
import { parseProxy } from "./proxy.ts";
import { hostOf, portOf } from "./url.ts";

/** The value of an environment variable; `undefined` if it is not set, or not for this program to read. */
export type Environment = (name: string) => string | undefined;

/**
 * The proxy for `url`: `http_proxy` for `ws:`, `https_proxy` for `wss:`, else `all_proxy`, unless the server is of this
 * machine or `no_proxy` names it. Each variable may be in upper case too.
 *
 * @throws {SyntaxError} If what the environment names is not an HTTP proxy.
 */
export async function environmentProxy(url: URL, get: Environment): Promise<URL | undefined> {
  if (isLocal(hostOf(url))) return undefined;
  const scheme = url.protocol === "wss:" ? "https_proxy" : "http_proxy";
  const [name, value] = lookUp(get, scheme) ?? lookUp(get, "all_proxy") ?? [];
  if (name === undefined || value === undefined) return undefined;
  const [, exceptions = ""] = lookUp(get, "no_proxy") ?? [];
  if (await isException(url, exceptions)) return undefined;
  return parseProxy(value, `the environment variable ${name}`);
}

/** A variable that is set to something, by its name in lower or upper case. */
function lookUp(get: Environment, lower: string): [name: string, value: string] | undefined {
  const upper = lower.toUpperCase();
  for (const name of [lower, upper]) {
    const value = get(name)?.trim();
    if (!value) continue;
    // A CGI program finds the header "Proxy" of whoever asks it under this name (httpoxy, CVE-2016-5385).
    if (name === "HTTP_PROXY" && get("REQUEST_METHOD") !== undefined) continue;
    return [name, value];
  }
}

/** Whether a host is this machine itself (RFC 6761 §6.3): a proxy's localhost is another one. */
function isLocal(host: string): boolean {
  return /^(.*\.)?localhost\.?$|^127\.\d+\.\d+\.\d+$|^::1$/.test(host);
}

/** Whether `no_proxy` names the server: by its name, a domain that it is in, its address, or a network. */
async function isException(url: URL, noProxy: string): Promise<boolean> {
  const host = hostOf(url).replace(/\.$/, "");
  const port = String(portOf(url));
  const entries: string[] = [];
  for (const entry of noProxy.toLowerCase().split(/[\s,]+/)) {
    if (entry === "*") return true;
    const [name, only = port] = withoutPort(entry);
    if (name !== "" && only === port) entries.push(name);
  }
  // a URL has its IPv4 addresses in decimals
  if (/^[\d.]+$|:/.test(host)) return await isWithin(host, entries);
  return entries.some((entry) => {
    const domain = entry.replace(/^\*?\./, "").replace(/\.$/, "");
    return host === domain || host.endsWith(`.${domain}`);
  });
}

/** An entry's host or network, and the port that it is limited to. Of several colons, none stands before a port. */
function withoutPort(entry: string): [name: string, port?: string] {
  const [, name = entry, port] = entry.match(/^(\[[^\]]*\]|[^:]*):(\d+)$/) ?? [];
  const bare = name.replace(/^\[([^\]]*)\]/, "$1");
  return port === undefined ? [bare] : [bare, port];
}

/** Whether an address is one of those given, or in one of the networks given as `address/bits`. */
async function isWithin(host: string, entries: string[]): Promise<boolean> {
  if (entries.length === 0) return false;
  const { BlockList, isIP } = await import("node:net"); // few ever get here
  const family = isIP(host);
  const [type, most] = family === 4 ? ["ipv4", 32] as const : ["ipv6", 128] as const;
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits = `${most}`, ...more] = entry.split("/");
    if (isIP(address) !== family || address.includes("%")) continue; // a zone is of no use here
    if (!/^\d{1,3}$/.test(bits) || Number(bits) > most || more.length > 0) continue;
    list.addSubnet(address, Number(bits), type);
  }
  return list.check(host, type);
}
