/** The opening handshakes under fuzz: what is fed, in which pieces, and how the result is compared with the naive readers'. */
import { acceptKey, answerTo, KEY3_LENGTH } from "../../handshake/challenge.ts";
import { BodyDecoder } from "../../handshake/body.ts";
import { WsHandshakeError } from "../../handshake/error.ts";
import { type Head, HeadReader } from "../../handshake/head.ts";
import {
  formatHixieResponse,
  hixieVersionOf,
  offeredHixieProtocols,
} from "../../handshake/hixie.ts";
import { formatRefusal, toRequest } from "../../handshake/http.ts";
import {
  checkHttp,
  checkOpening,
  checkRequest,
  checkResponse,
  formatResponse,
  isUpgrade,
  offeredProtocols,
} from "../../handshake/rfc6455.ts";
import { latin1, octets, OFFERED, SENT_KEY } from "./generate_http.ts";
import * as naive from "./naive_head.ts";
import { cut, seeded } from "./random.ts";

/** The longest head that is taken. */
const MAX_HEAD = 16 * 1024;

/** How an input of a handshake is cut. */
export interface HandshakeSetup {
  splitSeed: number;
}

/** How a body is announced. */
export interface BodySetup extends HandshakeSetup {
  fields: [string, string][];
  isResponse: boolean;
}

/** What became of an input: the head, if there is one, and what it amounts to. */
interface Run {
  /** "incomplete", "refused", or what was understood. */
  kind: string;
  /** The status of a refusal or a response. */
  status?: number;
  line?: string;
  headers?: [string, string][];
  /** The parts of the first line, and what was agreed on. */
  details?: string[];
  rest?: string;
  body?: BodyRun;
}

interface BodyRun {
  body: string;
  end: naive.BodyEnd;
}

/** Reads an input as a server does; returns how the result differs from what it must be, if it does. */
export function checkRequestBytes(setup: HandshakeSetup, input: Uint8Array): string | undefined {
  const text = latin1(input);
  const expected = naive.readRequest(text);
  return checkRuns(setup, input, serve, expected, (run) => {
    if (!("line" in expected)) return isNoHead(run, expected);
    const { kind, refused, method, target, answer, protocols } = expected;
    // the third key is waited for before the others are looked at
    if (kind === "hixie-76" && answer === undefined && run.kind === "incomplete") return true;
    if (refused.length > 0) return run.kind === "refused" && refused.includes(run.status!);
    if (run.kind !== kind || !isHead(run, expected)) return false;
    if (kind === "http") {
      return isBody(run.body!, naive.readBody(expected.fields, false, run.rest!));
    }
    return same(run.details, [method, target, answer!, ...protocols]);
  });
}

/** Reads an input as a client does; returns how the result differs from what it must be, if it does. */
export function checkResponseBytes(setup: HandshakeSetup, input: Uint8Array): string | undefined {
  const expected = naive.readResponse(latin1(input), SENT_KEY, OFFERED);
  return checkRuns(setup, input, connect, expected, (run) => {
    if (!("line" in expected)) return isNoHead(run, expected);
    const { status, statusText, accepted, protocol } = expected;
    if (run.status !== status) return false;
    if (status === 101 && !accepted) return run.kind === "refused";
    if (!isHead(run, expected) || !same(run.details, [statusText, protocol])) return false;
    if (status === 101) return run.kind === "opened";
    return isBody(run.body!, naive.readBody(expected.fields, true, run.rest!));
  });
}

/** Decodes an input as a body; returns how the result differs from what it must be, if it does. */
export function checkBodyBytes(setup: BodySetup, input: Uint8Array): string | undefined {
  const { fields, isResponse } = setup;
  const map: naive.Fields = new Map();
  for (const [name, value] of fields) map.set(name, [...map.get(name) ?? [], value]);
  const expected = naive.readBody(map, isResponse, latin1(input));
  const run = (pieces: Uint8Array[]): Run => ({
    kind: "body",
    body: decodeBody({ line: "", headers: new Headers(fields) }, isResponse, pieces),
  });
  return checkRuns(setup, input, run, expected, ({ body }) => isBody(body!, expected));
}

/** Feeds an input whole, byte by byte, and in random pieces: all must end alike, and as is expected. */
function checkRuns(
  { splitSeed }: HandshakeSetup,
  input: Uint8Array,
  read: (pieces: Uint8Array[]) => Run,
  expected: unknown,
  isExpected: (run: Run) => boolean,
): string | undefined {
  let first: Run | undefined;
  for (
    const [name, pieces] of [
      ["whole", [input]],
      ["byte by byte", Array.from(input, (_, at) => input.subarray(at, at + 1))],
      ["in random pieces", cut(seeded(splitSeed), input)],
    ] as const
  ) {
    let run: Run;
    try {
      run = orRefused(() => read([...pieces]));
      if (!isExpected(run)) {
        return `${name}: ${Deno.inspect(run)}\nexpected: ${Deno.inspect(expected)}`;
      }
    } catch (error) {
      return `${name}: ${error instanceof Error ? error.stack : error}`;
    }
    first ??= run;
    if (
      run.kind !== first.kind || run.status !== first.status || run.body?.end !== first.body?.end
    ) {
      return `${name}: ${Deno.inspect(run)}\nwhole: ${Deno.inspect(first)}`;
    }
  }
}

/** The only exception that a handshake may end with. */
function orRefused(read: () => Run): Run {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WsHandshakeError)) throw error;
    if (error.status >= 400) formatRefusal(error);
    return { kind: "refused", status: error.status };
  }
}

