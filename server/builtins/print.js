// Printed by the Node program: its version, the sources of its built-in modules, and what each public
// module exports. `build.rs` runs this.
'use strict';

const isClass = (value) => /^class\b/.test(String(value)) || Reflect.ownKeys(value.prototype ?? {}).length > 1 ||
  /^[A-Z]/.test(value.name);
const isPlain = (value) => [Object.prototype, null].includes(Object.getPrototypeOf(value)) || Array.isArray(value);

// What a value is: a value of JSON, a symbol, or an object or function with members. Nothing is returned
// for others.
const shape = (value, depth, isModule) => {
  if (['string', 'number', 'boolean'].includes(typeof value) || value === null) return { kind: 'value', value };
  if (value === undefined) return { kind: 'value' };
  if (typeof value === 'symbol') return { kind: 'symbol', value: value.description };
  if (Array.isArray(value)) return { kind: 'value', value: value.length > 200 ? [] : value };
  if (typeof value === 'function') return { kind: isClass(value) ? 'class' : 'function', members: members(value, depth) };
  if (typeof value === 'object') return { kind: 'object', members: isModule || isPlain(value) ? members(value, depth) : {} };
  return undefined;
};
const members = (value, depth) => {
  const found = {};
  if (depth === 0) return found;
  for (const name of Object.keys(value)) {
    const member = shape(value[name], depth - 1, false);
    if (member !== undefined) found[name] = member;
  }
  return found;
};

require('tls'); // Its parts need it whole.
const shapes = {};
const withScheme = ['node:sea', 'node:sqlite', 'node:test', 'node:test/reporters'];
for (const name of [...require('module').builtinModules, ...withScheme]) shapes[name] = JSON.stringify(shape(require(name), 3, true));
process.stdout.write(JSON.stringify({ version: process.version, sources: process.binding('natives'), shapes }));
