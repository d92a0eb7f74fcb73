// What the fuzz test evaluates, in Node and in the host alike: it runs programs and returns their
// logs. `PROGRAMS` is a list of programs in hexadecimal, `MISUSE` whether they may break the rules.
//
// What is the engine's own is left out of the logs: the words of its errors, stacks, the text of
// native functions.

// Without it, V8 gives errors no `stack` of their own.
delete Error.stackTraceLimit;

// Texts that are the engine's own, and nobody's business here.
Date.prototype.toString = () => "a date";
Error.prototype.toString = () => "an error";
Function.prototype.toString = () => "a function";

// An array of four thousand million holes takes its time to become a text.
Array.prototype.toString = () => "an array";
Array.prototype.join = () => "an array";
const sharedViews = Object.getPrototypeOf(Uint8Array.prototype);
sharedViews.toString = () => "a view";

// Objects that scripts and programs share must not change: the next sequence would see it.
const frozen = new Set();
const builtIn = new Set(["stack", "arguments", "caller"]);
function freeze(value) {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
  if (frozen.has(value)) return;
  frozen.add(value);
  Object.freeze(value);
  for (const key of Reflect.ownKeys(value)) {
    builtIn.add(key);
    const { get, set, value: content } = Object.getOwnPropertyDescriptor(value, key);
    freeze(get);
    freeze(set);
    freeze(content);
  }
  freeze(Object.getPrototypeOf(value));
}
for (const name of [
  "Object", "Function", "Array", "String", "Number", "Boolean", "Symbol", "BigInt", "Error",
  "TypeError", "RangeError", "SyntaxError", "Map", "Set", "Date", "Promise", "RegExp", "Proxy",
  "ArrayBuffer", "SharedArrayBuffer", "DataView", "Uint8Array", "Int8Array", "Uint8ClampedArray",
  "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float16Array", "Float32Array",
  "Float64Array", "BigInt64Array", "BigUint64Array", "Buffer", "Reflect", "JSON", "Math",
]) {
  freeze(globalThis[name]);
}

const tag = Object.prototype.toString;
const quote = JSON.stringify;
const byteLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;
const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
const typedArrayName = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag).get;
const proxies = new WeakSet();
const HIDDEN = new Set(["stack", "arguments", "caller", "length", "name", "prototype"]);

// What scripts have to say: a list of lines for each part of the program that runs later, for in
// which order those come up is open. What has no part is the sequence's own.
let late;
let lines;
function enter(part) {
  lines = [];
  late.set(part, lines);
}
if (typeof process === "object") {
  process.on("uncaughtException", (error) => lines.push(`uncaught ${show(error)}`));
  process.on("unhandledRejection", () => {});
}

// A value in words, without running anything of its own.
function show(value, depth = 0) {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return `${value}n`;
    case "symbol":
      return String(value);
    case "object":
    case "function":
      return value === null ? "null" : shape(value, depth);
    default:
      return String(value);
  }
}

function shape(value, depth) {
  if (value === globalThis) return "global";
  if (proxies.has(value)) return "proxy";
  let head = typeof value === "function" ? "function" : kind(value);
  if (frozen.has(value)) return `shared ${head}`;
  if (depth > 2) return head;
  const keys = Reflect.ownKeys(value);
  let shown = 0;
  const isError = head === "Error";
  for (const key of keys) {
    if (HIDDEN.has(key)) continue;
    if (shown++ === 12) break;
    const own = Object.getOwnPropertyDescriptor(value, key);
    if (own === undefined) continue;
    const flags = `${own.writable ? "" : "w"}${own.enumerable ? "" : "e"}${own.configurable ? "" : "c"}`;
    let content = "accessor";
    if ("value" in own) {
      content =
        isError && key === "message" ? words(value, own.value) : show(own.value, depth + 1);
    }
    head += ` ${flags}${String(key)}=${content}`;
  }
  if (!Object.isExtensible(value)) head += " fixed";
  return `(${head})`;
}

// A list of names without those that are built in: order and number of these are the engine's.
function showNames(names) {
  return show(names.filter((name) => !builtIn.has(name)));
}

