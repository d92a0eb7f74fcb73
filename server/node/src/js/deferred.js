// What some of Node's modules take of another one when they are loaded, and call seldom: they get
// functions that load the other one when they are called. Without it the first `require` would read
// half as much code again.
(function (native) {
'use strict';

const { apply } = Reflect;
const { process } = globalThis;

// What a module gets of another one: the names of functions, or the exports themselves.
const DEFERRED = {
  __proto__: null,
  'events': { 'internal/util/inspect': ['inspect', 'identicalSequenceRange'] },
  'fs': { 'internal/blob': ['createBlobFromFilePath'] },
  'internal/modules/helpers': { 'internal/util/inspect': ['inspect'] },
  'internal/url': {
    'internal/data_url': ['percentDecode'], 'internal/process/per_thread': { platform: process.platform },
    'internal/util/inspect': ['inspect'], 'querystring': ['unescape'],
  },
  'internal/util/debuglog': { 'internal/util/inspect': ['inspect', 'format', 'formatWithOptions'] },
};

const caller = (require, module, name) => {
  const call = { [name](...args) { return apply(require(module)[name], this, args); } }[name];
  // The one property of `inspect` that is read before it is called.
  if (name === 'inspect') call.custom = Symbol.for('nodejs.util.inspect.custom');
  return call;
};

// The function that a module is, with a `require` that defers what its row names.
return (id, run) => {
  const row = DEFERRED[id];
  if (row === undefined) return run;
  return function (exports, require, ...others) {
    const partly = (module) => {
      const taken = row[module];
      if (!Array.isArray(taken)) return taken ?? require(module);
      return Object.fromEntries(taken.map((name) => [name, caller(require, module, name)]));
    };
    return apply(run, this, [exports, partly, ...others]);
  };
};
})
