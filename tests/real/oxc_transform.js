"use strict";

require("./canonical.js").run(
  (b) => [
    b.transformSync("a.ts", "const a: number = 1").code,
    b.isolatedDeclarationSync("a.ts", "export const a: number = 1").code,
  ],
  ["const a = 1;\n", "export declare const a: number;\n"],
);
