const symbol = Symbol("s");
op("set and get by any key", () => {
  const object = {};
  const keys = ["a", "\u00e9\u{1f600}", "1", 1.5, symbol, true, null, ""];
  return keys.map((key) => [
    addon.napi_set_property(object, key, "value").status,
    addon.napi_get_property(object, key).result,
    addon.napi_has_property(object, key).result,
  ]);
});
call("napi_get_property", { a: 1 }, "b");
call("napi_get_property", "text", "length");
call("napi_get_property", "text", 1);
call("napi_get_property", 5, "toFixed");
engine.call("napi_get_property", null, "a");
engine.call("napi_get_property", undefined, "a");
engine.call("napi_set_property", null, "a", 1);
engine.call("napi_has_property", undefined, "a");
engine.call("napi_delete_property", null, "a");
call("napi_set_property", 5, "a", 1);
call("napi_has_property", { a: 1 }, "toString");
call("napi_has_property", { a: undefined }, "a");
for (const key of ["a", "toString", symbol, 1, {}, null, undefined]) {
  call("napi_has_own_property", { a: 1, 1: 2 }, key);
}
engine.call("napi_has_own_property", null, "a");
op("a getter that throws", () => addon.napi_get_property({ get a() { throw new Error("got"); } }, "a"));
op("a setter that throws", () => {
  return addon.napi_set_property({ set a(value) { throw new Error("set"); } }, "a", 1);
});
op("a key whose toString throws", () => {
  return addon.napi_get_property({}, { toString() { throw new Error("key"); } });
});
op("set on a frozen object", () => {
  const object = Object.freeze({ a: 1 });
  return [outcome(addon.napi_set_property(object, "a", 2)), outcome(addon.napi_set_property(object, "b", 2)), object];
});
op("set without a setter", () => addon.napi_set_property({ get a() { return 1; } }, "a", 2));
op("set through the prototype", () => {
  const base = { set a(value) { this.seen = value; } };
  const object = Object.create(base);
  addon.napi_set_property(object, "a", 5);
  return object.seen;
});
op("a proxy that refuses", () => addon.napi_set_property(new Proxy({}, { set: () => false }), "a", 1));
op("a proxy that throws", () => {
  const trap = () => { throw new Error("trap"); };
  const proxy = new Proxy({}, { get: trap, set: trap, has: trap, deleteProperty: trap, ownKeys: trap });
  return [
    outcome(addon.napi_get_property(proxy, "a")),
    outcome(addon.napi_set_property(proxy, "a", 1)),
    outcome(addon.napi_has_property(proxy, "a")),
    outcome(addon.napi_delete_property(proxy, "a")),
    outcome(addon.napi_get_property_names(proxy)),
  ];
});
// What is on the prototype chain may refuse too, or throw.
const refusing = () => new Proxy({}, { set: () => false });
const throwing = (value) => new Proxy({}, { set() { throw value; } });
const strictly = () => new Proxy({}, {
  set(target, key, value) {
    "use strict";
    Object.freeze({})[key] = value;
    return true;
  },
});
for (const [what, make] of [
  ["a proxy that refuses", refusing],
  ["a proxy of a frozen object", () => new Proxy(Object.freeze({ a: 1 }), {})],
  ["a proxy of what has no setter", () => new Proxy({ get a() { return 1; } }, {})],
  ["a proxy that throws", () => throwing(new Error("trap"))],
  ["a proxy that throws what a refusal would", () => throwing(new TypeError("proxy: cannot set property"))],
  ["a proxy that sets strictly", strictly],
  ["a proxy that sets on a proxy strictly", () => new Proxy({}, {
    set(target, key, value) {
      "use strict";
      refusing()[key] = value;
      return true;
    },
  })],
  ["a proxy that is revoked", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    const heir = Object.create(proxy);
    revoke();
    return Object.getPrototypeOf(heir);
  }],
  ["a proxy whose trap is no function", () => new Proxy({}, { set: 5 })],
  ["a typed array", () => new Uint8Array(2)],
]) {
  for (const heir of [(proto) => Object.create(proto), (proto) => Object.freeze(Object.create(proto)),
    (proto) => Object.setPrototypeOf([1], proto)]) {
    engine.op(`set through ${what}`, () => {
      const object = heir(make());
      return [
        outcome(addon.napi_set_property(object, "a", symbol)),
        outcome(addon.napi_set_named_property(object, "b", 1)),
        outcome(addon.napi_set_element(object, 1, symbol)),
        Reflect.ownKeys(object),
      ];
    });
  }
}
op("the length of an array that is fixed is not converted", () => {
  const asked = [];
  const length = { valueOf() { asked.push("asked"); return 1; } };
  return [
    ...[Object.freeze([1, 2]), Object.defineProperty([1, 2], "length", { writable: false })]
      .flatMap((list) => [-1, "no number", length, 1].map((value) => {
        return outcome(addon.napi_set_named_property(list, "length", value));
      })),
    asked,
  ];
});
engine.op("the length of an array", () => {
  const list = [1, 2, 3];
  return [
    outcome(addon.napi_set_named_property(list, "length", -1)),
    outcome(addon.napi_set_named_property(list, "length", "no number")),
    outcome(addon.napi_set_named_property(list, "length", "1")),
    list,
  ];
});
op("delete", () => {
  const object = { a: 1 };
  return [outcome(addon.napi_delete_property(object, "a")), outcome(addon.napi_delete_property(object, "a")), object];
});
op("delete what can't be deleted", () => addon.napi_delete_property(Object.freeze({ a: 1 }), "a"));
op("named", () => {
  const object = {};
  return [
    outcome(addon.napi_set_named_property(object, "na\u00efve", 1)),
    outcome(addon.napi_get_named_property(object, "na\u00efve")),
    outcome(addon.napi_has_named_property(object, "na\u00efve")),
    outcome(addon.napi_has_named_property(object, "absent")),
    outcome(addon.napi_set_named_property(object, "", 2)),
    outcome(addon.napi_set_named_property(object, "7", 3)),
    Reflect.ownKeys(object),
  ];
});
engine.call("napi_get_named_property", null, "a");
engine.call("napi_set_named_property", undefined, "a", 1);
call("napi_get_named_property", "text", "length");
op("elements", () => {
  const list = [1, , 3];
  return [
    outcome(addon.napi_get_element(list, 0)), outcome(addon.napi_get_element(list, 1)),
    outcome(addon.napi_get_element(list, 9)), outcome(addon.napi_has_element(list, 1)),
    outcome(addon.napi_has_element(list, 2)), outcome(addon.napi_set_element(list, 5, "five")),
    outcome(addon.napi_delete_element(list, 0)), list, list.length,
  ];
});
op("elements of objects and of large indices", () => {
  const object = {};
  return [
    outcome(addon.napi_set_element(object, 4294967295, 1)),
    outcome(addon.napi_set_element(object, 2147483648, 2)),
    outcome(addon.napi_get_element(object, 4294967295)),
    Reflect.ownKeys(object),
  ];
});
call("napi_get_element", "text", 1);
call("napi_get_element", new Uint8Array([5, 6]), 1);
call("napi_set_element", new Uint8Array([5, 6]), 9, 1);
call("napi_delete_element", new Uint8Array([5, 6]), 0);
call("napi_delete_element", Object.freeze([1]), 0);
engine.call("napi_get_element", null, 0);
engine.call("napi_has_element", null, 0);
engine.call("napi_delete_element", undefined, 0);
engine.call("napi_has_named_property", null, "a");
engine.call("napi_get_all_property_names", undefined, 0, 0, 0);
call("napi_has_element", "text", 1);
engine.call("napi_set_element", undefined, 0, 1);

