// Runs fuzz programs in Node. Standard input: {"addon": path, "source": text}, a line each time;
// standard output: the logs as JSON, a line each time.
"use strict";

const readline = require("node:readline");
const vm = require("node:vm");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { addon, source } = JSON.parse(line);
  globalThis.addon = require(addon);
  process.stdout.write(`${JSON.stringify(vm.runInThisContext(source, { filename: "fuzz.js" }))}\n`);
});
