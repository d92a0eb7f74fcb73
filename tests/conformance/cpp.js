// The sample on node-addon-api. The value is a promise of the lines, for the loop has to run.
const { Shape, Stack } = addon;
const immediate = () => new Promise((resolve) => setImmediate(resolve));
const line = (label, what) => lines.push(`${label}: ${show(what)}`);

function objects() {
  op("a class", () => [typeof Shape, Shape.name, Shape.length, ...attributes(Shape.prototype).sort()]);
  op("statics", () => attributes(Shape).filter((text) => /isShape|count/.test(text)).sort());
  op("an instance", () => {
    const shape = new Shape(3);
    return [shape.area(), shape.side, shape.kind, Object.keys(shape), shape instanceof Shape, shape.constructor === Shape];
  });
  op("a default", () => new Shape().side);
  op("an accessor", () => {
    const shape = new Shape(2);
    shape.side = 5;
    return [shape.area(), "side" in shape, Object.hasOwn(shape, "side")];
  });
  op("an accessor that refuses", () => { new Shape().side = "long"; });
  op("a symbol as name", () => [...new Shape(4)]);
  for (const value of [-1, "1", null, {}]) op(`new Shape(${show(value)})`, () => new Shape(value).side);
  op("without new", () => Shape(1));
  op("counts what was made", () => {
    const before = Shape.count;
    new Shape(1);
    return Shape.count - before;
  });
  class Square extends Shape {
    constructor(side) { super(side); this.name = "square"; }
    area() { return `area ${super.area()}`; }
    get side() { return -super.side; }
    static isShape(value) { return ["asked", super.isShape(value)]; }
  }
  op("an heir", () => {
    const square = new Square(3);
    return [square.area(), square.side, square.name, square instanceof Shape, Object.keys(square)];
  });
  op("statics of an heir", () => [Square.isShape(new Square(1)), Shape.isShape(new Square(1)), Square.count === Shape.count]);
  op("an heir of an heir", () => {
    class Cube extends Square { area() { return `cube of ${super.area()}`; } }
    return [new Cube(2).area(), new Cube(2).equals(new Shape(2)), new Cube(2).constructor.name];
  });
  op("equals", () => [new Shape(1).equals(new Shape(1)), new Shape(1).equals(new Square(2)), new Shape(1).equals({}), new Shape(1).equals(1)]);
  op("isShape", () => [new Shape(), {}, null, Object.create(Shape.prototype), new Proxy(new Shape(), {})].map((value) => Shape.isShape(value)));
  op("a method on something else", () => Shape.prototype.area.call({}));
  op("a method on a mere prototype", () => Object.create(Shape.prototype).area());
  op("a method on an instance of another class", () => Shape.prototype.area.call(new Stack()));
  engine.op("an accessor on something else", () => Object.getOwnPropertyDescriptor(Shape.prototype, "side").get.call(1));
  op("Reflect.construct", () => Object.getPrototypeOf(Reflect.construct(Shape, [1], Array)) === Array.prototype);
  op("newInstance", () => [addon.newInstance(Shape, 7).side, addon.newInstance(Square, 2).area(), addon.newInstance(Date, 0)]);
  engine.op("newInstance of what throws", () => addon.newInstance(Shape, -7));
  op("instanceOf", () => [
    addon.instanceOf(new Square(), Shape), addon.instanceOf({}, Shape), addon.instanceOf([], Array),
    addon.instanceOf({}, { [Symbol.hasInstance]: () => true }.constructor),
  ]);
  op("instanceOf with a say", () => addon.instanceOf({}, class { static [Symbol.hasInstance]() { return true; } }));
  op("instanceOf something else", () => addon.instanceOf({}, {}));
  op("a class with a name that comes twice", () => [new addon.Twice().accessor, ...attributes(addon.Twice.prototype)]);
  // What follows the message of the status is the runtime's own.
  op("a class with a static name that comes twice", () => {
    try {
      return addon.defineStaticTwice();
    } catch (error) {
      return error.message.replace(/^Invalid argument.*/, "Invalid argument");
    }
  });
  op("a stack", () => {
    const stack = Stack.of(1, "two", null);
    const items = [];
    stack.forEach((item, index) => items.push([item, index]));
    return [stack.size, stack.pop(), stack.push(3, 4), items, stack.name, Stack.LIMIT];
  });
  op("an empty stack", () => new Stack().pop());
  op("a stack with a callback that throws", () => Stack.of(1, 2).forEach((item) => { throw new RangeError(`at ${item}`); }));
  op("a full stack", () => {
    const stack = new Stack();
    for (let i = 0; i < 1001; i++) stack.push(i);
  });
  op("a name", () => {
    const stack = new Stack("given");
    stack.name = "changed \ud83d\ude00";
    return stack.name;
  });
}

