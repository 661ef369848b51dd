/**
 * How the drafts of 2010 frame a message. `"old"`: 0x00, the text, 0xFF. `"new"`: a type byte, an 8-byte length, the text.
 * RFC 6455 connections know neither.
 */
export type FramingMode = "old" | "new";

let current: FramingMode = "old";

/**
 * Reads or sets the framing that connections of the drafts before RFC 6455 get, as Racket's parameter of that name does.
 * `options.framing` overrides it for one call. Needs no permission.
 *
 * @returns The mode in force.
 *
 * @example
 * ```ts
 * import { framingMode } from "@wsconn/ws";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(framingMode(), "old");
 * framingMode("new");
 * assertEquals(framingMode(), "new");
 * framingMode("old");
 * ```
 */
export function framingMode(): FramingMode;
/**
 * Sets the framing that connections of the drafts get when they are made from now on.
 *
 * @param mode The mode.
 * @throws {TypeError} If it is neither "old" nor "new".
 */
export function framingMode(mode: FramingMode): void;
export function framingMode(mode?: FramingMode): FramingMode | void {
  if (mode === undefined) return current;
  if (mode !== "old" && mode !== "new") {
    throw new TypeError(`Cannot set framing mode: current value is ${JSON.stringify(mode)}`);
  }
  current = mode;
}
