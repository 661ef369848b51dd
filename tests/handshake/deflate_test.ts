import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  acceptOffer,
  checkAnswer,
  type CompressionOptions,
  type DeflateParameters,
  type DeflateSettings,
  deflateSettings,
  formatOffer,
} from "../../handshake/deflate.ts";
import { WsHandshakeError } from "../../handshake/error.ts";

const ON = "permessage-deflate";

/** Short words for the four parameters, of which the tables below are made: as sent, and as options. */
const WORDS = {
  "server-fresh": ["server_no_context_takeover", "serverNoContextTakeover"],
  "client-fresh": ["client_no_context_takeover", "clientNoContextTakeover"],
  server: ["server_max_window_bits", "serverMaxWindowBits"],
  client: ["client_max_window_bits", "clientMaxWindowBits"],
} as const;

function words(text: string): { sent: string; option: string; value: string | undefined }[] {
  return text.split(" ").filter((word) => word !== "").map((word) => {
    const [short, value] = word.split("=");
    const [sent, option] = WORDS[short as keyof typeof WORDS];
    return { sent, option, value };
  });
}

/** "server=9 client" as it is sent: "permessage-deflate; server_max_window_bits=9; client_max_window_bits". */
function wire(text: string): string {
  const params = words(text).map(({ sent, value }) =>
    value === undefined ? sent : `${sent}=${value}`
  );
  return [ON, ...params].join("; ");
}

/** "server=9 client-fresh" as it is set; what is not named is left at its default. */
function settings(text = ""): DeflateSettings {
  return deflateSettings(Object.fromEntries(
    words(text).map(({ option, value }) => [option, value === undefined ? true : Number(value)]),
  ))!;
}

/** "server=9 client-fresh" as it is agreed on. */
function parameters(text: string): DeflateParameters {
  const { threshold: _, level: __, memLevel: ___, ...parameters } = settings(text);
  return parameters;
}

/** Parameters that are wrong wherever they stand. */
const WRONG = [
  "foo",
  "foo=1",
  "__proto__",
  "Server_No_Context_Takeover",
  "server_no_context_takeover=true",
  "server_no_context_takeover=15",
  "client_no_context_takeover=1",
  "server_no_context_takeover; server_no_context_takeover",
  "client_no_context_takeover; client_no_context_takeover",
  "server_max_window_bits",
  "server_max_window_bits=10; server_max_window_bits=10",
  "client_max_window_bits=10; client_max_window_bits=10",
  "client_max_window_bits; client_max_window_bits",
  ..."0 7 16 010 08 1e1 0xa 10.0 8.5 +10 -10 ten 100000 NaN".split(" ").flatMap((bits) => [
    `server_max_window_bits=${bits}`,
    `client_max_window_bits=${bits}`,
  ]),
];

Deno.test("compression is off, on with its defaults, or as it is set", () => {
  assertEquals(deflateSettings(undefined), undefined);
  assertEquals(deflateSettings(false), undefined);
  const defaults: DeflateSettings = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
    threshold: 1024,
    level: 6,
    memLevel: 8,
  };
  assertEquals(deflateSettings(true), defaults);
  assertEquals(deflateSettings({}), defaults);
  assertEquals(deflateSettings({ level: undefined, threshold: undefined }), defaults);
  const most: DeflateSettings = {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 8,
    clientMaxWindowBits: 8,
    threshold: 0,
    level: 0,
    memLevel: 1,
  };
  assertEquals(deflateSettings(most), most);
  const least = { level: 9, memLevel: 9, threshold: Infinity };
  assertEquals(deflateSettings(least), { ...defaults, ...least });
});

