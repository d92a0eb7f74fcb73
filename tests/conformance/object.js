call("napi_create_object");
const makers = [
  [Object.prototype, ["a", "b"], [1, 2]],
  [Object.prototype, [], []],
  [null, ["a"], [1]],
  [Object.prototype, ["a", "a"], [1, 2]],
  [Object.prototype, ["2", "b", "1"], [1, 2, 3]],
  [Object.prototype, [Symbol("s")], [1]],
  [Object.prototype, [1], [1]],
  [Object.prototype, [{}], [1]],
  [Array.prototype, ["x"], [1]],
];
for (const args of makers) {
  const shown = `${args[0] === Array.prototype ? "Array.prototype" : show(args[0])}, ${show(args[1])}`;
  op(`node_api_create_object_with_properties(${shown})`, () => {
    return addon.node_api_create_object_with_properties(...args);
  });
}
op("created properties are ordinary", () => {
  const made = addon.node_api_create_object_with_properties(Object.prototype, ["a"], [1]);
  return made.status === "absent" ? made : attributes(made.result);
});
class Base {}
op("prototype of an object", () => addon.napi_get_prototype({}).result === Object.prototype);
op("prototype of an instance", () => addon.napi_get_prototype(new Base()).result === Base.prototype);
op("prototype of an array", () => addon.napi_get_prototype([]).result === Array.prototype);
op("prototype of a string", () => addon.napi_get_prototype("text").result === String.prototype);
op("prototype of nothing", () => addon.napi_get_prototype(Object.create(null)).result);
engine.call("napi_get_prototype", null);
engine.call("napi_get_prototype", undefined);
op("prototype of a proxy", () => {
  let asked = false;
  const proxy = new Proxy({}, {
    getPrototypeOf() {
      asked = true;
      return Array.prototype;
    },
  });
  return [outcome(addon.napi_get_prototype(proxy)), asked];
});
op("set a prototype", () => {
  const object = {};
  const set = addon.node_api_set_prototype(object, Array.prototype);
  if (set.status === "absent") return set;
  return [outcome(set), Object.getPrototypeOf(object) === Array.prototype];
});
op("set a prototype to null", () => {
  const object = {};
  const set = addon.node_api_set_prototype(object, null);
  if (set.status === "absent") return set;
  return [outcome(set), Object.getPrototypeOf(object)];
});
engine.op("set a prototype to a number", () => addon.node_api_set_prototype({}, 1));
engine.op("set the prototype of a frozen object", () => {
  return addon.node_api_set_prototype(Object.freeze({}), Array.prototype);
});
for (const refusal of [() => false, () => { throw new Error("trap"); }, () => true]) {
  engine.op(`set the prototype of a proxy: ${refusal}`, () => {
    const proxy = new Proxy(Object.freeze({}), { setPrototypeOf: refusal });
    return addon.node_api_set_prototype(proxy, Array.prototype);
  });
}
op("set the prototype of a proxy of a frozen object", () => {
  return addon.node_api_set_prototype(new Proxy(Object.freeze({}), {}), Array.prototype);
});
// A typed array with elements cannot be fixed, but for what is not an element.
for (const steps of [["seal"], ["freeze"], ["seal", "seal"], ["freeze", "seal"], ["seal", "freeze"], ["freeze", "freeze"]]) {
  for (const length of [0, 2]) {
    for (const prepare of [Object, Object.preventExtensions]) {
      engine.op(`${steps} of a typed array of ${length}`, () => {
        const view = prepare(Object.assign(new Uint8Array(length), { a: 1, [Symbol.for("b")]: 1 }));
        Object.defineProperty(view, "c", { get: () => 1, configurable: true });
        return [steps.map((step) => outcome(addon[`napi_object_${step}`](view))), attributes(view)];
      });
    }
  }
}
// One whose length may change refuses before anything is done; a detached one has no elements.
const views = [
  ["of a detached buffer", () => {
    const buffer = new ArrayBuffer(4);
    const view = new Uint8Array(buffer);
    buffer.transfer();
    return view;
  }],
  ["that follows its buffer's length", () => new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 }))],
  ["of a buffer that may shrink", () => new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 }), 0, 2)],
  ["of an empty buffer that may grow", () => new Uint8Array(new ArrayBuffer(0, { maxByteLength: 8 }))],
];
for (const [name, make] of views) {
  for (const fix of ["napi_object_freeze", "napi_object_seal"]) {
    engine.op(`${fix} of a typed array ${name}`, () => {
      const view = Object.assign(make(), { a: 1 });
      return [outcome(addon[fix](view)), Object.isExtensible(view), Object.getOwnPropertyDescriptor(view, "a")];
    });
  }
}
for (const fix of ["napi_object_freeze", "napi_object_seal"]) {
  op(`${fix} of a function of an addon's`, () => {
    const maker = addon[fix];
    const report = addon[fix](maker);
    return [outcome(report), typeof maker.prototype, Object.getOwnPropertyDescriptor(maker, "prototype").writable];
  });
}
engine.op("set a prototype cycle", () => {
  const a = {};
  const b = Object.create(a);
  return addon.node_api_set_prototype(a, b);
});
op("freeze", () => {
  const object = { a: 1 };
  return [outcome(addon.napi_object_freeze(object)), attributes(object), Object.isFrozen(object)];
});
op("seal", () => {
  const object = { a: 1 };
  return [outcome(addon.napi_object_seal(object)), attributes(object), Object.isSealed(object)];
});
op("freeze an array", () => {
  const list = [1, 2];
  return [outcome(addon.napi_object_freeze(list)), Object.isFrozen(list)];
});
engine.call("napi_object_freeze", new Uint8Array(2));
call("napi_object_freeze", new Uint8Array(0));
engine.call("napi_object_seal", new Uint8Array(2));
engine.call("napi_object_freeze", null);
engine.call("napi_object_seal", undefined);
engine.call("node_api_set_prototype", null, {});
call("node_api_set_prototype", 5, {});
call("napi_object_freeze", 1);
call("napi_object_seal", "text");
op("freeze a proxy that throws", () => {
  return addon.napi_object_freeze(new Proxy({}, {
    preventExtensions() {
      throw new Error("from the trap");
    },
  }));
});
op("type tags", () => {
  const object = {};
  return [
    outcome(addon.napi_check_object_type_tag(object, 0)),
    outcome(addon.napi_type_tag_object(object, 0)),
    outcome(addon.napi_check_object_type_tag(object, 0)),
    outcome(addon.napi_check_object_type_tag(object, 1)),
    outcome(addon.napi_type_tag_object(object, 0)),
    outcome(addon.napi_type_tag_object(object, 1)),
    outcome(addon.napi_check_object_type_tag(object, 0)),
    Reflect.ownKeys(object),
  ];
});
op("the tag of zeroes", () => {
  const object = {};
  return [
    outcome(addon.napi_check_object_type_tag(object, 2)),
    outcome(addon.napi_type_tag_object(object, 2)),
    outcome(addon.napi_check_object_type_tag(object, 2)),
  ];
});
op("a tag on a frozen object", () => {
  const object = Object.freeze({});
  return [addon.napi_type_tag_object(object, 0).status, addon.napi_check_object_type_tag(object, 0).result];
});
op("a tag is not inherited", () => {
  const object = {};
  addon.napi_type_tag_object(object, 0);
  return addon.napi_check_object_type_tag(Object.create(object), 0);
});
op("a tag on a function", () => {
  const object = () => 1;
  return [addon.napi_type_tag_object(object, 0).status, addon.napi_check_object_type_tag(object, 0).result];
});
op("a tag on a proxy is not on its target", () => {
  const target = {};
  const proxy = new Proxy(target, {});
  return [
    addon.napi_type_tag_object(proxy, 0).status,
    addon.napi_check_object_type_tag(proxy, 0).result,
    addon.napi_check_object_type_tag(target, 0).result,
  ];
});
op("a tag on an external", () => {
  const external = addon.makeExternal();
  return [
    outcome(addon.napi_check_object_type_tag(external, 0)),
    outcome(addon.napi_type_tag_object(external, 0)),
    outcome(addon.napi_check_object_type_tag(external, 0)),
    outcome(addon.napi_type_tag_object(external, 1)),
  ];
});
call("napi_type_tag_object", 5, 0);
call("napi_check_object_type_tag", 5, 0);
engine.call("napi_type_tag_object", null, 0);
engine.call("napi_check_object_type_tag", undefined, 0);
for (const [what, make] of [
  ...SPECIAL, ["a class", () => class { static x = 1; }], ["a bound function", () => (function () {}).bind()],
  ["a promise", () => Promise.resolve()], ["an error", () => new Error("e")], ["an array buffer", () => new ArrayBuffer(4)],
  ["a generator", () => (function* () {})()], ["a number", () => 5], ["a string", () => "ab"], ["a bigint", () => 5n],
  ["a revoked proxy", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }],
]) {
  engine.op(`freeze and seal ${what}`, () => [outcome(addon.napi_object_freeze(make())), outcome(addon.napi_object_seal(make()))]);
  engine.op(`prototypes of ${what}`, () => [null, Array.prototype, make].map((prototype) => {
    const object = make();
    const found = addon.napi_get_prototype(object);
    return [
      found.status, found.result === null, outcome(addon.node_api_set_prototype(object, prototype)),
      addon.napi_get_prototype(object).result === prototype,
    ];
  }));
  engine.op(`tags of ${what}`, () => {
    const object = make();
    return [0, 1].flatMap((tag) => [
      outcome(addon.napi_check_object_type_tag(object, tag)), outcome(addon.napi_type_tag_object(object, tag)),
      outcome(addon.napi_check_object_type_tag(object, tag)),
    ]);
  });
}
standard();
