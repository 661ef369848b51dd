import { wsServe } from "./mod.ts";
wsServe(async (conn) => {
  const path = conn.line.split(" ")[1];
  if (path === "/sink") {
    let n = 0;
    for (;;) {
      const m = await conn.recv();
      if (m === null) return;
      if (m === "END") {
        await conn.send(String(n));
        n = 0;
      } else n++;
    }
  }
  if (path === "/source") {
    for (;;) {
      const ask = await conn.recv() as string;
      if (ask === null) return;
      const [, n, size, type] = ask.split(" ");
      const t = "x".repeat(Number(size));
      const m = type === "text" ? t : new TextEncoder().encode(t);
      for (let i = 0; i < Number(n); i++) await conn.send(m);
    }
  }
  for (;;) {
    const m = await conn.recv();
    if (m === null) return;
    await conn.send(m);
  }
}, {
  hostname: "127.0.0.1",
  port: Number(Deno.args[0]),
  maxMessageSize: 128 << 20,
  onListen: () => console.log("listening"),
});
