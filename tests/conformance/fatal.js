// The deaths are run one by one: see FATAL in oracle.py.
// An exception that a listener hears of is not one.
const heard = [];
const listener = (error, origin) => heard.push(show(error), origin);
process.on("uncaughtException", listener);
for (const value of [new RangeError("a range"), 5, "text", undefined, null, {}]) {
  call("napi_fatal_exception", value);
  op("heard", () => heard.splice(0));
}
op("a listener that leaves something to do", () => {
  const seen = [];
  process.once("uncaughtException", () => {
    process.nextTick(() => seen.push("tick"));
    queueMicrotask(() => seen.push("microtask"));
  });
  return [outcome(addon.napi_fatal_exception(1)), [...seen], heard.splice(0).length];
});
process.off("uncaughtException", listener);
standard();
