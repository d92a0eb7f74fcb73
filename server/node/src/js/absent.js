// Modules that a host does not have, with the names that Node exports: a program can load them, and
// extend their classes; what is called raises an error that names module and function.
(function (native) {
'use strict';

const refuse = (module, name) => native.load('errors').unavailable(`${name} is not available: napi-hostd has no module '${module}'`);

const define = (object, name, value) =>
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });

// A shape is a value, `{ value }`, or an object or a function with members.
const make = (module, name, { kind, value, members = {} }) => {
  if (kind === 'value') return value;
  if (kind === 'symbol') return Symbol(value);
  let made = {};
  if (kind === 'function') made = { [name]() { throw refuse(module, name); } }[name];
  if (kind === 'class') made = function () { throw refuse(module, name); };
  if (kind === 'class') Object.defineProperty(made, 'name', { value: name.split('.').at(-1), configurable: true });
  for (const [key, shape] of Object.entries(members)) define(made, key, make(module, `${name}.${key}`, shape));
  return made;
};

// What some of these modules compute without a network.
const additions = {
  __proto__: null,
  net: (require) => {
    const { isIP, isIPv4, isIPv6 } = require('internal/net');
    return { isIP, isIPv4, isIPv6 };
  },
  cluster: () => ({ isMaster: true, isPrimary: true, isWorker: false }),
};

const modules = { __proto__: null };
for (const name of native.shapeNames()) {
  modules[name.replace(/^node:/, '')] = (exports, require, module) => {
    module.exports = make(name, name, JSON.parse(native.shape(name)));
    const more = additions[name]?.(require) ?? {};
    for (const key of Object.keys(more)) define(module.exports, key, more[key]);
  };
}
return modules;
})
