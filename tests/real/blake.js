"use strict";

require("./canonical.js").run(
  (b) => {
    const key = Buffer.from([...Array(32).keys()]);
    const keyed = b.Blake3Hasher.newKeyed(key);
    keyed.update(Buffer.alloc(100000, 7)).update("é");
    const first = keyed.digest("hex");
    keyed.reset();
    const parameters = new b.Blake2BParam();
    parameters.hashLength = 20;
    return [
      b.blake3("hello").toString("hex"),
      first,
      keyed.digest("hex") === b.Blake3Hasher.newKeyed(key).digest("hex"),
      b.Blake3Hasher.deriveKey("context", Buffer.from("material")).length,
      b.Blake2BHasher.withParams(parameters).update("x").digestBuffer().toString("hex"),
    ];
  },
  [
    "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f",
    "605b3593f5e718e376c443372b4979a0a65a28daaee3cb860bae631c033a8134",
    true,
    32,
    "0909377ad35110cafb2909e185672b7f2728d1f5094f8ad68d6fac6274bf1f499485a80ea364c04ed006d29459ea3cb7c600280e2f83e032529906f88ae30d0a",
  ],
);
