// What the oracle scripts share: load the addon, run the row, check it, print it as canonical JSON.
//
// Canonical: bigints as decimal text, bytes as hexadecimal text, undefined as null; keys keep their
// order; no spaces.
"use strict";

const assert = require("node:assert");

function canonical(value) {
  if (typeof value === "bigint") return String(value);
  if (value === undefined) return null;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    const bytes = ArrayBuffer.isView(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : Buffer.from(value);
    return bytes.toString("hex");
  }
  if (Array.isArray(value)) return value.map(canonical);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, canonical(item)]));
  }
  return value;
}

// Runs `row(addon)`; its canonical form, or that of what it promises, must be `expected`, which is
// what the row documents.
exports.run = (row, expected) => {
  const addon = require(require("node:path").resolve(process.argv[2]));
  const check = (value) => {
    const result = canonical(value);
    assert.deepStrictEqual(result, expected);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  };
  const result = row(addon);
  if (result instanceof Promise) result.then(check);
  else check(result);
};
