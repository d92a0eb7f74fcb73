// When `error.stack` is made and what of the script runs for it: the call sites are recorded when the
// error is made, the text is formatted when `stack` is first read.

const first = (error) => {
  const { stack } = error;
  return typeof stack === "string" ? stack.split("\n")[0] : stack;
};
const kept = (object, key = "stack") => {
  const own = Object.getOwnPropertyDescriptor(object, key);
  if (own === undefined) return "absent";
  const kind = "value" in own ? typeof own.value : `${typeof own.get} ${typeof own.set}`;
  return `${kind} ${own.enumerable ? "e" : "-"}${own.configurable ? "c" : "-"}`;
};
const changed = (error, changes) => Object.assign(error, changes);
const accessors = Object.getOwnPropertyDescriptor(new Error("any"), "stack");

// What is read first decides.
op("the message changes before", () => first(changed(new Error("a"), { message: "b" })));
op("the message changes after", () => {
  const error = new Error("a");
  return [first(error), first(changed(error, { message: "b" }))];
});
op("the name changes before", () => first(changed(new Error("a"), { name: "Other" })));
op("a name of the constructor's", () => {
  class Named extends Error {
    constructor(message) {
      super(message);
      this.name = "Named";
    }
  }
  return first(new Named("m"));
});
op("a subclass without a name", () => first(new (class Plain extends Error {})("m")));

for (const key of ["message", "name"]) {
  op(`an accessor for the ${key}`, () => {
    let calls = 0;
    class Counting extends Error {}
    Object.defineProperty(Counting.prototype, key, { get() { calls += 1; return "told"; } });
    const seen = [calls];
    const error = key === "name" ? new Counting("m") : new Counting();
    seen.push(calls);
    seen.push(first(error), calls, first(error), calls);
    return seen;
  });
  op(`an accessor for the ${key} that throws`, () => {
    const error = new Error("m");
    let calls = 0;
    Object.defineProperty(error, key, { get() { calls += 1; throw new RangeError("no"); }, configurable: true });
    const thrown = [];
    for (let i = 0; i < 2; i++) {
      try {
        first(error);
      } catch (e) {
        thrown.push(e.message);
      }
    }
    Object.defineProperty(error, key, { value: "late" });
    return [thrown, calls, first(error)];
  });
  for (const value of ["", undefined, null, 42, 7n, true, ["x"], { toString() { return "object"; } }]) {
    op(`${show(value)} for the ${key}`, () => first(changed(new Error("m"), { [key]: value })));
  }
  engine.op(`a symbol for the ${key}`, () => first(changed(new Error("m"), { [key]: Symbol("s") })));
}
op("neither", () => first(changed(new Error(""), { name: "" })));
op("a message of two lines", () => new Error("one\ntwo").stack.split("\n").slice(0, 2));
op("lone surrogates", () => first(new Error("\ud800 \udc00")));
op("toString of its own", () => first(changed(new Error("m"), { toString: () => "mine" })));
op("toString replaced", () => {
  const { toString } = Error.prototype;
  Error.prototype.toString = () => "mine";
  try {
    return first(new Error("m"));
  } finally {
    Error.prototype.toString = toString;
  }
});

