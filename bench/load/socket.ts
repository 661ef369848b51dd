/** Connections of the load generator: TCP or TLS, the opening handshake, and frames made in advance. */
import { Buffer } from "node:buffer";
import { encodeFrame, Opcode } from "@wsconn/ws/framing";
import { writeAll } from "../../transport.ts";
import type { Job } from "../job.ts";

/** How many handshakes are under way at once. */
const OPENING = 64;
/** One for all frames: an echo without a WebSocket then gives the same bytes back, wherever it is compared. */
const MASK_KEY = 0x9d3b5c71;

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const caCerts = [
  Deno.readTextFileSync(new URL("../../examples/certs/ca.pem", import.meta.url)),
];

/** The same frame many times in a row, so that any number of them is one slice. */
export class Frames {
  readonly bytes: Buffer;
  /** Bytes of one frame. */
  readonly each: number;

  constructor(frame: Uint8Array, count: number) {
    this.each = frame.length;
    this.bytes = Buffer.alloc(this.each * count);
    for (let i = 0; i < count; i++) this.bytes.set(frame, i * this.each);
  }

  /** The bytes of `count` frames. */
  first(count: number): Uint8Array {
    return this.bytes.subarray(0, count * this.each);
  }

  /** Throws unless these bytes are what a run of frames has, `at` bytes behind the beginning of one. */
  check(bytes: Buffer, length: number, at: number): void {
    if (this.bytes.compare(bytes, 0, length, at, at + length) !== 0) {
      throw new Error("What was received is not what must come");
    }
  }
}

/** What a client sends: frames of `size` times "x". */
export function requests({ size, type }: Job, count: number): Frames {
  return new Frames(frame(size, type, MASK_KEY), count);
}

/** What a server sends. */
export function replies(job: Job, count: number): Frames {
  return job.raw ? requests(job, count) : new Frames(frame(job.size, job.type), count);
}

function frame(size: number, type: "text" | "binary", maskKey?: number): Uint8Array {
  const opcode = type === "text" ? Opcode.Text : Opcode.Binary;
  return encodeFrame(opcode, new Uint8Array(size).fill(0x78), { maskKey });
}

/** A masked text frame. */
export function textFrame(text: string): Uint8Array {
  return encodeFrame(Opcode.Text, encoder.encode(text), { maskKey: MASK_KEY });
}

/** A connection that is ready for messages, and the server's head. */
export async function open(job: Job, path = "/", headers = ""): Promise<[Deno.Conn, string]> {
  const where = { hostname: "127.0.0.1", port: job.port };
  const tcp = await Deno.connect(where);
  tcp.setNoDelay();
  const conn = job.tls ? await Deno.startTls(tcp, { ...where, caCerts }) : tcp;
  await writeAll(
    conn,
    encoder.encode(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${job.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`,
    ),
  );
  // without a WebSocket, the echo of the request is the answer to it
  const expected = job.raw ? `GET ${path} HTTP/1.1\r\n` : "HTTP/1.1 101 ";
  const buffer = new Uint8Array(1024);
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    const length = await conn.read(buffer);
    if (length === null) throw new Error(`The connection ended in the handshake: ${head}`);
    head += decoder.decode(buffer.subarray(0, length));
  }
  if (!head.startsWith(expected)) throw new Error(`The server refuses: ${head}`);
  return [conn, head];
}

/** All connections of a job. */
export async function openAll(job: Job, path = "/"): Promise<Deno.Conn[]> {
  const conns: Deno.Conn[] = [];
  let left = job.conns;
  const opener = async () => {
    while (left-- > 0) conns.push((await open(job, path))[0]);
  };
  await Promise.all(Array.from({ length: OPENING }, opener));
  return conns;
}

/** What a read has given; the end of the connection is an error. */
export function notEnd(length: number | null): number {
  if (length === null) throw new Error("The server has ended the connection");
  return length;
}