function errors() {
  for (const kind of ["Error", "TypeError", "RangeError"]) {
    op(`makeError ${kind}`, () => {
      const error = addon.makeError(kind, "words");
      return [error, error.constructor === globalThis[kind], Object.keys(error), typeof error.stack];
    });
    op(`throwKind ${kind}`, () => addon.throwKind(kind, "words"));
  }
  const thrown = [
    new TypeError("type"), Object.assign(new Error("coded"), { code: "E_CODE", more: [1] }), { message: "an object" },
    5, "text", null, undefined, 10n, Symbol("thrown"), () => 1, Object.freeze({ frozen: true }), new (class Own extends RangeError {})("own"),
  ];
  for (const value of thrown) {
    const body = () => { throw value; };
    op(`rethrow ${show(value)}`, () => addon.rethrow(body));
    op(`rethrow is the same ${show(value)}`, () => {
      try {
        addon.rethrow(body);
      } catch (error) {
        return error === value;
      }
    });
    op(`seen ${show(value)}`, () => addon.seen(body));
    op(`throw after catch ${show(value)}`, () => addon.throwAfterCatch(body));
    op(`catch ${show(value)}`, () => addon.catch(body));
  }
  op("nothing thrown", () => [addon.rethrow(() => 1), addon.seen(() => 1), addon.catch(() => 1)]);
  op("throwError", () => addon.throwError("with a code"));
  op("through frames", () => addon.rethrow(() => addon.rethrow(() => addon.throwKind("RangeError", "deep"))));
  for (const wrong of [undefined, null, 1, {}]) {
    engine.op(`rethrow of ${show(wrong)}`, () => addon.rethrow(wrong));
  }
}

