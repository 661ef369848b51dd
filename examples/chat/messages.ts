/**
 * What the page and the server say to each other: every message is one JSON object with a `type`. Nothing that comes
 * from a page is believed before it is checked here.
 */
import type { WsMessage } from "jsr:@wsconn/ws@^0.1";

/** The longest name and the longest text, in UTF-16 code units, as `maxlength` in the page counts them. */
export const MAX_NAME = 24;
export const MAX_TEXT = 2000;
/** The longest message that a page may send, in bytes: a text of which every character is escaped. */
export const MAX_MESSAGE = 16 * 1024;

/** What a page may say. */
export type ChatRequest =
  /** Come in. `key` is the page's secret: with it, it takes its name back from a connection that it has lost. */
  | { type: "hello"; name: string; key: string }
  /** Say something. `id` is made by the page: said twice with the same `id`, it is said once. */
  | { type: "say"; id: string; text: string }
  /** Are you still there? A page cannot send Pings, nor see them. */
  | { type: "ping" };

/** What somebody has said; `time` is in milliseconds since 1970. */
export interface Said {
  type: "said";
  id: string;
  name: string;
  text: string;
  time: number;
}

/** Why the server does not do what a page asks for. */
export type Why = "malformed" | "name" | "name_taken" | "not_in" | "text" | "too_fast";

/** What the server says. */
export type ChatEvent =
  /** The answer to "hello": your name, who is there (you too), and what was said last. */
  | { type: "welcome"; name: string; people: string[]; history: Said[] }
  | Said
  | { type: "joined" | "left"; name: string; time: number }
  /** `id`: of the "say" that is refused; `retryAfter`: when to try again, in seconds. */
  | { type: "refused"; why: Why; text: string; id?: string; retryAfter?: number }
  | { type: "pong" };

/** What a page asks for is not done; it is told why, and the connection stays open. */
export class Refusal extends Error {
  override name = "Refusal";

  constructor(
    readonly why: Why,
    message: string,
    readonly more: { id?: string; retryAfter?: number } = {},
  ) {
    super(message);
  }

  event(): ChatEvent {
    return { type: "refused", why: this.why, text: this.message, ...this.more };
  }
}

/** Makes a request of a message; throws a {@linkcode Refusal} of anything else. */
export function parseRequest(message: WsMessage): ChatRequest {
  const fields = parseObject(message);
  switch (fields["type"]) {
    case "hello":
      return { type: "hello", name: checkName(fields["name"]), key: checkToken(fields, "key") };
    case "say": {
      const id = checkToken(fields, "id");
      return { type: "say", id, text: checkText(fields["text"], id) };
    }
    case "ping":
      return { type: "ping" };
    default:
      throw new Refusal("malformed", 'The type must be "hello", "say" or "ping"');
  }
}

function parseObject(message: WsMessage): Record<string, unknown> {
  if (typeof message !== "string") throw new Refusal("malformed", "A message must be text");
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    // said below
  }
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new Refusal("malformed", "A message must be a JSON object");
}

/** Letters that look the same are the same (NFKC), and nothing in a name is invisible: control, format, unassigned. */
function checkName(value: unknown): string {
  if (typeof value !== "string") throw new Refusal("malformed", "The name must be a string");
  const name = value.normalize("NFKC").trim().replace(/\s+/g, " ");
  if (name === "") throw new Refusal("name", "Please give a name");
  if (name.length > MAX_NAME) {
    throw new Refusal(
      "name",
      `The name is ${name.length} characters long, at most ${MAX_NAME} fit`,
    );
  }
  if (/\p{C}/u.test(name)) {
    throw new Refusal("name", "The name has a character that cannot be seen");
  }
  return name;
}

function checkText(value: unknown, id: string): string {
  if (typeof value !== "string") {
    throw new Refusal("malformed", "The text must be a string", { id });
  }
  const text = value.trim();
  if (text === "") throw new Refusal("text", "There is nothing to say", { id });
  if (text.length > MAX_TEXT) {
    const problem = `The text is ${text.length} characters long, at most ${MAX_TEXT} fit`;
    throw new Refusal("text", problem, { id });
  }
  if (/(?![\n\t])[\p{Cc}\p{Cs}]/u.test(text)) {
    throw new Refusal("text", "The text has a control character or half a character", { id });
  }
  return text;
}

/** What the page has made at random. */
function checkToken(fields: Record<string, unknown>, name: "id" | "key"): string {
  const value = fields[name];
  if (typeof value === "string" && /^[\w-]{16,64}$/.test(value)) return value;
  throw new Refusal("malformed", `The ${name} must be 16 to 64 letters, digits, "-" or "_"`);
}
