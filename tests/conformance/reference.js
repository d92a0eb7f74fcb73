const object = { name: "object" };
op("a strong reference", () => [
  outcome(addon.napi_create_reference(0, object, 1)), outcome(addon.napi_get_reference_value(0)),
  addon.napi_get_reference_value(0).result === object,
]);
op("counting", () => [
  outcome(addon.napi_reference_ref(0)), outcome(addon.napi_reference_ref(0)),
  outcome(addon.napi_reference_unref(0)), outcome(addon.napi_reference_unref(0)),
  outcome(addon.napi_reference_unref(0)), outcome(addon.napi_reference_unref(0)),
  outcome(addon.napi_reference_ref(0)), outcome(addon.napi_get_reference_value(0)),
]);
op("delete", () => [outcome(addon.napi_delete_reference(0))]);
op("a weak reference to what lives", () => [
  outcome(addon.napi_create_reference(1, object, 0)), addon.napi_get_reference_value(1).result === object,
  outcome(addon.napi_reference_unref(1)), outcome(addon.napi_delete_reference(1)),
]);
op("two references to one object", () => {
  addon.napi_create_reference(2, object, 1);
  addon.napi_create_reference(3, object, 2);
  const seen = [outcome(addon.napi_reference_unref(2)), outcome(addon.napi_reference_unref(3))];
  addon.napi_delete_reference(2);
  seen.push(addon.napi_get_reference_value(3).result === object);
  addon.napi_delete_reference(3);
  return seen;
});
op("a large count", () => [
  outcome(addon.napi_create_reference(4, object, 4294967294)), outcome(addon.napi_reference_unref(4)),
  outcome(addon.napi_delete_reference(4)),
]);
const values = [
  () => 1, [], Symbol("s"), Symbol.for("registered"), Symbol.iterator, undefined, null, true, 1, "text", 1n,
];
for (const value of values) {
  for (const count of [1, 0]) {
    op(`a reference to ${show(value)} with ${count}`, () => {
      const made = addon.napi_create_reference(5, value, count);
      if (made.status !== "napi_ok") return made;
      return [
        outcome(made), outcome(addon.napi_get_reference_value(5)), outcome(addon.napi_reference_ref(5)),
        outcome(addon.napi_reference_unref(5)), outcome(addon.napi_get_reference_value(5)),
        outcome(addon.napi_delete_reference(5)),
      ];
    });
  }
}
op("a strong reference keeps its object", () => {
  addon.napi_create_reference(6, { kept: "alive" }, 1);
  for (let i = 0; i < 1000; i++) ({ garbage: i });
  const seen = outcome(addon.napi_get_reference_value(6));
  addon.napi_delete_reference(6);
  return seen;
});
for (const value of [object, () => 1, Symbol("s"), Symbol.for("registered"), 1.5, "text", new Proxy({}, {})]) {
  for (const count of [0, 1, 2]) {
    for (const steps of ["dd", "u", "ud", "udd", "ddu", "dduu", "ddd", "uuu"]) {
      op(`a reference to ${typeof value} with ${count}, ${steps}`, () => {
        const made = addon.napi_create_reference(9, value, count);
        if (made.status !== "napi_ok") return made;
        const counted = [...steps].map((step) => outcome(step === "d" ? addon.napi_reference_unref(9) : addon.napi_reference_ref(9)));
        const { status, result } = addon.napi_get_reference_value(9);
        return [...counted, status, result === value, outcome(addon.napi_delete_reference(9))];
      });
    }
  }
}
op("many references", () => {
  const results = [];
  for (let i = 0; i < 1000; i++) {
    addon.napi_create_reference(7, { i }, 1);
    if (addon.napi_get_reference_value(7).result.i !== i) results.push(i);
    addon.napi_delete_reference(7);
  }
  return results;
});
standard();
