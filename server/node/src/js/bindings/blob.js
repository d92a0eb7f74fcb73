// The binding `blob`: blobs as lists of parts, which are bytes that nothing changes, or lie in a file.
(function (native) {
'use strict';

// How much of a file is read at a time.
const PIECE = 64 << 10;

// Bytes of a file, which can be read for as long as the file does not change.
class FilePart {
  #path; #start; #stat;
  constructor(path, stat, start, length) {
    this.#path = path;
    this.#stat = stat;
    this.#start = start;
    this.length = length;
  }

  static of(path) {
    const stat = native.load('realm').require('fs').statSync(path, { bigint: true });
    return new FilePart(path, stat, 0, Number(stat.size));
  }

  subarray(start, end) { return new FilePart(this.#path, this.#stat, this.#start + start, end - start); }

  read() {
    const fs = native.load('realm').require('fs');
    const fd = fs.openSync(this.#path);
    try {
      const { size, mtimeNs } = fs.fstatSync(fd, { bigint: true });
      if (size !== this.#stat.size || mtimeNs !== this.#stat.mtimeNs) throw new Error('The file has changed');
      const bytes = new Uint8Array(this.length);
      for (let at = 0, count; at < bytes.length; at += count) {
        count = fs.readSync(fd, bytes, at, bytes.length - at, this.#start + at);
        if (count === 0) throw new Error('The file has become shorter');
      }
      return bytes.buffer;
    } finally {
      fs.closeSync(fd);
    }
  }
}

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

  // Each call of `pull` gives one part: status 1 and its bytes, 0 at the end, or -1 if it cannot be read.
  getReader() {
    const left = this.#parts.toReversed();
    return { pull: (done) => {
      let part = left.pop();
      if (part === undefined) return done(0);
      if (!(part instanceof FilePart)) return done(1, part.slice().buffer);
      if (part.length > PIECE) {
        left.push(part.subarray(PIECE, part.length));
        part = part.subarray(0, PIECE);
      }
      let bytes;
      try {
        bytes = part.read();
      } catch {
        return done(-1);
      }
      return done(1, bytes);
    } };
  }
}

const stored = new Map();
return {
  createBlob: (sources) => new Handle(sources.flatMap((source) => source instanceof Handle ? Handle.parts(source) : [source])),
  createBlobFromFilePath(path) {
    let part;
    try {
      part = FilePart.of(path);
    } catch {
      throw native.load('errors').coded(TypeError, 'ERR_INVALID_ARG_VALUE', 'Unable to open file as blob');
    }
    return [new Handle([part]), part.length];
  },
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
