"use strict";

// The strings of a MessagePack message: an array of three, the last one with its length in a byte.
const message = Buffer.concat([
  Buffer.from([0x93, 0xa5]),
  Buffer.from("hello"),
  Buffer.from([0xa6]),
  Buffer.from("w\u00f6rld"),
  Buffer.from([0xd9, 40]),
  Buffer.alloc(40, "x"),
]);
const bytes = Uint8Array.from(message).buffer;

require("./canonical.js").run(
  (b) => [b.extractStrings(1, message.length, bytes), b.extractStrings(7, message.length, bytes)],
  [["hello", "w\u00f6rld", "x".repeat(40)], ["w\u00f6rld", "x".repeat(40)]],
);
