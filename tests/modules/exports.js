// What the public modules of Node export: prints one line, an object from module to its names with
// their kinds, to `same`, a module that is the same object, and to `refused`, the functions that refuse
// a call, for the modules that NODE_MODULES_CALLED names.
'use strict';
process.removeAllListeners('warning');
const { modules, placesOf } = require('./surface.js');

const refused = (process.env.NODE_MODULES_CALLED ?? '').split(' ');
const REFUSAL = 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM';

const isRefused = (run) => {
  try {
    run();
    return false;
  } catch (error) {
    return error.code === REFUSAL;
  }
};

// The functions and classes of a module that refuse a call.
const refusals = (exports) => Object.keys(exports).filter((name) => {
  const value = exports[name];
  return typeof value === 'function' && isRefused(() => value());
});

const found = {};
const owners = new Map();
for (const module of modules) {
  const exports = require(module);
  const same = owners.get(exports);
  owners.set(exports, same ?? module);
  const members = Object.fromEntries(placesOf(module).map(([, , name, kind]) => [name, kind]));
  found[module] = { same, members, refused: refused.includes(module) ? refusals(exports) : [] };
}
console.log(JSON.stringify(found));
