call("napi_create_promise", 0);
op("prototype", () => Object.getPrototypeOf(addon.napi_create_promise(1).result) === Promise.prototype);
call("napi_resolve_deferred", 0, 5);
op("reactions wait", () => {
  let seen = "nothing yet";
  addon.napi_create_promise(2).result.then((value) => (seen = value));
  return [outcome(addon.napi_resolve_deferred(2, "value")), seen];
});
op("resolve without a value, then with one", () => {
  addon.napi_create_promise(3);
  return [outcome(addon.napi_resolve_deferred(3)), outcome(addon.napi_resolve_deferred(3, 1))];
});
op("reject", () => {
  const promise = addon.napi_create_promise(4).result;
  promise.catch(() => {});
  return addon.napi_reject_deferred(4, new Error("rejected"));
});
op("reject with a plain value", () => {
  const promise = addon.napi_create_promise(5).result;
  promise.catch(() => {});
  return addon.napi_reject_deferred(5, undefined);
});
op("resolve with itself", () => {
  const promise = addon.napi_create_promise(6).result;
  promise.catch(() => {});
  return addon.napi_resolve_deferred(6, promise);
});
op("resolve with a thenable", () => {
  let asked = 0;
  addon.napi_create_promise(7);
  const thenable = {
    get then() {
      asked += 1;
      return undefined;
    },
  };
  return [outcome(addon.napi_resolve_deferred(7, thenable)), asked];
});
op("resolve with a thenable that throws", () => {
  const promise = addon.napi_create_promise(8).result;
  promise.catch(() => {});
  return addon.napi_resolve_deferred(8, {
    get then() {
      throw new Error("then");
    },
  });
});
for (const value of [Promise.resolve(1), { then() {} }, {}, null, undefined, 1, Promise]) {
  call("napi_is_promise", value);
}
op("a subclass", () => addon.napi_is_promise(new (class extends Promise {})(() => {})));
op("an heir", () => addon.napi_is_promise(Object.create(Promise.prototype)));
op("an async function's", () => addon.napi_is_promise((async () => 1)()));
standard();

// How they end: reactions run later.
async function settled() {
  const ends = async (label, value, settle = "napi_resolve_deferred") => {
    const { result: promise } = addon.napi_create_promise(9);
    const given = value === "itself" ? promise : value;
    const status = outcome(addon[settle](9, given));
    const end = promise.then((found) => ["fulfilled", found], (error) => ["rejected", error]);
    const found = await end;
    engine.op(label, () => [status, ...found]);
  };
  await ends("ends with itself", "itself");
  await ends("ends with a promise", Promise.resolve(5));
  await ends("ends with one that is rejected", Promise.reject(new Error("inner")));
  await ends("ends with a thenable", { then: (resolve) => resolve("of a thenable") });
  await ends("ends with a thenable that throws", { then() { throw new RangeError("then"); } });
  await ends("ends with a getter that throws", { get then() { throw new RangeError("get"); } });
  await ends("ends with a thenable that resolves twice", { then(resolve, reject) { resolve(1); reject(2); resolve(3); } });
  await ends("rejected with a promise", Promise.resolve(5), "napi_reject_deferred");
  await ends("rejected with nothing", undefined, "napi_reject_deferred");
  await ends("rejected with what is no error", 5, "napi_reject_deferred");
  return lines;
}
if (LATER) return settled();
