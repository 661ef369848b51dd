/** What `deno doc --json` says of a package, and what is missing in it. */

interface JsDoc {
  doc?: string;
  tags?: { kind: string; doc?: string }[];
}

interface Documented {
  name?: string;
  jsDoc?: JsDoc;
  /** TypeScript's `private` and `protected`; `#names` are never listed. */
  accessibility?: string;
}

interface Declaration extends Documented {
  kind: string;
  declarationKind: string;
  location: { filename: string };
  def: Record<string, unknown>;
}

interface Doc {
  nodes: Record<string, {
    module_doc?: JsDoc;
    symbols: { name: string; declarations: Declaration[] }[];
  }>;
}

/** Where a class or an interface has its members. */
const MEMBERS = ["constructors", "properties", "methods", "members", "callSignatures"];

/** What `deno doc --json` prints for these modules. */
export async function readDoc(paths: string[]): Promise<Doc> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...paths],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot document ${paths}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The names of all that is exported, and of its members, with what they say. */
export function* exportsOf({ nodes }: Doc): Generator<[name: string, item: Documented]> {
  for (const [file, { symbols }] of Object.entries(nodes)) {
    for (const { name, declarations } of symbols) {
      for (const declaration of declarations) {
        // what is re-exported stands where it is defined
        if (declaration.declarationKind !== "export" || declaration.kind === "reference") continue;
        // it is the overloads that are seen, not what implements them
        if (declarations.length > 1 && declaration.def?.["hasBody"]) continue;
        const label = `${baseName(file)}: ${name}`;
        yield [label, declaration];
        for (const of of MEMBERS) {
          for (const member of (declaration.def?.[of] ?? []) as Documented[]) {
            if (member.accessibility === undefined || member.accessibility === "public") {
              yield [`${label}.${member.name ?? of}`, member];
            }
          }
        }
      }
    }
  }
}

/** Functions and classes, each with where it stands and the code of its examples; modules too. */
export function* exampleOwners(
  { nodes }: Doc,
): Generator<{ name: string; file: string; examples: string[] }> {
  for (const [file, { module_doc, symbols }] of Object.entries(nodes)) {
    yield { name: `module ${baseName(file)}`, file, examples: examplesOf(module_doc) };
    for (const { name, declarations } of symbols) {
      const [first] = declarations;
      if (first?.declarationKind !== "export") continue;
      if (first.kind !== "function" && first.kind !== "class") continue;
      // of overloads, one may speak for all
      const examples = declarations.flatMap(({ jsDoc }) => examplesOf(jsDoc));
      yield { name, file: first.location.filename, examples };
    }
  }
}

/** The blocks of code that `deno test --doc` would run. */
function examplesOf(jsDoc: JsDoc | undefined): string[] {
  return (jsDoc?.tags ?? []).filter(({ kind }) => kind === "example")
    .flatMap(({ doc = "" }) =>
      Array.from(doc.matchAll(/^```ts\n([^]*?)^```/gm), ([, code]) => code!)
    );
}

function baseName(url: string): string {
  return url.split("/").slice(-2).join("/");
}
