/** Stand-ins for `@std/assert`, for machines without JSR: see ../../registry.ts. */
import { inspect, isDeepStrictEqual } from "node:util";

/** What a failed assertion throws. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

// deno-lint-ignore no-explicit-any
type Constructor<T> = abstract new (...args: any[]) => T;

function check(ok: boolean, what: string, message?: string): asserts ok {
  if (!ok) throw new AssertionError(message === undefined ? what : `${what}: ${message}`);
}

export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(expr: unknown, msg = ""): asserts expr is false {
  if (expr) throw new AssertionError(msg);
}

export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${msg === undefined ? "." : `: ${msg}`}`);
}

export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  check(
    isDeepStrictEqual(actual, expected),
    `Values are not equal.\n  actual: ${inspect(actual)}\n  expected: ${inspect(expected)}`,
    msg,
  );
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  check(!isDeepStrictEqual(actual, expected), `Expected not to equal: ${inspect(actual)}`, msg);
}

export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  check(
    Object.is(actual, expected),
    `Values are not strictly equal.\n  actual: ${inspect(actual)}\n  expected: ${
      inspect(expected)
    }`,
    msg,
  );
}

export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  check(actual !== undefined && actual !== null, `Expected not to be null or undefined`, msg);
}

export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  check(expected.test(actual), `Expected ${inspect(actual)} to match ${expected}`, msg);
}

export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  check(
    actual.includes(expected),
    `Expected ${inspect(actual)} to include ${inspect(expected)}`,
    msg,
  );
}

export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  check(actual > expected, `Expected ${inspect(actual)} > ${inspect(expected)}`, msg);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  check(actual >= expected, `Expected ${inspect(actual)} >= ${inspect(expected)}`, msg);
}

export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  check(actual < expected, `Expected ${inspect(actual)} < ${inspect(expected)}`, msg);
}

export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  check(actual <= expected, `Expected ${inspect(actual)} <= ${inspect(expected)}`, msg);
}

export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: Constructor<T>,
  msg?: string,
): asserts actual is T {
  check(
    actual instanceof expectedType,
    `Expected ${inspect(actual)} to be an instance of ${expectedType.name}`,
    msg,
  );
}

export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Constructor<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  check(error instanceof Error, `Expected an Error, got ${inspect(error)}`, msg);
  if (ErrorClass !== undefined) assertInstanceOf(error, ErrorClass, msg);
  if (msgMatches !== undefined) {
    check(
      typeof msgMatches === "string"
        ? error.message.includes(msgMatches)
        : msgMatches.test(error.message),
      `Expected the error message to include ${inspect(msgMatches)}, but got ${
        inspect(error.message)
      }`,
      msg,
    );
  }
}

export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass?: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E {
  try {
    fn();
  } catch (error) {
    assertIsError(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new AssertionError(`Expected function to throw${msg === undefined ? "." : `: ${msg}`}`);
}

export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass?: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E> {
  let result;
  try {
    result = fn();
    await result;
  } catch (error) {
    if (result === undefined) throw new AssertionError("Function throws when expected to reject.");
    assertIsError(error, ErrorClass, msgIncludes, msg);
    return error;
  }
  throw new AssertionError(`Expected function to reject${msg === undefined ? "." : `: ${msg}`}`);
}