/** Reads a head; the pieces behind it are returned, `undefined` if it is not complete. */
function readHead(reader: HeadReader, pieces: Uint8Array[]): Uint8Array[] | undefined {
  let taken = 0;
  for (const [index, piece] of pieces.entries()) {
    if (reader.push(piece)) return [reader.rest, ...pieces.slice(index + 1)];
    taken += piece.length;
    if (taken > MAX_HEAD) {
      throw new Error(`Memory is not bounded: ${taken} bytes of a head are held`);
    }
  }
}

/** What accept.ts does with a connection. */
function serve(pieces: Uint8Array[]): Run {
  const reader = new HeadReader();
  const behind = readHead(reader, pieces);
  if (behind === undefined) return { kind: "incomplete" };
  const request = reader.request();
  const { line, method, target } = request;
  const headers = fieldsOf(request);
  checkHttp(request);
  const rest = behind.map(latin1).join("");
  if (!isUpgrade(request)) {
    try {
      toRequest(request, false, null);
    } catch (error) {
      if (!(error instanceof WsHandshakeError)) throw error;
    }
    return { kind: "http", line, headers, rest, body: decodeBody(request, false, behind) };
  }
  checkOpening(request);
  const version = hixieVersionOf(request);
  const run = { kind: version ?? "rfc6455", line, headers };
  if (version === undefined) {
    const key = checkRequest(request);
    const protocols = offeredProtocols(request.headers);
    const response = latin1(formatResponse(acceptKey(key), protocols[0] ?? "", "", new Headers()));
    const agreed = naive.readResponse(response, key, protocols);
    if (!("line" in agreed && agreed.accepted)) {
      throw new Error(`The client will refuse ${response}`);
    }
    return { ...run, rest, details: [method, target, acceptKey(key), ...protocols] };
  }
  let answer: Uint8Array = new Uint8Array(0);
  if (version === "hixie-76") {
    if (rest.length < KEY3_LENGTH) return { kind: "incomplete" };
    answer = answerTo({
      key1: request.headers.get("sec-websocket-key1") ?? "",
      key2: request.headers.get("sec-websocket-key2") ?? "",
      key3: octets(rest.slice(0, KEY3_LENGTH)),
    });
  }
  const protocols = offeredHixieProtocols(request.headers);
  const [chosen = ""] = protocols;
  const response = formatHixieResponse(request, version, false, chosen, new Headers(), answer);
  const agreed = naive.readResponse(latin1(response), "", []);
  if (!("line" in agreed && agreed.status === 101 && agreed.rest === latin1(answer))) {
    throw new Error(`The client cannot read ${latin1(response)}`);
  }
  return { ...run, rest, details: [method, target, latin1(answer), ...protocols] };
}

/** What client.ts does with a connection. */
function connect(pieces: Uint8Array[]): Run {
  const reader = new HeadReader();
  const behind = readHead(reader, pieces);
  if (behind === undefined) return { kind: "incomplete" };
  const response = reader.response();
  const { line, status, statusText } = response;
  const protocol = response.headers.get("sec-websocket-protocol") ?? "";
  const rest = behind.map(latin1).join("");
  const run = { status, line, headers: fieldsOf(response), rest };
  if (status !== 101) {
    const body = decodeBody(response, true, behind);
    return { ...run, kind: "answered", details: [statusText, protocol], body };
  }
  const agreed = checkResponse(response, acceptKey(SENT_KEY), OFFERED);
  return { ...run, kind: "opened", details: [statusText, agreed.protocol] };
}

/** Name by name: where the first of several values is empty, Deno's iterator leaves it out, other than `get`. */
function fieldsOf({ headers }: Head): [string, string][] {
  return [...new Set(headers.keys())].map((name) => [name, headers.get(name)!]);
}

function decodeBody(head: Head, isResponse: boolean, pieces: Uint8Array[]): BodyRun {
  let body = "";
  let decoder: BodyDecoder | undefined;
  try {
    decoder = new BodyDecoder(head, isResponse);
    for (const piece of pieces) if (!decoder.done) body += latin1(decoder.push(piece));
  } catch (error) {
    if (!(error instanceof WsHandshakeError)) throw error;
    return { body, end: "failed" };
  }
  if (decoder.done) return { body, end: "done" };
  try {
    decoder.end();
    return { body, end: "unbounded" };
  } catch (error) {
    if (!(error instanceof WsHandshakeError)) throw error;
    return { body, end: "incomplete" };
  }
}

function isBody({ body, end }: BodyRun, expected: naive.NaiveBody): boolean {
  return expected.ends.includes(end) &&
    (end === "failed" ? expected.body.startsWith(body) : expected.body === body);
}

function isNoHead(run: Run, { incomplete, refused }: naive.NoHead): boolean {
  return run.kind === "incomplete"
    ? incomplete
    : run.kind === "refused" && refused.includes(run.status!);
}

function isHead(run: Run, { line, fields, rest }: naive.NaiveHead): boolean {
  const expected = [...fields].map(([name, values]) => `${name}: ${values.join(", ")}`).sort();
  const headers = run.headers?.map(([name, value]) => `${name}: ${value}`).sort();
  return run.line === line && same(headers, expected) && run.rest === rest;
}

function same(a: string[] | undefined, b: string[]): boolean {
  return a?.length === b.length && b.every((item, index) => item === a[index]);
}
