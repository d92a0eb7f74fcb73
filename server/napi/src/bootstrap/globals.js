// What stands on the global before any addon is loaded. Only this part runs at the start: the
// others are evaluated when they are first looked at, through accessors like Node's own.
(function (native) {
'use strict';

const global = globalThis;
const define = (name, value, enumerable = false) =>
  Object.defineProperty(global, name, { value, enumerable, writable: true, configurable: true });
const lazy = (name, make, enumerable = false) => Object.defineProperty(global, name, {
  get() { return make(); },
  set(value) { define(name, value, enumerable); },
  enumerable, configurable: true,
});

define('global', global, true);
lazy('process', () => native.load('process'));
lazy('Buffer', () => native.load('buffer'));
lazy('TextEncoder', () => native.load('text').TextEncoder);
lazy('TextDecoder', () => native.load('text').TextDecoder);
lazy('console', () => native.load('console'));
lazy('structuredClone', () => native.load('clone'), true);

define('queueMicrotask', function queueMicrotask(callback) {
  native.load('errors').requireFunction(callback, 'callback');
  native.queueMicrotask(callback);
}, true);

for (const name of ['setTimeout', 'setInterval', 'setImmediate']) {
  define(name, { [name]() {
    throw new Error(`${name} is not supported yet: the host runs no timers; use a timer of Python's and call the addon from it`);
  } }[name], true);
}
for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) {
  // Without timers there is nothing to clear, and clearing nothing is allowed.
  define(name, { [name]() {} }[name], true);
}

for (const name of ['dispose', 'asyncDispose']) {
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}

// The stack in V8's form: a header, then one line per call. The engine knows no native frames.
const describe = (error) => {
  try {
    const { name = 'Error', message = '' } = error;
    return `${name}` && `${message}` ? `${name}: ${message}` : `${name}${message}`;
  } catch {
    return '<error>';
  }
};
const place = (site) => {
  const file = site.getFileName();
  if (site.isNative() || !file) return 'native';
  return `${file}:${site.getLineNumber()}:${site.getColumnNumber()}`;
};
Error.prepareStackTrace = (error, sites) => {
  let text = describe(error);
  for (const site of sites) {
    const name = site.getFunctionName();
    text += name ? `\n    at ${name} (${place(site)})` : `\n    at ${place(site)}`;
  }
  return text;
};
})
