// The binding `blob`: blobs in memory, as lists of bytes that nothing changes.
(function () {
'use strict';

class Handle {
  #parts;
  constructor(parts) { this.#parts = parts; }

  static parts(handle) { return handle.#parts; }

  slice(start, end) {
    const parts = [];
    let at = 0;
    for (const part of this.#parts) {
      const from = Math.max(start - at, 0), to = Math.min(end - at, part.length);
      if (from < to) parts.push(part.subarray(from, to));
      at += part.length;
    }
    return new Handle(parts);
  }

  // Each call of `pull` gives one part: status 1 and its bytes, or 0 at the end.
  getReader() {
    let next = 0;
    return { pull: (done) => {
      const part = this.#parts[next++];
      if (part === undefined) done(0);
      else done(1, part.slice().buffer);
    } };
  }
}

const stored = new Map();
return {
  createBlob: (sources) => new Handle(sources.flatMap((source) => source instanceof Handle ? Handle.parts(source) : [source])),
  createBlobFromFilePath() { throw new Error('fs.openAsBlob is not available in this host'); },
  concat(views) {
    const all = views.map((view) => ArrayBuffer.isView(view)
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view));
    const whole = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of all) {
      whole.set(part, at);
      at += part.length;
    }
    return whole.buffer;
  },
  storeDataObject(id, handle, size, type) { stored.set(id, [handle, size, type]); },
  getDataObject: (id) => stored.get(id),
  revokeObjectURL(url) {
    const id = /^blob:nodedata:([^?#]*)/.exec(url)?.[1];
    if (id !== undefined) stored.delete(id);
  },
};
})
