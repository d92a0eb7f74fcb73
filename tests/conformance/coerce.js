const plain = [
  undefined, null, true, false, 0, -0, NaN, 1.5, "", " 12 ", "0x10", "abc", 0n, 12n, {}, [], [7],
  [1, 2], () => 1, new Date(5), Object(3n), "\u00e9",
];
for (const value of plain.filter((value) => typeof value !== "function")) {
  call("napi_coerce_to_bool", value);
  engine.call("napi_coerce_to_number", value);
  if (!(value instanceof Date)) call("napi_coerce_to_string", value);
  engine.call("napi_coerce_to_object", value);
}
engine.call("napi_coerce_to_number", Symbol("s"));
engine.call("napi_coerce_to_string", Symbol("s"));
call("napi_coerce_to_object", Symbol("s"));
call("napi_coerce_to_bool", Symbol("s"));
const hostile = {
  valueOf() {
    throw new Error("from valueOf");
  },
  toString() {
    throw new Error("from toString");
  },
};
op("number of a hostile object", () => addon.napi_coerce_to_number(hostile));
op("string of a hostile object", () => addon.napi_coerce_to_string(hostile));
op("bool of a hostile object", () => addon.napi_coerce_to_bool(hostile));
op("Symbol.toPrimitive", () => {
  return addon.napi_coerce_to_string({ [Symbol.toPrimitive]: (hint) => `hint ${hint}` });
});
op("number through Symbol.toPrimitive", () => {
  return addon.napi_coerce_to_number({ [Symbol.toPrimitive]: (hint) => (hint === "number" ? 3 : 4) });
});
engine.op("null prototype to string", () => addon.napi_coerce_to_string(Object.create(null)));
op("an object stays itself", () => {
  const object = {};
  return addon.napi_coerce_to_object(object).result === object;
});
for (const [to, value] of [
  [0, true], [0, false], [1, 1.5], [1, 7], [1, NaN], [2, "text"], [2, ""], [3, { a: 1 }], [3, [1, 2]],
  [3, () => 1], [3, new Date(5)],
]) {
  call("coerceInScope", to, { value });
}
const pairs = [
  [1, 1], [1, "1"], [NaN, NaN], [0, -0], [null, undefined], ["a", "a"], [1n, 1n], [1n, 1], [{}, {}],
];
for (const [a, b] of pairs) call("napi_strict_equals", a, b);
op("strict_equals of one object", () => {
  const object = {};
  return addon.napi_strict_equals(object, object);
});
class Base {}
class Derived extends Base {}
op("instanceof its class", () => addon.napi_instanceof(new Base(), Base));
op("instanceof a base class", () => addon.napi_instanceof(new Derived(), Base));
op("instanceof another class", () => addon.napi_instanceof(new Base(), Derived));
op("instanceof with a primitive", () => addon.napi_instanceof(1, Number));
op("instanceof Symbol.hasInstance", () => {
  return addon.napi_instanceof(3, class { static [Symbol.hasInstance](x) { return x === 3; } });
});
op("instanceof where hasInstance throws", () => {
  const thrower = class {
    static [Symbol.hasInstance]() {
      throw new Error("from hasInstance");
    }
  };
  return addon.napi_instanceof({}, thrower);
});
op("instanceof an object", () => addon.napi_instanceof({}, {}));
op("instanceof a number", () => addon.napi_instanceof({}, 1));
for (const [owner, object] of [["Buffer", Buffer], ["Buffer.prototype", Buffer.prototype]]) {
  for (const name of Object.keys(object).sort().filter((key) => typeof object[key] === "function")) {
    engine.op(`instanceof ${owner}.${name}`, () => addon.napi_instanceof({}, object[name]));
  }
}
for (const name of ["cwd", "emitWarning", "exit", "hrtime", "memoryUsage", "nextTick"]) {
  op(`instanceof process.${name}`, () => addon.napi_instanceof({}, process[name]));
}
op("instanceof atob", () => addon.napi_instanceof({}, atob));
op("instanceof btoa", () => addon.napi_instanceof({}, btoa));
engine.op("instanceof null", () => addon.napi_instanceof({}, null));
engine.op("instanceof undefined", () => addon.napi_instanceof({}, undefined));
// A proxy on the chain of prototypes, which is asked, and one that leads in a circle.
const behind = (prototype, log) => Object.create(new Proxy({}, {
  getPrototypeOf() {
    log.push("asked");
    return prototype;
  },
}));
op("instanceof behind a proxy", () => {
  const log = [];
  return [Base, Derived, Object, Base.bind()].map((constructor) => {
    return outcome(addon.napi_instanceof(behind(Base.prototype, log), constructor));
  }).concat(log);
});
op("instanceof behind a proxy that throws", () => {
  const thrower = new Proxy({}, { getPrototypeOf() { throw new Error("asked"); } });
  return [Base, Base.bind()].map((constructor) => outcome(addon.napi_instanceof(Object.create(thrower), constructor)));
});
op("instanceof by a method behind a proxy", () => {
  const by = (value) => class { static [Symbol.hasInstance] = value; };
  const asking = (value) => addon.napi_instanceof(behind(null, []), value);
  return [() => 1, () => "", undefined, null].map((value) => outcome(asking(by(value))));
});
engine.op("instanceof by what is no method behind a proxy", () => {
  const own = Object.assign(function () {}, { prototype: 5 });
  return [
    class { static [Symbol.hasInstance] = 5; }, own, () => 1,
    class { static get [Symbol.hasInstance]() { throw new Error("got"); } },
    new Proxy(Base, {}), new Proxy(Base, { get() { throw new Error("trap"); } }),
  ].map((constructor) => outcome(addon.napi_instanceof(behind(Base.prototype, []), constructor)));
});
engine.op("instanceof along a circle of prototypes", () => {
  const value = {};
  Object.setPrototypeOf(value, new Proxy(value, {}));
  return [value, Object.getPrototypeOf(value)].map((one) => outcome(addon.napi_instanceof(one, Base)));
});
op("instanceof an arrow function", () => {
  hideWords = true;
  const result = outcome(addon.napi_instanceof({}, () => 1));
  hideWords = false;
  return result;
});
const primitive = (value) => ({ [Symbol.toPrimitive]: value });
for (const [what, make] of [
  ...SPECIAL.filter(([what]) => what !== "a date"), ["an object by hint", () => primitive((hint) => hint)],
  ["an object to no primitive", () => primitive(() => ({}))], ["an object to a symbol", () => primitive(() => Symbol.iterator)],
  ["an object to a bigint", () => primitive(() => 5n)], ["an object by what is no function", () => primitive(5)],
  ["an object by nothing", () => ({ ...primitive(null), valueOf: () => 8, toString: () => "t" })],
  ["an object by its second word", () => ({ valueOf: () => ({}), toString: () => "9" })],
  ["an object without words", () => ({ valueOf: () => ({}), toString: () => ({}) })],
  ["an error", () => new TypeError("m")], ["nested arrays", () => [1, [2, [null, undefined, 3]]]],
  ...[
    1e21, 1e-7, " 0xfF ", "0b11", "0o17", "1_0", "-Infinity", "\u00a0\ufeff 5 \n", "1,5", "1\0", "9007199254740993", "1e1000",
    "-0x10", 2 ** 53, 123456789012345680000, 0.1 + 0.2, 5e-324, Number.MAX_VALUE, 2n ** 70n, "\ud800", Symbol.iterator,
  ].map((value) => [show(value), () => value]),
]) {
  engine.op(`coercions of ${what}`, () => ["bool", "number", "string", "object"].map((to) => {
    const value = make();
    const report = addon[`napi_coerce_to_${to}`](value);
    const same = to === "object" && report.status === "napi_ok";
    return same ? [report.result === value, Object.prototype.toString.call(report.result)] : outcome(report);
  }));
  engine.op(`classes of ${what}`, () => [Object, Array, Function, Proxy, Map, Uint8Array, Error].map((constructor) => {
    return outcome(addon.napi_instanceof(make(), constructor));
  }));
}
standard();