const base = Object.create({ inherited: 1, 3: "three", shared: 1 });
Object.assign(base, { b: 1, a: 2, 10: "ten", 2: "two", shared: 2, [symbol]: 3 });
Object.defineProperty(base, "hidden", { value: 1, enumerable: false, writable: true, configurable: true });
Object.defineProperty(base, "fixed", { value: 1, enumerable: true });
op("napi_get_property_names", () => addon.napi_get_property_names(base));
for (const value of [[5, , 7], "ab", new Uint8Array(2), () => 1, 5]) call("napi_get_property_names", value);
engine.call("napi_get_property_names", null);
for (const mode of [0, 1]) {
  for (const conversion of [0, 1]) {
    for (const filter of [0, 1, 2, 4, 8, 16, 18, 7]) {
      op(`napi_get_all_property_names(mode ${mode}, filter ${filter}, conversion ${conversion})`, () => {
        const object = mode === 0 ? Object.create(Object.create(null, {})) : base;
        if (mode === 0) {
          Object.setPrototypeOf(object, null);
          for (const key of Reflect.ownKeys(base)) {
            Object.defineProperty(object, key, Object.getOwnPropertyDescriptor(base, key));
          }
        }
        return addon.napi_get_all_property_names(object, mode, filter, conversion);
      });
    }
  }
}
op("keys of what is fixed by their attributes", () => {
  const objects = [
    { 0: 1, 1: 2, a: 1 }, { 5000: 1, a: 1 }, { 2147483648: 1 }, { 4294967294: 1 }, { 4294967295: 1 }, [1, 2], { 0: 1, 900: 1 },
  ];
  return objects.flatMap((object) => [Object.freeze, Object.seal, Object.preventExtensions].map((fix) => {
    const fixed = fix(Array.isArray(object) ? [...object] : { ...object });
    return [1, 4].map((filter) => addon.napi_get_all_property_names(fixed, 1, filter, 1).result);
  }));
});
op("an element that was defined with attributes is frozen", () => {
  const object = Object.freeze(Object.defineProperty({}, 0, { value: 1 }));
  return addon.napi_get_all_property_names(object, 1, 1, 1);
});
for (const [mode, filter, conversion] of [[2, 0, 0], [-1, 0, 0], [0, 0, 2], [0, 64, 0]]) {
  call("napi_get_all_property_names", { a: 1 }, mode, filter, conversion);
}

