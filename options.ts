/** How a connection behaves once it is open: options that the client and the server share. */
export interface WsConnOptions {
  /** How long `close` waits for the peer to answer, in seconds. Default: 10. */
  closeTimeout?: number | undefined;
  /** The longest message that is taken, in bytes; a longer one ends the connection with 1009. Default: 16 MiB. */
  maxMessageSize?: number | undefined;
}

/** {@linkcode WsConnOptions}, checked, with the defaults filled in. */
export interface ConnLimits {
  /** In seconds. */
  readonly closeTimeout: number;
  /** In bytes. */
  readonly maxMessageSize: number;
}

/** Checks the options of a connection; throws a `RangeError` that names the one that is wrong. */
export function connLimits(options: WsConnOptions): ConnLimits {
  const { maxMessageSize = 16 * 1024 * 1024 } = options;
  if (!(maxMessageSize >= 0)) {
    throw new RangeError(
      `maxMessageSize must be a number of bytes: current value is ${maxMessageSize}`,
    );
  }
  return { closeTimeout: seconds("closeTimeout", options.closeTimeout, 10), maxMessageSize };
}

/** The longest time that a timer of the runtime can wait. */
const MAX_SECONDS = 2147483;

/** Checks an option that is a time in seconds; longer than a timer can wait is as long as it can. */
export function seconds(name: string, value: number | undefined, standard: number): number {
  if (value === undefined) return standard;
  if (!(value >= 0)) {
    throw new RangeError(`${name} must be a number of seconds: current value is ${value}`);
  }
  return Math.min(value, MAX_SECONDS);
}
