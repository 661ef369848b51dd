/**
 * The most memory that a program takes which does nothing but make one buffer of 16 MiB after the other, each filled in 16
 * parts and then forgotten: what V8's collecting costs a server of such messages, before there is a socket. Reads /proc.
 */
const MiB = 1 << 20;
const MESSAGES = 200;

const peak = () => Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
const turn = () => new Promise((resolve) => setTimeout(resolve));

const atStart = peak();
for (let i = 0; i < MESSAGES; i++) {
  const message = new Uint8Array(16 * MiB);
  for (let at = 0; at < message.length; at += MiB) {
    message.fill(i, at, at + MiB);
    await turn(); // as it arrives
  }
}
console.log(
  `${MESSAGES} buffers of 16 MiB, one at a time: ${(peak() / 1024).toFixed(0)} MiB at most, ` +
    `${(atStart / 1024).toFixed(0)} MiB at the start`,
);
