// What depends on the version that a module declares. The value is a promise of the lines.
const versioned = (label, what) => lines.push(`${label}: ${typeof what === "string" ? what : show(what)}`);
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

async function main() {
  versioned("napi_get_version", addon.getVersion());
  versioned("process.versions.napi", process.versions.napi);
  const values = {
    "an object": {}, "a function": () => 1, "an array": [], "a symbol": Symbol("s"),
    "a registered symbol": Symbol.for("s"), "a well-known symbol": Symbol.iterator,
    "a proxy": new Proxy({}, {}), "a promise": Promise.resolve(), "a date": new Date(0),
    "undefined": undefined, "null": null, "true": true, "a number": 1.5, "a string": "text",
    "a bigint": 10n,
  };
  for (const [name, value] of Object.entries(values)) {
    for (const count of [0, 1, 2]) {
      versioned(`a reference to ${name} with ${count}`, addon.reference(value, count));
    }
  }

  const heard = [];
  const listener = (error, origin) => heard.push(`${error.code ?? error.name} ${error.message} (${origin})`);
  process.on("uncaughtException", listener);
  // Waits for the loop: what was thrown was heard of by then.
  const listen = async (label, body) => {
    heard.length = 0;
    body();
    for (let i = 0; i < 8; i++) await pause();
    versioned(label, heard.length === 0 ? "nobody heard" : heard.join("; "));
  };
  if (BUILD !== "version_experimental") {
    await listen("throwing in a finalizer", () => {
      (() => addon.throwInFinalizer({}))();
      gc();
    });
  }
  await listen("throwing in the finalizer of a buffer", () => {
    (() => addon.throwInBufferFinalizer())();
    gc();
  });
  await listen("throwing in the completion of work", () => addon.throwInWork());
  await listen("throwing in a call of a threadsafe function", () => addon.throwInCall());
  await listen("throwing in the function itself", () => addon.throwInDefaultCall(() => {
    throw new RangeError("from JavaScript");
  }));
  await listen("throwing in the finalizer of a threadsafe function", () => addon.throwInEnd(() => 1));
  process.off("uncaughtException", listener);
  versioned("finalized", addon.finalizedCount());
  addon.tryAtTheEnd(() => 1);
  return lines;
}
return main();
