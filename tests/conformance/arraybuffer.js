for (const length of [0, 1, 5]) {
  call("napi_create_arraybuffer", length);
  call("createZeroed", length);
  call("napi_create_external_arraybuffer", length);
}
op("prototype", () => {
  return Object.getPrototypeOf(addon.napi_create_arraybuffer(1).result) === ArrayBuffer.prototype;
});
const samples = [
  ["an ArrayBuffer", new Uint8Array([1, 2, 3]).buffer], ["an empty one", new ArrayBuffer(0)],
  ["a SharedArrayBuffer", new SharedArrayBuffer(2)], ["a typed array", new Uint8Array(2)],
  ["a DataView", new DataView(new ArrayBuffer(2))], ["an object", {}], ["a number", 1],
  ["null", null], ["undefined", undefined], ["a string", "text"],
];
for (const [label, value] of samples) {
  op(`is ${label}`, () => addon.napi_is_arraybuffer(value));
  op(`info of ${label}`, () => addon.napi_get_arraybuffer_info(value));
  op(`detached ${label}`, () => addon.napi_is_detached_arraybuffer(value));
  op(`shared ${label}`, () => addon.node_api_is_sharedarraybuffer(value));
}
for (const [label, value] of samples.slice(2)) op(`detach ${label}`, () => addon.napi_detach_arraybuffer(value));
for (const maker of ["createZeroed", "napi_create_external_arraybuffer"]) {
  op(`detach what ${maker} made`, () => {
    const buffer = addon[maker](4).result;
    const view = new Uint8Array(buffer);
    return [
      outcome(addon.napi_is_detached_arraybuffer(buffer)), outcome(addon.napi_detach_arraybuffer(buffer)),
      outcome(addon.napi_is_detached_arraybuffer(buffer)), outcome(addon.napi_detach_arraybuffer(buffer)),
      outcome(addon.napi_get_arraybuffer_info(buffer)), buffer.byteLength, view.length,
    ];
  });
}
op("a change through JavaScript is seen", () => {
  const buffer = addon.napi_create_arraybuffer(4).result;
  new Uint8Array(buffer)[0] = 100;
  return addon.napi_get_arraybuffer_info(buffer);
});
op("a change of external memory is seen", () => {
  const buffer = addon.napi_create_external_arraybuffer(4).result;
  new Uint8Array(buffer)[0] = 100;
  return addon.napi_get_arraybuffer_info(buffer);
});
op("slice", () => addon.napi_create_external_arraybuffer(4).result.slice(1, 3));
// Buffers whose length changes.
const resizable = (length = 4) => {
  const buffer = new ArrayBuffer(length, { maxByteLength: 8 });
  new Uint8Array(buffer).forEach((_, i, bytes) => { bytes[i] = i + 1; });
  return buffer;
};
for (const length of [0, 2, 8]) {
  op(`a resizable buffer, resized to ${length}`, () => {
    const buffer = resizable();
    const before = outcome(addon.napi_get_arraybuffer_info(buffer));
    buffer.resize(length);
    return [before, outcome(addon.napi_get_arraybuffer_info(buffer)), outcome(addon.napi_is_arraybuffer(buffer))];
  });
}
op("detach a resizable buffer", () => {
  const buffer = resizable();
  return [
    outcome(addon.napi_detach_arraybuffer(buffer)), outcome(addon.napi_is_detached_arraybuffer(buffer)),
    outcome(addon.napi_get_arraybuffer_info(buffer)), buffer.resizable,
  ];
});
op("a buffer that was transferred", () => {
  const buffer = addon.createZeroed(4).result;
  const heir = buffer.transfer();
  return [
    outcome(addon.napi_is_detached_arraybuffer(buffer)), outcome(addon.napi_get_arraybuffer_info(buffer)),
    outcome(addon.napi_is_detached_arraybuffer(heir)), outcome(addon.napi_get_arraybuffer_info(heir)),
  ];
});
op("a growable shared buffer", () => {
  const shared = new SharedArrayBuffer(2, { maxByteLength: 4 });
  const before = outcome(addon.napi_get_arraybuffer_info(shared));
  shared.grow(4);
  return [before, outcome(addon.napi_get_arraybuffer_info(shared)), outcome(addon.node_api_is_sharedarraybuffer(shared))];
});
call("node_api_create_sharedarraybuffer", 3);
call("node_api_create_sharedarraybuffer", 0);
call("node_api_create_external_sharedarraybuffer", 3);
op("a shared one made here", () => {
  const shared = addon.node_api_create_sharedarraybuffer(3);
  if (shared.status === "absent") return shared;
  return [outcome(addon.node_api_is_sharedarraybuffer(shared.result)), outcome(addon.napi_get_arraybuffer_info(shared.result))];
});
// Over NULL the buffer is detached, and its finalizer is called later.
for (const [length, memory] of [[0, 0], [0, 1], [3, 1]]) {
  for (const finalizer of [0, 1]) {
    op(`external of ${length} bytes ${memory ? "in memory" : "at NULL"}, finalizer ${finalizer}`, () => {
      const buffer = addon.externalOf(length, 0, finalizer, memory).result;
      const { status, result: view, finalized } = addon.externalOf(length, 1, finalizer, memory);
      return [
        outcome(addon.napi_is_detached_arraybuffer(buffer)), buffer.byteLength, status, finalized,
        outcome(addon.napi_is_detached_arraybuffer(view.buffer)), view.length, view.byteOffset, view instanceof Uint8Array,
      ];
    });
  }
}
standard();
