// process.dlopen: further environments of an addon, and what it refuses.
//
// Node and the host word their refusals differently: only class and code are written.
const file = decodeURIComponent(addon.fileName().slice("file://".length));
const folder = file.slice(0, file.lastIndexOf("/"));

function load(module = { exports: {} }, path = file, ...more) {
  process.dlopen(module, path, ...more);
  return module.exports;
}

function refused(label, body) {
  op(label, () => {
    try {
      return ["loaded", show(body())];
    } catch (error) {
      return [error instanceof Error ? error.name : typeof error, error.code, error instanceof TypeError];
    }
  });
}

const others = [load(), load()];
op("dlopen returns", () => process.dlopen({ exports: {} }, file));
op("numbers", () => [addon, ...others].map((one) => one.number()));
op("the constructor runs once", () => others[1].constructorRuns());
op("exports are of its own", () => [others[0] === others[1], others[0] === addon, others[0].number === addon.number]);
op("they have the same names", () => Object.keys(others[0]).join() === Object.keys(addon).join());
op("instance data are of its own", () => [addon.countOwn(), addon.countOwn(), others[0].countOwn(), others[1].countOwn()]);
op("static data are shared", () => [addon.countShared(), others[0].countShared(), others[1].countShared()]);
op("references are of its own", () => {
  addon.keep({ first: 1 });
  others[0].keep({ second: 2 });
  return [addon.kept(), others[0].kept(), others[1].kept()];
});
op("a function of another environment", () => {
  const { countOwn } = others[0];
  return [countOwn(), addon.countOwn(), countOwn.call(addon)];
});
op("objects may be passed on", () => {
  const object = {};
  addon.keep(object);
  others[1].keep(addon.kept());
  return others[1].kept() === object;
});
op("a wrap of another environment", () => others[1].unwrap(others[0].wrap({}, 3)));
op("no second wrap", () => others[1].wrap(others[0].wrap({}, 3), 4));
op("file names", () => [
  others[0].fileName(),
  load({ exports: {}, filename: "/elsewhere/other file.node" }).fileName(),
  load({ exports: {}, filename: 5 }).fileName(),
]);

op("exports that are there are filled", () => {
  const exports = { old: 1, number: "overwritten" };
  const found = load({ exports });
  return [found === exports, found.old, typeof found.number];
});
op("a function as exports", () => {
  const exports = () => 1;
  return [load({ exports }) === exports, typeof exports.number];
});
op("an array as exports", () => Array.isArray(load({ exports: [] })));
op("exports without prototype", () => Object.getPrototypeOf(load({ exports: Object.create(null) })));
refused("frozen exports", () => typeof load({ exports: Object.freeze({}) }).number);
refused("a number as exports", () => typeof load({ exports: 5 }));
refused("a string as exports", () => typeof load({ exports: "text" }));
refused("no exports", () => typeof load({}));
refused("null as exports", () => typeof load({ exports: null }));
refused("exports that can't be read", () => load({ get exports() { throw new RangeError("no"); } }));
op("exports are read once", () => {
  let reads = 0;
  process.dlopen({ get exports() { reads++; return {}; } }, file);
  return reads;
});
refused("a module that is frozen", () => {
  const module = Object.freeze({ exports: {} });
  process.dlopen(module, file);
  return typeof module.exports.number;
});
refused("a function as module", () => {
  const module = Object.assign(() => 1, { exports: {} });
  process.dlopen(module, file);
  return typeof module.exports.number;
});

refused("no arguments", () => process.dlopen());
refused("no file name", () => process.dlopen({ exports: {} }));
for (const module of [undefined, null, 1, "text", true, Symbol("s")]) {
  refused(`${show(module)} as module`, () => process.dlopen(module, file));
}
for (const name of [1, null, {}, Symbol("s"), Buffer.from(file)]) {
  refused(`${show(name).slice(0, 12)} as file name`, () => process.dlopen({ exports: {} }, name));
}
op("a name that is an object with text", () => {
  const module = { exports: {} };
  try {
    process.dlopen(module, { toString: () => file });
  } catch (error) {
    return [error.name, error.code];
  }
  return typeof module.exports.number;
});
for (const flags of [1, 2, 257, undefined, null, "1", {}, 1.5]) {
  refused(`flags ${show(flags)}`, () => typeof load({ exports: {} }, file, flags).number);
}
for (const name of [
  "absent.node", ".", "broken/no_entry_point.node", "broken/missing_library.node",
  "broken/init_throws.node", "broken/null_entry_point.node", "broken/text.node",
]) {
  refused(`${show(name)} as file`, () => load({ exports: {} }, `${folder}/${name}`));
}
for (const name of ["init_returns_nothing", "init_returns_number"]) {
  refused(name, () => load({ exports: { old: 1 } }, `${folder}/broken/${name}.node`));
}
op("a refusal leaves the exports", () => {
  const exports = {};
  const module = { exports };
  try {
    process.dlopen(module, `${folder}/broken/init_throws.node`);
  } catch {
    return module.exports === exports;
  }
  return "loaded";
});
op("the addon itself goes on", () => [addon.number(), typeof addon.countShared()]);
op("relative names", () => {
  const there = process.cwd();
  if (!file.startsWith(there)) return true;
  return typeof load({ exports: {} }, file.slice(there.length + 1)).number === "function";
});
