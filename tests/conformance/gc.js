// When finalizers run after a collection that the script asks for. The value is a promise of the
// lines, for the loop has to run. What is compared are moments at which Node must have done a thing
// or cannot have done it yet; docs/differences.md says what lies between.
const immediate = () => new Promise((resolve) => setImmediate(resolve));
const tick = () => new Promise((resolve) => process.nextTick(resolve));
const write = (label, what) => lines.push(`${label}: ${typeof what === "string" ? show(what) : outcome(what)}`);

// Runs `make` in a frame of its own, so that nothing of it stays on the stack, and collects.
function drop(make) {
  (() => { make(); })();
  gc();
}

// The events at each moment after a collection.
async function follow(label, make) {
  addon.takeEvents();
  drop(make);
  write(`${label}, collected`, addon.takeEvents());
  await null;
  write(`${label}, a microtask later`, addon.takeEvents());
  await immediate();
  gc();
  await immediate();
  await immediate();
  write(`${label}, an immediate later`, addon.takeEvents());
}

async function main() {
  write("gc is", typeof gc);
  await follow("napi_add_finalizer", () => addon.napi_add_finalizer({}, 1, 2));
  await follow("napi_wrap", () => addon.wrap({}, 3));
  await follow("napi_create_external", () => addon.external(4));
  await follow("a function", () => addon.napi_add_finalizer(() => 1, 5, 5));
  await follow("a cycle", () => {
    const [left, right] = [{}, {}];
    [left.right, right.left] = [right, left];
    addon.napi_add_finalizer(left, 6, 6);
  });
  await follow("basic calls", () => addon.addCallingBasic({}, 7));
  await follow("node_api_post_finalizer", () => addon.addPosting({}, 8));
  await follow("what is posted may call anything", () => addon.addPostingOther({}, 9));
  await follow("an external Buffer", () => addon.externalBuffer());
  await follow("an external array buffer", () => addon.externalArrayBuffer());
  await follow("posted from ordinary code", () => addon.node_api_post_finalizer(10, 11));
  await follow("with a reference", () => addon.addWithReference({}));
  // In a basic finalizer they end the process: oracle.FATAL.
  if (!BUILD.endsWith("_experimental")) {
    await follow("other calls", () => addon.addCallingOther({}, 12));
    await follow("other calls of a wrap", () => addon.wrapCallingOther({}, 13));
    await follow("other calls of an external", () => addon.externalCallingOther(14));
    await follow("a finalizer looks at a weak reference", () => addon.addLooking({}, 15));
    const heard = [];
    const listener = (error, origin) => heard.push(error, origin);
    process.on("uncaughtException", listener);
    await follow("throwing", () => addon.addThrowing({}, 16));
    process.off("uncaughtException", listener);
    write("heard of it", heard.map((what) => show(what)).join(" "));
  }

  // One object, several finalizers: the order is Node's own affair, the set is not.
  addon.takeEvents();
  drop(() => {
    const object = {};
    for (const number of [1, 2, 3]) addon.napi_add_finalizer(object, number, 0);
  });
  await immediate();
  await immediate();
  write("three on one object", addon.takeEvents().trim().split(" ").sort().join(" "));

  // What was collected before next ticks and immediates were asked for.
  const order = [];
  const look = (moment) => order.push(`${moment} ${addon.takeEvents() === "" ? "without" : "with"}`);
  drop(() => addon.napi_add_finalizer({}, 1, 1));
  look("at once");
  process.nextTick(look, "tick");
  queueMicrotask(() => look("microtask"));
  setImmediate(look, "immediate");
  await immediate();
  write("order", order.join(", "));

  gc();
  (() => { addon.makeWeak({}); })();
  await immediate();
  write("a weak reference before a collection", addon.isWeakAlive());
  write("counting on it before a collection", addon.countWeak());

  drop(() => addon.makeWeak({}));
  await immediate();
  gc();
  write("a weak reference", addon.isWeakAlive());
  write("counting on it", addon.countWeak());
  let held = {};
  addon.makeWeak(held);
  gc();
  write("a weak reference to what is held", addon.isWeakAlive());
  write("counting on that", addon.countWeak());
  held = undefined;

  const gone = [];
  const registry = new FinalizationRegistry((name) => gone.push(name));
  const references = [];
  let kept = {};
  registry.register(kept, "kept");
  (() => {
    const object = {};
    registry.register(object, "dropped");
    references.push(new WeakRef(object), new WeakRef(kept));
  })();
  // V8 keeps the target of a new WeakRef until the task is over.
  await immediate();
  gc();
  for (let i = 0; i < 3; i++) await immediate();
  write("FinalizationRegistry", gone.join(" "));
  write("WeakRef", references.map((reference) => typeof reference.deref()).join(" "));
  await tick();
  write("and what is kept", typeof kept);
  kept = undefined;
  return lines;
}
return main();
