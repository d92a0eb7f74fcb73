// structuredClone for what an addon may hold: data, dates, expressions, maps, sets, errors, bytes.
(function (native) {
'use strict';

const refuse = (what) => new DOMException(`${what} could not be cloned.`, 'DataCloneError');
const { isError } = Error;
const ERRORS = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

const clone = (value, seen) => {
  if (typeof value === 'symbol') throw refuse(String(value));
  if (typeof value === 'function') throw refuse(Function.prototype.toString.call(value));
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (copy) => {
    seen.set(value, copy);
    return copy;
  };
  if (Array.isArray(value)) {
    const copy = keep(new Array(value.length));
    for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
    return copy;
  }
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (typeof SharedArrayBuffer === 'function' && value instanceof SharedArrayBuffer) return keep(value);
  if (ArrayBuffer.isView(value)) {
    const buffer = clone(value.buffer, seen);
    const Class = value instanceof DataView ? DataView : globalThis[value[Symbol.toStringTag]];
    return keep(new Class(buffer, value.byteOffset, value instanceof DataView ? value.byteLength : value.length));
  }
  if (value instanceof Map) {
    const copy = keep(new Map());
    for (const [key, item] of [...value]) copy.set(clone(key, seen), clone(item, seen));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const item of [...value]) copy.add(clone(item, seen));
    return copy;
  }
  if (value instanceof DOMException) {
    const error = keep(new DOMException(value.message, value.name));
    error.stack = value.stack;
    return error;
  }
  if (isError(value)) {
    const error = keep(new (ERRORS[String(value.name)] ?? Error)());
    // As in V8, accessors are left out.
    const copy = (key, convert) => {
      const own = Object.getOwnPropertyDescriptor(value, key);
      if (own === undefined || !('value' in own)) return;
      Object.defineProperty(error, key, { value: convert(own.value), writable: true, configurable: true });
    };
    copy('message', String);
    const { stack } = value;
    error.stack = typeof stack === 'string' ? stack : undefined;
    copy('cause', (cause) => clone(cause, seen));
    return error;
  }
  for (const Class of [Number, String, Boolean, BigInt]) {
    if (value instanceof Class) return keep(Object(value.valueOf()));
  }
  if (native.isPromise(value) || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef || native.isExternal(value)) {
    throw refuse(`#<${value.constructor?.name ?? 'Object'}>`);
  }
  // Objects of Node's own that copy themselves, such as blobs.
  const { clone: cloneSelf, deserialize } = native.cloneSymbols ?? {};
  if (cloneSelf !== undefined && typeof value[cloneSelf] === 'function') {
    const { data, deserializeInfo } = value[cloneSelf]();
    const [module, name] = deserializeInfo.split(':');
    const copy = keep(new (native.load('realm').require(module)[name])());
    copy[deserialize](data);
    return copy;
  }
  const copy = keep({});
  for (const key of Object.keys(value)) {
    Object.defineProperty(copy, key, { value: clone(value[key], seen), enumerable: true, writable: true, configurable: true });
  }
  return copy;
};

const structuredClone = function structuredClone(value, options) {
  if (arguments.length === 0) throw native.load('errors').named(TypeError, 'ERR_MISSING_ARGS', 'The "value" argument must be specified');
  const copy = clone(value, new Map());
  for (const buffer of options?.transfer ?? []) {
    if (!(buffer instanceof ArrayBuffer)) throw refuse('Value in the transfer list');
    buffer.transfer();
  }
  return copy;
};
// A copy in which some objects are others.
Object.defineProperty(structuredClone, 'withKnown', { value: clone });
return structuredClone;
})
