/** Clients with the interface of the WHATWG: Deno's own, or that of the npm package in the second argument. */
import { job, measure, message, url } from "./client.ts";

const [, module] = Deno.args;
const Socket: typeof WebSocket = module === undefined
  ? WebSocket
  : (await import(module)).WebSocket;

await measure((replies) => {
  const socket = new Socket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    for (let i = 0; i < job.depth; i++) socket.send(message);
  };
  socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
    const size = typeof data === "string" ? data.length : data.byteLength;
    if (replies.count(size)) socket.send(message);
  };
  return new Promise((_, reject) => {
    socket.onclose = () => reject(new Error("The connection has ended"));
  });
});
