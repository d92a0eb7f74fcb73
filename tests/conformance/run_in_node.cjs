// Runs one script of operations in Node. Standard input: {"addon": path, "source": text}.
//
// The first line of standard output is the list of lines that the script returned, as JSON. What
// follows was written by the addon while the process ended.
"use strict";

const fs = require("node:fs");
const vm = require("node:vm");

const { addon, source } = JSON.parse(fs.readFileSync(0, "utf8"));
globalThis.addon = require(addon);
const lines = vm.runInThisContext(source, { filename: "operations.js" });
const write = (all) => fs.writeSync(1, `${JSON.stringify(all)}\n`);
// Without a promise it is written at once: what the addon writes at the end comes after it.
if (lines instanceof Promise) lines.then(write);
else write(lines);