// The property.
op("the property", () => [kept(new Error("m")), kept(Error.prototype), "stack" in Error.prototype]);
op("one getter for all", () => {
  const other = Object.getOwnPropertyDescriptor(new TypeError("m"), "stack");
  return [accessors.get === other.get, accessors.set === other.set, accessors.get.length, accessors.set.length];
});
op("keys", () => [Reflect.ownKeys(new Error("m", { cause: 1 })).sort(), Object.keys(new Error("m")), { ...new Error("m") }]);
op("all native errors", () => [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((Class) => {
  const error = new Class("m");
  return `${kept(error)} ${first(error)}`;
}));
op("an AggregateError", () => first(changed(new AggregateError([1], "m"), { message: "n" })));
op("a DOMException", () => {
  const error = new DOMException("m", "AbortError");
  return [kept(error), first(error)];
});
op("frozen", () => {
  const error = Object.freeze(changed(new Error("a"), { message: "b" }));
  const before = first(error);
  error.stack = "set";
  return [before, error.stack, kept(error)];
});
op("sealed", () => first(changed(Object.seal(new Error("a")), { message: "b" })));
op("set", () => ["text", 5, undefined, null, { a: 1 }, [null, 1], [true, []]].map((value) => {
  const error = new Error("m");
  error.stack = value;
  return [error.stack === value, kept(error)];
}));
op("set, then the message changes", () => {
  const error = new Error("m");
  error.stack = "set";
  return first(changed(error, { message: "n" }));
});
op("deleted", () => {
  const error = new Error("m");
  delete error.stack;
  try {
    throw error;
  } catch {
    return [error.stack, kept(error)];
  }
});
op("redefined", () => {
  const error = Object.defineProperty(new Error("m"), "stack", { value: 5 });
  return [error.stack, first({ stack: accessors.get.call(error) })];
});
op("thrown again", () => {
  const error = new Error("m");
  const before = error.stack;
  const thrower = () => { throw error; };
  try {
    thrower();
  } catch {
    return [error.stack === before, before.includes("thrower")];
  }
});
op("an heir", () => {
  const error = new Error("m");
  const heir = Object.create(error, { message: { value: "heir" } });
  const before = first(heir);
  heir.stack = "set";
  return [before, kept(heir), error.stack];
});
op("through a proxy", () => {
  const error = new Error("m");
  const proxy = new Proxy(error, {});
  proxy.stack = "set";
  return [proxy.stack, first(error), Object.create(proxy).stack];
});
op("no error at all", () => [{}, [], 5, "text", null, undefined, Object.create(Error.prototype)].map((value) => {
  return [accessors.get.call(value), accessors.set.call(value, 1)];
}));
engine.op("not a constructor", () => new accessors.get());
op("a getter of the subclass", () => new (class extends Error { get stack() { return "mine"; } })("m").stack.split("\n")[0]);

// Errors that no script makes.
op("the engine's own", () => {
  try {
    null.property;
  } catch (error) {
    return [kept(error), first(changed(error, { message: "n" }))];
  }
});
op("a SyntaxError of the parser", () => {
  try {
    new Function("let = ;");
  } catch (error) {
    return [kept(error), first(changed(error, { message: "n" }))];
  }
});
for (const name of ["napi_create_error", "napi_create_type_error", "napi_create_range_error", "node_api_create_syntax_error"]) {
  op(name, () => {
    const error = addon[name]("CODE", "a").result;
    return [kept(error), first(changed(error, { message: "b" })), first(changed(error, { message: "c" }))];
  });
}
for (const name of ["napi_throw_error", "napi_throw_type_error", "napi_throw_range_error", "node_api_throw_syntax_error"]) {
  op(name, () => {
    const error = addon[name]("CODE", "a").thrown;
    return [kept(error), first(changed(error, { message: "b" }))];
  });
}
op("Node's own", () => {
  try {
    Buffer.alloc("x");
  } catch (error) {
    return [error.code, first(error), first(changed(error, { code: "OTHER" }))];
  }
});
op("Node's own, changed before", () => {
  try {
    Buffer.alloc("x");
  } catch (error) {
    return first(changed(error, { name: "Other", code: "OTHER", message: "m" }));
  }
});

// Error.captureStackTrace
op("a plain object", () => {
  const object = { message: "m", name: "Name" };
  const returned = Error.captureStackTrace(object);
  return [returned, kept(object), first(object), first(changed(object, { message: "n" }))];
});
op("described later", () => {
  const object = {};
  Error.captureStackTrace(object);
  return first(changed(object, { message: "late" }));
});
op("accessors of what is captured for", () => {
  let calls = 0;
  const object = { get message() { calls += 1; return "told"; } };
  Error.captureStackTrace(object);
  return [calls, first(object), calls];
});
op("captured for anything", () => [[1], function named() {}, new Map(), new Date(0), Object.create(null), new (class Made {})(), new Uint8Array(2), /x/].map((object) => {
  Error.captureStackTrace(object);
  return [kept(object), first(object)];
}));
op("captured anew", () => {
  const error = new Error("a");
  const before = first(error);
  Error.captureStackTrace(error);
  return [before, first(changed(error, { message: "b" })), kept(error)];
});
op("captured over a property", () => {
  const object = { stack: 1 };
  Error.captureStackTrace(object);
  return [kept(object), first(object)];
});
op("captured for what can't take it", () => [
  Object.freeze({}), Object.preventExtensions([]), Object.defineProperty({}, "stack", { value: 1 }),
  new Proxy({}, {}), undefined, null, 1, "text",
].map((object) => {
  try {
    Error.captureStackTrace(object);
    return "captured";
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}));
op("captured from a function on", () => {
  const object = {}, other = {};
  const inner = () => { Error.captureStackTrace(object, outer); Error.captureStackTrace(other, () => {}); };
  function outer() { inner(); }
  function around() { outer(); }
  around();
  return [object.stack.includes("inner"), object.stack.includes("outer"), object.stack.includes("around"), other.stack];
});
op("a class of old", () => {
  function Old(message) {
    Error.captureStackTrace(this, Old);
    this.message = message;
  }
  Old.prototype = Object.create(Error.prototype, { name: { value: "Old" } });
  const error = new Old("m");
  return [first(error), kept(error), Reflect.ownKeys(error), error.stack.includes("new Old")];
});

// Error.stackTraceLimit
const limited = (limit, body) => {
  Error.stackTraceLimit = limit;
  try {
    return body();
  } finally {
    Error.stackTraceLimit = 10;
  }
};
const deep = (depth) => depth === 0 ? new Error("m") : deep(depth - 1);
for (const limit of [0, 1, 2.7, -1, NaN, "5", undefined, null, { valueOf() { throw new Error("asked"); } }]) {
  op(`a limit of ${show(limit)}`, () => limited(limit, () => {
    const error = deep(12), object = {};
    Error.captureStackTrace(object);
    return [kept(error), error.stack?.split("\n").length, kept(object), first(object), Error.stackTraceLimit === limit || limit !== limit];
  }));
}
op("a limit of a subclass", () => {
  class Limited extends Error {}
  Limited.stackTraceLimit = 1;
  return [Object.hasOwn(Limited, "stackTraceLimit"), Error.stackTraceLimit, deep(12).stack.split("\n").length];
});
op("a limit that is set before it is read", () => {
  const error = deep(12);
  return limited(2, () => error.stack.split("\n").length);
});

// Error.prepareStackTrace
const prepared = (prepare, body) => {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = prepare;
  try {
    return body();
  } finally {
    Error.prepareStackTrace = before;
  }
};
op("Error.prepareStackTrace", () => [kept(Error, "prepareStackTrace"), Error.prepareStackTrace.name, Error.prepareStackTrace.length]);
op("as it is", () => Error.prepareStackTrace(new TypeError("m"), ["a", "b"]));
op("replaced before the stack is read", () => {
  const error = new Error("a");
  return prepared((e, sites) => `${e.message} ${Array.isArray(sites)}`, () => [first(changed(error, { message: "b" })), first(changed(error, { message: "c" }))]);
});
op("replaced while the error is made", () => {
  let calls = 0;
  const error = prepared(() => { calls += 1; return "prepared"; }, () => new Error("m"));
  return [calls, first(error)];
});
op("what it gets", () => prepared(function (error, sites) {
  return [this === Error, error instanceof TypeError, sites.length > 0, typeof sites[0].getFileName(), String(sites[0]) === `${sites[0]}`];
}, () => new TypeError("m").stack));
op("what it returns", () => prepared((error, sites) => sites, () => {
  const error = new Error("m");
  const { stack } = error;
  stack.length = 0;
  return [stack === error.stack, Array.isArray(stack)];
}));
op("values it may return", () => ["text", 5, undefined, null, [null, 1], [true, [1]], [], false].map((value) => prepared(() => value, () => {
  const error = new Error("m");
  return [error.stack === value, error.stack === value];
})));
op("it throws", () => {
  const error = new Error("m");
  const thrown = prepared(() => { throw new RangeError("no"); }, () => {
    try {
      return error.stack;
    } catch (e) {
      return e.message;
    }
  });
  return [thrown, first(error)];
});
op("it reads a stack", () => prepared((error) => `<${first(new Error("inner"))}>`, () => new Error("outer").stack));
op("it reads this stack", () => prepared((error) => `<${first(error)}>`, () => new Error("m").stack));
op("no function", () => [5, null, undefined, {}].map((value) => prepared(value, () => first(new Error("m")))));
op("an accessor", () => {
  const own = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  Object.defineProperty(Error, "prepareStackTrace", { get() { throw new RangeError("no"); }, configurable: true });
  try {
    const error = new Error("m");
    try {
      return first(error);
    } catch (e) {
      return e.message;
    }
  } finally {
    Object.defineProperty(Error, "prepareStackTrace", own);
  }
});
op("of a subclass", () => {
  class Own extends Error {
    static prepareStackTrace() { return "mine"; }
  }
  return [first(new Own("m")), kept(Error, "prepareStackTrace")];
});
op("for captureStackTrace", () => prepared((object) => Object.keys(object).join(), () => {
  const object = { a: 1, b: 2 };
  Error.captureStackTrace(object);
  return object.stack;
}));

// structuredClone
op("cloned", () => {
  const error = changed(new RangeError("a", { cause: [1] }), { message: "b", extra: 1 });
  const clone = structuredClone(error);
  return [clone.name, clone.message, first(clone), kept(clone), Reflect.ownKeys(clone).sort(), clone.cause, clone.stack === error.stack];
});
op("cloned with a stack of its own", () => ["text", 5, undefined].map((stack) => structuredClone(changed(new Error("m"), { stack })).stack));
op("cloned without", () => {
  const error = new Error("m");
  delete error.stack;
  delete error.message;
  const clone = structuredClone(error);
  return [clone.stack, Reflect.ownKeys(clone)];
});
op("cloned with accessors", () => {
  const error = new Error("m", { cause: 1 });
  for (const key of ["message", "cause"]) Object.defineProperty(error, key, { get() { return "told"; } });
  const clone = structuredClone(error);
  return [clone.message, Reflect.ownKeys(clone), first(clone)];
});
