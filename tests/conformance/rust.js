// The sample on napi-rs. The value is a promise of the lines, for the loop has to run.
const { Shape, Frame, Counter, StoredFunction } = addon;
const immediate = () => new Promise((resolve) => setImmediate(resolve));
const line = (label, what) => lines.push(`${label}: ${show(what)}`);

function classes() {
  op("exports", () => Object.keys(addon).sort());
  op("a class", () => [typeof Shape, Shape.name, Shape.length, ...attributes(Shape.prototype).sort()]);
  op("an instance", () => {
    const shape = new Shape(3, "three");
    return [shape.area(), shape.side, shape.name, shape.first, Object.keys(shape), shape instanceof Shape];
  });
  for (const [label, args] of [["nothing", []], ["a text", ["1"]], ["null", [null]], ["-1", [-1]], ["a wrong name", [1, 2]]]) {
    op(`new Shape of ${label}`, () => new Shape(...args));
  }
  engine.op("without new", () => Shape(1));
  op("a factory", () => { const unit = Shape.unit(); return [unit.name, unit instanceof Shape, unit.constructor === Shape, unit.area()]; });
  op("a static", () => Shape.corners());
  op("a setter", () => { const shape = new Shape(1); shape.side = 4; shape.name = "four"; return [shape.area(), shape.name]; });
  op("a setter that refuses", () => { new Shape(1).side = -1; });
  op("a setter of the wrong type", () => { new Shape(1).side = "1"; });
  op("a field that stays", () => { const shape = new Shape(1); shape.first = 9; return shape.first; });
  op("chained", () => { const shape = new Shape(1); return [shape.grow(2) === shape, shape.grow(1).side]; });
  op("equals", () => [new Shape(1).equals(new Shape(1)), new Shape(1).equals(new Shape(2))]);
  for (const other of [{}, null, 1, new Counter(), Object.create(Shape.prototype)]) {
    engine.op(`equals ${show(other)}`, () => new Shape(1).equals(other));
    engine.op(`nameOf ${show(other)}`, () => addon.nameOf(other));
  }
  op("nameOf", () => addon.nameOf(new Shape(1, "mine")));
  class Square extends Shape {
    constructor(side) { super(side, "square"); this.own = true; }
    area() { return `area ${super.area()}`; }
  }
  op("an heir", () => {
    const square = new Square(2);
    return [square.area(), square.name, square.own, square instanceof Shape, addon.nameOf(square), new Shape(2).equals(square)];
  });
  op("a method on something else", () => Shape.prototype.area.call({}));
  op("a method of another class", () => Shape.prototype.area.call(new Counter()));
  op("a frame", () => {
    const shape = new Shape(2, "held");
    const frame = new Frame(shape);
    return [frame.shape.name, frame.shape.side, frame.shape.grow(1).side, shape.side];
  });
  op("a stored function", () => [new StoredFunction((value) => value * 2).call(21)]);
  op("a stored function that throws", () => new StoredFunction(() => { throw new TypeError("kept"); }).call(1));
  engine.op("a stored function without a function", () => new StoredFunction());
  op("a counter", () => {
    const counter = new Counter(5);
    const seen = [counter.increment(), counter.add(10), counter.decrement(), counter.value];
    counter.reset();
    return [...seen, counter.value];
  });
  engine.op("a counter's value is its own", () => { "use strict"; new Counter().value = 5; });
}

