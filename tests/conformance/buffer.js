for (const length of [0, 1, 5]) {
  call("napi_create_buffer", length);
  call("napi_create_external_buffer", length);
}
for (const text of ["", "hello", "\u00e9"]) call("napi_create_buffer_copy", text);
engine.op("too large", () => addon.napi_create_buffer(2 ** 52).status);
op("is a Buffer", () => {
  const buffer = addon.napi_create_buffer(3).result;
  return [Buffer.isBuffer(buffer), buffer instanceof Uint8Array, Object.getPrototypeOf(buffer) === Buffer.prototype];
});
op("methods of a Buffer", () => {
  const buffer = addon.napi_create_buffer_copy("hello").result;
  return [buffer.toString(), buffer.toString("hex"), buffer.slice(1, 3), buffer.equals(Buffer.from("!ello"))];
});
op("a whole buffer of its own", () => {
  const buffer = addon.napi_create_external_buffer(4).result;
  return [buffer.byteOffset, buffer.buffer.byteLength];
});
const samples = [
  Buffer.from([1, 2, 3]), new Uint8Array([1, 2]), new Uint16Array([258]), new Float32Array(1),
  new DataView(new ArrayBuffer(6), 2), new ArrayBuffer(4), new SharedArrayBuffer(4), {}, [1], null,
  undefined, 1, "text", Buffer.alloc(0),
];
for (const value of samples) {
  call("napi_is_buffer", value);
  call("napi_get_buffer_info", value);
}
op("a view in the middle", () => addon.napi_get_buffer_info(new Uint8Array([1, 2, 3, 4, 5]).subarray(2, 4)));
op("a slice shares its memory", () => {
  const buffer = addon.napi_create_buffer(4).result;
  buffer.subarray(1)[0] = 50;
  return addon.napi_get_buffer_info(buffer);
});
const bytes = () => Uint8Array.from([10, 20, 30, 40]).buffer;
for (const [offset, length] of [[0, 4], [1, 2], [4, 0], [0, 0]]) {
  op(`from an arraybuffer, ${offset}, ${length}`, () => {
    return addon.node_api_create_buffer_from_arraybuffer(bytes(), offset, length);
  });
}
for (const [offset, length] of [[0, 5], [4, 1], [5, 0]]) {
  op(`from an arraybuffer, out of range, ${offset}, ${length}`, () => {
    return addon.node_api_create_buffer_from_arraybuffer(bytes(), offset, length);
  });
}
for (const other of [new Uint8Array(4), {}, null, 1]) {
  op(`from ${show(other)}`, () => addon.node_api_create_buffer_from_arraybuffer(other, 0, 1));
}
// Views of buffers whose length changes, or that are gone.
const moved = (length, make) => {
  const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
  new Uint8Array(buffer).forEach((_, i, all) => { all[i] = i + 1; });
  const view = make(buffer);
  if (length === "transferred") buffer.transfer();
  else buffer.resize(length);
  return view;
};
for (const length of [16, 6, 3, 0, "transferred"]) {
  for (const [what, make] of [
    ["that follows", (buffer) => new Uint8Array(buffer)], ["of three at 2", (buffer) => new Uint8Array(buffer, 2, 3)],
    ["of two words at 4", (buffer) => new Uint16Array(buffer, 4, 2)], ["a data view at 4", (buffer) => new DataView(buffer, 4)],
    ["a Buffer", (buffer) => Buffer.from(buffer, 1, 4)],
  ]) {
    op(`info of a view ${what}, ${length}`, () => addon.napi_get_buffer_info(moved(length, make)));
  }
}
op("a Buffer from a resizable arraybuffer", () => {
  return [[0, 8], [8, 0], [4, 5]].map(([offset, length]) => {
    return outcome(addon.node_api_create_buffer_from_arraybuffer(moved(8, (buffer) => buffer), offset, length));
  });
});
engine.op("a Buffer from an arraybuffer that is gone", () => {
  const buffer = moved("transferred", (made) => made);
  return [0, 1].map((length) => addon.node_api_create_buffer_from_arraybuffer(buffer, 0, length).status);
});
standard();
