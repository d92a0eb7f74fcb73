// The binding `zlib`: the handles of streams that compress and decompress.
(function (native) {
'use strict';

const errors = native.load('errors');
const zlib = native.functions('zlib');
const abandoned = new FinalizationRegistry((number) => zlib.close(number));

// What is common to the handles. A step that is under way keeps its stream until it is done.
class Handle {
  #number;
  #state;
  #callback;

  begin(number, state, callback) {
    if (typeof number !== 'number') throw errors.coded(Error, 'ERR_ZLIB_INITIALIZATION_FAILED', 'Initialization failed');
    if (this.#number !== undefined) this.close();
    this.#number = number;
    this.#state = state;
    this.#callback = callback;
    abandoned.register(this, number, this);
  }

  #finish([outLeft, inLeft, failure]) {
    this.#state[0] = outLeft;
    this.#state[1] = inLeft;
    return this.report(failure);
  }

  // Whether there was no failure.
  report(failure) {
    if (failure === undefined) return true;
    const [message, code, number] = failure;
    this.onerror(message, number, code);
    return false;
  }

  writeSync(flush, input, inOffset, inLength, output, outOffset, outLength) {
    this.#finish(zlib.writeSync(this.#number, flush, input ?? undefined, inOffset, inLength, output, outOffset, outLength));
  }

  write(flush, input, inOffset, inLength, output, outOffset, outLength) {
    zlib.write(this.#number, flush, input ?? undefined, inOffset, inLength, output, outOffset, outLength, (answer) => {
      if (this.#finish(answer)) this.#callback();
    });
  }

  params(level) { zlib.setLevel(this.#number, level); }
  reset() { this.report(zlib.reset(this.#number)); }

  close() {
    abandoned.unregister(this);
    zlib.close(this.#number);
  }

  getAsyncId() { return 0; }
}

class Zlib extends Handle {
  #mode;
  constructor(mode) {
    super();
    this.#mode = mode;
  }
  init(windowBits, level, memLevel, strategy, state, callback, dictionary) {
    this.begin(zlib.open(this.#mode, windowBits, level, memLevel, strategy, dictionary), state, callback);
  }
}

class BrotliEncoder extends Handle {
  init(parameters, state, callback) { this.begin(zlib.openBrotli(true, parameters), state, callback); }
}

class BrotliDecoder extends Handle {
  init(parameters, state, callback) { this.begin(zlib.openBrotli(false, parameters), state, callback); }
}

class Absent {
  constructor() { throw errors.unavailable('zlib: zstd is not available in napi-hostd; use gzip, deflate or brotli'); }
}

return {
  Zlib, BrotliEncoder, BrotliDecoder,
  ZstdCompress: class ZstdCompress extends Absent {},
  ZstdDecompress: class ZstdDecompress extends Absent {},
  crc32: zlib.crc32,
};
})
