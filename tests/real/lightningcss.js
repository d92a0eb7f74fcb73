"use strict";

require("./canonical.js").run(
  (b) => {
    const sheet = b.transform({
      filename: "a.css",
      code: Buffer.from(".a{color:yellow;width:calc(1px + 2px)}"),
      minify: true,
    });
    const doubled = b.transform({
      filename: "a.css",
      code: Buffer.from(".a{width:10px}"),
      minify: true,
      visitor: { Length: (length) => ({ unit: length.unit, value: length.value * 2 }) },
    });
    return [sheet.code.toString(), doubled.code.toString()];
  },
  [".a{color:#ff0;width:3px}", ".a{width:20px}"],
);