for (
  const [options, message] of [
    [{ serverMaxWindowBits: 7 }, "serverMaxWindowBits must be an integer from 8 to 15: "],
    [{ serverMaxWindowBits: 16 }, "serverMaxWindowBits must be an integer from 8 to 15: "],
    [{ clientMaxWindowBits: 0 }, "clientMaxWindowBits must be an integer from 8 to 15: "],
    [{ clientMaxWindowBits: 9.5 }, "clientMaxWindowBits must be an integer from 8 to 15: "],
    [{ clientMaxWindowBits: NaN }, "clientMaxWindowBits must be an integer from 8 to 15: "],
    [{ level: -1 }, "level must be an integer from 0 to 9: "],
    [{ level: 10 }, "level must be an integer from 0 to 9: "],
    [{ memLevel: 0 }, "memLevel must be an integer from 1 to 9: "],
    [{ memLevel: 10 }, "memLevel must be an integer from 1 to 9: "],
    [{ threshold: -1 }, "threshold must be a number of bytes: "],
    [{ threshold: NaN }, "threshold must be a number of bytes: "],
  ] as [CompressionOptions, string][]
) {
  const [value] = Object.values(options);
  Deno.test(`a RangeError says what is wrong: ${Object.keys(options)} ${value}`, () => {
    const error = assertThrows(() => deflateSettings(options), RangeError);
    assertEquals(error.message, `compression.${message}current value is ${value}`);
  });
}

Deno.test("RFC 7692 §7.1: what a client offers", () => {
  for (
    const [set, offer] of [
      ["", "client"],
      ["client=10", "client=10"],
      ["server=8", "server=8 client"],
      ["server-fresh", "server-fresh client"],
      ["client-fresh", "client-fresh client"],
      [
        "client=9 server=14 client-fresh server-fresh",
        "server-fresh client-fresh server=14 client=9",
      ],
    ] as const
  ) {
    assertEquals(formatOffer(settings(set)), wire(offer));
  }
  assertEquals(
    formatOffer(settings("server-fresh server=10")),
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits",
  );
});

for (
  const [offer, set, answer, agreed] of [
    ["", "", "", ""],
    // §7.1.1.1
    ["server-fresh", "", "server-fresh", "server-fresh"],
    ["", "server-fresh", "server-fresh", "server-fresh"],
    ["server-fresh", "server-fresh", "server-fresh", "server-fresh"],
    // §7.1.1.2
    ["client-fresh", "", "client-fresh", "client-fresh"],
    ["", "client-fresh", "client-fresh", "client-fresh"],
    ["client-fresh", "client-fresh", "client-fresh", "client-fresh"],
    // §7.1.2.1
    ["", "server=9", "server=9", "server=9"],
    ["server=10", "", "server=10", "server=10"],
    ["server=15", "", "server=15", "server=15"],
    ["server=12", "server=10", "server=10", "server=10"],
    ["server=8", "server=10", "server=8", "server=8"],
    // §7.1.2.2
    ["client", "", "", ""],
    ["client", "client=11", "client=11", "client=11"],
    ["client=10", "", "client=10", "client=10"],
    ["client=15", "", "client=15", "client=15"],
    ["client=12", "client=11", "client=11", "client=11"],
    ["client=8", "client=11", "client=8", "client=8"],
    // together
    [
      "client=9 server-fresh server=12",
      "client-fresh server=10",
      "server-fresh client-fresh server=10 client=9",
      "server-fresh client-fresh server=10 client=9",
    ],
  ] as const
) {
  Deno.test(`RFC 7692 §7.1: a server set to "${set}" accepts "${offer}"`, () => {
    assertEquals(acceptOffer(wire(offer), settings(set)), {
      answer: wire(answer),
      parameters: parameters(agreed),
    });
  });
}

for (
  const [offers, set, answer] of [
    // §7.1.3: the RFC's own
    [ON, "", ""],
    [`${ON}; client_max_window_bits; server_max_window_bits=10`, "", "server=10"],
    [
      `${ON}; client_max_window_bits; server_max_window_bits=10, ${ON}; client_max_window_bits`,
      "",
      "server=10",
    ],
    // others, in whatever form
    [`foo; bar, ${ON} ;client_max_window_bits="9", x-webkit-deflate-frame`, "", "client=9"],
    [`${ON}, ${ON}; client_max_window_bits`, "client=11", "client=11"],
    [
      `${ON}; foo, ${ON}; client_max_window_bits=16, ${ON};server_max_window_bits = 8`,
      "",
      "server=8",
    ],
    [`${ON}, ${ON}; server_no_context_takeover, ${ON}; foo`, "", ""],
  ] as const
) {
  Deno.test(`RFC 7692 §5: the server takes the first offer that it can: ${offers}`, () => {
    assertEquals(acceptOffer(offers, settings(set)), {
      answer: wire(answer),
      parameters: parameters(answer),
    });
  });
}

