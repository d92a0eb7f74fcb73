"use strict";

const OPTIONS = JSON.stringify({
  jsc: { parser: { syntax: "typescript" }, target: "es2020" },
  filename: "a.ts",
});

require("./canonical.js").run(
  (b) => b.transformSync("const a: number = 1", false, Buffer.from(OPTIONS)).code,
  "const a = 1;\n",
);
