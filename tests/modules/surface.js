// The public modules of Node, and the names in them: exports, and the methods of exported classes.
'use strict';
const { builtinModules } = require('module');

// Modules that are found under their scheme only, which older lists do not have.
const SCHEMED = ['node:sea', 'node:sqlite', 'node:test', 'node:test/reporters'];
const OF_EVERY_FUNCTION = ['length', 'name', 'prototype', 'arguments', 'caller'];

const isPublic = (name) => !name.startsWith('_');
const isMember = (name) => isPublic(name) && name !== 'constructor';

// The kind of a value. Of a constant (a number with an upper-case name, or one of these tables) the value
// is part of it.
const TABLES = ['constants', 'codes', 'METHODS', 'STATUS_CODES'];
const kind = (name, value) => {
  if (value === null) return 'null';
  const isNumber = typeof value === 'number' && /^[A-Z]/.test(name);
  const text = isNumber || TABLES.includes(name) ? JSON.stringify(value) : '{}';
  return text === '{}' ? typeof value : `${isNumber ? 'constant' : 'table'} ${text}`;
};

const kindOfProperty = (object, name) => {
  const { value, get } = Object.getOwnPropertyDescriptor(object, name);
  return get === undefined ? kind(name, value) : 'accessor';
};

// Own members of a class: static ones as `Class.name`, those of its instances as `Class#name`.
const membersOfClass = (name, made) => {
  const { prototype } = made;
  if (prototype === null || typeof prototype !== 'object') return [];
  const methods = Object.getOwnPropertyNames(prototype).filter(isMember);
  if (methods.length === 0) return [];
  const statics = Object.getOwnPropertyNames(made).filter((key) => isMember(key) && !OF_EVERY_FUNCTION.includes(key));
  return [
    ...methods.map((key) => [prototype, key, `${name}#${key}`]),
    ...statics.map((key) => [made, key, `${name}.${key}`]),
  ];
};

// The names of a module: object, key, name and kind.
exports.placesOf = (module) => {
  const exports = require(module);
  const places = [];
  for (const name of Object.keys(exports).filter(isPublic)) {
    const value = exports[name];
    places.push([exports, name, name, kind(name, value)]);
    if (typeof value !== 'function') continue;
    for (const [object, key, member] of membersOfClass(name, value)) {
      // The static members of a class that is the module itself are its exports.
      if (object !== exports) places.push([object, key, member, kindOfProperty(object, key)]);
    }
  }
  return places;
};

const names = builtinModules.filter((name) => isPublic(name) && !name.includes('internal'));
// `sys` is last: it is another name of `util`.
exports.modules = [...new Set([...names, ...SCHEMED])].sort((a, b) => (a === 'sys') - (b === 'sys') || (a < b ? -1 : 1));
