call("napi_get_undefined");
call("napi_get_null");
call("napi_get_global");
call("napi_get_boolean", 0);
call("napi_get_boolean", 1);
for (const value of [true, false, 0, "true", null, undefined, {}]) call("napi_get_value_bool", value);
engine.op("Boolean object", () => addon.napi_get_value_bool(new Boolean(true)));
const values = [undefined, null, true, 1, NaN, "text", Symbol("s"), {}, [], () => 1, class {}, 1n];
for (const value of values) call("napi_typeof", value);
for (const value of [new Date(0), /x/, new Number(1), new Map(), new Error("e"), new Uint8Array(1)]) {
  op(`typeof ${Object.prototype.toString.call(value)}`, () => addon.napi_typeof(value));
}
op("typeof proxy of object", () => addon.napi_typeof(new Proxy({}, {})));
op("typeof proxy of function", () => addon.napi_typeof(new Proxy(() => 1, {})));
op("typeof symbol object", () => addon.napi_typeof(Object(Symbol("s"))));
op("global is this global", () => addon.napi_get_global().result === globalThis);
call("keepConstants");
standard();
