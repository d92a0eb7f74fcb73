"use strict";

require("./canonical.js").run(
  async (b) => {
    const text = "abc".repeat(100);
    const compressed = b.compressSync(Buffer.from(text));
    const again = await b.compress(text);
    const back = b.uncompressSync(compressed).toString();
    return [compressed, compressed.equals(again), back === text];
  },
  ["2c0100003f6162630300ff1160616263616263", true, true],
);
