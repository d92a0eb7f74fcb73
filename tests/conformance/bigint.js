const largest = 2n ** 63n - 1n;
for (const value of [0n, 1n, -1n, largest, -largest - 1n]) call("napi_create_bigint_int64", value);
for (const value of [0n, 1n, -1n, largest + 1n]) call("napi_create_bigint_uint64", value);
const word = 2n ** 64n - 1n;
const wordLists = [[], [0n], [1n], [word], [0n, 1n], [word, word], [1n, 0n, 0n], [0n, 0n, 0n, 5n]];
for (const sign of [0, 1, 2, -1]) {
  for (const words of wordLists) call("napi_create_bigint_words", sign, words);
}
call("createTooManyWords");
call("createLargestWords", 2 ** 24 + 1);
const samples = [
  0n, 1n, -1n, largest, largest + 1n, -largest - 1n, -largest - 2n, word, word + 1n, -word,
  2n ** 128n, -(2n ** 200n) + 7n,
];
for (const value of samples) call("napi_get_value_bigint_int64", value);
for (const value of samples) call("napi_get_value_bigint_uint64", value);
for (const value of samples) {
  for (const room of [4, 1, 0]) call("napi_get_value_bigint_words", value, room);
}
for (const value of samples) call("countWords", value);
for (const other of [1, "1", null, undefined, {}, Object(1n), Symbol("s")]) {
  call("napi_get_value_bigint_int64", other);
  call("napi_get_value_bigint_uint64", other);
  call("napi_get_value_bigint_words", other, 4);
  call("countWords", other);
}
let seed = 777;
function below(limit) {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor(seed / 65536) % limit;
}
for (let i = 0; i < 100; i++) {
  const any = () => [0n, 1n, 2n ** 63n, word, largest, BigInt(below(30000)) * 2n ** 48n + 5n, 2n ** 32n][below(7)];
  const words = Array.from({ length: below(6) }, any);
  op(`words ${words}`, () => {
    const { result } = addon.napi_create_bigint_words(below(2), words);
    return [
      result, outcome(addon.napi_get_value_bigint_int64(result)), outcome(addon.napi_get_value_bigint_uint64(result)),
      ...[0, 1, 3, 5].map((room) => outcome(addon.napi_get_value_bigint_words(result, room))),
    ];
  });
}
standard();
