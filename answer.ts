/** How an HTTP answer is read: a server's to the opening request, a proxy's to CONNECT. */
import { toArrayBuffer } from "@std/streams/to-array-buffer";
import { loadBuffer } from "./framing/utf8.ts";
import { BodyDecoder } from "./handshake/body.ts";
import { WsHandshakeError } from "./handshake/error.ts";
import { HeadReader, type ResponseHead } from "./handshake/head.ts";
import { readBody, readHead, upTo } from "./transport.ts";

/** How much of the body of a refusal is kept. */
const MAX_REFUSAL = 64 * 1024;
const NONE = new Uint8Array(0);

/** An answer that was waited for, and what came behind its head. */
export interface Answer {
  response: ResponseHead;
  rest: Uint8Array;
}

/** Whose answer it is, and what to make of it. */
export interface Expected {
  /** Who answers, as errors call it. */
  who: "server" | "proxy";
  /** Whether an answer with this status is the one that is waited for; any other final one is a refusal. */
  accepts: (status: number) => boolean;
  /** Whether the body of a refusal is not worth reading. */
  skipsBody?: (response: ResponseHead) => boolean;
}

/**
 * Reads an answer, `rest` of which is here already.
 *
 * @throws {WsHandshakeError} If it is a refusal, with all that there is to it, or no HTTP.
 */
export async function readAnswer(
  conn: Deno.Conn,
  expected: Expected,
  rest: Uint8Array = NONE,
): Promise<Answer> {
  await loadBuffer(); // while the answer is on its way
  for (;;) {
    const reader = new HeadReader();
    const response = await readResponse(conn, expected, reader, rest);
    rest = reader.rest;
    const { status } = response;
    if (expected.accepts(status)) return { response, rest };
    // RFC 9110 §15.2: an interim answer is followed by another, but 101 ends HTTP
    if (status >= 200 || status === 101) throw await refusal(conn, expected, response, rest);
  }
}

async function readResponse(
  conn: Deno.Conn,
  { who }: Expected,
  reader: HeadReader,
  rest: Uint8Array,
): Promise<ResponseHead> {
  try {
    if (reader.push(rest) || await readHead(conn, reader)) return reader.response();
  } catch (error) {
    if (!(error instanceof WsHandshakeError)) throw error;
    throw new WsHandshakeError(0, `The ${who}'s answer is not HTTP: ${error.message}`, {
      cause: error,
    });
  }
  throw new WsHandshakeError(0, `The ${who} closed the connection without an answer`);
}

async function refusal(
  conn: Deno.Conn,
  { who, skipsBody }: Expected,
  response: ResponseHead,
  rest: Uint8Array,
): Promise<WsHandshakeError> {
  const { status, statusText, headers } = response;
  return new WsHandshakeError(
    status,
    `The ${who} refused the connection: ${status} ${statusText}`.trimEnd(),
    { headers, body: skipsBody?.(response) ? NONE : await refusalBody(conn, response, rest) },
  );
}

/** The body of a refusal, or as much of it as could be read: what counts is the refusal. */
async function refusalBody(
  conn: Deno.Conn,
  response: ResponseHead,
  rest: Uint8Array,
): Promise<Uint8Array> {
  const { status } = response;
  if (status === 101 || status === 204 || status === 304) return NONE; // RFC 9110 §6.4.1
  let decoder;
  try {
    decoder = new BodyDecoder(response, true);
  } catch {
    return NONE; // its length is malformed
  }
  const body = ReadableStream.from(upTo(MAX_REFUSAL, readBody(conn, decoder, rest)));
  return new Uint8Array(await toArrayBuffer(body));
}