function values() {
  const all = {
    undefined: undefined, null: null, true: true, number: 1.5, nan: NaN, bigint: 10n, date: new Date(0), string: "text",
    symbol: Symbol("s"), array: [1], "array buffer": new ArrayBuffer(2), "shared buffer": new SharedArrayBuffer(2),
    "typed array": new Uint16Array(2), object: {}, function: () => 1, promise: Promise.resolve(),
    "data view": new DataView(new ArrayBuffer(1)), buffer: Buffer.from("x"), external: addon.makeExternal(1),
    proxy: new Proxy({}, {}), "callable proxy": new Proxy(() => 1, {}), map: new Map(), class: Shape, boxed: new Number(1),
    thenable: { then() {} }, error: new Error("x"), regexp: /x/,
  };
  for (const [name, value] of Object.entries(all)) op(`describe ${name}`, () => addon.describe(value));
  op("properties", () => addon.properties({ key: "value", 1: 2 }));
  op("properties of an array", () => addon.properties([1, 2]));
  op("properties inherited", () => addon.properties(Object.create({ key: 1 })));
  engine.op("properties that throw", () => addon.properties({ get key() { throw new RangeError("no"); } }));
  engine.op("properties of undefined", () => addon.properties(undefined));
  op("iterate", () => [addon.iterate({ a: 1, b: [2] }), addon.iterate([3, 4])]);
  op("define", () => attributes(addon.define({})));
  op("what was defined", () => {
    const made = addon.define({});
    return [made.value, made[Symbol.for("cpp")], made.method(), made.accessor === made];
  });
  engine.op("define on a frozen object", () => addon.define(Object.freeze({})));
  op("tag", () => addon.tag({}));
  engine.op("tag twice", () => { const object = {}; return [addon.tag(object), addon.tag(object)]; });
  for (const value of [0n, -1n, 2n ** 64n, -(2n ** 200n) + 1n]) op(`words ${value}`, () => addon.words(value) === value);
  engine.op("words of a number", () => addon.words(1));
  op("tomorrow", () => addon.tomorrow(new Date(0)));
  engine.op("tomorrow of a number", () => addon.tomorrow(1));
  op("escape", () => addon.escape());
  op("script", () => [addon.script("6 * 7"), addon.script("typeof addon")]);
  engine.op("script that fails", () => addon.script("("));
  op("closure", () => [addon.closure(5)(6), addon.closure(1).name]);
  op("closures are their own", () => { const [one, two] = [addon.closure(1), addon.closure(2)]; return [one(1), two(1), one(1)]; });
  op("factorial", () => addon.factorial(20n));
  op("factorial of too much", () => addon.factorial(21n));
  op("concatenate", () => addon.concatenate("a", 1, null, "\u20ac", { toString: () => "own" }));
  engine.op("concatenate a symbol", () => addon.concatenate(Symbol("s")));
  op("sort", () => addon.sort([3, 1, 2]));
  op("sort nothing", () => addon.sort());
  engine.op("sort texts", () => addon.sort(["a"]));
  op("filter", () => addon.filter([1, 2, 3, 4], (number) => number % 2));
  op("entries", () => addon.entries({ a: 1, 2: "b" }));
}

function memory() {
  op("an external", () => addon.readExternal(addon.makeExternal(1.5)));
  op("no external", () => addon.readExternal({}));
  for (const length of [0, 1, 5]) {
    op(`an external buffer of ${length}`, () => {
      const buffer = addon.externalBuffer(length);
      return [buffer, Buffer.isBuffer(buffer), buffer.byteLength];
    });
    op(`an external array buffer of ${length}`, () => addon.externalArrayBuffer(length));
  }
  op("detach", () => {
    const buffer = addon.externalArrayBuffer(4);
    const view = new Uint8Array(buffer);
    return [addon.detach(buffer), buffer.byteLength, view.length, addon.describeView(view).bytes];
  });
  const buffer = new ArrayBuffer(16);
  for (const view of [
    new Uint8Array(buffer, 1, 3), new Int8Array(2), new Uint8ClampedArray(2), new Int16Array(buffer, 2, 2), new Uint16Array(1),
    new Int32Array(1), new Uint32Array(1), new Float32Array(1), new Float64Array(buffer, 8), new BigInt64Array(1), new BigUint64Array(1),
    new DataView(buffer, 3, 4), Buffer.from("abc"),
  ]) {
    op(`view ${view.constructor.name}`, () => {
      const seen = addon.describeView(view);
      if (seen.buffer !== undefined) seen.buffer = seen.buffer === view.buffer;
      if (Buffer.isBuffer(view)) delete seen.offset; // Node takes small ones from a pool.
      return seen;
    });
  }
  for (const [type, offset, length] of [
    ["Uint8", 0, 16], ["Uint8", 15, 1], ["Uint8", 16, 0], ["Uint8", 0, 17], ["Int16", 2, 3], ["Int16", 1, 1], ["Float64", 8, 1],
    ["Float64", 4, 1], ["BigInt64", 0, 2], ["BigInt64", 0, 3], ["DataView", 3, 5], ["DataView", 10, 10],
  ]) {
    op(`${type} at ${offset} of ${length}`, () => addon.makeTyped(type, buffer, offset, length));
  }
  op("reverse", () => addon.reverse(Buffer.from([1, 2, 3])));
  op("fill", () => { const bytes = Buffer.alloc(3); return addon.fill(bytes, 7) === bytes && bytes; });
  op("scale", () => addon.scale(new Float64Array([1, 2.5]), 2));
  op("nothing kept", () => addon.callKept());
  op("a function kept", () => {
    addon.keepFunction(function (...args) { return [this === addon, args]; });
    return addon.callKept(1, 2);
  });
  op("another function kept", () => { addon.keepFunction(() => { throw new TypeError("kept"); }); return addon.callKept(); });
  op("an object kept", () => { const object = {}; return [addon.keepObject(object), object, addon.kept() === object]; });
}

