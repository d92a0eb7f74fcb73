op("typeof", () => typeof addon.napi_create_external(5).result);
op("type", () => addon.typeNumber(addon.napi_create_external(5).result));
op("prototype", () => Object.getPrototypeOf(addon.napi_create_external(5).result));
op("extensible", () => Object.isExtensible(addon.napi_create_external(5).result));
op("own keys", () => Reflect.ownKeys(addon.napi_create_external(5).result));
op("JSON", () => JSON.stringify(addon.napi_create_external(5).result));
engine.op("a property, strictly", () => {
  "use strict";
  addon.napi_create_external(5).result.property = 1;
});
op("a property, sloppily", () => {
  const external = addon.napi_create_external(5).result;
  external.property = 1;
  return external.property;
});
for (const number of [5, 0, 123456]) {
  op(`value ${number}`, () => addon.napi_get_value_external(addon.napi_create_external(number).result));
}
for (const other of [1, null, undefined, {}, "text", () => 1, Symbol("s"), Object.create(null)]) {
  call("napi_get_value_external", other);
}
op("identity", () => {
  const external = addon.napi_create_external(5).result;
  return [external === external, external === addon.napi_create_external(5).result];
});
op("in a Map and a WeakMap", () => {
  const external = addon.napi_create_external(5).result;
  return [new Map([[external, 1]]).get(external), new WeakMap([[external, 2]]).get(external)];
});
standard();
