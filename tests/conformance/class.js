const symbol = Symbol("member");
const K = addon.napi_define_class("Kind", undefined, symbol).result;
op("define", () => addon.napi_define_class("Other"));
op("name with a length", () => addon.napi_define_class("Truncated", 5).result.name);
op("an empty name", () => addon.napi_define_class("").result.name);
op("own properties", () => attributes(K).filter((line) => !/^prototype|^(arguments|caller)/.test(line)));
op("prototype is writable", () => Object.getOwnPropertyDescriptor(K, "prototype").writable);
op("own properties of the prototype", () => attributes(K.prototype));
op("constructor", () => K.prototype.constructor === K);
op("new", () => {
  const one = new K("a");
  return [one instanceof K, Object.keys(one), one.argument, one.constructor === K];
});
op("new without arguments", () => Object.keys(new K()));
op("new that returns another object", () => {
  const other = { other: 1 };
  return new K(other) === other;
});
op("without new", () => K());
op("is a class or a function", () => [typeof K, K.length, K.name]);
op("method", () => {
  const one = new K(1);
  return [one.method() === one, one[symbol]() === one, one.hidden() === one];
});
op("names of members", () => [
  K.prototype.method.name, K.staticMethod.name, K.prototype[symbol].name,
  Object.getOwnPropertyDescriptor(K.prototype, "accessor").get.name,
]);
op("accessor", () => {
  const one = new K(1);
  one.accessor = 5;
  return [one.accessor, one.argument, one.readOnly];
});
op("read-only accessor, sloppy", () => {
  const one = new K(1);
  one.readOnly = 5;
  return one.readOnly;
});
engine.op("read-only accessor, strict", () => {
  "use strict";
  new K(1).readOnly = 5;
});
op("value on the prototype", () => [new K().number, K.prototype.number, "number" in K]);
op("statics", () => [K.staticMethod() === K, K.staticNumber, K.staticAccessor]);
op("static method on nothing", () => (0, K.staticMethod)() === globalThis);
for (const kind of ["method", "accessor", "value"]) {
  for (const name of ["prototype", "name", "length", "other", Symbol.for("s"), 5, null]) {
    if (kind === "value" && typeof name === "object") continue;
    op(`static ${kind} ${show(name)}`, () => {
      const report = addon.defineStatic(name, kind);
      if (report.status !== "napi_ok") return report;
      const { result } = report;
      return ["name", "length", "prototype"].map((key) => typeof Object.getOwnPropertyDescriptor(result, key).value);
    });
  }
}
op("method on the prototype itself", () => K.prototype.method());
op("method on another object", () => K.prototype.method.call({}));
op("method on an heir of an instance", () => Object.create(new K(1)).method());
op("method on a proxy of an instance", () => new Proxy(new K(1), {}).method());
op("method on nothing", () => (0, K.prototype.method)());
op("method on an instance of another class", () => {
  const Other = addon.napi_define_class("Other").result;
  return K.prototype.method.call(new Other());
});
op("accessor on another object", () => {
  return Object.getOwnPropertyDescriptor(K.prototype, "accessor").get.call({ argument: 7 });
});
class Derived extends K {
  constructor(argument) {
    super(argument);
    this.derived = true;
  }
  own() {
    return "own";
  }
}
op("a derived class", () => {
  const one = new Derived("d");
  return [one instanceof K, one.method() === one, one.own(), Object.keys(one), one.accessor];
});
op("statics of a derived class", () => [Derived.staticNumber, Derived.staticMethod() === Derived]);
op("Reflect.construct with another target", () => {
  const one = Reflect.construct(K, ["r"], Array);
  return [one instanceof Array, one instanceof K, K.prototype.method.call(one) === one];
});
op("a constructor that throws", () => new (addon.defineThrowing().result)());

op("wrap and unwrap", () => {
  const object = {};
  return [
    outcome(addon.napi_unwrap(object)), outcome(addon.napi_wrap(object, 5)),
    outcome(addon.napi_unwrap(object)), outcome(addon.napi_wrap(object, 6)),
    outcome(addon.napi_remove_wrap(object)), outcome(addon.napi_unwrap(object)),
    outcome(addon.napi_remove_wrap(object)), outcome(addon.napi_wrap(object, 7)),
    outcome(addon.napi_unwrap(object)), Reflect.ownKeys(object),
  ];
});
op("wrap nothing", () => {
  const object = {};
  return [outcome(addon.napi_wrap(object, 0)), outcome(addon.napi_unwrap(object)), outcome(addon.napi_wrap(object, 1))];
});
for (const [label, object] of [
  ["a frozen object", Object.freeze({})], ["a function", () => 1], ["an array", []],
  ["a proxy", new Proxy({}, {})], ["a date", new Date(0)], ["an instance", new K(1)],
]) {
  op(`wrap ${label}`, () => [outcome(addon.napi_wrap(object, 3)), outcome(addon.napi_unwrap(object))]);
}
op("a wrap is on the proxy", () => {
  const target = {};
  const proxy = new Proxy(target, {});
  addon.napi_wrap(proxy, 3);
  return [outcome(addon.napi_unwrap(target)), outcome(addon.napi_unwrap(proxy))];
});
op("a wrap is not inherited", () => {
  const object = {};
  addon.napi_wrap(object, 3);
  return addon.napi_unwrap(Object.create(object));
});
for (const other of [1, "text", null, undefined, Symbol("s")]) {
  call("napi_wrap", other, 1);
  call("napi_unwrap", other);
  call("napi_remove_wrap", other);
}
op("wrap with a reference", () => addon.wrapWithReference({}, 9));
op("remove without a result", () => {
  const object = {};
  addon.napi_wrap(object, 3);
  return [outcome(addon.removeForNothing(object)), outcome(addon.napi_unwrap(object))];
});
for (const [what, make] of [
  ...SPECIAL, ["a class", () => class {}], ["a promise", () => Promise.resolve()], ["a Buffer", () => Buffer.alloc(2)],
  ["an array buffer", () => new ArrayBuffer(2)], ["a shared one", () => new SharedArrayBuffer(2)], ["a generator", () => (function* () {})()],
  ["a weak map", () => new WeakMap()], ["a weak reference", () => new WeakRef({})], ["an object without prototype", () => Object.create(null)],
  ["a revoked proxy", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }],
]) {
  op(`a wrap's life on ${what}`, () => {
    const value = make();
    return [
      outcome(addon.napi_unwrap(value)), outcome(addon.napi_remove_wrap(value)), outcome(addon.napi_wrap(value, 3)),
      outcome(addon.napi_unwrap(value)), outcome(addon.napi_wrap(value, 4)), outcome(addon.removeForNothing(value)),
      outcome(addon.napi_unwrap(value)), outcome(addon.napi_wrap(value, 5)), outcome(addon.wrapWithReference(make(), 9)),
      outcome(addon.napi_remove_wrap(value)),
    ];
  });
}
op("no finalizer ran within this script", () => addon.finalizedCount());
standard();
