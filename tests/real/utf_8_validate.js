"use strict";

require("./canonical.js").run(
  (b) => [b(Buffer.from("h\u00e9llo")), b(Buffer.from([0xff, 0xfe]))],
  [true, false],
);
