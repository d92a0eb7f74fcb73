// What every script of operations has at hand. The text of this file and of a script become the body
// of one function; `addon` is a global, `lines` is what the function returns.
//
//   call(name, ...args)   calls addon[name] and writes a line: name(args): outcome
//   op(label, body)       runs body and writes a line: label: what it returned or threw
//   engine.call, engine.op   the same, where the words of an error are the engine's own: only its
//                         class and code are written, for engines word their errors differently
//   cases(label, list)    writes lines that C code has put together
//   later.call, later.op  operations that need an event loop; left out unless LATER is true
//   standard()            what each addon has: NULL arguments, calls with an exception pending
//   show(value)           any value in one line
//   SPECIAL               objects that have something special about them

const lines = [];
let hideWords = false;

function show(value, depth = 0, seen = []) {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return `${value}n`;
    case "string":
      return JSON.stringify(value);
    case "symbol":
      return value.toString();
    case "function":
      return showFunction(value);
    case "object":
      return value === null ? "null" : showObject(value, depth, seen);
    default:
      return String(value);
  }
}

function showFunction(value) {
  const name = Object.getOwnPropertyDescriptor(value, "name");
  return `function ${name === undefined ? "(no name)" : JSON.stringify(name.value)}`;
}

function isError(value) {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

function showError(error, depth, seen) {
  const code = Object.getOwnPropertyDescriptor(error, "code");
  const tag = code === undefined ? "" : ` [${show(code.value)}]`;
  const words = hideWords && code === undefined ? "(engine)" : show(error.message);
  const others = Object.keys(error).filter((key) => key !== "code");
  const more = others.map((key) => ` ${key}=${show(error[key], depth + 1, seen)}`).join("");
  return `${String(error.name)}${tag}: ${words}${more}`;
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function showArrayBuffer(buffer) {
  let bytes;
  try {
    bytes = hex(new Uint8Array(buffer));
  } catch {
    bytes = "detached";
  }
  return `ArrayBuffer(${buffer.byteLength}) ${bytes}`.trimEnd();
}

// The tag that no property can forge, unlike Object.prototype.toString.
const tagOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
).get;

function showObject(value, depth, seen) {
  if (seen.includes(value)) return "<cycle>";
  if (depth > 4) return "...";
  seen = [...seen, value];
  const inner = (item) => show(item, depth + 1, seen);
  if (value === globalThis) return "globalThis";
  if (isError(value)) return showError(value, depth, seen);
  if (Array.isArray(value)) {
    const items = [];
    for (let i = 0; i < Math.min(value.length, 40); i++) {
      items.push(i in value ? inner(value[i]) : "<hole>");
    }
    return `[${items.join(", ")}${value.length > 40 ? `, ... ${value.length}` : ""}]`;
  }
  const tag = tagOf.call(value);
  if (tag !== undefined) {
    const name = value.constructor === undefined ? tag : value.constructor.name;
    const at = value.byteOffset === 0 || name === "Buffer" ? "" : `@${value.byteOffset}`;
    if (name === "Buffer") return `Buffer(${value.length}) ${hex(value)}`;
    return `${name}(${value.length})${at} [${Array.from(value, (item) => show(item)).join(", ")}]`;
  }
  if (value instanceof DataView) return `DataView(${value.byteLength})@${value.byteOffset}`;
  if (value instanceof ArrayBuffer) return showArrayBuffer(value);
  if (typeof SharedArrayBuffer === "function" && value instanceof SharedArrayBuffer) {
    return `SharedArrayBuffer(${value.byteLength}) ${hex(new Uint8Array(value))}`.trimEnd();
  }
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Promise) return "Promise";
  if (value instanceof Map) return `Map ${inner([...value])}`;
  if (value instanceof Set) return `Set ${inner([...value])}`;
  for (const Box of [Number, String, Boolean, Symbol, BigInt]) {
    if (value instanceof Box) return `[${Box.name}: ${show(value.valueOf())}]`;
  }
  const prototype = Object.getPrototypeOf(value);
  let kind = "";
  if (prototype === null) kind = "[null prototype] ";
  else if (prototype !== Object.prototype) {
    const maker = prototype.constructor;
    kind = typeof maker === "function" && maker.name !== "" ? `${maker.name} ` : "[object] ";
  }
  const parts = [];
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key);
    if (!descriptor.enumerable) continue;
    const name = typeof key === "symbol" ? `[${key.toString()}]` : key;
    parts.push(`${name}: ${"value" in descriptor ? inner(descriptor.value) : "<accessor>"}`);
  }
  return `${kind}{${parts.join(", ")}}`;
}

