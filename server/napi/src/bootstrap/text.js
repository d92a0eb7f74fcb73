// TextEncoder and TextDecoder: UTF-8, UTF-16LE and windows-1252 (what "latin1" means on the web).
(function (native) {
'use strict';

const errors = () => native.load('errors');
const UTF8 = 0, UTF16 = 1, WINDOWS = 2;
const LABELS = { __proto__: null };
const NAMES = ['utf-8', 'utf-16le', 'windows-1252'];
const label = (code, names) => { for (const name of names.split(' ')) LABELS[name] = code; };
label(UTF8, 'utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8');
label(UTF16, 'utf-16le utf-16 ucs-2 csunicode iso-10646-ucs-2 unicode unicodefeff');
label(WINDOWS, 'windows-1252 latin1 ascii us-ascii ansi_x3.4-1968 cp1252 cp819 csisolatin1 ibm819 ' +
  'iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 x-cp1252');

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
}

const bytesOf = (input) => {
  if (input === undefined) return new Uint8Array();
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (input instanceof ArrayBuffer || (typeof SharedArrayBuffer === 'function' && input instanceof SharedArrayBuffer)) {
    return new Uint8Array(input);
  }
  throw errors().invalidType('list', ['ArrayBuffer', 'ArrayBufferView'], input);
};

class TextDecoder {
  #code;
  #fatal;
  #ignoreBOM;
  #pending = null; // Bytes of an unfinished character, while streaming.
  #started = false; // Whether a byte order mark can no longer come.

  constructor(encoding = 'utf-8', options = {}) {
    const code = LABELS[`${encoding}`.trim().toLowerCase()];
    if (code === undefined) {
      throw errors().named(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${encoding}" encoding is not supported`);
    }
    if (options !== null && typeof options !== 'object') throw errors().invalidType('options', 'Object', options);
    this.#code = code;
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }
  get encoding() { return NAMES[this.#code]; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input, options) {
    let bytes = bytesOf(input);
    const stream = Boolean(options?.stream);
    if (this.#pending !== null) {
      const joined = new Uint8Array(this.#pending.length + bytes.length);
      joined.set(this.#pending);
      joined.set(bytes, this.#pending.length);
      bytes = joined;
      this.#pending = null;
    }
    if (stream) {
      const unfinished = native.unfinished(bytes, this.#code);
      if (unfinished > 0) {
        this.#pending = bytes.slice(bytes.length - unfinished);
        bytes = bytes.subarray(0, bytes.length - unfinished);
      }
    }
    let text = native.decodeText(bytes, this.#code, this.#fatal);
    if (text === undefined) {
      this.#pending = null;
      this.#started = false;
      throw errors().named(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', `The encoded data was not valid for encoding ${this.encoding}`);
    }
    if (!this.#started && text.length > 0) {
      if (!this.#ignoreBOM && this.#code !== WINDOWS && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
      this.#started = true;
    }
    if (!stream) this.#started = false;
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
