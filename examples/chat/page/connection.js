/** A connection to the chat that lasts: it comes back by itself, and loses nothing that is said meanwhile. */

/** How long to wait before the first attempt, and at most, in ms. */
const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;
/** How often to ask whether the server is still there, in ms. It has as long to answer. */
const HEARTBEAT = 20_000;
/** The code of the server for a page that another connection has taken the place of. */
const REPLACED = 4000;

/** Twice as long every time, half of it by chance: a thousand pages do not come back in the same instant. */
function delayBefore(attempt) {
  return Math.min(MAX_DELAY, FIRST_DELAY * 2 ** attempt) * (0.5 + Math.random() / 2);
}

/** Something that nobody guesses. (`crypto.randomUUID` is missing on pages that came over plain HTTP.) */
export function randomToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Connection {
  #url;
  #onEvent;
  #onState;
  /** `{ name, key }`, as long as it shall be connected. */
  #hello;
  #socket;
  /** Whether the server has said welcome to this socket. */
  #welcome = false;
  #attempt = 0;
  #retryTimer;
  #heartbeat;
  /** Whether an answer to a heartbeat is due. */
  #asked = false;
  /** What was said and has not come back from the server: `{ id, text }`. Only the first is ever on its way. */
  #outbox = [];

  /**
   * @param url Of the page: the WebSocket is there too.
   * @param onEvent Is told what the server says.
   * @param onState Is told `{ kind: "connecting" }`, `{ kind: "open", extensions }`, `{ kind: "waiting", until,
   * refused }` or `{ kind: "stopped", replaced }`.
   */
  constructor(url, { onEvent, onState }) {
    this.#url = new URL(url);
    this.#onEvent = onEvent;
    this.#onState = onState;
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
  }

  start(hello) {
    this.#drop();
    this.#hello = hello;
    this.#attempt = 0;
    this.#open();
  }

  stop({ replaced = false } = {}) {
    this.#drop();
    this.#hello = undefined;
    this.#onState({ kind: "stopped", replaced });
  }

  /** Stops for good: what was said and not sent is not sent under another name. */
  leave() {
    this.#outbox = [];
    this.stop();
  }

  /** Sends a text as soon as possible; "said" with the id that is returned means that it has arrived. */
  say(text) {
    const id = randomToken();
    this.#outbox.push({ id, text });
    if (this.#welcome && this.#outbox.length === 1) this.#sendFirst();
    return id;
  }

  /** Does not wait any longer for the next attempt. */
  retry() {
    if (this.#hello !== undefined && this.#socket === undefined) this.#open();
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#onState({ kind: "connecting" });
    const url = new URL(this.#url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = this.#socket = new WebSocket(url);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT);
      this.#send({ type: "hello", ...this.#hello });
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => {
      if (code === REPLACED) this.stop({ replaced: true });
      else this.#lost(opened);
    };
  }

  /** Lets go of the socket, whatever its state: no event of it is heard any more. */
  #drop() {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#heartbeat);
    this.#asked = this.#welcome = false;
    if (this.#socket === undefined) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = undefined;
  }

  async #lost(opened) {
    this.#drop();
    const delay = delayBefore(this.#attempt++);
    const until = Date.now() + delay;
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#onState({ kind: "waiting", until, refused: false });
    if (opened || !await this.#answersHttp()) return;
    // a page cannot see why its WebSocket was refused, but that the server is there
    if (this.#hello !== undefined && this.#socket === undefined) {
      this.#onState({ kind: "waiting", until, refused: true });
    }
  }

  async #answersHttp() {
    try {
      return (await fetch(this.#url, { method: "HEAD", cache: "no-store" })).ok;
    } catch {
      return false;
    }
  }

  /** A connection that is dead, as after a laptop's sleep, may take the browser many minutes to notice. */
  #beat() {
    if (this.#asked) return this.#lost(true);
    this.#asked = true;
    this.#send({ type: "ping" });
  }

  #receive(event) {
    this.#asked = false;
    if (event.type === "welcome") {
      this.#attempt = 0;
      this.#welcome = true;
      const known = new Set(event.history.map(({ id }) => id));
      this.#outbox = this.#outbox.filter(({ id }) => !known.has(id));
      this.#onState({ kind: "open", extensions: this.#socket.extensions });
      this.#sendFirst();
    }
    if (event.type === "refused" && event.why === "too_fast") {
      this.#retryTimer = setTimeout(() => this.#sendFirst(), event.retryAfter * 1000);
      return;
    }
    if (event.type === "said" || event.type === "refused") this.#settle(event.id);
    this.#onEvent(event);
  }

  /** What was said has arrived, or never will: the next one's turn. */
  #settle(id) {
    if (this.#outbox[0]?.id !== id) return;
    this.#outbox.shift();
    this.#sendFirst();
  }

  #sendFirst() {
    if (this.#outbox.length > 0) this.#send({ type: "say", ...this.#outbox[0] });
  }

  #send(request) {
    this.#socket.send(JSON.stringify(request));
  }
}
