op("a function as made", () => {
  const report = addon.napi_create_function("name");
  const f = report.result;
  return [outcome(report), attributes(f).filter((line) => !/^prototype|^(arguments|caller)/.test(line)), typeof f];
});
for (const args of [["some name", 4], ["\u20ac"], [""], [null, 0], [null]]) {
  op(`napi_create_function(${show(args)})`, () => addon.napi_create_function(...args));
}
op("is native code", () => /\[native code\]/.test(addon.napi_create_function("f").result.toString()));
op("prototype chain", () => {
  return Object.getPrototypeOf(addon.napi_create_function("f").result) === Function.prototype;
});
const make = (kind) => addon.napi_create_function("made", undefined, kind).result;
const described = make();
const shownCall = (result) => ({ ...result, self: result.self === globalThis ? "global" : result.self });
op("called", () => shownCall(described(1, 2, 3)));
op("called without arguments", () => shownCall(described()));
op("called on an object", () => described.call({ me: 1 }, "x"));
op("called on null", () => shownCall(described.call(null)));
op("called on a number", () => [typeof described.call(5).self, described.call(5).self.valueOf()]);
op("called strictly", () => {
  "use strict";
  return shownCall(described.call(undefined));
});
op("constructed", () => {
  const made = new described(7);
  return [made.constructed, made.argc, made.first];
});
op("constructed, returns nothing", () => {
  const nothing = make("nothing");
  const made = new nothing();
  return [typeof made, made instanceof nothing, Object.getPrototypeOf(made) === nothing.prototype];
});
op("constructed, returns a number", () => typeof new (make("number"))());
op("returns nothing", () => make("nothing")());
op("returns a number", () => make("number")());
op("throws and returns", () => make("throw")(new Error("thrown")));
op("throws a number", () => make("throw")(7));
op("throws undefined", () => make("throw")(undefined));
op("new.target", () => {
  const target = make("target");
  class Derived extends target {}
  return [target() === undefined, new target() === target, new Derived() === Derived];
});
op("Reflect.construct", () => {
  const target = make("target");
  return Reflect.construct(target, [], Array) === Array;
});
op("bound", () => described.bind({ bound: 1 }, "a")("b"));

call("napi_call_function", (...args) => args, undefined, 1, "two", null);
op("the receiver", () => addon.napi_call_function(function () { "use strict"; return this; }, 5));
op("the sloppy receiver", () => {
  return addon.napi_call_function(function () { return this === globalThis; }, undefined);
});
op("a call that throws", () => addon.napi_call_function(() => { throw new Error("called"); }, undefined));
op("a call that throws a string", () => addon.napi_call_function(() => { throw "text"; }, undefined));
for (const other of [1, "text", null, undefined, {}, []]) {
  op(`call ${show(other)}`, () => addon.napi_call_function(other, undefined));
  op(`construct ${show(other)}`, () => addon.napi_new_instance(other));
}
engine.op("call a class", () => addon.napi_call_function(class {}, undefined));
call("callForNothing", () => 1, undefined);
op("call a native function", () => shownCall(addon.napi_call_function(described, { r: 1 }, 9).result));
op("deep", () => {
  const deep = (n) => (n === 0 ? "bottom" : addon.napi_call_function(deep, undefined, n - 1).result);
  return deep(50);
});
class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }
}
op("new instance", () => addon.napi_new_instance(Point, 1, 2));
op("new instance is one", () => addon.napi_new_instance(Point).result instanceof Point);
op("new instance that throws", () => {
  return addon.napi_new_instance(class { constructor() { throw new RangeError("constructed"); } });
});
engine.op("new of an arrow function", () => addon.napi_new_instance(() => 1));
op("new of a built-in class", () => addon.napi_new_instance(Date, 5));
function* generator() { yield 1; }
for (const [what, f] of [
  ["a generator", generator], ["an async function", async () => 1], ["a method", { m() { return 1; } }.m], ["Symbol", Symbol],
  ["BigInt", BigInt], ["Math.max", Math.max], ["Object", Object], ["Array", Array], ["Proxy", Proxy], ["Promise", Promise],
  ["Error", Error], ["a bound class", Point.bind(null, 7)], ["a bound function", function (...args) { return [this === undefined, args]; }.bind(undefined, 1)],
  ["a proxy of a class", new Proxy(Point, {})], ["a proxy that constructs", new Proxy(Point, { construct: () => ({ trapped: true }) })],
  ["a proxy that constructs nothing", new Proxy(Point, { construct: () => 1 })],
  ["a proxy that is called", new Proxy(() => 1, { apply: (target, self, args) => [typeof self, args.length] })],
  ["a class that returns an object", class { constructor() { return { other: 1 }; } }],
  ["a class that returns a number", class { constructor() { return 1; } }],
  ["a derived class", class extends Point { constructor() { super(1, 2); this.z = 3; } }],
  ["a derived class without super", class extends Point { constructor() {} }],
  ["a getter", Object.getOwnPropertyDescriptor({ get a() { return 5; } }, "a").get],
]) {
  const shown = (report) => (report.status === "napi_ok" && typeof report.result === "function" ? [report.status, "function"] : outcome(report));
  engine.op(`call ${what}`, () => shown(addon.napi_call_function(f, undefined, 1)));
  engine.op(`construct ${what}`, () => shown(addon.napi_new_instance(f, 1)));
}
for (const room of [1, 2, 5]) {
  op(`room for ${room} of one`, () => addon.napi_get_cb_info(room));
  op(`room for ${room} of three`, () => addon.napi_get_cb_info(room, "b", "c"));
}
cases("callback info", addon.cbInfoParts(1));
op("no new.target", () => addon.napi_get_new_target());
op("a new.target", () => new addon.napi_get_new_target());
op("stack overflow", () => {
  const down = () => addon.napi_call_function(down, undefined);
  let report = addon.napi_call_function(() => {
    const deeper = () => deeper();
    return deeper();
  }, undefined);
  return [report.status, report.thrown instanceof RangeError];
});
standard();
