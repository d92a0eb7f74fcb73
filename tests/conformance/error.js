const classes = ["napi_create_error", "napi_create_type_error", "napi_create_range_error", "node_api_create_syntax_error"];
for (const create of classes) {
  call(create, null, "message");
  call(create, "ERR_CODE", "message");
  call(create, null, "");
  for (const code of [1, {}, undefined, Symbol("s")]) call(create, code, "message");
  for (const message of [1, null, {}, undefined]) call(create, null, message);
}
op("own properties", () => {
  const error = addon.napi_create_type_error("ERR_CODE", "message").result;
  return attributes(error).filter((line) => !line.startsWith("stack"));
});
op("own properties without a code", () => {
  const error = addon.napi_create_error(null, "message").result;
  return attributes(error).filter((line) => !line.startsWith("stack"));
});
op("name and text", () => {
  const error = addon.napi_create_range_error("ERR_CODE", "message").result;
  return [error.name, String(error), error instanceof RangeError, typeof error.stack];
});
op("the first line of the stack", () => {
  return addon.napi_create_type_error("ERR_CODE", "message").result.stack.split("\n")[0];
});
for (const name of ["napi_throw_error", "napi_throw_type_error", "napi_throw_range_error", "node_api_throw_syntax_error"]) {
  call(name, null, "message");
  call(name, "ERR_CODE", "message");
  call(name, "", "");
  call(name, "ERR_CODE", null);
}
for (const value of [new Error("an error"), 1, "text", null, undefined, {}, Symbol("s"), 1n]) call("napi_throw", value);
for (const value of [new TypeError("out"), 1, undefined]) call("throwOut", value);
op("the very value comes out", () => {
  const value = {};
  try {
    addon.throwOut(value);
  } catch (caught) {
    return caught === value;
  }
  return "nothing was thrown";
});
class Derived extends Error {}
const errors = [
  ["Error", new Error("e")], ["TypeError", new TypeError("e")], ["a subclass", new Derived("e")],
  ["AggregateError", new AggregateError([])], ["an heir", Object.create(Error.prototype)],
  ["an object", { message: "e", stack: "e" }], ["a string", "e"], ["null", null], ["a class", Error],
  ["a proxy", new Proxy(new Error("e"), {})], ["a DOMException", new DOMException("e", "AbortError")],
  ["an heir of a DOMException", Object.create(DOMException.prototype)], ["a function", () => 1],
  ["an error without its prototype", Object.setPrototypeOf(new Error("e"), null)],
  ["a frozen error", Object.freeze(new RangeError("e"))], ["an EvalError", new EvalError("e")],
];
for (const [label, value] of errors) op(`is_error of ${label}`, () => addon.napi_is_error(value));
call("napi_is_exception_pending");
call("napi_get_and_clear_last_exception");
op("catch", () => addon.catchFrom(() => { throw new Error("caught"); }));
op("catch a number", () => addon.catchFrom(() => { throw 5; }));
op("catch nothing", () => addon.catchFrom(() => 5));
op("nested", () => addon.catchFrom(() => addon.throwOut(new Error("nested"))));
call("throwTwice", new Error("first"), new Error("second"));
cases("record", addon.napi_get_last_error_info());
op("a callback finds no record", () => [addon.leaveRecord(), outcome(addon.findRecord())]);
op("nor after an exception", () => {
  try {
    addon.throwOut(new Error("out"));
  } catch {
    return addon.findRecord();
  }
  return "nothing was thrown";
});
standard();
