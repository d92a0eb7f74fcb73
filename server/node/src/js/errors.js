// Errors as Node words them: a code, and what was received instead. Loaded by the other parts.
(function (native) {
'use strict';

// As Node's own C++ code makes them.
const coded = (Class, code, message) => {
  const error = new Class(message);
  Object.defineProperty(error, 'code', { value: code, enumerable: true, writable: true, configurable: true });
  return error;
};

// What Node has and a host has not.
const unavailable = (message) => coded(Error, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', message);

const named = (Class, code, message) => {
  const error = coded(Class, code, message);
  native.showCodeInStack(error);
  Object.defineProperty(error, 'toString', {
    value() { return `${this.name} [${code}]: ${this.message}`; },
    writable: true, configurable: true,
  });
  return error;
};

const inspect = (value) => native.load('inspect').inspect(value);

const received = (value) => {
  if (value == null) return ` Received ${value}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    const name = value.constructor?.name;
    return name ? ` Received an instance of ${name}` : ` Received ${inspect(value)}`;
  }
  let text = inspect(value);
  if (text.length > 28) text = `${text.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${text})`;
};

const list = (words, last) => words.length < 3
  ? words.join(` ${last} `)
  : `${words.slice(0, -1).join(', ')}, ${last} ${words.at(-1)}`;

const PRIMITIVES = new Set(['string', 'function', 'number', 'object', 'boolean', 'bigint', 'symbol']);

// `expected` holds type names, class names and free phrases, as in Node's own messages.
const invalidType = (name, expected, value) => {
  const all = [expected].flat();
  const types = all.filter((word) => PRIMITIVES.has(word));
  const classes = all.filter((word) => !PRIMITIVES.has(word) && /^([A-Z][a-z0-9]*)+$/.test(word));
  const others = all.filter((word) => !types.includes(word) && !classes.includes(word));
  const subject = name.endsWith(' argument') ? `The ${name}` : `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;
  const parts = [];
  if (types.length) parts.push(`${types.length > 1 ? 'one of type' : 'of type'} ${list(types, 'or')}`);
  if (classes.length) parts.push(`an instance of ${list(classes, 'or')}`);
  if (others.length) parts.push(list(others, 'or'));
  return named(TypeError, 'ERR_INVALID_ARG_TYPE', `${subject} must be ${parts.join(' or ')}.${received(value)}`);
};

const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, '_');

const outOfRange = (name, range, value) => {
  let shown;
  if (Number.isInteger(value) && Math.abs(value) > 2 ** 32) shown = grouped(String(value));
  else if (typeof value === 'bigint') shown = `${value > 2n ** 32n || value < -(2n ** 32n) ? grouped(String(value)) : value}n`;
  else shown = inspect(value);
  return named(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`);
};

const invalidValue = (name, value, reason = 'is invalid') => {
  let text = inspect(value);
  if (text.length > 128) text = `${text.slice(0, 128)}...`;
  return named(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument '${name}' ${reason}. Received ${text}`);
};

const outOfBounds = (name) => named(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS',
  name ? `"${name}" is outside of buffer bounds` : 'Attempt to access memory outside buffer bounds');

const unknownEncoding = (encoding) => named(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);

const requireNumber = (value, name, low, high) => {
  if (typeof value !== 'number') throw invalidType(name, 'number', value);
  if ((low !== undefined && value < low) || (high !== undefined && value > high) ||
      (low !== undefined && Number.isNaN(value))) {
    throw outOfRange(name, `${low !== undefined ? `>= ${low}` : ''}${high !== undefined ? ` && <= ${high}` : ''}`, value);
  }
};

const requireInteger = (value, name, low = 0, high = Number.MAX_SAFE_INTEGER) => {
  if (typeof value !== 'number') throw invalidType(name, 'number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < low || value > high) throw outOfRange(name, `>= ${low} && <= ${high}`, value);
};

const requireFunction = (value, name) => {
  if (typeof value !== 'function') throw invalidType(name, 'function', value);
};

return { coded, named, unavailable, invalidType, outOfRange, invalidValue, outOfBounds, unknownEncoding, requireNumber, requireInteger, requireFunction };
})
