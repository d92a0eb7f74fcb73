// The module `buffer`: the host's own `Buffer`, and what Node exports beside it.
(function (native) {
'use strict';

const { Buffer } = globalThis;
const errors = native.load('errors');
const { isUtf8, isAscii } = native.functions('buffer');

const kMaxLength = 2 ** 53 - 1, kStringMaxLength = 2 ** 29 - 24;
const invalidCharacter = () => new DOMException('Invalid character', 'InvalidCharacterError');
const isBytes = (value) => ArrayBuffer.isView(value) ? !(value instanceof DataView)
  : value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
const requireInput = (input) => {
  if (!isBytes(input)) throw errors.invalidType('input', ['ArrayBuffer', 'Buffer', 'TypedArray'], input);
};
const requireArgument = (count) => {
  if (count === 0) throw errors.named(TypeError, 'ERR_MISSING_ARGS', 'The "input" argument must be specified');
};

// The encodings between which a text is converted, and the last character that each can have.
const CONVERTED = { __proto__: null, utf8: Infinity, utf16le: Infinity, latin1: 0xff, ascii: 0x7f };
const converted = (name) => {
  const known = { 'utf-8': 'utf8', ucs2: 'utf16le', 'ucs-2': 'utf16le', 'utf-16le': 'utf16le', binary: 'latin1' };
  const lower = `${name}`.toLowerCase();
  return known[lower] ?? lower;
};

const exports = {
  Buffer,
  SlowBuffer(length) {
    errors.requireNumber(length, 'size', 0, kMaxLength);
    return Buffer.allocUnsafeSlow(length);
  },
  transcode(source, fromEncoding, toEncoding) {
    if (!(source instanceof Uint8Array)) throw errors.invalidType('source', ['Buffer', 'Uint8Array'], source);
    if (source.length === 0) return Buffer.alloc(0);
    const from = converted(fromEncoding), to = converted(toEncoding);
    const last = CONVERTED[to];
    if (last === undefined || !(from in CONVERTED)) {
      throw Object.assign(new Error('Unable to transcode Buffer [U_ILLEGAL_ARGUMENT_ERROR]'), { code: 'U_ILLEGAL_ARGUMENT_ERROR', errno: 1 });
    }
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    const text = from === 'ascii' ? bytes.toString('latin1').replace(/[\x80-\xff]/g, '\ufffd') : bytes.toString(from);
    if (last === Infinity) return Buffer.from(text, to);
    return Buffer.from(Array.from(text, (character) => character.codePointAt(0) > last ? '?' : character).join(''), to);
  },
  isUtf8(input) {
    requireInput(input);
    return isUtf8(input);
  },
  isAscii(input) {
    requireInput(input);
    return isAscii(input);
  },
  kMaxLength,
  kStringMaxLength,
  btoa: function (input) {
    requireArgument(arguments.length);
    const text = `${input}`;
    if (/[^\0-\xff]/.test(text)) throw invalidCharacter();
    return Buffer.from(text, 'latin1').toString('base64');
  },
  atob: function (input) {
    requireArgument(arguments.length);
    let text = `${input}`.replace(/[\t\n\f\r ]/g, '');
    if (text.length % 4 === 0) text = text.replace(/==?$/, '');
    if (/[^A-Za-z0-9+/]/.test(text)) throw invalidCharacter();
    if (text.length % 4 === 1) {
      throw new DOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
    }
    return Buffer.from(text, 'base64').toString('latin1');
  },
  constants: { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength },
};
Object.defineProperty(exports, 'constants', { writable: false, configurable: false });
Object.defineProperty(exports, 'INSPECT_MAX_BYTES', {
  enumerable: true, configurable: true,
  get: () => native.bufferLimits.shown,
  set(value) {
    errors.requireNumber(value, 'INSPECT_MAX_BYTES', 0);
    native.bufferLimits.shown = value;
  },
});

const lazy = (id, name) => Object.defineProperty(exports, name, {
  enumerable: true, configurable: true,
  get() { return native.load('realm').require(id)[name]; },
  set(value) { Object.defineProperty(exports, name, { value, enumerable: true, writable: true, configurable: true }); },
});
lazy('internal/blob', 'Blob');
lazy('internal/blob', 'resolveObjectURL');
lazy('internal/file', 'File');
return exports;
})