async function afterwards() {
  const calls = [];
  const receiver = { sumLater: addon.sumLater };
  const called = (numbers) => new Promise((resolve) => {
    receiver.sumLater(numbers, function (...args) { resolve([this === receiver, args]); });
  });
  line("sumLater", await called([1, 2, 3.5]));
  line("sumLater that fails", await called([]));
  line("sumOf", await addon.sumOf([4, 5]));
  line("sumOf is", addon.sumOf([1]) instanceof Promise);
  line("sumOf that fails", await addon.sumOf([]).catch((error) => ["caught", error, error.constructor === Error]));
  line("several at once", await Promise.all([1, 2, 3, 4, 5, 6].map((number) => addon.sumOf([number, number]))));
  engine.op("sumOf nothing", () => addon.sumOf());
  const steps = [];
  line("count", await new Promise((resolve) => addon.count((step) => steps.push(step), (...args) => resolve(args), 50)));
  await immediate();
  line("every step", steps.length === 50 && steps.every((step, index) => step === index));

  const latest = [];
  line("countLatest", await new Promise((resolve) => addon.countLatest((step) => latest.push(step), (...args) => resolve(args), 50)));
  await immediate();
  line("every latest step", latest.length <= 50 && latest.every((step, index) => step >= index && step < 50));

  const heard = [];
  const listener = (error, origin) => heard.push(error, origin);
  process.on("uncaughtException", listener);
  addon.throwLater();
  for (let i = 0; i < 200 && heard.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  process.off("uncaughtException", listener);
  line("throwLater", heard);

  line("callFromThreads", await addon.callFromThreads((thread, call) => calls.push([thread, call]), 3, 40));
  for (const thread of [0, 1, 2]) {
    const mine = calls.filter(([number]) => number === thread).map(([, call]) => call);
    line(`thread ${thread}`, mine.length === 40 && mine.every((call, index) => call === index));
  }
  const typed = [];
  await new Promise((resolve) => {
    line("callTyped", addon.callTyped((...args) => { if (typed.push(args) === 3) resolve(); }, "context"));
  });
  line("typed calls", typed);

  const order = [];
  op("makeCallback", () => addon.makeCallback(function (value) { return [this === addon, value]; }, 5));
  op("makeCallback that throws", () => addon.makeCallback(() => { throw new RangeError("made"); }));
  op("inCallbackScope", () => addon.inCallbackScope(() => {
    Promise.resolve().then(() => order.push("microtask"));
    order.push("call");
    return "returned";
  }));
  await immediate();
  line("order", order);
  line("a settled promise", [await addon.settledPromise(true, { a: 1 }), await addon.settledPromise(false, "no").catch((reason) => ["caught", reason])]);

  // The finalizers of what is gone: their number alone, for some wait for the loop.
  const before = addon.finalized();
  (() => {
    for (let i = 0; i < 10; i++) {
      new Shape(i);
      addon.makeExternal(i);
      addon.externalBuffer(8);
      addon.externalArrayBuffer(8);
    }
  })();
  for (let i = 0; i < 20 && addon.finalized() < before + 40; i++) {
    gc();
    await immediate();
    await immediate();
  }
  line("finalized", addon.finalized() >= before + 40);
  return lines;
}

objects();
errors();
values();
memory();
return afterwards();
