import { assert, assertEquals, assertThrows } from "@std/assert";
import { WsHandshakeError } from "../../handshake/error.ts";
import { type Extension, parseExtensions } from "../../handshake/extensions.ts";
import { isToken } from "../../handshake/head.ts";
import { seeded } from "../helpers/bytes.ts";

/** Extensions as short as they can be written, which reads back as the same. */
function print(extensions: Extension[]): string {
  return extensions.map(({ name, params }) =>
    [name, ...params.map(({ name, value }) => value === undefined ? name : `${name}=${value}`)]
      .join(";")
  ).join();
}

for (
  const [header, printed] of [
    // RFC 6455 §9.1
    ["foo", "foo"],
    ["foo, bar; baz=2", "foo,bar;baz=2"],
    ["deflate-stream", "deflate-stream"],
    [
      "mux; max-channels=4; flow-control, deflate-stream",
      "mux;max-channels=4;flow-control,deflate-stream",
    ],
    ["private-extension", "private-extension"],
    // RFC 7692 §5
    ["permessage-foo; x=10", "permessage-foo;x=10"],
    ['permessage-foo; x="10"', "permessage-foo;x=10"],
    ["permessage-foo, permessage-bar", "permessage-foo,permessage-bar"],
    ["permessage-foo; use_y, permessage-foo", "permessage-foo;use_y,permessage-foo"],
    // white space, or none
    ["foo;a=1,bar", "foo;a=1,bar"],
    [" \tfoo\t ;\ta =\t1 , bar\t", "foo;a=1,bar"],
    ['foo ; a = "1" ; b', "foo;a=1;b"],
    // names come as they are, and may come again
    ["Foo; A=x; a; A=y", "Foo;A=x;a;A=y"],
    ["foo;__proto__=1;constructor", "foo;__proto__=1;constructor"],
    ["!#$%&'*+-.^_`|~09azAZ;~=~", "!#$%&'*+-.^_`|~09azAZ;~=~"],
    // empty elements
    [",foo", "foo"],
    ["foo,", "foo"],
    [" , ,,foo;a,, ,bar, \t", "foo;a,bar"],
    // quoted-pairs
    ['foo; a="\\1\\0"; b="x\\y"', "foo;a=10;b=xy"],
  ] as const
) {
  Deno.test(`RFC 6455 §9.1: ${header} is read`, () => {
    assertEquals(print(parseExtensions(header)), printed);
    assertEquals(parseExtensions(printed), parseExtensions(header));
  });
}

Deno.test("no value, a value and a quoted value are told apart", () => {
  assertEquals(parseExtensions('foo; a; b=c; d="e"'), [{
    name: "foo",
    params: [
      { name: "a", value: undefined },
      { name: "b", value: "c" },
      { name: "d", value: "e" },
    ],
  }]);
});

for (
  const [header, expected, found] of [
    ["", "an extension", "its end"],
    [" , ,", "an extension", "its end"],
    [";", "a token", '";" at character 1'],
    ["foo;", "a token", "its end"],
    ["foo;;a", "a token", '";a" at character 5'],
    ["foo; ,bar", "a token", '",bar" at character 6'],
    ["foo bar", '";" or ","', '"bar" at character 5'],
    ["foo=bar", '";" or ","', '"=bar" at character 4'],
    ['"foo"', "a token", '"\\"foo\\"" at character 1'],
    ["foo; =1", "a token", '"=1" at character 6'],
    ["foo; a=", "a token", "its end"],
    ["foo; a=,bar", "a token", '",bar" at character 8'],
    ["foo; a=1=2", '";" or ","', '"=2" at character 9'],
    ["foo; a=1 2", '";" or ","', '"2" at character 10'],
    ["foo; a b", '";" or ","', '"b" at character 8'],
    ['foo; "a"', "a token", '"\\"a\\"" at character 6'],
    ['foo; a="1"2', '";" or ","', '"2" at character 11'],
    ['foo; a=1"2"', '";" or ","', '"\\"2\\"" at character 9'],
    ['foo; a="1', "a closing quote", "its end"],
    ['foo; a="', "a closing quote", "its end"],
    ['foo; a="1\\', "a closing quote", "its end"],
    ['foo; a="1\\"', "a token in quotes", '"\\"" at character 11'],
    ['foo; a=""', "a token in quotes", '"\\"" at character 9'],
    ['foo; a="1 2"', "a token in quotes", '" 2\\"" at character 10'],
    ['foo; a="1,2"', "a token in quotes", '",2\\"" at character 10'],
    ['foo; a="\\\\"', "a token in quotes", '"\\\\\\"" at character 10'],
    ["foo; a='1 2'", '";" or ","', `"2'" at character 11`],
    ["foo\xa0", '";" or ","', '"\xa0" at character 4'],
    ["caf\xe9", '";" or ","', '"\xe9" at character 4'],
    ["foo\r\n bar", '";" or ","', '"\\r\\n bar" at character 4'],
    ["foo/1", '";" or ","', '"/1" at character 4'],
    ["foo, \0", "a token", '"\\u0000" at character 6'],
    ["foo bar" + "x".repeat(10_000), '";" or ","', `"bar${"x".repeat(17)}" at character 5`],
  ] as const
) {
  Deno.test(`400: ${JSON.stringify(header.slice(0, 40))} is malformed`, () => {
    const error = assertThrows(() => parseExtensions(header), WsHandshakeError);
    assertEquals(error.status, 400);
    assertEquals(
      error.message,
      `Sec-WebSocket-Extensions is malformed: expected ${expected}, found ${found}`,
    );
  });
}

Deno.test("whatever comes is either read, as tokens that read back the same, or malformed", () => {
  const random = seeded(71);
  const good = [", foo", ",bar ;a", "; a", ";\ta=1", '; a = "b"', ';a="\\1\\0"', " ,", "\t"];
  const noise = ["foo", ",", ";", "=", '"', "\\", "\xe9", "\0", "("];
  let read = 0, malformed = 0;
  for (let round = 0; round < 20_000; round++) {
    let header = "foo";
    for (let length = random(10); length > 0; length--) {
      const pieces = random(10) === 0 ? noise : good;
      header += pieces[random(pieces.length)];
    }
    try {
      const extensions = parseExtensions(header);
      for (const { name, params } of extensions) {
        assert(isToken(name), header);
        for (const { name, value = "none" } of params) assert(isToken(name) && isToken(value));
      }
      assertEquals(parseExtensions(print(extensions)), extensions);
      read++;
    } catch (error) {
      if (!(error instanceof WsHandshakeError)) throw error;
      assertEquals(error.status, 400);
      malformed++;
    }
  }
  assert(read > 5000 && malformed > 5000, `${read} read, ${malformed} malformed`);
});

Deno.test("reading takes time that grows no faster than the header", () => {
  const time = (header: string) => {
    let best = Infinity;
    for (let round = 0; round < 5; round++) {
      const start = performance.now();
      try {
        parseExtensions(header);
      } catch (error) {
        if (!(error instanceof WsHandshakeError)) throw error;
      }
      best = Math.min(best, performance.now() - start);
    }
    return best;
  };
  for (const piece of [",", " ", "foo,", "a;b=c;", 'a;b="c",', 'a;b="\\c",', "x", '";'.repeat(2)]) {
    for (const start of ["", "a", 'a;b="', "a;b="]) {
      const long = (length: number) => start + piece.repeat(length / piece.length);
      time(long(20_000));
      const ratio = time(long(320_000)) / time(long(20_000));
      assert(
        !(ratio > 100),
        `${start}${piece}…: 16 times the header took ${ratio} times as long; quadratic is 256`,
      );
    }
  }
});
