// The realm of Node's built-in modules: Node's own JavaScript, loaded when something is required,
// over the bindings of `bindings.js`. What the host has itself takes the place of some modules.
(function (native) {
'use strict';

const { process } = globalThis;

// The realm takes half of it, and stays.
native.collectCyclesFrom(8 << 20);

const replacements = native.load('replacements');
const names = [...new Set([...native.builtinNames(), ...Object.keys(replacements)])].sort();
const bindings = native.load('bindings');

const primordials = {};
const messaging = bindings.get('messaging');
const { privateSymbols } = bindings.get('util');
const { perIsolateSymbols } = bindings;
for (const name of ['primordials', 'domexception', 'messageport']) {
  native.builtinFunction(`internal/per_context/${name}`)(messaging, primordials, privateSymbols, perIsolateSymbols);
}
// The engine's own class is the one that programs meet. It takes a name; Node's modules also pass options.
messaging.DOMException = new Proxy(globalThis.DOMException, {
  construct(made, [message, options], target) {
    if (options === null || typeof options !== 'object') return Reflect.construct(made, [message, options], target);
    const error = Reflect.construct(made, [message, options.name], made);
    if ('cause' in options) Object.defineProperty(error, 'cause', { value: options.cause, writable: true, configurable: true });
    return error;
  },
});

let internalBinding, require;
bindings.set('builtins', {
  builtinIds: names,
  builtinCategories: { canBeRequired: names, cannotBeRequired: [] },
  natives: {},
  compileFunction: (id) => replacements[id] ?? native.load('deferred')(id, native.builtinFunction(id)),
  hasCachedBuiltins: () => true,
  setInternalLoaders(binding, loader) {
    internalBinding = binding;
    require = loader;
  },
});
native.builtinFunction('internal/bootstrap/realm')(process, () => { throw new Error('No such binding'); }, bindings.get, primordials);

require('internal/util/debuglog').initializeDebugEnv(process.env.NODE_DEBUG);
const { Module, initializeCJS } = require('internal/modules/cjs/loader');
initializeCJS();
require('internal/url').installObjectURLMethods();
require('internal/bootstrap/realm').BuiltinModule.allowRequireByUsers('sqlite');
native.becomeEmitter(require('events'));
native.shown = {
  get inspect() { return require('internal/util/inspect').inspect; },
  format: (args) => require('internal/util/inspect').format(...args),
  plain: (error) => native.load('inspect').plain(error),
};
const path = require('path');

// A module cannot be required, but can be imported.
const IMPORT_ONLY = new Set(['ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_REQUIRE_ASYNC_MODULE']);

// What Node lists is of use to those who call from a module; here, the folders are.
const describe = (error, specifier, parent) => {
  if (error?.code !== 'MODULE_NOT_FOUND' || error.requireStack?.length !== 1) return;
  const isPath = /^\.{0,2}\//.test(specifier);
  error.message = `Cannot find ${isPath ? 'module' : 'package'} '${specifier}' from ${parent.path}` +
    (isPath ? '' : `; these folders were searched: ${parent.paths.join(', ')}`);
  error.requireStack = [];
};

// What `require(specifier)` returns in a module of a folder, and whether that is a promise of it.
const requireFrom = (specifier, folder) => {
  const parent = new Module(path.join(folder, '[napi_python]'), null);
  parent.filename = parent.id;
  parent.paths = Module._nodeModulePaths(folder);
  try {
    return [false, parent.require(specifier)];
  } catch (error) {
    if (IMPORT_ONLY.has(error?.code)) return [true, native.load('modules').importFrom(specifier, folder)];
    describe(error, specifier, parent);
    throw error;
  }
};

return {
  internalBinding, require, requireFrom,
};
})
