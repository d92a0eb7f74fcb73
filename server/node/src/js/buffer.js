// Buffer: Node's subclass of Uint8Array. Bytes are moved and text is coded by native functions;
// here is what decides which bytes, and the errors. There is no shared pool: every Buffer that
// is made from something else than memory has an ArrayBuffer of its own.
(function (native) {
'use strict';

const errors = () => native.load('errors');

// Encodings by the numbers that the native functions know.
const UTF8 = 0, UTF16 = 1, LATIN1 = 2, ASCII = 3, HEX = 4, BASE64 = 5, BASE64URL = 6;
const ENCODINGS = {
  __proto__: null,
  'utf8': UTF8, 'utf-8': UTF8, 'ucs2': UTF16, 'ucs-2': UTF16, 'utf16le': UTF16, 'utf-16le': UTF16,
  'latin1': LATIN1, 'binary': LATIN1, 'ascii': ASCII, 'hex': HEX, 'base64': BASE64, 'base64url': BASE64URL,
};
const encodingOf = (name) => ENCODINGS[name] ?? ENCODINGS[`${name}`.toLowerCase()];
const requireEncoding = (name) => {
  const encoding = encodingOf(name);
  if (encoding === undefined) throw errors().unknownEncoding(name);
  return encoding;
};

class FastBuffer extends Uint8Array {}
const prototype = FastBuffer.prototype;

function Buffer(value, encodingOrOffset, length) {
  if (typeof value !== 'number') return Buffer.from(value, encodingOrOffset, length);
  if (typeof encodingOrOffset === 'string') throw errors().invalidType('string', 'string', value);
  return Buffer.alloc(value);
}
Object.setPrototypeOf(Buffer, Uint8Array);
Object.defineProperty(Buffer, 'prototype', { value: prototype, writable: true });
Object.defineProperty(Buffer, Symbol.species, { get() { return FastBuffer; }, configurable: true });
Object.defineProperty(prototype, 'constructor', { value: Buffer, writable: true, configurable: true });

const isBytes = (value) => value instanceof Uint8Array;
const isAnyArrayBuffer = (value) => value instanceof ArrayBuffer ||
  (typeof SharedArrayBuffer === 'function' && value instanceof SharedArrayBuffer);
const requireBytes = (value, name) => {
  if (!isBytes(value)) throw errors().invalidType(name, ['Buffer', 'Uint8Array'], value);
};

const fromString = (string, encoding) => {
  const code = typeof encoding !== 'string' || encoding.length === 0 ? UTF8 : requireEncoding(encoding);
  return new FastBuffer(native.encode(string, code));
};

const fromArrayLike = (items) => {
  if (items.length <= 0) return new FastBuffer();
  const result = new FastBuffer(items.length);
  result.set(items);
  return result;
};

const fromArrayBuffer = (buffer, offset, length) => {
  offset = offset === undefined ? 0 : +offset || 0;
  const most = buffer.byteLength - offset;
  if (most < 0) throw errors().outOfBounds('offset');
  if (length === undefined) length = most;
  else {
    length = +length;
    if (!(length > 0)) length = 0;
    else if (length > most) throw errors().outOfBounds('length');
  }
  return new FastBuffer(buffer, offset, length);
};

const fromObject = (object) => {
  if (object.length !== undefined || isAnyArrayBuffer(object.buffer)) {
    return typeof object.length === 'number' ? fromArrayLike(object) : new FastBuffer();
  }
  if (object.type === 'Buffer' && Array.isArray(object.data)) return fromArrayLike(object.data);
  return undefined;
};

const allocate = (size) => {
  if (typeof size !== 'number' || !(size >= 0)) errors().requireNumber(size, 'size', 0, Number.MAX_SAFE_INTEGER);
  return new FastBuffer(size);
};

const compareBytes = (a, b) => native.compare(a, 0, a.length, b, 0, b.length);

// Functions, not methods, because those of Node are, but for `of`: they have a `prototype`, which `instanceof` reads.
const statics = {
  from: function (value, encodingOrOffset, length) {
    if (typeof value === 'string') return fromString(value, encodingOrOffset);
    if (typeof value === 'object' && value !== null) {
      if (isAnyArrayBuffer(value)) return fromArrayBuffer(value, encodingOrOffset, length);
      const inner = value.valueOf?.();
      if (inner != null && inner !== value && (typeof inner === 'string' || typeof inner === 'object')) {
        return Buffer.from(inner, encodingOrOffset, length);
      }
      const made = fromObject(value);
      if (made !== undefined) return made;
      const primitive = typeof value[Symbol.toPrimitive] === 'function' ? value[Symbol.toPrimitive]('string') : undefined;
      if (typeof primitive === 'string') return fromString(primitive, encodingOrOffset);
    }
    throw errors().invalidType('first argument', ['string', 'Buffer', 'ArrayBuffer', 'Array', 'an Array-like Object'], value);
  },
  of(...items) { return fromArrayLike(items); },
  alloc: function (size, fill, encoding) {
    const result = allocate(size);
    return fill === undefined || fill === 0 || size === 0 ? result : result.fill(fill, encoding);
  },
  allocUnsafe: function (size) { return allocate(size); },
  allocUnsafeSlow: function (size) { return allocate(size); },
  copyBytesFrom: function (view, offset, length) {
    if (!ArrayBuffer.isView(view) || view instanceof DataView) throw errors().invalidType('view', 'TypedArray', view);
    if (offset !== undefined) errors().requireInteger(offset, 'offset');
    if (length !== undefined) errors().requireInteger(length, 'length');
    const start = offset ?? 0;
    const part = view.slice(start, length === undefined ? undefined : start + length);
    return new FastBuffer(part.buffer, part.byteOffset, part.byteLength);
  },
  isBuffer: function (value) { return value instanceof Buffer; },
  isEncoding: function (name) { return typeof name === 'string' && name.length !== 0 && encodingOf(name) !== undefined; },
  byteLength: function (string, encoding) {
    if (typeof string !== 'string') {
      if (ArrayBuffer.isView(string) || isAnyArrayBuffer(string)) return string.byteLength;
      throw errors().invalidType('string', ['string', 'Buffer', 'ArrayBuffer'], string);
    }
    switch (encoding ? encodingOf(encoding) : UTF8) {
      case UTF16: return string.length * 2;
      case LATIN1: case ASCII: return string.length;
      case HEX: return string.length >>> 1;
      case BASE64: case BASE64URL: {
        const padding = string.endsWith('==') ? 2 : string.endsWith('=') ? 1 : 0;
        return ((string.length - padding) * 3) >>> 2;
      }
      default: return native.byteLength(string);
    }
  },
  compare: function (a, b) {
    requireBytes(a, 'buf1');
    requireBytes(b, 'buf2');
    return compareBytes(a, b);
  },
  concat: function (items, length) {
    if (!Array.isArray(items)) throw errors().invalidType('list', 'Array', items);
    if (items.length === 0) return new FastBuffer();
    if (length === undefined) length = items.reduce((sum, item) => sum + (item.length || 0), 0);
    else errors().requireInteger(length, 'length');
    const result = allocate(length);
    let at = 0;
    items.forEach((item, index) => {
      requireBytes(item, `list[${index}]`);
      const room = length - at;
      if (room <= 0) return;
      result.set(item.length > room ? item.subarray(0, room) : item, at);
      at += item.length;
    });
    return result;
  },
};

// Where a search starts, as Node counts: from the end if negative, clamped by direction.
const searchStart = (offset, length, needle, forward) => {
  if (offset < 0) {
    if (offset + length >= 0) return length + offset;
    return forward || needle === 0 ? 0 : -1;
  }
  if (offset + needle <= length) return offset;
  if (needle === 0) return length;
  return forward ? -1 : length - 1;
};

const search = (bytes, value, offset, encoding, forward) => {
  requireBytes(bytes, 'buffer');
  if (typeof offset === 'string') {
    encoding = offset;
    offset = undefined;
  }
  offset = Math.trunc(Math.min(Math.max(+offset, -0x80000000), 0x7fffffff));
  if (Number.isNaN(offset)) offset = forward ? 0 : bytes.length;
  if (typeof value === 'number') {
    const start = searchStart(offset, bytes.length, 1, forward);
    return start < 0 || bytes.length === 0 ? -1 : native.indexOf(bytes, value & 255, start, forward, 1);
  }
  const code = encoding === undefined ? UTF8 : encodingOf(encoding);
  let needle = value;
  if (typeof value === 'string') {
    if (code === undefined) throw errors().unknownEncoding(encoding);
    needle = new FastBuffer(native.encode(value, code));
  } else if (!isBytes(value)) {
    throw errors().invalidType('value', ['number', 'string', 'Buffer', 'Uint8Array'], value);
  }
  const start = searchStart(offset, bytes.length, needle.length, forward);
  if (needle.length === 0) return start;
  if (start < 0 || needle.length > bytes.length) return -1;
  if (code !== UTF16) return native.indexOf(bytes, needle, start, forward, 1);
  return needle.length < 2 ? -1 : native.indexOf(bytes, needle, start, forward, 2);
};

const clampIndex = (index, length) => {
  index = Math.trunc(index) || 0;
  return index < 0 ? Math.max(index + length, 0) : Math.min(index, length);
};
const wholeOr = (value, fallback) => {
  value = +value;
  return Number.isNaN(value) || value < Number.MIN_SAFE_INTEGER || value > Number.MAX_SAFE_INTEGER ? fallback : Math.floor(value);
};

// The number of elements of a typed array; a TypeError for anything else.
const viewLength = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length').get;

const slice = (bytes, length, encoding, start, end) => {
  if (start <= 0) start = 0;
  else if (start >= length) return '';
  else start = Math.trunc(start) || 0;
  end = end === undefined || end > length ? length : Math.trunc(end) || 0;
  if (end <= start) return '';
  return native.decode(bytes, encoding === undefined ? UTF8 : requireEncoding(encoding), start, end);
};

const methods = {
  toString: function (encoding, start, end) {
    if (arguments.length === 0) {
      const length = this.length;
      if (!ArrayBuffer.isView(this)) throw errors().coded(TypeError, 'ERR_INVALID_ARG_TYPE', 'argument must be a buffer');
      return native.decode(this, UTF8, 0, length === undefined ? this.byteLength : length);
    }
    const length = viewLength.call(this);
    return slice(this, length, encoding, start, end);
  },
  toJSON: function () { return { type: 'Buffer', data: Array.from(this) }; },
  equals: function (other) {
    requireBytes(other, 'otherBuffer');
    return this === other || (this.byteLength === other.byteLength && compareBytes(this, other) === 0);
  },
  compare: function (target, targetStart, targetEnd, sourceStart, sourceEnd) {
    requireBytes(target, 'target');
    const bound = (value, name, fallback, high) => {
      if (value === undefined) return fallback;
      errors().requireInteger(value, name, 0, high);
      return value;
    };
    targetStart = bound(targetStart, 'targetStart', 0);
    targetEnd = bound(targetEnd, 'targetEnd', target.length, target.length);
    sourceStart = bound(sourceStart, 'sourceStart', 0);
    sourceEnd = bound(sourceEnd, 'sourceEnd', this.length, this.length);
    if (sourceStart >= sourceEnd) return targetStart >= targetEnd ? 0 : -1;
    if (targetStart >= targetEnd) return 1;
    return native.compare(this, sourceStart, sourceEnd, target, targetStart, targetEnd);
  },
  copy: function (target, targetStart, sourceStart, sourceEnd) {
    requireBytes(this, 'source');
    requireBytes(target, 'target');
    const at = targetStart === undefined ? 0 : wholeOr(targetStart, 0);
    if (at < 0) throw errors().outOfRange('targetStart', '>= 0', at);
    const from = sourceStart === undefined ? 0 : wholeOr(sourceStart, 0);
    if (from < 0 || from > this.length) throw errors().outOfRange('sourceStart', `>= 0 && <= ${this.length}`, from);
    const to = sourceEnd === undefined ? this.length : wholeOr(sourceEnd, 0);
    if (to < 0) throw errors().outOfRange('sourceEnd', '>= 0', to);
    const count = Math.min(to - from, target.length - at, this.length - from);
    if (count <= 0) return 0;
    target.set(new Uint8Array(this.buffer, this.byteOffset + from, count), at);
    return count;
  },
  subarray: function (start, end) {
    const length = this.length;
    start = clampIndex(start, length);
    end = end === undefined ? length : clampIndex(end, length);
    return new FastBuffer(this.buffer, this.byteOffset + start, Math.max(end - start, 0));
  },
  slice: function (start, end) { return this.subarray(start, end); },
  indexOf: function (value, offset, encoding) { return search(this, value, offset, encoding, true); },
  lastIndexOf: function (value, offset, encoding) { return search(this, value, offset, encoding, false); },
  includes: function (value, offset, encoding) { return search(this, value, offset, encoding, true) !== -1; },
  fill: function (value, offset, end, encoding) {
    let pattern = value;
    if (typeof value === 'string') {
      if (offset === undefined || typeof offset === 'string') {
        encoding = offset;
        offset = undefined;
      } else if (typeof end === 'string') {
        encoding = end;
        end = undefined;
      }
      if (encoding !== undefined && typeof encoding !== 'string') throw errors().invalidType('encoding', 'string', encoding);
      pattern = value.length === 0 ? 0 : new FastBuffer(native.encode(value, encoding ? requireEncoding(encoding) : UTF8));
    }
    if (offset === undefined) {
      offset = 0;
      end = this.length;
    } else {
      errors().requireNumber(offset, 'offset', 0, Number.MAX_SAFE_INTEGER);
      if (end === undefined) end = this.length;
      else errors().requireNumber(end, 'end', 0, this.length);
      if (offset >= end) return this;
    }
    if (ArrayBuffer.isView(pattern)) {
      if (pattern.byteLength === 0) throw errors().invalidValue('value', value);
      native.fill(this, pattern, offset, end);
    } else {
      Uint8Array.prototype.fill.call(this, pattern & 255, offset, end);
    }
    return this;
  },
  write: function (string, offset, length, encoding) {
    if (offset === undefined) {
      offset = 0;
      length = this.length;
    } else if (length === undefined && typeof offset === 'string') {
      encoding = offset;
      offset = 0;
      length = this.length;
    } else {
      errors().requireInteger(offset, 'offset', 0, this.length);
      const room = this.length - offset;
      if (length === undefined) length = room;
      else if (typeof length === 'string') {
        encoding = length;
        length = room;
      } else {
        errors().requireInteger(length, 'length', 0, this.length);
        length = Math.min(length, room);
      }
    }
    if (typeof string !== 'string') throw errors().named(TypeError, 'ERR_INVALID_ARG_TYPE', 'argument must be a string');
    return native.write(this, string, offset, length, encoding ? requireEncoding(encoding) : UTF8);
  },
  // `toString`; it is set below. Without a property here that fails where Object.prototype is frozen.
  toLocaleString: undefined,
  inspect: function (depth, options) { return native.load('inspect').inspect(this); },
};

methods.toLocaleString = methods.toString;

// Numbers. `code` is size | flags, as the native functions know it.
const SIGNED = 16, BIG = 32, FLOAT = 64, BIGINT = 128;

const badOffset = (bytes, offset, size, name) => {
  if (typeof offset !== 'number') throw errors().invalidType(name ?? 'offset', 'number', offset);
  const last = bytes.length - size;
  if (Math.floor(offset) !== offset) throw errors().outOfRange('offset', 'an integer', offset);
  if (last < 0) throw errors().outOfBounds();
  throw errors().outOfRange('offset', `>= 0 and <= ${last}`, offset);
};

const badValue = (value, low, high, size) => {
  const n = typeof low === 'bigint' ? 'n' : '';
  const bits = size * 8;
  let range = `>= ${low}${n} and <= ${high}${n}`;
  if (size > 4) {
    range = low == 0 ? `>= 0${n} and < 2${n} ** ${bits}${n}` : `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}`;
  }
  throw errors().outOfRange('value', range, value);
};

const limits = (size, signed) => signed ? [-(2 ** (size * 8 - 1)), 2 ** (size * 8 - 1) - 1] : [0, 2 ** (size * 8) - 1];

const put = (bytes, value, offset, code, low, high) => {
  const size = code & 15;
  if (low !== undefined && (value > high || value < low)) badValue(value, low, high, size);
  return native.writeNumber(bytes, value, offset, code) ?? badOffset(bytes, offset, size);
};

const number = (name, alias, code, low, high) => {
  const size = code & 15;
  const read = { [`read${name}`]: function (offset = 0) { return native.readNumber(this, offset, code) ?? badOffset(this, offset, size); } };
  const write = code & BIGINT
    ? { [`write${name}`]: function (value, offset = 0) { return put(this, value, offset, code, low, high); } }
    : { [`write${name}`]: function (value, offset = 0) { return put(this, +value, offset, code, low, high); } };
  methods[`read${name}`] = methods[`read${alias}`] = read[`read${name}`];
  methods[`write${name}`] = methods[`write${alias}`] = write[`write${name}`];
};

const sized = (name, alias, signed, big) => {
  const flags = (signed ? SIGNED : 0) | (big ? BIG : 0);
  const requireSize = (size) => {
    if (size === 1 || size === 2 || size === 3 || size === 4 || size === 5 || size === 6) return;
    if (typeof size !== 'number') throw errors().invalidType('byteLength', 'number', size);
    throw errors().outOfRange('byteLength', Math.floor(size) === size ? '>= 1 and <= 6' : 'an integer', size);
  };
  const read = { [`read${name}`]: function (offset, byteLength) {
    if (offset === undefined) throw errors().invalidType('offset', 'number', offset);
    requireSize(byteLength);
    return native.readNumber(this, offset, flags | byteLength) ?? badOffset(this, offset, byteLength);
  } };
  const write = { [`write${name}`]: function (value, offset, byteLength) {
    requireSize(byteLength);
    return put(this, +value, offset, flags | byteLength, ...limits(byteLength, signed));
  } };
  methods[`read${name}`] = methods[`read${alias}`] = read[`read${name}`];
  methods[`write${name}`] = methods[`write${alias}`] = write[`write${name}`];
};

for (const signed of [false, true]) {
  const flag = signed ? SIGNED : 0;
  const word = signed ? 'Int' : 'UInt', alias = signed ? 'Int' : 'Uint';
  number(`${word}8`, `${alias}8`, 1 | flag, ...limits(1, signed));
  for (const [end, big] of [['LE', 0], ['BE', BIG]]) {
    number(`${word}16${end}`, `${alias}16${end}`, 2 | flag | big, ...limits(2, signed));
    number(`${word}32${end}`, `${alias}32${end}`, 4 | flag | big, ...limits(4, signed));
    const low = signed ? -(1n << 63n) : 0n, high = signed ? (1n << 63n) - 1n : (1n << 64n) - 1n;
    number(`Big${word}64${end}`, `Big${alias}64${end}`, 8 | flag | big | BIGINT, low, high);
    sized(`${word}${end}`, `${alias}${end}`, signed, big !== 0);
    if (!signed) {
      number(`Float${end}`, `Float${end}`, 4 | big | FLOAT);
      number(`Double${end}`, `Double${end}`, 8 | big | FLOAT);
    }
  }
}

for (const size of [2, 4, 8]) {
  const name = `swap${size * 8}`;
  methods[name] = { [name]: function () {
    if (this.length % size !== 0) {
      throw errors().named(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`);
    }
    native.swap(this, size);
    return this;
  } }[name];
}

for (const name of ['utf8', 'ucs2', 'latin1', 'ascii', 'hex', 'base64', 'base64url']) {
  methods[`${name}Slice`] = function (start, end) { return slice(this, this.length, name, start, end); };
  methods[`${name}Write`] = function (string, offset, length) { return this.write(string, offset, length ?? this.length - (offset ?? 0), name); };
}

const install = (target, source, enumerable) => {
  for (const name of Object.keys(source)) {
    Object.defineProperty(target, name, { value: source[name], enumerable, writable: true, configurable: true });
  }
};
install(Buffer, statics, true);
install(prototype, methods, true);
Buffer.poolSize = 8192;
for (const [name, of] of [['parent', (buffer) => buffer.buffer], ['offset', (buffer) => buffer.byteOffset]]) {
  Object.defineProperty(prototype, name, { enumerable: true, get() { return this instanceof Buffer ? of(this) : undefined; } });
}
// How many bytes `inspect` shows: `INSPECT_MAX_BYTES` of the module.
native.bufferLimits = { shown: 50 };
prototype[Symbol.for('nodejs.util.inspect.custom')] = function (depth, options, inspect) {
  const shown = Math.min(this.length, native.bufferLimits.shown);
  const rest = this.length - shown;
  const parts = [];
  if (shown > 0) parts.push(`${native.decode(this, HEX, 0, shown).replace(/(..)(?!$)/g, '$1 ')}${rest > 0 ? ` ... ${rest} more byte${rest > 1 ? 's' : ''}` : ''}`);
  const others = Reflect.ownKeys(this).filter((key) => typeof key !== 'string' || !/^\d+$/.test(key));
  if (others.length && inspect) {
    const extras = { __proto__: null };
    for (const key of others) if (options.showHidden || Object.prototype.propertyIsEnumerable.call(this, key)) extras[key] = this[key];
    const text = inspect(extras, { ...options, breakLength: Infinity, compact: true });
    if (text.length > 27) parts.push(text.slice(27, -2));
  }
  return `<${this.constructor.name}${parts.length ? ` ${parts.join(', ')}` : ''}>`;
};
native.setBufferPrototype(prototype);
return Buffer;
})
