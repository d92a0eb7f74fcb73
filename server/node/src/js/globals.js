// What stands on the global before any addon is loaded. Only this part runs at the start: the
// others are evaluated when they are first looked at, through accessors like Node's own.
(function (native) {
'use strict';

const global = globalThis;

const parts = new Map();
native.load = (name) => {
  if (!parts.has(name)) parts.set(name, native.evaluate(name)(native));
  return parts.get(name);
};

const define = (name, value, enumerable = false) =>
  Object.defineProperty(global, name, { value, enumerable, writable: true, configurable: true });
const lazy = (name, make, enumerable = false) => Object.defineProperty(global, name, {
  get() { return make(); },
  set(value) { define(name, value, enumerable); },
  enumerable, configurable: true,
});

// V8 makes the global of a template, which stands between it and Object.prototype.
const template = { constructor: { value: Object, writable: true, configurable: true } };
Object.setPrototypeOf(global, Object.create(Object.prototype, template));

define('global', global, true);
lazy('process', () => native.load('process'));
lazy('Buffer', () => native.load('buffer'));
lazy('TextEncoder', () => native.load('text').TextEncoder);
lazy('TextDecoder', () => native.load('text').TextDecoder);
lazy('console', () => native.load('console'));
lazy('structuredClone', () => native.load('clone'), true);

const { apply, construct } = Reflect;

// What a script watches for its death lives until a later collection, as in V8: the engine alone
// would free it with its last reference.
const NativeWeakRef = WeakRef;
const LateWeakRef = { WeakRef: function (target) {
  if (new.target === undefined) return NativeWeakRef(target);
  const reference = construct(NativeWeakRef, [target], new.target);
  native.hold(target);
  return reference;
} }.WeakRef;
Object.defineProperty(LateWeakRef, 'prototype', { value: NativeWeakRef.prototype, writable: false });
Object.defineProperty(NativeWeakRef.prototype, 'constructor', { value: LateWeakRef });
define('WeakRef', LateWeakRef);
const { register } = FinalizationRegistry.prototype;
Object.defineProperty(FinalizationRegistry.prototype, 'register', {
  value: { register(target, value) { apply(register, this, arguments); native.hold(target); } }.register,
});

const { then } = Promise.prototype;
const settled = Promise.resolve();
define('queueMicrotask', function queueMicrotask(callback) {
  native.load('errors').requireFunction(callback, 'callback');
  // An exception of the callback is an uncaught one, and not a rejection.
  apply(then, settled, [() => {
    try {
      callback();
    } catch (error) {
      native.uncaught(error);
    }
  }]);
}, true);

// As Node has it with --expose-gc.
define('gc', function gc() { native.collect(); });

for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']) {
  lazy(name, () => native.load('timers')[name], true);
}
for (const name of ['Event', 'EventTarget', 'AbortSignal', 'AbortController']) {
  lazy(name, () => native.load('abort')[name]);
}

for (const name of ['dispose', 'asyncDispose']) {
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
})
