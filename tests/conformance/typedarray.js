const bytes = () => Uint8Array.from({ length: 32 }, (_, i) => i).buffer;
for (let type = 0; type <= 10; type++) {
  op(`type ${type}, whole`, () => addon.napi_create_typedarray(type, 2, bytes(), 0));
  op(`type ${type}, at 8`, () => addon.napi_create_typedarray(type, 2, bytes(), 8));
  op(`type ${type}, empty`, () => addon.napi_create_typedarray(type, 0, bytes(), 0));
  op(`type ${type}, misaligned`, () => addon.napi_create_typedarray(type, 1, bytes(), 1));
  op(`type ${type}, too long`, () => addon.napi_create_typedarray(type, 40, bytes(), 0));
  op(`type ${type}, too far`, () => addon.napi_create_typedarray(type, 1, bytes(), 40));
}
op("half floats", () => addon.napi_create_typedarray(11, 2, bytes(), 2));
for (const type of [12, 99, -1]) op(`type ${type}`, () => addon.napi_create_typedarray(type, 2, bytes(), 0));
for (const other of [{}, 1, null, undefined, new Uint8Array(8)]) {
  op(`over ${show(other)}`, () => addon.napi_create_typedarray(1, 1, other, 0));
}
op("over a SharedArrayBuffer", () => addon.napi_create_typedarray(1, 1, new SharedArrayBuffer(4), 0));
op("shares its memory", () => {
  const buffer = bytes();
  addon.napi_create_typedarray(1, 1, buffer, 4).result[0] = 99;
  return new Uint8Array(buffer)[4];
});
const kinds = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  Float32Array, Float64Array, BigInt64Array, BigUint64Array,
];
for (const Kind of kinds) {
  op(`info of ${Kind.name}`, () => addon.napi_get_typedarray_info(new Kind(bytes(), 8, 2)));
  op(`is ${Kind.name}`, () => addon.napi_is_typedarray(new Kind(1)));
}
if (typeof Float16Array === "function") {
  op("info of Float16Array", () => addon.napi_get_typedarray_info(new Float16Array(bytes(), 2, 2)));
}
op("info of an empty one", () => addon.napi_get_typedarray_info(new Uint8Array(0)));
op("info of a subclass", () => addon.napi_get_typedarray_info(new (class extends Uint16Array {})(2)));
op("info of a Buffer", () => {
  const report = addon.napi_get_typedarray_info(Buffer.alloc(3));
  return [report.status, report.type, report.length];
});
op("info of a detached one", () => {
  const array = new Uint8Array(bytes(), 8, 4);
  addon.detach(array.buffer);
  return addon.napi_get_typedarray_info(array);
});
for (const other of [new DataView(new ArrayBuffer(2)), new ArrayBuffer(2), {}, [1], null, undefined, 1]) {
  op(`typed array? ${show(other)}`, () => addon.napi_is_typedarray(other));
  op(`info of ${show(other)}`, () => addon.napi_get_typedarray_info(other));
  op(`data view? ${show(other)}`, () => addon.napi_is_dataview(other));
}
for (const [length, offset] of [[8, 0], [8, 24], [0, 32], [0, 0], [33, 0], [8, 25], [1, 33]]) {
  op(`data view of ${length} at ${offset}`, () => addon.napi_create_dataview(length, bytes(), offset));
}
for (const other of [{}, 1, null, new Uint8Array(8)]) {
  op(`data view over ${show(other)}`, () => addon.napi_create_dataview(1, other, 0));
}
op("data view over a SharedArrayBuffer", () => addon.napi_create_dataview(1, new SharedArrayBuffer(4), 0));
op("data view info", () => addon.napi_get_dataview_info(new DataView(bytes(), 4, 8)));
op("data view info of a detached one", () => {
  const view = new DataView(new ArrayBuffer(8), 0, 8);
  addon.detach(view.buffer);
  const report = addon.napi_get_dataview_info(view);
  return [report.status, report.null];
});
for (const other of [new Uint8Array(2), {}, null]) {
  op(`data view info of ${show(other)}`, () => addon.napi_get_dataview_info(other));
}
// Nothing in the middle of something is somewhere.
for (const [length, offset] of [[0, 4], [0, 32], [0, 0]]) {
  op(`info of nothing at ${offset}`, () => [
    outcome(addon.napi_get_typedarray_info(new Uint8Array(bytes(), offset, length))),
    outcome(addon.napi_get_dataview_info(new DataView(bytes(), offset, length))),
    outcome(addon.napi_get_typedarray_info(new Uint8Array(new SharedArrayBuffer(32), offset, length))),
  ]);
}
op("info of nothing of nothing", () => [
  outcome(addon.napi_get_typedarray_info(new Uint8Array(new ArrayBuffer(0)))),
  outcome(addon.napi_get_dataview_info(new DataView(new ArrayBuffer(0)))),
  outcome(addon.napi_get_typedarray_info(new Uint8Array(new ArrayBuffer(0, { maxByteLength: 4 })))),
  outcome(addon.napi_get_dataview_info(new DataView(new SharedArrayBuffer(0, { maxByteLength: 4 })))),
]);
// Views of buffers whose length changes: those that follow it, and those that may come to lie outside.
const resized = (make, length) => {
  const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
  new Uint8Array(buffer).forEach((_, i, all) => { all[i] = i; });
  const view = make(buffer);
  if (length !== undefined) buffer.resize(length);
  return view;
};
for (const length of [undefined, 32, 12, 10, 9, 4, 0]) {
  for (const [what, make] of [
    ["that follows", (buffer) => new Uint16Array(buffer)], ["at 4 that follows", (buffer) => new Uint8Array(buffer, 4)],
    ["of two at 8", (buffer) => new Uint16Array(buffer, 8, 2)],
  ]) {
    op(`info of a typed array ${what}, resized to ${length}`, () => addon.napi_get_typedarray_info(resized(make, length)));
  }
  for (const [what, make] of [
    ["that follows", (buffer) => new DataView(buffer)], ["at 4 that follows", (buffer) => new DataView(buffer, 4)],
    ["of four at 8", (buffer) => new DataView(buffer, 8, 4)],
  ]) {
    op(`info of a data view ${what}, resized to ${length}`, () => addon.napi_get_dataview_info(resized(make, length)));
  }
}
op("a typed array over a resizable buffer", () => {
  const { result } = addon.napi_create_typedarray(1, 2, resized((buffer) => buffer), 4);
  result.buffer.resize(32);
  const grown = result.length;
  result.buffer.resize(5);
  return [grown, result.length, outcome(addon.napi_get_typedarray_info(result))];
});
op("a data view over a resizable buffer", () => {
  const { result } = addon.napi_create_dataview(2, resized((buffer) => buffer), 4);
  result.buffer.resize(32);
  return [result.byteLength, outcome(addon.napi_get_dataview_info(result))];
});
for (const [offset, length] of [[0, 17], [16, 0], [12, 4], [13, 4]]) {
  op(`over a resizable buffer, ${length} at ${offset}`, () => {
    const buffer = () => resized((made) => made);
    return [outcome(addon.napi_create_typedarray(1, length, buffer(), offset)), outcome(addon.napi_create_dataview(length, buffer(), offset))];
  });
}
const makers = [
  ["a plain buffer", () => new ArrayBuffer(16)], ["a resizable one", () => new ArrayBuffer(16, { maxByteLength: 32 })],
  ["a shared one", () => new SharedArrayBuffer(16)], ["a growable one", () => new SharedArrayBuffer(16, { maxByteLength: 32 })],
  ["an empty one", () => new ArrayBuffer(0)],
  ["a detached one", () => {
    const buffer = new ArrayBuffer(16);
    buffer.transfer();
    return buffer;
  }],
];
for (const [what, make] of makers) {
  for (const length of [0, 1, 2, 3, 16, 17, 2 ** 32, 2 ** 40]) {
    for (let type = 0; type <= 12; type++) {
      engine.op(`${length} of type ${type} over ${what}`, () => [0, 1, 2, 4, 8, 15, 16, 17, 2 ** 32].map((offset) => {
        const report = addon.napi_create_typedarray(type, length, make(), offset);
        const view = report.status === "napi_ok" && report.result;
        return view ? [view.length, view.byteOffset, view.constructor.name] : outcome(report);
      }));
    }
    engine.op(`a data view of ${length} over ${what}`, () => [0, 1, 8, 16, 17, 2 ** 32, 2 ** 53].map((offset) => {
      const report = addon.napi_create_dataview(length, make(), offset);
      return [report.status, report.thrown?.code, what === "a detached one" || report.result?.byteLength];
    }));
  }
}
for (const type of [1, 4, 6]) {
  op(`a length that overflows, type ${type}`, () => addon.napi_create_typedarray(type, 2 ** 53 - 1, bytes(), 8));
}
standard();
