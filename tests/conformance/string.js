const utf8 = [
  [], [97], [0xc3, 0xa9], [0xe2, 0x82, 0xac], [0xf0, 0x9f, 0x98, 0x80], [97, 0, 98],
  // Not UTF-8: a surrogate, a lone continuation, a cut sequence, an overlong one, too large, 0xff.
  [0xed, 0xa0, 0x80], [0x80], [97, 0xe2, 0x82], [0xc0, 0xaf], [0xf4, 0x90, 0x80, 0x80], [0xff, 97],
  [0xf0, 0x9f, 97], [0xe2, 0x82, 0xe2, 0x82, 0xac],
];
for (const bytes of utf8) {
  call("napi_create_string_utf8", bytes);
  call("napi_create_string_utf8", bytes, bytes.length);
}
call("napi_create_string_utf8", [97, 98, 99], 2);
call("napi_create_string_utf8", null, 0);
for (const bytes of [[], [97, 0xe9, 0xff, 0x80], [97, 0, 98]]) {
  call("napi_create_string_latin1", bytes);
  call("napi_create_string_latin1", bytes, bytes.length);
}
for (const units of [[], [97, 0x20ac], [0xd83d, 0xde00], [0xd83d], [0xde00, 97], [97, 0, 98]]) {
  call("napi_create_string_utf16", units);
  call("napi_create_string_utf16", units, units.length);
}
call("node_api_create_property_key_utf8", [0xc3, 0xa9, 97]);
call("node_api_create_property_key_latin1", [97, 0xe9]);
call("node_api_create_property_key_utf16", [97, 0x20ac], 2);
op("a property key is a string like any other", () => {
  const key = addon.node_api_create_property_key_utf8([107]);
  return key.status === "absent" ? key : { k: 1 }[key.result];
});
// Bytes as they come, most of them no UTF-8.
let seed = 12345;
function below(limit) {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor(seed / 65536) % limit;
}
for (let i = 0; i < 200; i++) {
  const part = () => [
    below(128), 128 + below(64), 0xc0 + below(32), 0xe0 + below(16), 0xf0 + below(16),
    [0xed, 0xa0, 0xe0, 0xf4, 0x8f, 0x90, 0xbf, 0x9f][below(8)],
  ][below(6)];
  const bytes = Array.from({ length: below(12) }, part);
  op(`bytes ${bytes}`, () => ["napi_create_string_utf8", "napi_create_string_latin1", "node_api_create_property_key_utf8"].map((name) => {
    return outcome(addon[name](bytes, bytes.length));
  }));
}
const texts = ["", "abc", "h\u00e9\u00e9", "\u20ac", "a\u{1f600}b", "\ud83d", "\ude00x", "a\0b", "\u00ff"];
for (const text of texts) call("lengths", text);
for (const text of texts) {
  for (const room of [0, 1, 2, 3, 4, 5, 20]) {
    call("napi_get_value_string_utf8", text, room);
    call("napi_get_value_string_utf16", text, room);
  }
  call("napi_get_value_string_latin1", text, 2);
  call("napi_get_value_string_latin1", text, 20);
}
for (const other of [1, null, undefined, {}, Symbol("s"), new String("boxed"), ["a"]]) {
  call("lengths", other);
  call("napi_get_value_string_utf8", other, 20);
  call("napi_get_value_string_latin1", other, 20);
  call("napi_get_value_string_utf16", other, 20);
}
call("withoutResult", "h\u00e9llo");
op("a rope of strings", () => {
  let text = "";
  for (let i = 0; i < 1000; i++) text += String.fromCharCode(0x3b1 + (i % 24));
  return addon.lengths(text);
});
call("node_api_create_external_string_latin1");
call("node_api_create_external_string_latin1", 8);
call("node_api_create_external_string_utf16");
call("node_api_create_external_string_utf16", 3);
call("emptyExternalString");
call("externalStringIsKept");
standard();
