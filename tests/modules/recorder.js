// Loaded into Node before a script of this folder: notes which names of Node's modules the script itself
// reads, and writes them to the file that NODE_MODULES_USES names. A name counts where the reader is a
// line of the script: what Node's own code reads, or `Object.entries`, does not.
'use strict';
const { dirname } = require('path');
const { writeFileSync } = require('fs');
const Module = require('module');
const { isBuiltin } = Module;
const { modules, placesOf } = require('./surface.js');

const { NODE_MODULES_USES: file } = process.env;
delete process.env.NODE_MODULES_USES;
process.execArgv.length = 0;
// Global objects that are modules, or all globals.
const GLOBAL_OBJECTS = ['globalThis', 'global', 'process', 'console'];
const isScript = (name) => typeof name === 'string' && dirname(name) === __dirname && name.endsWith('.cjs');

// The file whose code called `called`; undefined for what is read while a stack is prepared.
let isPreparing = false;
const callerOf = (called) => {
  if (isPreparing) return undefined;
  isPreparing = true;
  const { stackTraceLimit, prepareStackTrace } = Error;
  const holder = {};
  Error.stackTraceLimit = 1;
  Error.prepareStackTrace = (error, [site]) => site?.getFileName()?.replace(/^file:\/\//, '');
  Error.captureStackTrace(holder, called);
  const found = holder.stack;
  Error.stackTraceLimit = stackTraceLimit;
  Error.prepareStackTrace = prepareStackTrace;
  isPreparing = false;
  return found;
};

const used = new Set();
// The names of each function that modules export: some export the same.
const owners = new Map();
const watch = (object, key, read) => {
  const { value, get, set, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(object, key);
  if (!configurable) return;
  let current = value;
  const getter = function () {
    if (!read.every((name) => used.has(name)) && isScript(callerOf(getter))) {
      for (const name of [...read, ...get === undefined ? owners.get(current) ?? [] : []]) used.add(name);
    }
    return get === undefined ? current : get.call(this);
  };
  const setter = function (changed) {
    if (get !== undefined) set?.call(this, changed);
    else if (this === object && writable) current = changed;
    else Object.defineProperty(this, key, { value: changed, writable: true, enumerable: true, configurable: true });
  };
  Object.defineProperty(object, key, { get: getter, set: setter, enumerable, configurable });
};

// The names of each property that is watched: some objects belong to several modules.
const read = new Map();
const add = (object, key, name) => {
  if (!read.has(object)) read.set(object, new Map());
  const keys = read.get(object);
  if (!keys.has(key)) {
    keys.set(key, []);
    watch(object, key, keys.get(key));
  }
  keys.get(key).push(name);
};

const watched = new Set();
const watchModule = (module) => {
  if (watched.has(module)) return;
  watched.add(module);
  for (const [object, key, name] of placesOf(module)) {
    const value = Object.getOwnPropertyDescriptor(object, key).value;
    if (typeof value === 'function' && !name.includes('#')) owners.set(value, [...owners.get(value) ?? [], `${module}:${name}`]);
    add(object, key, `${module}:${name}`);
  }
};

// Modules of which parts are global.
['buffer', 'console', 'crypto', 'events', 'perf_hooks', 'process', 'stream/web', 'timers', 'url', 'util', 'worker_threads'].forEach(watchModule);
for (const key of Object.getOwnPropertyNames(globalThis)) {
  const value = GLOBAL_OBJECTS.includes(key) ? undefined : globalThis[key];
  for (const name of owners.get(value) ?? []) add(globalThis, key, name);
}

// All others when they are loaded, with the modules below them.
const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  const name = request.replace(/^node:(?!sea|sqlite|test)/, '');
  if (isBuiltin(request)) modules.filter((module) => module === name || module.startsWith(`${name}/`)).forEach(watchModule);
  return loaded;
};

process.on('exit', () => writeFileSync(file, JSON.stringify([...used].sort())));
