import { WsConn } from "./conn.ts";

/**
 * Whether `x` is a connection of this module, open or not.
 *
 * @param x Anything.
 * @returns Whether it is a {@linkcode WsConn}.
 *
 * @example
 * ```ts
 * import { isWsConn } from "@wsconn/ws";
 * import { assert } from "@std/assert";
 *
 * assert(!isWsConn({}));
 * ```
 */
export function isWsConn(x: unknown): x is WsConn {
  return x instanceof WsConn;
}

/**
 * Whether `x` is a connection of this module that messages can be sent on.
 *
 * @param x Anything.
 * @returns Whether it is a {@linkcode WsConn} that is not `closed`.
 *
 * @example
 * ```ts
 * import { isOpenWsConn } from "@wsconn/ws";
 * import { assert } from "@std/assert";
 *
 * assert(!isOpenWsConn(undefined));
 * ```
 */
export function isOpenWsConn(x: unknown): x is WsConn {
  return isWsConn(x) && !x.closed;
}

/**
 * Whether `x` is a `URL` object with the scheme `ws:`.
 *
 * @param x Anything; a string is no `URL`.
 * @returns Whether it is one.
 *
 * @example
 * ```ts
 * import { isWsUrl } from "@wsconn/ws";
 * import { assert } from "@std/assert";
 *
 * assert(isWsUrl(new URL("ws://localhost/")));
 * assert(!isWsUrl("ws://localhost/"));
 * ```
 */
export function isWsUrl(x: unknown): x is URL {
  return x instanceof URL && x.protocol === "ws:";
}

/**
 * Whether `x` is a `URL` object with the scheme `wss:`.
 *
 * @param x Anything; a string is no `URL`.
 * @returns Whether it is one.
 *
 * @example
 * ```ts
 * import { isWssUrl } from "@wsconn/ws";
 * import { assert } from "@std/assert";
 *
 * assert(isWssUrl(new URL("wss://localhost/")));
 * assert(!isWssUrl(new URL("ws://localhost/")));
 * ```
 */
export function isWssUrl(x: unknown): x is URL {
  return x instanceof URL && x.protocol === "wss:";
}
