for (const value of [0, -0, 1.5, -1e308, 5e-324, NaN, Infinity, -Infinity]) {
  call("napi_create_double", value);
}
for (const value of [0, -1, 2147483647, -2147483648]) call("napi_create_int32", value);
for (const value of [0, 1, 2147483648, 4294967295]) call("napi_create_uint32", value);
const wide = [0n, -1n, 9007199254740991n, 9007199254740993n, 9223372036854775807n];
for (const value of [...wide, -9223372036854775808n]) call("napi_create_int64", value);
const numbers = [
  0, -0, 1, -1, 1.9, -1.9, 2147483647, 2147483648, -2147483648, -2147483649, 4294967295, 4294967296,
  4294967301, -4294967297, 9007199254740991, 9007199254740993, 9223372036854774784,
  9223372036854775808, -9223372036854775808, -9223372036854777856, 1e300, -1e300, 18446744073709551616,
  5e-324, NaN, Infinity, -Infinity,
];
const getters = ["double", "int32", "uint32", "int64"].map((type) => `napi_get_value_${type}`);
for (const getter of getters) {
  for (const number of numbers) call(getter, number);
  for (const other of [1n, "1", null, undefined, true, {}, new Number(1), Symbol("s")]) {
    call(getter, other);
  }
}
standard();
