// What every client does with every server, through the API that browsers have: used on Node (ws, undici) and on Deno
// (its own WebSocket). Rejects if anything is not as it should be.
import assert from "node:assert/strict";

const LENGTHS = [0, 1, 125, 126, 65535, 65536];

function opened(socket) {
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = (event) => reject(new Error(event.message ?? "connection failed"));
  });
}

function next(socket) {
  return new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) =>
      resolve(typeof data === "string" ? data : new Uint8Array(data));
    socket.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
  });
}

function closed(socket) {
  return new Promise((resolve) => {
    socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
  });
}

async function ask(socket, message) {
  const reply = next(socket);
  socket.send(message);
  return await reply;
}

/** `connect(protocols, headers)` makes a socket, `extra` is what this client can do besides. */
export async function exercise(
  connect,
  { extra = async () => {}, largest = 16 * 1024 * 1024 } = {},
) {
  const socket = connect(["v0", "v1"], { "x-test": "a header" });
  await opened(socket);
  assert.equal(socket.protocol, "v1");
  for (const length of [...LENGTHS, largest]) {
    const text = length % 2 === 0 ? "é".repeat(length / 2) : "x".repeat(length);
    assert.equal(await ask(socket, text) === text, true, `text of ${length} bytes`);
    const bytes = new Uint8Array(length).map((_, at) => at * 7);
    const back = await ask(socket, bytes);
    assert.equal(Buffer.compare(bytes, back), 0, `binary of ${length} bytes`);
  }
  assert.equal(await ask(socket, "a 𝄞 b"), "a 𝄞 b");
  assert.equal(await ask(socket, "!header"), "a header");
  assert.equal(await ask(socket, "!ping"), "ponged");
  await extra(socket, next);

  const replies = [];
  const all = new Promise((resolve) => {
    socket.onmessage = ({ data }) => replies.push(data) === 1000 && resolve();
  });
  for (let i = 0; i < 1000; i++) socket.send(`${i}`);
  await all;
  assert.deepEqual(replies, Array.from({ length: 1000 }, (_, i) => `${i}`));

  const end = closed(socket);
  socket.close(4001, "bye");
  assert.deepEqual(await end, { code: 4001, reason: "bye", wasClean: true });

  const other = connect(["v1"], {});
  await opened(other);
  const told = closed(other);
  other.send("!close");
  assert.deepEqual(await told, { code: 4002, reason: "server says bye", wasClean: true });
}
