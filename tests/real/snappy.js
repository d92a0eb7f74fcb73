"use strict";

require("./canonical.js").run(
  async (b) => {
    const text = "abc".repeat(100);
    const compressed = b.compressSync(Buffer.from(text));
    const again = await b.compress(text);
    const back = await b.uncompress(compressed, { asBuffer: false });
    return [compressed, compressed.equals(again), back === text];
  },
  ["ac0208616263fe0300fe0300fe0300fe0300a20300", true, true],
);
