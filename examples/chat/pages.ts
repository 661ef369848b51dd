/** The files of the page, over HTTP. They are read when the server starts; nothing else on the disk is ever served. */

const TYPES = {
  "index.html": "text/html; charset=utf-8",
  "chat.css": "text/css; charset=utf-8",
  "chat.js": "text/javascript; charset=utf-8",
  "connection.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
};

/** For every answer: the page runs its own script and nothing else, and no other page may frame it. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Reads the files; returns what answers requests for them. */
export async function readPages(folder: URL): Promise<(request: Request) => Response> {
  const files = new Map<string, { body: Uint8Array<ArrayBuffer>; headers: Headers }>();
  for (const [name, type] of Object.entries(TYPES)) {
    const body = await Deno.readFile(new URL(name, folder));
    const headers = new Headers({
      ...HEADERS,
      "content-type": type,
      "content-length": `${body.length}`,
      // asked for again every time, and answered with 304 as long as it is the same
      "cache-control": "no-cache",
      "etag": await etag(body),
    });
    files.set(name === "index.html" ? "/" : `/${name}`, { body, headers });
  }
  return (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plain("Method Not Allowed", 405, { allow: "GET, HEAD" });
    }
    const file = files.get(new URL(request.url).pathname);
    if (file === undefined) return plain("Not Found", 404);
    const { body, headers } = file;
    if (request.headers.get("if-none-match") !== headers.get("etag")) {
      return new Response(body, { headers }); // of which a HEAD is sent the head only
    }
    const same = new Headers(headers);
    same.delete("content-length");
    return new Response(null, { status: 304, headers: same });
  };
}

function plain(statusText: string, status: number, headers: Record<string, string> = {}): Response {
  const type = { "content-type": "text/plain; charset=utf-8" };
  return new Response(`${statusText}\n`, {
    status,
    statusText,
    headers: { ...HEADERS, ...type, ...headers },
  });
}

async function etag(body: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return `"${hash.toHex().slice(0, 32)}"`;
}