// A proxy on its own chain of prototypes leads in a circle.
const circular = (value) => Object.setPrototypeOf(value, new Proxy(value, {}));
for (const [what, make] of [["an object", () => ({ a: 1 })], ["an array", () => [1]]]) {
  for (const start of [(one) => one, Object.getPrototypeOf]) {
    engine.op(`names along a circle of prototypes from ${what}`, () => {
      const holder = start(circular(make()));
      const every = what === "an array" || addon.napi_get_property_names(holder);
      return [outcome(every), outcome(addon.napi_get_all_property_names(holder, 1, 1, 0))];
    });
    engine.op(`properties along a circle of prototypes from ${what}`, () => {
      const holder = start(circular(make()));
      return [
        outcome(addon.napi_get_property(holder, "b")), outcome(addon.napi_has_property(holder, "b")),
        outcome(addon.napi_has_own_property(holder, "b")), outcome(addon.napi_set_property(holder, "b", 1)),
        outcome(addon.napi_get_element(holder, 5)), outcome(addon.napi_has_element(holder, 5)),
        outcome(addon.napi_set_element(holder, 5, 1)), outcome(addon.napi_has_named_property(holder, "b")),
      ];
    });
  }
}
op("names along proxies that end", () => {
  let holder = Object.assign(Object.create(null), { base: 1 });
  for (let i = 0; i < 5; i++) holder = Object.assign(Object.create(new Proxy(holder, {})), { [`p${i}`]: i, 7: i });
  return addon.napi_get_all_property_names(holder, 0, 1 | 16, 0);
});

