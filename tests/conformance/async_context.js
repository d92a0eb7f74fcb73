later.call("napi_async_init", 0, "name");
later.call("napi_async_init", 1, "name", {});
later.call("napi_async_init", 2, 5);
later.call("napi_async_init", 3, "name", 5);
later.call("napi_make_callback", 0, {}, (...args) => args, 1, 2);
later.call("napi_make_callback", -1, {}, () => "without a context");
later.call("napi_make_callback", 0, 5, function () {
  "use strict";
  return typeof this;
});
later.call("napi_make_callback", 0, {}, () => {
  throw new Error("called");
});
if (LATER) {
  engine.call("napi_make_callback", 0, null, () => 1);
  engine.call("napi_make_callback", 0, undefined, () => 1);
  // The receiver is looked at before the function.
  engine.call("napi_make_callback", 0, null);
  engine.call("napi_make_callback", 0, null, 5);
}
later.call("napi_make_callback", 0, {}, 5);
later.call("napi_open_callback_scope", 0, () => "inside");
later.call("closeTwice", 0);
later.call("napi_async_destroy", 0);
later.call("napi_async_destroy", 1);
later.op("standard", () => standard());
