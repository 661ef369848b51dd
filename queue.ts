import type { WsMessage } from "./framing/mod.ts";

/** Unread messages up to which a connection reads ahead, and unwritten bytes up to which a send does not wait. */
export const HIGH_WATER: number = 64 * 1024;
/** What a message weighs in a queue besides its content, so that empty ones cannot pile up without end. */
export const MESSAGE_WEIGHT = 32;

/** How the messages of a connection wait. */
export const MESSAGE_QUEUE: QueuingStrategy<WsMessage> = {
  highWaterMark: HIGH_WATER,
  size: ({ length }) => length + MESSAGE_WEIGHT,
};