// Own properties with their attributes: writable, enumerable, configurable, or accessors.
function attributes(object) {
  return Reflect.ownKeys(object).map((key) => {
    const d = Object.getOwnPropertyDescriptor(object, key);
    const flags = `${d.enumerable ? "e" : "-"}${d.configurable ? "c" : "-"}`;
    if ("value" in d) return `${String(key)}=${show(d.value)} ${d.writable ? "w" : "-"}${flags}`;
    return `${String(key)} ${d.get ? "get" : ""}${d.set ? "set" : ""} ${flags}`;
  });
}

// A report of an addon: its status, then what else it says.
function outcome(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return show(value);
  const status = Object.getOwnPropertyDescriptor(value, "status");
  if (status === undefined || !/^(napi_\w+|absent)$/.test(status.value)) return show(value);
  const parts = [status.value];
  for (const key of Object.keys(value)) {
    if (key !== "status") parts.push(`${key}=${show(value[key])}`);
  }
  return parts.join(" ");
}

function op(label, body) {
  let what;
  try {
    what = outcome(body());
  } catch (error) {
    what = `throws ${show(error)}`;
  }
  lines.push(`${label}: ${what}`);
}

function call(name, ...args) {
  const shown = args.map((arg) => show(arg)).join(", ");
  op(`${name}(${shown})`, () => addon[name](...args));
}

function hiding(body) {
  return (...args) => {
    hideWords = true;
    try {
      body(...args);
    } finally {
      hideWords = false;
    }
  };
}

const engine = { call: hiding(call), op: hiding(op) };

const skip = () => {};
const later = LATER ? { call, op } : { call: skip, op: skip };

function cases(label, list) {
  for (const line of list) lines.push(`${label}: ${line}`);
}

function standard() {
  cases("NULL", addon.nullArguments());
  cases("pending", addon.pendingException(new Error("pending")));
}

const SPECIAL_SYMBOL = Symbol("special");
// Objects that have something special about them: in words, and a function that makes one.
const holed = () => Object.assign([1, , 3], { own: 1 });
const traps = (ownKeys) => new Proxy({ a: 1, 5: 2 }, { ownKeys: () => ownKeys });
const SPECIAL = [
  ["an array with a hole", holed], ["a frozen array", () => Object.freeze(holed())],
  ["a boxed string", () => Object.assign(Object("ab"), { own: 1, 7: 1 })],
  ["arguments", () => (function () { return arguments; })(1, 2)],
  ["a typed array", () => Object.assign(new Uint16Array(2), { own: 1 })],
  ["a detached typed array", () => {
    const view = Object.assign(new Uint8Array(2), { own: 1 });
    view.buffer.transfer();
    return view;
  }],
  ["a map", () => Object.assign(new Map([[1, 2]]), { own: 1 })], ["a date", () => new Date(0)],
  ["a regular expression", () => /x/g], ["a boxed symbol", () => Object(Symbol("s"))],
  ["a proxy", () => new Proxy({ b: 1, 3: 1, a: 2, [SPECIAL_SYMBOL]: 3 }, {})],
  ["a proxy of an array", () => new Proxy(holed(), {})],
  ["a proxy that lists", () => traps(["a", "zz", "5", SPECIAL_SYMBOL])],
  ["a proxy that lists twice", () => traps(["a", "a"])],
  ["a proxy that lists a number", () => traps([1])],
  ["a proxy that lists nothing", () => traps(undefined)],
  ["a proxy that describes", () => new Proxy({ a: 1, b: 2 }, {
    getOwnPropertyDescriptor(target, key) {
      return key === "a" ? undefined : { value: 1, configurable: true, enumerable: false, writable: true };
    },
  })],
  ["a proxy whose description throws", () => new Proxy({ a: 1 }, { getOwnPropertyDescriptor() { throw new Error("asked"); } })],
  ["an heir of an array", () => Object.create(holed(), { mine: { value: 1, enumerable: true } })],
  ["an heir of a proxy", () => Object.create(new Proxy({ p: 1, 2: 1 }, {}), { mine: { value: 1 }, 1: { value: 1, enumerable: true } })],
  ["an heir that hides", () => Object.create({ a: 1, b: 2 }, { a: { value: 1 } })],
  ["accessors", () => ({ get a() { return 1; }, set b(value) {}, [SPECIAL_SYMBOL]: 1 })],
  ["many elements", () => Object.assign(Object.create(null), { 4294967294: 1, 4294967295: 2, 2147483648: 3, "-1": 4, "01": 5, "1.5": 6, 0: 7 })],
];
