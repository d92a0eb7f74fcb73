call("napi_create_symbol");
for (const text of ["", "description", "\u20ac"]) call("napi_create_symbol", text);
for (const other of [1, null, undefined, {}, Symbol("s")]) call("napi_create_symbol", other);
op("description of a symbol without one", () => addon.napi_create_symbol().result.description);
op("description of an empty one", () => addon.napi_create_symbol("").result.description);
op("two are different", () => {
  return addon.napi_create_symbol("a").result === addon.napi_create_symbol("a").result;
});
for (const text of ["", "registered", "\u20ac"]) call("node_api_symbol_for", text);
call("node_api_symbol_for", "registered", 3);
op("is Symbol.for", () => addon.node_api_symbol_for("key").result === Symbol.for("key"));
op("keyFor", () => Symbol.keyFor(addon.node_api_symbol_for("key").result));
op("keyFor of a fresh one", () => Symbol.keyFor(addon.napi_create_symbol("key").result));
standard();
