"use strict";

require("./canonical.js").run(
  (b) => {
    const mask = Buffer.from([1, 2, 3, 4]);
    const out = Buffer.alloc(5);
    b.mask(Buffer.from("hello"), mask, out, 0, 5);
    const masked = Buffer.from(out);
    b.unmask(out, mask);
    return [masked, out.toString()];
  },
  ["69676f686e", "hello"],
);