for (const kind of ["value", "method", "getter", "setter", "accessor", "all"]) {
  for (const flags of [0, 1, 2, 4, 7, 5, 1024]) {
    op(`define ${kind} with ${flags}`, () => {
      const object = {};
      const report = addon.napi_define_properties(object, kind, "p", flags, "value");
      return [outcome(report), attributes(object)];
    });
  }
}
op("a defined method", () => {
  const object = {};
  addon.napi_define_properties(object, "method", "p", 0, 0);
  return [object.p(1, 2), object.p.name, object.p.length, "prototype" in object.p];
});
op("a defined accessor", () => {
  const object = {};
  addon.napi_define_properties(object, "accessor", "p", 0, 0);
  object.p = 5;
  const d = Object.getOwnPropertyDescriptor(object, "p");
  return [object.p, object.wasSet, d.get.name, d.set.name];
});
op("half of an accessor is defined over another", () => {
  return [["getter", "setter"], ["setter", "getter"], ["accessor", "getter"], ["value", "setter"], ["getter", "value"]].map((kinds) => {
    const object = {};
    for (const kind of kinds) addon.napi_define_properties(object, kind, "p", 4, 1);
    return attributes(object);
  });
});
op("define by symbol", () => {
  const object = {};
  addon.napi_define_properties(object, "value", symbol, 7, 1);
  return [object[symbol], attributes(object)];
});
for (const name of [1, null, undefined, {}]) {
  op(`define with the name ${show(name)}`, () => addon.napi_define_properties({}, "value", name, 7, 1));
}
for (const kind of ["value", "method", "accessor"]) {
  op(`define ${kind} on a frozen object`, () => {
    return addon.napi_define_properties(Object.freeze({}), kind, "p", 7, 1);
  });
  op(`define ${kind} over a fixed property`, () => {
    const object = {};
    Object.defineProperty(object, "p", { value: 0 });
    return addon.napi_define_properties(object, kind, "p", 7, 1);
  });
  op(`define ${kind} on a proxy that throws`, () => {
    const trap = () => { throw new Error("trap"); };
    return addon.napi_define_properties(new Proxy({}, { defineProperty: trap }), kind, "p", 0, 1);
  });
}
op("an array that refuses an element keeps its length", () => {
  return ["3", "4294967294", "1"].flatMap((name) => [0, 7].map((flags) => {
    const list = Object.preventExtensions([1, 2, 3]);
    return [outcome(addon.napi_define_properties(list, "value", name, flags, 1)), list.length];
  }));
});
for (const flags of [0, 1, 2, 7]) {
  for (const fixed of [false, true]) {
    engine.op(`define the length of an array with ${flags}${fixed ? ", which is fixed" : ""}`, () => {
      const asked = [];
      const length = { valueOf() { asked.push("asked"); return 1; } };
      return [-1, "no number", length, 3, 2].map((value) => {
        const list = Object.defineProperty([1, 2, 3], "length", { writable: !fixed });
        return [outcome(addon.napi_define_properties(list, "value", "length", flags, value)), list.length, asked.length];
      });
    });
  }
}
// A typed array throws where a data property is created, and is silent where one is defined.
for (const Class of [Uint8Array, BigInt64Array]) {
  for (const name of ["0", "9", "-0", "-1", "1.5", "Infinity", "1e21", "01", "+1", "", "a"]) {
    for (const [kind, flags] of [["value", 7], ["value", 5], ["method", 7], ["accessor", 7]]) {
      engine.op(`define ${kind} ${show(name)} with ${flags} in ${Class.name}`, () => {
        const view = new Class(2);
        const report = addon.napi_define_properties(view, kind, name, flags, 1);
        return [outcome(report), typeof view[name]];
      });
    }
  }
}
op("define in a typed array that is fixed", () => {
  return addon.napi_define_properties(Object.preventExtensions(new Uint8Array(2)), "value", "a", 7, 1);
});
// The `prototype` of a function of an addon's is there before anybody looked at it.
for (const [kind, flags] of [["value", 7], ["value", 1], ["value", 0], ["method", 7], ["accessor", 7]]) {
  op(`define ${kind} prototype with ${flags} of a function`, () => {
    const maker = {};
    addon.napi_define_properties(maker, "method", "p", 0, 0);
    const report = addon.napi_define_properties(maker.p, kind, "prototype", flags, 1);
    const { writable, configurable } = Object.getOwnPropertyDescriptor(maker.p, "prototype");
    return [outcome(report), typeof maker.p.prototype, writable, configurable];
  });
}
op("delete the prototype of a function", () => {
  const maker = {};
  addon.napi_define_properties(maker, "method", "p", 0, 0);
  return [outcome(addon.napi_delete_property(maker.p, "prototype")), delete maker.p.prototype];
});
// Every kind of object, asked for its names in every way.
const own = (object) => {
  const last = Object.getPrototypeOf(object) === Object.prototype;
  return last ? Object.setPrototypeOf(object, null) : object;
};
for (const [what, make] of SPECIAL) {
  for (const conversion of [0, 1]) {
    engine.op(`names of ${what}, conversion ${conversion}`, () => [0, 1, 2, 3, 4, 7, 8, 16, 18].map((filter) => {
      return outcome(addon.napi_get_all_property_names(make(), 1, filter, conversion));
    }));
  }
  engine.op(`all names of ${what}`, () => [2, 18].map((filter) => outcome(addon.napi_get_all_property_names(own(make()), 0, filter, 0))));
  engine.op(`elements of ${what}`, () => [0, 1, 5, 4294967295].map((index) => {
    const object = make();
    return [
      outcome(addon.napi_has_element(object, index)), outcome(addon.napi_get_element(object, index)),
      outcome(addon.napi_set_element(object, index, 9)), outcome(addon.napi_get_element(object, index)),
      outcome(addon.napi_delete_element(object, index)), outcome(addon.napi_has_element(object, index)),
    ];
  }));
  engine.op(`properties of ${what}`, () => ["own", "length", "0", "-0", "1.5", "a", symbol].map((key) => {
    const object = make();
    return [
      outcome(addon.napi_has_own_property(object, key)), outcome(addon.napi_has_property(object, key)),
      outcome(addon.napi_set_property(object, key, 9)), outcome(addon.napi_has_own_property(object, key)),
      outcome(addon.napi_delete_property(object, key)), outcome(addon.napi_has_own_property(object, key)),
    ];
  }));
}
for (const [what, make] of SPECIAL) {
  for (const kind of ["value", "method", "accessor"]) {
    for (const flags of [0, 2, 7]) {
      engine.op(`define ${kind} ${flags} on ${what}`, () => {
        return ["own", "0", "5", "length", "-0", "a", "__proto__", "callee", "lastIndex", symbol].map((name) => {
          const object = make();
          const report = outcome(addon.napi_define_properties(object, kind, name, flags, 3));
          try {
            const d = Object.getOwnPropertyDescriptor(object, name);
            return [report, d && [typeof d.value, typeof d.get, d.writable, d.enumerable, d.configurable]];
          } catch {
            return [report, "asking throws"];
          }
        });
      });
    }
  }
}
call("napi_define_properties", 5, "value", "p", 7, 1);
engine.call("napi_define_properties", null, "value", "p", 7, 1);
op("two names", () => {
  const object = {};
  return [outcome(addon.defineTwoNames(object, "fromName", 1)), object];
});
op("the first of two fails", () => {
  const object = {};
  Object.defineProperty(object, "first", { value: 0 });
  return [outcome(addon.defineTwo(object, "first", 1)), attributes(object)];
});
standard();
