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
