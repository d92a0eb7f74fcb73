call("napi_add_finalizer", {}, 1, 2);
op("several on one object", () => {
  const object = {};
  return [1, 2, 3].map((number) => outcome(addon.napi_add_finalizer(object, number, 0)));
});
for (const [label, value] of [
  ["a function", () => 1], ["an array", []], ["a frozen object", Object.freeze({})], ["a proxy", new Proxy({}, {})],
]) {
  op(`on ${label}`, () => addon.napi_add_finalizer(value, 1, 1));
}
for (const value of [1, "text", null, undefined, Symbol("s"), 1n]) call("napi_add_finalizer", value, 1, 1);
call("addWithReference", {});
op("on a wrapped object", () => {
  const object = {};
  return [outcome(addon.wrap(object, 1)), outcome(addon.napi_add_finalizer(object, 2, 2))];
});
op("on an external", () => addon.napi_add_finalizer(addon.external(1).result, 2, 2));
for (const change of [0, 1048576, -1048576]) call("napi_adjust_external_memory", change);
call("node_api_post_finalizer", 1, 2);
op("posting from a finalizer can be asked for", () => addon.addPosting({}, 3));
op("none ran within this script", () => addon.takeEvents());
standard();
