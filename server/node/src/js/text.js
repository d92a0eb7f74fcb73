// TextEncoder and TextDecoder, with every encoding of the WHATWG standard.
(function (native) {
'use strict';

const errors = () => native.load('errors');
const UTF8 = 0; // As in buffer.js.

const invalidThis = (name) => errors().named(TypeError, 'ERR_INVALID_THIS', `Value of "this" must be of type ${name}`);

class TextEncoder {
  #brand = true;
  get encoding() {
    if (!(#brand in this)) throw invalidThis('TextEncoder');
    return 'utf-8';
  }
  encode(input = '') {
    if (!(#brand in this)) throw invalidThis('TextEncoder');
    return new Uint8Array(native.encode(`${input}`, UTF8));
  }
  encodeInto(source, target) {
    if (!(#brand in this)) throw invalidThis('TextEncoder');
    if (typeof source !== 'string') throw errors().invalidType('src', 'string', source);
    if (!(target instanceof Uint8Array)) throw errors().invalidType('dest', 'Uint8Array', target);
    const written = native.write(target, source, 0, target.length, UTF8);
    // What was read: the UTF-16 length of the written part; a lone surrogate was written as U+FFFD.
    return { read: native.decode(target, UTF8, 0, written).length, written };
  }
  [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
    return inspect({ encoding: this.encoding }, options);
  }
}

const bytesOf = (input) => {
  if (input === undefined) return new Uint8Array();
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (input instanceof ArrayBuffer || (typeof SharedArrayBuffer === 'function' && input instanceof SharedArrayBuffer)) {
    return new Uint8Array(input);
  }
  throw errors().invalidType('list', ['ArrayBuffer', 'ArrayBufferView'], input);
};

const requireOptions = (options) => {
  if (typeof options !== 'object' && typeof options !== 'function') throw errors().invalidType('options', 'object', options);
};

// Closes the native decoders of collected objects.
const decoders = new FinalizationRegistry((number) => native.closeDecoder(number));

class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  #decoder; // The number of the native decoder, once a text arrived in pieces.

  constructor(encoding = 'utf-8', options = {}) {
    const label = `${encoding}`;
    requireOptions(options);
    const name = native.encodingName(label.toLowerCase());
    if (name === undefined || name === 'replacement') {
      throw errors().named(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${name ?? label}" encoding is not supported`);
    }
    this.#encoding = name;
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }
  get encoding() {
    if (!(#encoding in this)) throw invalidThis('TextDecoder');
    return this.#encoding;
  }
  get fatal() {
    if (!(#encoding in this)) throw invalidThis('TextDecoder');
    return this.#fatal;
  }
  get ignoreBOM() {
    if (!(#encoding in this)) throw invalidThis('TextDecoder');
    return this.#ignoreBOM;
  }

  decode(input, options = {}) {
    if (!(#encoding in this)) throw invalidThis('TextDecoder');
    requireOptions(options);
    const stream = Boolean(options?.stream);
    const bytes = bytesOf(input);
    if (stream && this.#decoder === undefined) {
      this.#decoder = native.openDecoder();
      decoders.register(this, this.#decoder);
    }
    const text = this.#decoder === undefined
      ? native.decodeText(bytes, this.#encoding, this.#fatal, this.#ignoreBOM)
      : native.decodeNext(bytes, this.#encoding, this.#fatal, this.#ignoreBOM, this.#decoder, !stream);
    if (text === undefined) {
      throw errors().named(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', `The encoded data was not valid for encoding ${this.#encoding}`);
    }
    return text;
  }
}

for (const Class of [TextEncoder, TextDecoder]) {
  for (const name of Object.getOwnPropertyNames(Class.prototype)) {
    if (name !== 'constructor') Object.defineProperty(Class.prototype, name, { enumerable: true });
  }
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
}
return { TextEncoder, TextDecoder };
})
