// Every function with every combination of arguments: each line has the outcomes of those that begin
// with the same argument, in the order of addons/arguments/arguments.c; equal ones are counted. The
// declared version matters to references only, and the end of the environment needs no lines.
function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
const throwing = { toString() { throw new EvalError("of toString"); } };
const values = () => [
  undefined, null, true, 1.5, "key", Symbol.iterator, 10n, {}, [1], function () {}, class {}, new Date(0),
  new ArrayBuffer(8), new SharedArrayBuffer(8), new Uint8Array(8), new DataView(new ArrayBuffer(8)),
  new Error("e"), Promise.resolve(), addon.external(), Object.freeze({}), new Proxy({}, {}),
  new Proxy(function () {}, {}), revoked(), throwing,
];
// To wrap an external ends Node.
const withoutExternal = () => values().map((value, index) => (index === 18 ? {} : value));
const describe = (thrown) => {
  try {
    return isError(thrown) ? `${thrown.name}${thrown.code === undefined ? "" : ` ${thrown.code}`}` : typeof thrown;
  } catch {
    return "revoked";
  }
};
const references = addon.names().filter((name) => name.endsWith("_reference"));
const asked = BUILD === "arguments" && LATER ? addon.names() : references;
for (const name of asked) {
  const outcomes = addon.check(name, name === "napi_wrap" ? withoutExternal : values, describe);
  if (!Array.isArray(outcomes)) continue;
  const groups = new Map();
  for (const line of outcomes) {
    const [at, what] = line.split(": ");
    const first = at.split(" ")[0];
    const group = groups.get(first) ?? [];
    groups.set(first, group);
    if (group.at(-1)?.what === what) group.at(-1).times += 1;
    else group.push({ what, times: 1 });
  }
  for (const [first, group] of groups) {
    lines.push(`${name} ${first}: ${group.map(({ what, times }) => (times === 1 ? what : `${what} x${times}`)).join(", ")}`);
  }
}
