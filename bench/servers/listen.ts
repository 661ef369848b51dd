/** Nothing but a listener: how fast Deno itself can start. */
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(listener.addr.port);
await listener.accept();