Deno.test("RFC 7692 §7: the server declines what it cannot accept, and takes the next offer", () => {
  for (const wrong of WRONG) {
    const offer = `${ON}; ${wrong}`;
    assertEquals(acceptOffer(offer, settings()), undefined, offer);
    assertEquals(acceptOffer(`foo, ${offer}, bar; ${wrong}`, settings()), undefined, offer);
    const withFallback = `${offer}, ${ON}; server_max_window_bits=9`;
    assertEquals(acceptOffer(withFallback, settings()), {
      answer: wire("server=9"),
      parameters: parameters("server=9"),
    }, offer);
  }
});

Deno.test("RFC 7692 §7.1.2.2: a client that cannot limit its window is declined if it would have to", () => {
  const limited = settings("client=14");
  for (const offer of [ON, wire("server=10 client-fresh")]) {
    assertEquals(acceptOffer(offer, limited), undefined);
    assert(acceptOffer(`${offer}; client_max_window_bits`, limited));
    assert(acceptOffer(offer, settings("client=15")));
  }
});

Deno.test("the server accepts nothing where permessage-deflate is not offered", () => {
  for (
    const offer of [null, "foo", "deflate", "Permessage-Deflate", "x; permessage-deflate", "foo, x"]
  ) {
    assertEquals(acceptOffer(offer, settings()), undefined);
  }
});

Deno.test("RFC 6455 §9.1: the server refuses with 400 what breaks the grammar, even behind a good offer", () => {
  for (const offer of ["", `${ON};`, `${ON}; =`, `${ON}, "`, `${ON} ${ON}`, `${ON}=1`]) {
    const error = assertThrows(() => acceptOffer(offer, settings()), WsHandshakeError, "malformed");
    assertEquals(error.status, 400);
  }
});

for (
  const [set, answer, agreed] of [
    ["", "", ""],
    // §7.1.1.1
    ["", "server-fresh", "server-fresh"],
    ["server-fresh", "server-fresh", "server-fresh"],
    // §7.1.1.2; a hint that the server passes over has been given all the same
    ["", "client-fresh", "client-fresh"],
    ["client-fresh", "client-fresh", "client-fresh"],
    ["client-fresh", "", "client-fresh"],
    // §7.1.2.1
    ["", "server=8", "server=8"],
    ["", "server=15", "server=15"],
    ["server=10", "server=10", "server=10"],
    ["server=10", "server=9", "server=9"],
    // §7.1.2.2; likewise
    ["", "client=10", "client=10"],
    ["", "client=15", "client=15"],
    ["client=10", "client=10", "client=10"],
    ["client=10", "client=8", "client=8"],
    ["client=10", "", "client=10"],
    // together
    [
      "client-fresh server=12",
      "client=9 server-fresh server=10",
      "server-fresh client-fresh server=10 client=9",
    ],
  ] as const
) {
  Deno.test(`RFC 7692 §7.1: a client set to "${set}" takes the answer "${answer}"`, () => {
    assertEquals(checkAnswer(wire(answer), settings(set)), parameters(agreed));
  });
}

Deno.test("the client takes an answer in whatever form the grammar allows", () => {
  assertEquals(
    checkAnswer(`, ${ON} ;server_max_window_bits = "9" ,`, settings()),
    parameters("server=9"),
  );
});

function assertFails(answer: string, set: string, message: string) {
  const error = assertThrows(() => checkAnswer(answer, settings(set)), WsHandshakeError);
  assertEquals([error.status, error.message], [101, message]);
}