// The engines' messages may begin with one of these, for they name values.
const OWN = /^(?:fuzz: (?:given|thrown|of (?:a )?\w+)|Illegal invocation.*)$/;

// The message of an error, where it is not the engine's own.
function words(error, message) {
  const own = typeof message === "string" && OWN.test(message);
  const code = Object.getOwnPropertyDescriptor(error, "code");
  return own || typeof code?.value === "string" ? show(message) : "...";
}

function kind(value) {
  if (Array.isArray(value)) return `Array(${value.length})`;
  if (ArrayBuffer.isView(value)) return typedArrayName.call(value) ?? "DataView";
  try {
    return `ArrayBuffer(${byteLength.call(value)})`;
  } catch {
    // It is none.
  }
  try {
    return `Date(${Date.prototype.getTime.call(value)})`;
  } catch {
    // It is none.
  }
  return Error.isError?.(value) || (tag.call(value) === "[object Error]") ? "Error" : "Object";
}

function proxy(target, handler) {
  const made = new Proxy(target, handler);
  proxies.add(made);
  return made;
}

// What the programs' scripts make.
globalThis.fuzz = {
  getter: () => ({
    get a() {
      throw new Error("fuzz: of a getter");
    },
    set a(_) {
      throw new Error("fuzz: of a setter");
    },
    get b() {
      return 5;
    },
  }),
  valueOf: () => ({ valueOf: () => 7, toString: () => "seven" }),
  thrower: () => ({
    valueOf() {
      throw new TypeError("fuzz: of valueOf");
    },
    toString() {
      throw new TypeError("fuzz: of toString");
    },
  }),
  boxed: (value) => Object(value),
  strict: () =>
    function (a, b) {
      "use strict";
      return b ?? a ?? this;
    },
  proxy: () => proxy({ a: 1 }, {}),
  refusing: () =>
    proxy(() => 1, {
      set: () => false,
      defineProperty: () => false,
      deleteProperty: () => false,
      get() {
        throw new RangeError("fuzz: of a trap");
      },
    }),
  map: () => new Map([["a", 1]]),
  thenable: () => ({
    then(resolve) {
      lines.push("then");
      resolve(1);
    },
  }),
  class: () =>
    class {
      static a = 1;
      b = 2;
    },
  deep: () => ({ a: { a: { a: 1 } }, [Symbol.for("fuzz")]: [1] }),
  inherits: () => Object.create({ a: 1, 5: 2 }, { b: { value: 3 }, 7: { value: 4, enumerable: true } }),
};

function values() {
  return [
    undefined, null, true, 0, 1.5, "", "text", "5", Symbol("fuzz"), Symbol.for("fuzz"), 10n,
    { a: 1, key: "v" }, [1, 2, 3], (a) => a, new Date(86400000), new ArrayBuffer(16),
    new Uint8Array([1, 2, 3, 4]), new Error("fuzz: given"), Object.freeze({ a: 1 }),
    fuzz.proxy(), Promise.resolve(1), Object.create(null), -1, new DataView(new ArrayBuffer(8)),
  ];
}

// A function for a threadsafe function that calls it itself.
function target(part, throws) {
  return function () {
    enter(`${part}, ${late.size}`);
    lines.push(`called ${show(this)} ${arguments.length}`);
    if (throws) throw new RangeError("fuzz: of a target");
  };
}

const rest = () => new Promise((resolve) => setImmediate(resolve));

async function run(program) {
  const bytes = new Uint8Array(program.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(program.slice(2 * i, 2 * i + 2), 16);
  late = new Map();
  enter("");
  const log = addon.run(bytes, MISUSE, (value) => show(value), showNames, values, enter, target);
  await rest();
  // A program that breaks the rules may wait for ever.
  for (let round = 0; addon.isBusy() && !(MISUSE && round > 100); round++) await rest();
  const said = [...late].filter(([, words]) => words.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${log}${addon.partLogs()}${said.map(([part, words]) => `\n${part}: ${words.join("\n")}`).join("")}`;
}

async function main() {
  const logs = [];
  for (const program of PROGRAMS) logs.push(await run(program).catch((error) => `failed: ${error.stack}`));
  return logs;
}
return main();
