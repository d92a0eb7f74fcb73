// Counts over arrays of two elements: what can't be meant is refused before an element is read. Where
// Node reads first, only counts that are right are compared; tests/python/test_counts.py has the others.
const JUDGED_BY_V8 = [2, 2 ** 29 - 23, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 40];
for (const name of [
  "napi_create_string_latin1", "napi_create_string_utf8", "napi_create_string_utf16", "node_api_create_property_key_latin1",
  "node_api_create_property_key_utf8", "node_api_create_property_key_utf16", "node_api_create_external_string_latin1",
  "node_api_create_external_string_utf16", "node_api_symbol_for", "napi_create_function", "nameOfClass",
]) {
  for (const count of JUDGED_BY_V8) call(name, count);
}
for (const count of [0, 1, 2, 2 ** 24 + 1, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 40]) call("napi_create_bigint_words", count);
for (const name of ["napi_call_function", "napi_make_callback", "napi_new_instance"]) {
  for (const count of [0, 2, 2 ** 20, 2 ** 31 - 1, 2 ** 31]) op(`${name} ${count}`, () => addon[name](count, function () { return arguments.length; }));
  call(name, 2 ** 20, {});
}
call("napi_create_buffer_copy", 2);
op("napi_create_buffer_copy of far too much", () => addon.napi_create_buffer_copy(2 ** 40).status);
// Here the count is the place's, of which no more is written than there is.
for (const name of ["napi_get_value_string_latin1", "napi_get_value_string_utf8", "napi_get_value_string_utf16"]) {
  for (const count of [0, 1, 2, 2 ** 31, 2 ** 53 - 1]) call(name, count, "x");
}
for (const count of [0, 1, 2, 2 ** 31, 2 ** 53 - 1]) call("napi_get_value_bigint_words", count);
for (const name of ["napi_define_class", "napi_define_properties", "node_api_create_object_with_properties"]) call(name, 2);
