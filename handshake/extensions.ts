import { WsHandshakeError } from "./error.ts";
import { isToken } from "./head.ts";

/** One element of `Sec-WebSocket-Extensions`: an extension that is offered or accepted. */
export interface Extension {
  /** The extension's name, as it was written. */
  name: string;
  /** Its parameters, in their order; a name may stand there twice. */
  params: {
    /** The parameter's name, as it was written. */
    name: string;
    /** Its value, without quotes; `undefined` if it has none. */
    value: string | undefined;
  }[];
}

/**
 * The extensions that a `Sec-WebSocket-Extensions` header lists, in its order
 * ({@link https://www.rfc-editor.org/rfc/rfc6455#section-9.1 | RFC 6455 §9.1}). Several such headers are one, joined
 * by commas.
 *
 * @param header The header's value.
 * @param status The status of the error: 400 to refuse a request with, 101 for a server's answer.
 * @throws {WsHandshakeError} If it breaks the grammar: "the recipient of such malformed data MUST immediately _Fail the
 * WebSocket Connection_".
 */
export function parseExtensions(header: string, status = 400): Extension[] {
  return new Parser(header, status).list();
}

/** Looks at every character once; the position only ever grows. */
class Parser {
  readonly #text: string;
  readonly #status: number;
  #at = 0;

  constructor(text: string, status: number) {
    this.#text = text;
    this.#status = status;
  }

  /** `extension-list = 1#extension` */
  list(): Extension[] {
    const extensions: Extension[] = [];
    do {
      // RFC 9110 §5.6.1.2 (as RFC 2616 §2.1): an empty element does not count ...
      const next = this.#peek();
      if (next !== "," && next !== "") extensions.push(this.#extension());
    } while (this.#take(","));
    if (this.#peek() !== "") throw this.#expected('";" or ","');
    // ... but "at least one non-null element MUST be present"
    if (extensions.length === 0) throw this.#expected("an extension");
    return extensions;
  }

  /** `extension = extension-token *( ";" extension-param )` */
  #extension(): Extension {
    const extension: Extension = { name: this.#token(), params: [] };
    while (this.#take(";")) {
      const name = this.#token();
      // extension-param = token [ "=" (token | quoted-string) ]
      const value = this.#take("=") ? this.#value() : undefined;
      extension.params.push({ name, value });
    }
    return extension;
  }

  #value(): string {
    return this.#take('"') ? this.#restOfQuoted() : this.#token();
  }

  #token(): string {
    this.#peek();
    const start = this.#at;
    while (isToken(this.#text[this.#at])) this.#at++;
    if (this.#at === start) throw this.#expected("a token");
    return this.#text.slice(start, this.#at);
  }

  /** A quoted-string whose opening quote has been taken (RFC 9110 §5.6.4). */
  #restOfQuoted(): string {
    let value = "";
    for (;;) {
      if (this.#text[this.#at] === '"') break;
      if (this.#text[this.#at] === "\\") this.#at++; // quoted-pair: the character behind it stands for itself
      const character = this.#text[this.#at];
      if (character === undefined) throw this.#expected("a closing quote");
      // RFC 6455 §9.1: "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
      if (!isToken(character)) throw this.#expected("a token in quotes");
      value += character;
      this.#at++;
    }
    if (value === "") throw this.#expected("a token in quotes");
    this.#at++;
    return value;
  }

  /** Takes `separator`, if it comes next. */
  #take(separator: string): boolean {
    if (this.#peek() !== separator) return false;
    this.#at++;
    return true;
  }

  /** The next character that is not white space, "" at the end (RFC 6455 §9.1: "including the 'implied *LWS rule'"). */
  #peek(): string {
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++;
    return this.#text[this.#at] ?? "";
  }

  #expected(what: string): WsHandshakeError {
    const found = this.#text.slice(this.#at, this.#at + 20);
    const where = found === ""
      ? "its end"
      : `${JSON.stringify(found)} at character ${this.#at + 1}`;
    return new WsHandshakeError(
      this.#status,
      `Sec-WebSocket-Extensions is malformed: expected ${what}, found ${where}`,
    );
  }
}
