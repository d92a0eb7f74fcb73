"use strict";

require("./canonical.js").run(
  async (b) => {
    const libc = b.load("libc.so.6");
    // It reads behind the callback info to learn how functions without parameters find their data.
    const rand = libc.func("rand", "int", []);
    libc.func("srand", "void", ["uint"])(1);
    const abs = libc.func("int abs(int)");
    const later = await new Promise((resolve) => abs.async(-9, (error, result) => resolve([error, result])));
    const pair = b.struct("div_t", { quot: "int", rem: "int" });
    const quotient = libc.func("div", pair, ["int", "int"])(17, 5);
    b.proto("int Compare(const void *left, const void *right)");
    const sort = libc.func("void qsort(_Inout_ int *base, size_t count, size_t size, Compare *compare)");
    const list = [3, 1, 2];
    sort(list, 3, 4, (left, right) => b.decode(left, "int") - b.decode(right, "int"));
    return [rand(), abs(-5), later, quotient, list];
  },
  [1804289383, 5, [null, 9], { quot: 3, rem: 2 }, [1, 2, 3]],
);
