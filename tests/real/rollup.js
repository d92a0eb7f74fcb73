"use strict";

require("./canonical.js").run(
  async (b) => {
    const tree = await b.parseAsync("let b=2", false, false);
    return [tree.length, b.xxhashBase16(Buffer.from("hello"))];
  },
  [132, "1838525eaacf79c77f3e1b07adc1e9b5"],
);
