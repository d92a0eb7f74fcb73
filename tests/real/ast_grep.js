"use strict";

require("./canonical.js").run(
  async (b) => {
    const { mkdtempSync, writeFileSync } = require("node:fs");
    const folder = mkdtempSync(`${require("node:os").tmpdir()}/ast-grep-`);
    writeFileSync(`${folder}/x.js`, "console.log(1); console.log(2)");
    const pattern = "console.log($A)";
    const root = b.parse("JavaScript", 'console.log("x")').root();
    const seen = [];
    const matcher = { rule: { pattern } };
    // The promise may be settled before what was found is told.
    let tell;
    const told = new Promise((resolve) => (tell = resolve));
    const count = await b.js.findInFiles({ paths: [folder], matcher }, (error, found) => {
      seen.push(found.map((node) => node.text()));
      tell();
    });
    await told;
    return [root.find(pattern).getMatch("A").text(), count, seen];
  },
  ['"x"', 1, [["console.log(1)", "console.log(2)"]]],
);
