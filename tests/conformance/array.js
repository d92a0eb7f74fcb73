call("napi_create_array");
for (const length of [0, 1, 5, 4294967296, -1]) {
  op(`napi_create_array_with_length(${length})`, () => {
    const report = addon.napi_create_array_with_length(length);
    return [report.status, report.result.length, Object.keys(report.result)];
  });
}
op("prototype", () => Object.getPrototypeOf(addon.napi_create_array().result) === Array.prototype);
const values = [[], [1, 2], new Array(3), {}, "text", null, undefined, 1, { length: 2 }, new Uint8Array(3)];
for (const value of values) {
  call("napi_is_array", value);
  call("napi_get_array_length", value);
}
op("a proxy of an array", () => {
  const proxy = new Proxy([1, 2], {});
  return [outcome(addon.napi_is_array(proxy)), outcome(addon.napi_get_array_length(proxy))];
});
op("a subclass", () => {
  const list = new (class extends Array {})(1, 2, 3);
  return [outcome(addon.napi_is_array(list)), outcome(addon.napi_get_array_length(list))];
});
op("arguments", () => {
  return (function () {
    return addon.napi_is_array(arguments);
  })(1);
});
op("length after a set", () => {
  const list = [1];
  list.length = 4294967295;
  return addon.napi_get_array_length(list);
});
standard();
