const read = (name: string) =>
  Deno.readTextFileSync(new URL(`../../examples/certs/${name}`, import.meta.url));

/** The options that make a server one of TLS, if its arguments say so. */
export const tls = Deno.args.includes("tls")
  ? { cert: read("localhost.pem"), key: read("localhost.key.pem") }
  : undefined;