for (
  const [set, answer, why] of [
    // RFC 6455 §4.1
    ["", "foo", "expected permessage-deflate alone"],
    ["", `${ON}, foo`, "expected permessage-deflate alone"],
    ["", `foo, ${ON}`, "expected permessage-deflate alone"],
    ["", `${ON}, ${ON}`, "expected permessage-deflate alone"],
    ["", "Permessage-Deflate", "expected permessage-deflate alone"],
    // RFC 7692 §7
    ["", `${ON}; foo=1`, "foo is not a parameter of permessage-deflate"],
    ["", wire("server=9 server=9"), "server_max_window_bits is repeated"],
    // §7.1.1.1
    ["", wire("server-fresh=1"), "server_no_context_takeover cannot have a value"],
    ["server-fresh", ON, "server_no_context_takeover was offered and is missing"],
    [
      "server-fresh client-fresh",
      wire("client-fresh"),
      "server_no_context_takeover was offered and is missing",
    ],
    // §7.1.2.1
    ["", wire("server"), "server_max_window_bits must be from 8 to 15, without leading zeros"],
    ["server=10", wire("server=11"), "server_max_window_bits can be 10 at most, as was offered"],
    ["server=10", wire("client=10"), "server_max_window_bits=10 was offered and is missing"],
    // §7.1.2.2
    ["", wire("client"), "client_max_window_bits must have a value"],
    ["", wire("client=08"), "client_max_window_bits must be from 8 to 15, without leading zeros"],
    ["client=10", wire("client=11"), "client_max_window_bits can be 10 at most, as was offered"],
  ] as const
) {
  Deno.test(`RFC 7692 §7.1: a client set to "${set}" fails the connection on ${answer}`, () => {
    assertFails(
      answer,
      set,
      `The server's Sec-WebSocket-Extensions header is ${JSON.stringify(answer)}: ${why}`,
    );
  });
}

Deno.test("RFC 7692 §7: the client fails on every wrong parameter that the server declines", () => {
  for (const wrong of WRONG) {
    for (const answer of [`${ON}; ${wrong}`, `${ON}; client_no_context_takeover; ${wrong}`]) {
      const error = assertThrows(() => checkAnswer(answer, settings()), WsHandshakeError, answer);
      assertEquals(error.status, 101);
    }
  }
});

Deno.test("the client fails on what breaks the grammar, and shows no more of it than is useful", () => {
  assertFails(
    "",
    "",
    "Sec-WebSocket-Extensions is malformed: expected an extension, found its end",
  );
  assertFails(
    `${ON}; ;`,
    "",
    'Sec-WebSocket-Extensions is malformed: expected a token, found ";" at character 21',
  );
  for (const long of [`foo; ${"x".repeat(10_000)}`, `${ON}; ${"x".repeat(10_000)}`]) {
    const error = assertThrows(() => checkAnswer(long, settings()), WsHandshakeError, ON);
    assert(error.message.length < 400, `${error.message.length} characters`);
  }
});

/** All settings of context takeover and windows of 8, 10 and 15 bits: 36. */
const COMBINATIONS = ["", "server-fresh", "client-fresh", "server-fresh client-fresh"].flatMap(
  (fresh) =>
    [8, 10, 15].flatMap((server) =>
      [8, 10, 15].map((client) => settings(`${fresh} server=${server} client=${client}`))
    ),
);

Deno.test("any client and any server agree on the tighter of their settings, or not at all", () => {
  const without = "; client_max_window_bits";
  let agreements = 0, declined = 0;
  for (const client of COMBINATIONS) {
    for (const server of COMBINATIONS) {
      const expected: DeflateParameters = {
        serverNoContextTakeover: client.serverNoContextTakeover || server.serverNoContextTakeover,
        clientNoContextTakeover: client.clientNoContextTakeover || server.clientNoContextTakeover,
        serverMaxWindowBits: Math.min(client.serverMaxWindowBits, server.serverMaxWindowBits),
        clientMaxWindowBits: Math.min(client.clientMaxWindowBits, server.clientMaxWindowBits),
      };
      const offer = formatOffer(client);
      const choice = acceptOffer(offer, server);
      assertEquals(choice?.parameters, expected, offer);
      assertEquals(checkAnswer(choice!.answer, client), expected, choice!.answer);
      agreements++;

      // a client that cannot limit its window, as some cannot
      if (!offer.endsWith(without)) continue;
      const plain = acceptOffer(offer.slice(0, -without.length), server);
      if (server.clientMaxWindowBits < 15) {
        assertEquals(plain, undefined);
        declined++;
      } else {
        assertEquals(plain?.parameters, expected);
        assert(!plain!.answer.includes("client_max_window_bits"), plain!.answer);
        assertEquals(checkAnswer(plain!.answer, client), expected);
      }
    }
  }
  assertEquals([agreements, declined], [1296, 288]);
});
