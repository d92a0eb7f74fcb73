"use strict";

const PAGE = "<html><head><style>p{color:red}</style></head><body><p>x</p></body></html>";

require("./canonical.js").run(
  (b) => b.inline(PAGE),
  '<html><head></head><body><p style="color: red;">x</p></body></html>',
);
