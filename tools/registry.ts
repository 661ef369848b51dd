/**
 * A JSR registry in a folder, for machines that cannot reach JSR: minimal stand-ins for the functions of `@std` that
 * this project uses (tools/std/), and this package itself, laid out as `deno publish` would lay it out.
 * `JSR_URL` set to the folder's file: URL makes Deno use it.
 */

/** The versions that the stand-ins go by: those whose behaviour they have. */
const STD = { assert: "1.0.19", bytes: "1.0.6", streams: "1.0.17" };

interface Config {
  name: string;
  version: string;
  exports: Record<string, string>;
  imports: Record<string, string>;
  publish: { include: string[] };
}

/** Makes the registry in the folder `into`, from the project in `root`; returns the URL for `JSR_URL`. */
export async function buildRegistry(root: URL, into: URL): Promise<string> {
  const config: Config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const [name, version] of Object.entries(STD)) {
    const from = new URL(`tools/std/${name}/`, root);
    const files = await listFiles(from);
    const exports = Object.fromEntries(files.map((path) => {
      const name = path.slice(0, -".ts".length).replaceAll("_", "-");
      return [name === "mod" ? "." : `./${name}`, `./${path}`];
    }));
    await addPackage(into, `@std/${name}`, version, exports, from, files, {});
  }
  const own = (await listFiles(root)).filter((path) =>
    config.publish.include.some((pattern) =>
      pattern === "*.ts" ? /^[^/]+\.ts$/.test(path) : path.startsWith(pattern)
    )
  );
  await addPackage(into, config.name, config.version, config.exports, root, own, config.imports);
  return into.href;
}

async function addPackage(
  into: URL,
  name: string,
  version: string,
  exports: Record<string, string>,
  from: URL,
  files: string[],
  imports: Record<string, string>,
): Promise<void> {
  const [scope, bare] = name.slice(1).split("/");
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const path of files) {
    const bytes = new TextEncoder().encode(
      resolveImports(await Deno.readTextFile(new URL(path, from)), imports),
    );
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${digest.toHex()}` };
    await write(new URL(`${name}/${version}/${path}`, into), bytes);
  }
  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  await write(
    new URL(`${name}/meta.json`, into),
    encode({ scope, name: bare, versions: { [version]: {} } }),
  );
  await write(new URL(`${name}/${version}_meta.json`, into), encode({ manifest, exports }));
}

/** Writes through a temporary file, so that commands started side by side never read half of one. */
async function write(to: URL, bytes: Uint8Array): Promise<void> {
  await Deno.mkdir(new URL(".", to), { recursive: true });
  const temporary = new URL(`${to.href}.${Deno.pid}`);
  await Deno.writeFile(temporary, bytes);
  await Deno.rename(temporary, to);
}

/** What `deno publish` does to the names of the import map. */
function resolveImports(source: string, imports: Record<string, string>): string {
  for (const [name, target] of Object.entries(imports)) {
    source = source
      .replaceAll(`from "${name}"`, `from "${target}"`)
      .replaceAll(`from "${name}/`, `from "${target}/`);
  }
  return source;
}

async function listFiles(folder: URL, below = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(below, folder))) {
    if (name.startsWith(".") || name === "node_modules") continue;
    if (isDirectory) files.push(...await listFiles(folder, `${below}${name}/`));
    else files.push(below + name);
  }
  return files.sort();
}
