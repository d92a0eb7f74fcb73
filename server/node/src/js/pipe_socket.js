// The streams of a program that was started: a duplex stream over a handle of `pipe_wrap`, called as
// `net.Socket` is. A function that makes the class with Node's `require`.
(function () {
'use strict';

return (require) => {
  const { Duplex } = require('stream');
  const { ErrnoException } = require('internal/errors');

  class Socket extends Duplex {
    #handle;

    constructor({ handle, readable }) {
      super({ readable: readable && handle !== null, writable: !readable && handle !== null, autoDestroy: true, decodeStrings: true });
      this.#handle = handle;
      if (handle === null) this.destroy();
    }

    get _handle() { return this.#handle; }

    _read() {
      this.#handle?.read((bytes) => {
        if (this.destroyed) return;
        if (typeof bytes === 'number') this.destroy(new ErrnoException(bytes, 'read'));
        else this.push(bytes.length === 0 ? null : bytes);
      });
    }

    _write(chunk, encoding, done) {
      const written = (error) => done(error === 0 ? null : new ErrnoException(error, 'write'));
      const error = this.#handle.write(chunk, written);
      if (error !== 0) written(error);
    }

    _final(done) {
      this.#handle?.close();
      done();
    }

    _destroy(error, done) {
      this.#handle?.close();
      this.#handle = null;
      done(error);
    }

    ref() { return this; }
    unref() { return this; }
    setTimeout() { return this; }
  }

  return Object.assign(function (options) { return new Socket(options); }, { prototype: Socket.prototype });
};
})
