import { toArrayBuffer } from "./to_array_buffer.ts";

/** All that a stream of bytes gives, in one array. */
export async function toBytes(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await toArrayBuffer(stream));
}
