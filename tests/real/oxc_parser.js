"use strict";

require("./canonical.js").run(
  async (b) => {
    const program = JSON.parse((await b.parse("a.js", "let x")).program);
    return (program.node ?? program).type;
  },
  "Program",
);
