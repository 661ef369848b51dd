import { WsHandshakeError } from "./error.ts";
import { type Extension, parseExtensions } from "./extensions.ts";

/**
 * How to compress: what `compression` can be set to besides `true`
 * ({@link https://www.rfc-editor.org/rfc/rfc7692#section-7 | RFC 7692 §7}, permessage-deflate).
 *
 * Both sides take the same options. Each is a limit that the peer can tighten in the handshake and never loosen; a peer
 * that does not know permessage-deflate, or declines it, is talked to without compression.
 *
 * What it costs: by default, each open connection keeps a compressor of 256 KiB and a decompressor of some 40 KiB, and
 * every message takes processor time on both sides. What it saves depends on the messages: JSON and prose shrink to a
 * fraction, while images, video and anything compressed or encrypted already do not shrink at all.
 *
 * Do not compress secrets together with text that somebody else chooses. The length of what is sent then tells how much
 * the two have in common, and someone who can watch the lengths and send guesses can find out the secret bit by bit,
 * TLS or not (the attacks called CRIME and BREACH). Context takeover extends this from one message to all of the
 * connection's that the window still holds.
 */
export interface CompressionOptions {
  /**
   * Whether the server compresses each message by itself, rather than with the help of those before it. Nothing has to
   * be kept between messages then, and no message is compared with another; but many small messages that
   * resemble one another compress far worse. On a client: whether to demand this of the server. Default: false.
   */
  serverNoContextTakeover?: boolean | undefined;
  /**
   * The same for the messages that the client sends. On a server: whether to demand this of the client.
   * Default: false.
   */
  clientNoContextTakeover?: boolean | undefined;
  /**
   * How far back the server's compressor looks for repetitions, as a power of two: 8 (256 bytes) to 15 (32 KiB). Every
   * bit less halves the memory that the window takes on both sides (4 × 2^bits bytes of the compressor, 2^bits of the
   * decompressor), and compresses somewhat worse. On a client: the most that the server may use. Default: 15.
   */
  serverMaxWindowBits?: number | undefined;
  /**
   * The same for the messages that the client sends. On a server: the most that the client may use; one that does not
   * say that it can limit its window is served without compression if this is below 15. Default: 15.
   */
  clientMaxWindowBits?: number | undefined;
  /**
   * Messages shorter than that, in bytes, are sent uncompressed: they would hardly shrink, and compressing costs far more
   * time than sending them. 0 compresses all, `Infinity` none. What arrives is not affected, nor is `sendStream`, which
   * compresses whatever it sends. Default: 1024.
   */
  threshold?: number | undefined;
  /**
   * zlib's compression level: from 1, the fastest, to 9, which takes the most time and often gains little; 0 does not
   * compress. Not told to the peer. Default: 6, which is zlib's own.
   */
  level?: number | undefined;
  /**
   * How much memory zlib's compressor takes besides its window: 2^(9 + memLevel) bytes, from 1 (1 KiB) to 9 (256 KiB).
   * Less makes it slower and compresses worse. Not told to the peer. Default: 8 (128 KiB).
   */
  memLevel?: number | undefined;
}

/** {@linkcode CompressionOptions}, checked, with the defaults filled in. */
export interface DeflateSettings {
  /** Whether the server is to compress each message by itself. */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client is to. */
  readonly clientNoContextTakeover: boolean;
  /** The most bits of the server's window. */
  readonly serverMaxWindowBits: number;
  /** The most bits of the client's window. */
  readonly clientMaxWindowBits: number;
  /** In bytes: shorter messages go uncompressed. */
  readonly threshold: number;
  /** zlib's. */
  readonly level: number;
  /** zlib's. */
  readonly memLevel: number;
}

/** What both sides agreed on ({@link https://www.rfc-editor.org/rfc/rfc7692#section-7.1 | RFC 7692 §7.1}). */
export interface DeflateParameters {
  /** Whether the server compresses each message by itself. */
  readonly serverNoContextTakeover: boolean;
  /** Whether the client does. */
  readonly clientNoContextTakeover: boolean;
  /** The most bits of the window that the server compresses with. */
  readonly serverMaxWindowBits: number;
  /** The most bits of the window that the client compresses with. */
  readonly clientMaxWindowBits: number;
}

const NAME = "permessage-deflate";
/** The bits of a window that DEFLATE allows: 256 bytes to 32 KiB (RFC 7692 §7.1.2). */
const MIN_BITS = 8, MAX_BITS = 15;

/**
 * The parameters of one offer or answer, by the names that they have there; what is not there is not set. `true` stands
 * for one without a value.
 */
interface Written {
  server_no_context_takeover?: true;
  client_no_context_takeover?: true;
  server_max_window_bits?: number;
  client_max_window_bits?: number | true;
}

