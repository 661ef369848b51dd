/** Runs the suite with coverage and fails when less of the package is covered than it should be. */
const AT_LEAST = 95;

const run = async (...args: string[]) => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1" },
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (code !== 0) {
    console.log(text);
    Deno.exit(code);
  }
  return text;
};

await run("test", "-A", "--coverage=coverage", "--quiet", "tests/");
const table = await run(
  "coverage",
  "--include=^file:.*/(framing|handshake|cli|redis)/|^file:.*/[a-z_]+\\.ts$",
  "--exclude=/(tests|tools|examples|bench|@wsconn|@std)/",
  "coverage",
);
console.log(table);
const lines = table.match(/All files *\|[^|]*\|(?:[^|]*\|)?? *([\d.]+) *\|\s*$/m)?.[1];
console.log(`Lines covered: ${lines} %, at least ${AT_LEAST} % are wanted`);
Deno.exit(Number(lines) >= AT_LEAST ? 0 : 1);
