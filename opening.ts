/** What a server makes of a request: an opening that is in order, in any version, and what a connection keeps of it. */
import type { WsOpening } from "./conn.ts";
import type { MessageDeflate } from "./framing/deflate.ts";
import type { Protocol, ProtocolEvents, Version } from "./framing/mod.ts";
import { acceptOffer, type DeflateParameters } from "./handshake/deflate.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import type { RequestHead } from "./handshake/head.ts";
import {
  formatHixieResponse,
  type HixieVersion,
  hixieVersionOf,
  offeredHixieProtocols,
} from "./handshake/hixie.ts";
import { checkRequest, formatResponse, offeredProtocols } from "./handshake/rfc6455.ts";
import { requestUrl } from "./handshake/url.ts";
import { type ConnLimits, makeProtocol } from "./options.ts";
import { readAtLeast } from "./transport.ts";

/** What a server speaks. */
interface Spoken {
  readonly versions: readonly Version[];
  readonly limits: ConnLimits;
}

/** An opening that is in order. */
export interface Opening {
  version: Version;
  /** The subprotocols offered. */
  offered: string[];
  /** The extensions to answer with, and what they mean. */
  extensions?: string;
  deflate?: DeflateParameters;
  /** The bytes of the answer. */
  format(protocol: string, headers: Headers | undefined): Uint8Array;
  /** What the client sent behind its opening. */
  rest: Uint8Array;
}

/** Checks an opening of RFC 6455; throws what it is to be refused with. */
export async function checkRfc6455(
  request: RequestHead,
  rest: Uint8Array,
  { versions, limits: { compression } }: Spoken,
): Promise<Opening> {
  const key = checkRequest(request);
  assertSpoken("rfc6455", versions);
  const offered = compression && request.fields.get("sec-websocket-extensions");
  const agreed = compression && acceptOffer(offered ?? null, compression);
  const extensions = agreed?.answer ?? "";
  const { acceptKey } = await import("./handshake/challenge.ts");
  const accept = acceptKey(key);
  return {
    version: "rfc6455",
    offered: offeredProtocols(request.fields),
    extensions,
    ...(agreed === undefined ? {} : { deflate: agreed.parameters }),
    format: (protocol, headers) => formatResponse(accept, protocol, extensions, headers),
    rest,
  };
}

/** Checks an opening of a draft, of which hixie-76 has a part behind the head; throws what it is to be refused with. */
export async function checkHixie(
  conn: Deno.Conn,
  request: RequestHead,
  rest: Uint8Array,
  { versions }: Spoken,
): Promise<Opening> {
  const version = hixieVersionOf(request) as HixieVersion;
  assertSpoken(version, versions);
  let response: Uint8Array = new Uint8Array(0);
  if (version === "hixie-76") {
    const { answerTo, KEY3_LENGTH } = await import("./handshake/challenge.ts");
    const all = await readAtLeast(conn, rest, KEY3_LENGTH).catch(byClient);
    if (all === undefined) throw cutShort();
    rest = all.subarray(KEY3_LENGTH); // Perl's client announces it as a body, with Content-Length: 8
    response = answerTo({
      key1: request.fields.get("sec-websocket-key1") ?? "",
      key2: request.fields.get("sec-websocket-key2") ?? "",
      key3: all.subarray(0, KEY3_LENGTH),
    });
  }
  return {
    version,
    offered: offeredHixieProtocols(request.fields),
    format: (protocol, headers) =>
      formatHixieResponse(
        request,
        version,
        isSecure(conn),
        protocol,
        headers ?? new Headers(),
        response,
      ),
    rest,
  };
}

function assertSpoken(version: Version, versions: readonly Version[]): void {
  if (versions.includes(version)) return;
  // RFC 6455 §4.4: the answer names the version that is spoken
  const headers = { upgrade: "websocket", "sec-websocket-version": "13" };
  throw new WsHandshakeError(426, `Protocol ${version} is not spoken here`, { headers });
}

/** What a connection keeps of its opening: the request's `Headers` are made when somebody asks for them. */
export class Accepted implements WsOpening {
  rest: Uint8Array;
  readonly protocol: string;
  readonly extensions: string;
  readonly #request: RequestHead;
  readonly #secure: boolean;
  readonly #version: Version;
  readonly #limits: ConnLimits;
  readonly #deflate: MessageDeflate | undefined;

  constructor(
    request: RequestHead,
    secure: boolean,
    { version, extensions = "", rest }: Opening,
    protocol: string,
    limits: ConnLimits,
    deflate: MessageDeflate | undefined,
  ) {
    request.checked();
    this.#request = request;
    this.#secure = secure;
    this.protocol = protocol;
    this.extensions = extensions;
    this.rest = rest;
    this.#version = version;
    this.#limits = limits;
    this.#deflate = deflate;
  }

  get line(): string {
    return this.#request.line;
  }

  get headers(): Headers {
    return this.#request.headers;
  }

  get url(): URL {
    return requestUrl(this.#request, "ws", this.#secure);
  }

  framing(events: ProtocolEvents): Protocol {
    return makeProtocol(this.#version, "server", events, this.#limits, this.#deflate);
  }
}

/** Whether a connection is TLS, whoever accepted it: Deno's TlsConn alone has a handshake of its own. */
export function isSecure(conn: Deno.Conn): boolean {
  return "handshake" in conn;
}

/** The client has gone before its request was complete. */
export function cutShort(): WsHandshakeError {
  return new WsHandshakeError(400, "The client closed the connection within its request");
}

/** Makes a failure of the connection an error of the handshake, to be told from one of the user's functions. */
export function byClient(cause: unknown): never {
  if (cause instanceof WsHandshakeError) throw cause;
  const message = `The connection failed within the handshake: ${(cause as Error).message}`;
  throw new WsHandshakeError(400, message, { cause });
}
