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
standard();
