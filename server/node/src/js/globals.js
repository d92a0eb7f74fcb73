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

// Groups of native functions, each made once.
const groups = new Map();
const { functions } = native;
native.functions = (name) => {
  if (!groups.has(name)) groups.set(name, functions(name));
  return groups.get(name);
};

const define = (name, value, enumerable = false) =>
  Object.defineProperty(global, name, { value, enumerable, writable: true, configurable: true });
const { defineProperty } = Object;
const lazy = (name, make, enumerable = false) => defineProperty(global, name, {
  get: make, set: (value) => define(name, value, enumerable), enumerable, configurable: true,
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

// The frame of asynchronous context that is current: `AsyncLocalStorage` sets it. What is put off keeps
// the frame in which it was; the engine does that for promises. Until one is set, none is asked for.
let hasFrames = false;
Object.defineProperty(native, 'frame', {
  get: () => (hasFrames ? native.getFrame() : undefined),
  set(frame) {
    hasFrames ||= frame !== undefined;
    if (hasFrames) native.setFrame(frame);
  },
});
native.within = (frame, callback, self, args) => {
  const before = native.frame;
  native.frame = frame;
  try {
    return apply(callback, self, args);
  } finally {
    native.frame = before;
  }
};
native.bindFrame = (callback) => {
  const { frame } = native;
  if (frame === undefined || typeof callback !== 'function') return callback;
  return function (...args) { return native.within(frame, callback, this, args); };
};

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

// A script can import before anything was required.
const modules = () => {
  native.load('realm');
  return native.load('modules');
};
native.functions('script').setModuleHooks(
  (...args) => modules().resolve(...args), (...args) => modules().load(...args), (...args) => modules().fillMeta(...args));

for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate']) {
  lazy(name, () => native.load('timers')[name], true);
}
// The rest is Node's own JavaScript: the module of each, and whether it shows among the global's keys.
const STREAMS = [
  'ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest',
  'ReadableByteStreamController', 'ReadableStreamDefaultController', 'TransformStream', 'TransformStreamDefaultController',
  'WritableStream', 'WritableStreamDefaultController', 'WritableStreamDefaultWriter', 'ByteLengthQueuingStrategy',
  'CountQueuingStrategy', 'TextEncoderStream', 'TextDecoderStream', 'CompressionStream', 'DecompressionStream',
];
const PERFORMANCE = [
  'PerformanceEntry', 'PerformanceMark', 'PerformanceMeasure', 'PerformanceObserver', 'PerformanceObserverEntryList',
  'PerformanceResourceTiming', 'Performance',
];
for (const [module, names, enumerable = false] of [
  ['internal/event_target', ['Event', 'EventTarget', 'CustomEvent']],
  ['internal/abort_controller', ['AbortSignal', 'AbortController']],
  ['internal/url', ['URL', 'URLSearchParams']],
  ['buffer', ['Blob', 'File']],
  ['buffer', ['atob', 'btoa'], true],
  ['internal/worker/io', ['MessageChannel', 'MessagePort', 'BroadcastChannel']],
  ['internal/deps/undici/undici', ['MessageEvent']],
  ['stream/web', STREAMS],
  ['perf_hooks', PERFORMANCE],
  ['perf_hooks', ['performance'], true],
  ['internal/navigator', ['Navigator']],
  ['internal/navigator', ['navigator'], true],
  ['internal/crypto/webcrypto', ['crypto'], true],
  ['internal/crypto/webcrypto', ['Crypto', 'CryptoKey', 'SubtleCrypto']],
]) {
  for (const name of names) lazy(name, () => native.load('realm').require(module)[name], enumerable);
}

for (const name of ['dispose', 'asyncDispose']) {
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
})