/** Checks the option `compression`; throws a `RangeError` that names what is wrong. `undefined` stands for none. */
export function deflateSettings(
  compression: boolean | CompressionOptions | undefined,
): DeflateSettings | undefined {
  if (compression === undefined || compression === false) return undefined;
  const options = compression === true ? {} : compression;
  const { threshold = 1024 } = options;
  if (!(threshold >= 0)) {
    throw new RangeError(
      `compression.threshold must be a number of bytes: current value is ${threshold}`,
    );
  }
  return {
    serverNoContextTakeover: options.serverNoContextTakeover ?? false,
    clientNoContextTakeover: options.clientNoContextTakeover ?? false,
    serverMaxWindowBits: integer(options, "serverMaxWindowBits", MAX_BITS, MIN_BITS, MAX_BITS),
    clientMaxWindowBits: integer(options, "clientMaxWindowBits", MAX_BITS, MIN_BITS, MAX_BITS),
    threshold,
    level: integer(options, "level", 6, 0, 9),
    memLevel: integer(options, "memLevel", 8, 1, 9),
  };
}

function integer(
  options: CompressionOptions,
  name: "serverMaxWindowBits" | "clientMaxWindowBits" | "level" | "memLevel",
  standard: number,
  least: number,
  most: number,
): number {
  const { [name]: value = standard } = options;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(
      `compression.${name} must be an integer from ${least} to ${most}: current value is ${value}`,
    );
  }
  return value;
}

/** The `Sec-WebSocket-Extensions` with which a client offers permessage-deflate (RFC 7692 §7.1). */
export function formatOffer(settings: DeflateSettings): string {
  const { serverMaxWindowBits, clientMaxWindowBits } = settings;
  return format({
    ...(settings.serverNoContextTakeover ? { server_no_context_takeover: true } : {}),
    ...(settings.clientNoContextTakeover ? { client_no_context_takeover: true } : {}),
    ...(serverMaxWindowBits < MAX_BITS ? { server_max_window_bits: serverMaxWindowBits } : {}),
    // §7.1.2.2: without it a server must not limit the client's window; a value is a hint that it will be no larger
    client_max_window_bits: clientMaxWindowBits < MAX_BITS ? clientMaxWindowBits : true,
  });
}

/**
 * The server's choice among what a client offers: the first offer of permessage-deflate that it can live with, the
 * client's order being that of its preference (RFC 7692 §5).
 *
 * @param header The request's `Sec-WebSocket-Extensions`, or `null` if there is none.
 * @param settings The server's.
 * @returns The `Sec-WebSocket-Extensions` to answer with and what it means; `undefined` if there is nothing to accept.
 * @throws {WsHandshakeError} With status 400 if the header breaks the grammar.
 */
export function acceptOffer(
  header: string | null,
  settings: DeflateSettings,
): { answer: string; parameters: DeflateParameters } | undefined {
  if (header === null) return undefined;
  for (const extension of parseExtensions(header)) {
    if (extension.name !== NAME) continue;
    const offer = read(extension);
    // §7: a server MUST decline an offer with a parameter that is unknown, invalid or repeated
    if (typeof offer === "string") continue;
    const answer = answerTo(offer, settings);
    if (answer === undefined) continue;
    return { answer: format(answer), parameters: agreedOn(answer, settings) };
  }
  return undefined;
}

/** The answer that accepts `offer`, or `undefined` if the server's settings do not allow that. */
function answerTo(offer: Written, settings: DeflateSettings): Written | undefined {
  const { server_max_window_bits: serverBits, client_max_window_bits: clientBits } = offer;
  // §7.1.2.2: the answer to an offer without client_max_window_bits must not have it, so nothing limits the client
  if (clientBits === undefined && settings.clientMaxWindowBits < MAX_BITS) return undefined;

  const answer: Written = {};
  // §7.1.1.1: accepted by saying it too; a server may also say it unasked
  if (offer.server_no_context_takeover || settings.serverNoContextTakeover) {
    answer.server_no_context_takeover = true;
  }
  // §7.1.1.2: the offer is a hint, which the answer makes binding; a server may also demand it unasked
  if (offer.client_no_context_takeover || settings.clientNoContextTakeover) {
    answer.client_no_context_takeover = true;
  }
  // §7.1.2.1: accepted with "the same or smaller value as the offer"; a server may also say it unasked
  const server = Math.min(serverBits ?? MAX_BITS, settings.serverMaxWindowBits);
  if (serverBits !== undefined || server < MAX_BITS) answer.server_max_window_bits = server;
  // §7.1.2.2: the offer's value, if it has one, is a hint, which a value "equal to or smaller" makes binding
  const hint = typeof clientBits === "number" ? clientBits : undefined;
  const client = Math.min(hint ?? MAX_BITS, settings.clientMaxWindowBits);
  if (hint !== undefined || client < MAX_BITS) answer.client_max_window_bits = client;
  return answer;
}

