/**
 * A second reader of `Sec-WebSocket-Extensions`, for the fuzzer to compare the library's with: the grammar of RFC 6455 §9.1 as
 * regular expressions, and permessage-deflate as RFC 7692 §7.1 has it, one rule after the other.
 */

/** An extension and its parameters, in their order. */
export interface NaiveExtension {
  name: string;
  params: { name: string; value: string | undefined }[];
}

/** The parameters of one direction each, as agreed on; and what a side is set to. */
export interface NaiveParameters {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number;
  clientMaxWindowBits: number;
}

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"; // RFC 9110 §5.6.2
const LWS = "[ \\t]*"; // RFC 2616 §2.1, "implied *LWS"
// "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
const QUOTED = `"(?:\\\\?${TCHAR})+"`;
const PARAM = `${LWS};${LWS}(${TCHAR}+)(?:${LWS}=${LWS}(${TCHAR}+|${QUOTED}))?`;
const EXTENSION = `${TCHAR}+(?:${PARAM})*`;
const ELEMENT = `${LWS}(?:${EXTENSION})?${LWS}`; // RFC 2616 §2.1: "null elements are allowed"
const LIST = new RegExp(`^${ELEMENT}(?:,${ELEMENT})*$`);

/** The extensions of a header; `undefined` if it breaks the grammar. */
export function readExtensions(header: string): NaiveExtension[] | undefined {
  if (!LIST.test(header)) return undefined;
  // what is quoted is made of the characters of a token, so that every comma separates
  const elements = header.split(",").map((element) => element.replace(/^[ \t]+/, ""));
  const extensions = elements.filter((element) => element !== "").map((element) => {
    const params = [...element.matchAll(new RegExp(PARAM, "g"))].map(([, name, value]) => ({
      name: name!,
      value: value?.replace(/^"|"$/g, "").replaceAll("\\", ""),
    }));
    return { name: element.replace(/[ \t;].*$/s, ""), params };
  });
  // "at least one non-null element MUST be present"
  return extensions.length === 0 ? undefined : extensions;
}

/** What the parameters of permessage-deflate may be set to, RFC 7692 §7.1. */
const NO_VALUE = "(none)";
const BITS = ["8", "9", "10", "11", "12", "13", "14", "15"];
const ALLOWED: Record<string, string[]> = {
  server_no_context_takeover: [NO_VALUE],
  client_no_context_takeover: [NO_VALUE],
  server_max_window_bits: BITS,
  client_max_window_bits: [NO_VALUE, ...BITS],
};

/** §7: the parameters by their names; `undefined` if one is unknown, repeated, or set to what it cannot be. */
function paramsOf({ name, params }: NaiveExtension): Map<string, string> | undefined {
  if (name !== "permessage-deflate") return undefined;
  const read = new Map<string, string>();
  for (const { name, value = NO_VALUE } of params) {
    const allowed = Object.entries(ALLOWED).find(([known]) => known === name)?.[1] ?? [];
    if (read.has(name) || !allowed.includes(value)) return undefined;
    read.set(name, value);
  }
  return read;
}

/** What an answer means to both sides, apart from what a client may have set itself. */
function meaningOf(answer: Map<string, string>): NaiveParameters {
  return {
    serverNoContextTakeover: answer.has("server_no_context_takeover"),
    clientNoContextTakeover: answer.has("client_no_context_takeover"),
    serverMaxWindowBits: Number(answer.get("server_max_window_bits") ?? 15),
    clientMaxWindowBits: Number(answer.get("client_max_window_bits") ?? 15),
  };
}

/** What must become of a header. */
export interface NaiveAnswer {
  /** The answer's parameters, with their values. */
  answer: Map<string, string>;
  parameters: NaiveParameters;
}

/** What a server answers to the offers; `undefined` if there is none that it can accept. */
export function answerOffers(
  offers: NaiveExtension[],
  settings: NaiveParameters,
): NaiveAnswer | undefined {
  for (const extension of offers) {
    const offer = paramsOf(extension);
    if (offer === undefined) continue;
    const clientBits = offer.get("client_max_window_bits");
    // §7.1.2.2: a client that does not say it does not know it
    if (clientBits === undefined && settings.clientMaxWindowBits < 15) continue;
    const answer = new Map<string, string>();
    for (const [name, isSet] of Object.entries(switchesOf(settings))) {
      if (offer.has(name) || isSet) answer.set(name, NO_VALUE);
    }
    for (
      const [name, limit] of [
        ["server_max_window_bits", settings.serverMaxWindowBits],
        ["client_max_window_bits", settings.clientMaxWindowBits],
      ] as const
    ) {
      const value = offer.get(name) ?? NO_VALUE;
      const asked = value === NO_VALUE ? [] : [Number(value)];
      if (asked.length > 0 || limit < 15) answer.set(name, String(Math.min(limit, ...asked)));
    }
    return { answer, parameters: meaningOf(answer) };
  }
}

function switchesOf(settings: NaiveParameters): Record<string, boolean> {
  return {
    server_no_context_takeover: settings.serverNoContextTakeover,
    client_no_context_takeover: settings.clientNoContextTakeover,
  };
}

/** What an answer means to a client that has offered its settings; `undefined` if it must fail the connection. */
export function readAnswer(
  extensions: NaiveExtension[],
  settings: NaiveParameters,
): NaiveParameters | undefined {
  const answer = extensions.length === 1 ? paramsOf(extensions[0]!) : undefined;
  if (answer === undefined) return undefined;
  // §7.1.2.2: without a value it stands in offers only
  if (answer.get("client_max_window_bits") === NO_VALUE) return undefined;
  const meaning = meaningOf(answer);
  // §7.1.1.1 and §7.1.2.1: what a client demands of the server
  if (settings.serverNoContextTakeover && !meaning.serverNoContextTakeover) return undefined;
  if (meaning.serverMaxWindowBits > settings.serverMaxWindowBits) return undefined;
  // §7.1.2.2: no more than the offer says; what the answer leaves open, the client has still set itself
  if (answer.has("client_max_window_bits")) {
    if (meaning.clientMaxWindowBits > settings.clientMaxWindowBits) return undefined;
  } else meaning.clientMaxWindowBits = settings.clientMaxWindowBits;
  if (settings.clientNoContextTakeover) meaning.clientNoContextTakeover = true;
  return meaning;
}

/** Whether a header is the answer that is expected, its parameters being in any order. */
export function isAnswer(header: string, expected: Map<string, string>): boolean {
  const extensions = readExtensions(header);
  const answer = extensions?.length === 1 ? paramsOf(extensions[0]!) : undefined;
  return answer?.size === expected.size &&
    [...expected].every(([name, value]) => answer.get(name) === value);
}
