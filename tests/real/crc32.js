"use strict";

require("./canonical.js").run(
  (b) => [b.crc32("hello"), b.crc32c(Buffer.from("hello")), b.crc32("lo", b.crc32("hel"))],
  [907060870, 2591144780, 907060870],
);