/**
 * Checks a server's answer to {@linkcode formatOffer} (RFC 7692 §7.1).
 *
 * @param header The answer's `Sec-WebSocket-Extensions`.
 * @param settings The client's, as they were offered.
 * @returns What it means.
 * @throws {WsHandshakeError} With status 101, if the client must fail the connection.
 */
export function checkAnswer(header: string, settings: DeflateSettings): DeflateParameters {
  const fail = (why: string) => {
    const sent = JSON.stringify(header.length > 200 ? header.slice(0, 200) + "…" : header);
    return new WsHandshakeError(
      101,
      `The server's Sec-WebSocket-Extensions header is ${sent}: ${why}`,
    );
  };
  const [extension, ...more] = parseExtensions(header, 101);
  // RFC 6455 §4.1: the client fails the connection on an extension that it did not offer; RFC 7692 §5: nor one twice
  if (extension?.name !== NAME || more.length > 0) throw fail(`expected ${NAME} alone`);
  const answer = read(extension);
  // §7: nor with a parameter that is unknown, invalid or repeated
  if (typeof answer === "string") throw fail(answer);

  const { server_max_window_bits: serverBits, client_max_window_bits: clientBits } = answer;
  // §7.1.1.1: an offer of it is accepted by saying it too
  if (settings.serverNoContextTakeover && !answer.server_no_context_takeover) {
    throw fail("server_no_context_takeover was offered and is missing");
  }
  // §7.1.2.1: likewise, with the same or a smaller value
  const { serverMaxWindowBits, clientMaxWindowBits } = settings;
  if (serverMaxWindowBits < MAX_BITS && serverBits === undefined) {
    throw fail(`server_max_window_bits=${serverMaxWindowBits} was offered and is missing`);
  }
  if (serverBits !== undefined && serverBits > serverMaxWindowBits) {
    throw fail(`server_max_window_bits can be ${serverMaxWindowBits} at most, as was offered`);
  }
  // §7.1.2.2: in an answer it has a value, the same as was offered or a smaller one
  if (clientBits === true) throw fail("client_max_window_bits must have a value");
  if (clientBits !== undefined && clientBits > clientMaxWindowBits) {
    throw fail(`client_max_window_bits can be ${clientMaxWindowBits} at most, as was offered`);
  }
  // §7.1.1.2, §7.1.2.2: what the client gave as a hint holds even if the answer does not take it up
  return agreedOn(answer, settings);
}

/**
 * What an answer means. A client may have limited its own compressor by the hints in its offer alone; what a server is
 * set to always stands in its answer.
 */
function agreedOn(answer: Written, settings: DeflateSettings): DeflateParameters {
  const { client_max_window_bits: clientBits } = answer;
  return {
    serverNoContextTakeover: answer.server_no_context_takeover ?? false,
    clientNoContextTakeover: answer.client_no_context_takeover ?? settings.clientNoContextTakeover,
    serverMaxWindowBits: answer.server_max_window_bits ?? MAX_BITS,
    clientMaxWindowBits: typeof clientBits === "number" ? clientBits : settings.clientMaxWindowBits,
  };
}

/** The parameters of an offer or answer; or, as text, what is wrong with them. */
function read({ params }: Extension): Written | string {
  const written: Written = {};
  for (const { name, value } of params) {
    if (Object.hasOwn(written, name)) return `${name} is repeated`;
    switch (name) {
      case "server_no_context_takeover":
      case "client_no_context_takeover":
        // §7.1.1.1, §7.1.1.2: these two have no value
        if (value !== undefined) return `${name} cannot have a value`;
        written[name] = true;
        break;
      case "server_max_window_bits":
      case "client_max_window_bits": {
        const bits = value === undefined ? undefined : windowBits(value);
        if (bits !== undefined) written[name] = bits;
        // §7.1.2.2: the one of the client may come without a value, in an offer
        else if (value === undefined && name === "client_max_window_bits") written[name] = true;
        else return `${name} must be from ${MIN_BITS} to ${MAX_BITS}, without leading zeros`;
        break;
      }
      default:
        return `${name.slice(0, 40)} is not a parameter of ${NAME}`;
    }
  }
  return written;
}

/** §7.1.2: "a decimal integer value without leading zeroes between 8 to 15, inclusive". */
function windowBits(value: string): number | undefined {
  const bits = Number(value);
  const fits = Number.isInteger(bits) && bits >= MIN_BITS && bits <= MAX_BITS;
  return fits && String(bits) === value ? bits : undefined;
}

function format(written: Written): string {
  const params = Object.entries(written).map(([name, value]) =>
    value === true ? name : `${name}=${value}`
  );
  return [NAME, ...params].join("; ");
}
