/** The test certificates, in the form that options take them. */
const read = (name: string) =>
  Deno.readTextFileSync(new URL(`../../examples/certs/${name}.pem`, import.meta.url));

export const certs = {
  ca: read("ca"),
  server: { cert: read("localhost"), key: read("localhost.key") },
  client: { cert: read("client"), key: read("client.key") },
};