function values() {
  op("enums", () => [addon.Kind, addon.Colour]);
  op("otherColour", () => [addon.otherColour("Red"), addon.otherColour(addon.Colour.Blue)]);
  op("otherColour of none", () => addon.otherColour("Green"));
  op("either", () => [addon.either("text"), addon.either(1.5)]);
  for (const value of [null, undefined, {}, true, 1n, Symbol("s")]) engine.op(`either ${show(value)}`, () => addon.either(value));
  op("nothing", () => [addon.nothing(true), addon.nothing(false)]);
  for (const value of [0n, 1n, -1n, 2n ** 64n, -(2n ** 130n)]) op(`bigint ${value}`, () => [addon.sameBigint(value), addon.lowBits(value)]);
  engine.op("bigint of a number", () => addon.sameBigint(1));
  op("a symbol", () => [addon.makeSymbol("described").toString(), addon.makeSymbol("a") === addon.makeSymbol("a")]);
  op("sumOfMap", () => addon.sumOfMap({ a: 1, b: 2.5 }));
  engine.op("sumOfMap of texts", () => addon.sumOfMap({ a: "1" }));
  op("change", () => { const object = { key: 1, other: 2 }; return [addon.change(object), object]; });
  op("change an array", () => addon.change([1, 2]));
  engine.op("change what is frozen", () => addon.change(Object.freeze({ key: 1 })));
  op("reversed", () => addon.reversed(new Uint8Array([1, 2, 3])));
  op("reversed part", () => addon.reversed(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)));
  engine.op("reversed other", () => addon.reversed(new Int16Array(2)));
  op("scaled", () => addon.scaled(new Float64Array([1, 2]), 1.5));
  op("raise", () => { const buffer = Buffer.from([1, 255]); const raised = addon.raise(buffer); return [raised, buffer, raised === buffer]; });
  op("createBuffer", () => [addon.createBuffer(0), addon.createBuffer(5), addon.createBuffer(300).length]);
  op("bufferSum", () => addon.bufferSum(Buffer.from([1, 2, 3])));
  for (const value of [new ArrayBuffer(1), {}, "text", null]) engine.op(`bufferLength ${show(value)}`, () => addon.bufferLength(value));
  op("an external", () => [addon.readExternal(addon.makeExternal(2.5)), typeof addon.makeExternal(1)]);
  engine.op("no external", () => addon.readExternal({}));
  for (const value of [undefined, null, true, 1, "x", Symbol("s"), {}, () => 1, 1n, addon.makeExternal(1), []]) op(`typeOf ${show(value)}`, () => addon.typeOf(value));
  op("applyTo", () => addon.applyTo({ base: 10 }, function (value) { return this.base + value; }));
  op("construct", () => [addon.construct(Shape, 3).area(), addon.construct(class { constructor(value) { this.value = value; } }, 4)]);
  op("construct what refuses", () => addon.construct(Shape, -1));
  engine.op("construct an arrow", () => addon.construct(() => 1, 1));
  op("persons", () => [addon.createPerson("Ada", 36), addon.describePerson({ name: "Ada", age: 36 })]);
  for (const person of [{}, { name: "Ada" }, { name: 1, age: 2 }, null, undefined]) op(`describePerson ${show(person)}`, () => addon.describePerson(person));
  op("callThrice", () => addon.callThrice((number) => number * 2));
  op("callThrice of what throws", () => addon.callThrice((number) => { if (number === 1) throw new RangeError("second"); return 1; }));
  op("callThrice of texts", () => addon.callThrice(() => "text"));
  for (const args of [[], [1], ["1", 2], [1, null], [1n, 2]]) op(`add ${show(args)}`, () => addon.add(...args));
  op("mapAndSum", () => addon.mapAndSum([1, 2, 3], (number) => number * 10));
  op("maybeDouble", () => [addon.maybeDouble(2), addon.maybeDouble(null), addon.maybeDouble()]);
  op("greetOptional", () => [addon.greetOptional("you"), addon.greetOptional(), addon.greetOptional(null)]);
  op("greet \ud83d\ude00", () => addon.greet("\ud83d\ude00 \ud800"));
}

function errors() {
  for (let status = 0; status < 24; status++) op(`failWith ${status}`, () => addon.failWith(status, "words"));
  for (const kind of ["Error", "TypeError", "RangeError"]) {
    op(`throwClass ${kind}`, () => addon.throwClass(kind, "words", "E_SAMPLE"));
    op(`throwClass ${kind} without code`, () => addon.throwClass(kind, "words"));
  }
  op("divide", () => addon.divide(1, 0));
  const thrown = [
    new TypeError("type"), Object.assign(new Error("coded"), { code: "E_CODE" }), new (class Own extends RangeError {})("own"),
    { message: "an object" }, 5, "text", null, undefined, 10n, () => 1,
  ];
  for (const value of thrown) {
    op(`rethrow ${show(value)}`, () => addon.rethrow(() => { throw value; }));
    op(`reasonOf ${show(value)}`, () => addon.reasonOf(() => { throw value; }));
    op(`rethrow is the same ${show(value)}`, () => {
      try {
        addon.rethrow(() => { throw value; });
      } catch (error) {
        return error === value;
      }
    });
  }
  op("nothing thrown", () => [addon.rethrow(() => 1), addon.reasonOf(() => 1)]);
  op("panicCaught", () => addon.panicCaught());
}

async function afterwards() {
  const outcome = (promise) => promise.then((value) => ["fulfilled", value], (error) => ["rejected", error, error?.constructor?.name]);
  line("asyncAdd", await outcome(addon.asyncAdd(1, 2)));
  line("asyncDivide", await outcome(addon.asyncDivide(9, 2)));
  line("asyncDivide by zero", await outcome(addon.asyncDivide(9, 0)));
  line("asyncDivide to nothing", await outcome(addon.asyncDivide(NaN, 1)));
  engine.op("asyncDivide of texts", () => addon.asyncDivide("1"));
  const aborted = new AbortController();
  line("asyncDivide with a signal", await outcome(addon.asyncDivide(1, 2, aborted.signal)));
  aborted.abort();
  line("several at once", await Promise.all([1, 2, 3, 4, 5, 6].map((number) => addon.asyncDivide(number, 2))));
  for (const number of [1, -1]) line(`settleOnThread ${number}`, await outcome(addon.settleOnThread(number)));
  const counted = [];
  await new Promise((resolve) => addon.countOnThread((error, number) => { if (counted.push([error, number]) === 50) resolve(); }, 50));
  line("countOnThread", counted.every(([error, number], index) => error === null && number === index));
  line("failOnThread", await new Promise((resolve) => addon.failOnThread((...args) => resolve(args))));
  line("askOnThread", await new Promise((resolve) => addon.askOnThread((number) => number + 1, (...args) => resolve(args))));
  await immediate();
  return lines;
}

classes();
values();
errors();
return afterwards();
