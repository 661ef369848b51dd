/** Payloads that show when octets were lost, moved or cut. */
import { seeded } from "../helpers/bytes.ts";

/** Text of exactly so many octets, made of characters of 1 to 4 octets in no order: cut it anywhere, it cuts some. */
export function mixedText(length: number): Uint8Array {
  return once(`text ${length}`, () => makeText(length));
}

function makeText(length: number): Uint8Array {
  const random = seeded(length);
  const characters = ["a", "é", "€", "𝄞", "\u0000", "߿", "￿", "\u{10ffff}"].map((character) =>
    new TextEncoder().encode(character)
  );
  const octets = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const character = characters[random(characters.length)]!;
    if (at + character.length > length) octets[at++] = 0x2e;
    else {
      octets.set(character, at);
      at += character.length;
    }
  }
  return octets;
}

/** Octets of every value in no order, the same in every run. */
export function noise(length: number): Uint8Array {
  const random = seeded(length);
  return once(`noise ${length}`, () => Uint8Array.from({ length }, () => random(256)));
}

const made = new Map<string, Uint8Array>();

/** What is the same in many rows is made once. */
function once(name: string, make: () => Uint8Array): Uint8Array {
  const payload = made.get(name) ?? make();
  made.set(name, payload);
  return payload;
}
