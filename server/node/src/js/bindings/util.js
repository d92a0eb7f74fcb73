// The binding `util`: what `util.inspect` and its kin ask of the engine.
(function (native, bindings) {
'use strict';

const nothing = () => {};
const value = native.functions('value');

const isIndex = (key) => typeof key === 'string' && /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;

const STATES = { pending: 0, fulfilled: 1, rejected: 2 };

return {
  constants: {
    kPending: 0, kFulfilled: 1, kRejected: 2,
    kExiting: 0, kExitCode: 1, kHasExitCode: 2,
    ALL_PROPERTIES: 0, ONLY_WRITABLE: 1, ONLY_ENUMERABLE: 2, ONLY_CONFIGURABLE: 4, SKIP_STRINGS: 8, SKIP_SYMBOLS: 16,
    kDisallowCloneAndTransfer: 0, kTransferable: 1, kCloneable: 2,
  },
  privateSymbols: bindings.symbols(),
  shouldAbortOnUncaughtToggle: [0],
  getPromiseDetails(promise) {
    const [state, result] = native.promiseState(promise);
    return state === 'pending' ? [0] : [STATES[state], result];
  },
  getProxyDetails(proxy, both = true) {
    const parts = value.proxyParts(proxy);
    return parts === undefined || both ? parts : parts[0];
  },
  getCallerLocation: nothing,
  getConstructorName(object) {
    for (let from = object; from !== null; from = Object.getPrototypeOf(from)) {
      const found = Object.getOwnPropertyDescriptor(from, 'constructor');
      if (typeof found?.value === 'function' && found.value.name !== '') return found.value.name;
    }
    return '';
  },
  getExternalValue: () => 0n,
  getOwnNonIndexProperties(object, filter) {
    return Reflect.ownKeys(object).filter((key) => !isIndex(key) &&
      (filter !== 2 || Object.prototype.propertyIsEnumerable.call(object, key)));
  },
  previewEntries(object, isIterator) {
    const entries = value.previewEntries(object);
    if (!isIterator) return entries?.[0];
    return entries ?? [[], false];
  },
  sleep(milliseconds) { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds); },
  isInsideNodeModules: () => false,
  isConstructor: (tested) => {
    try {
      Reflect.construct(Object, [], tested);
      return true;
    } catch {
      return false;
    }
  },
  defineLazyProperties(target, id, keys, enumerable = true) {
    for (const key of keys) {
      const define = (found) => Object.defineProperty(target, key, { value: found, enumerable, writable: true, configurable: true });
      const read = { [key]() {
        const found = native.load('realm').require(id)[key];
        define(found);
        return found;
      } }[key];
      Object.defineProperty(target, key, { get: read, set: define, enumerable, configurable: true });
    }
  },
  guessHandleType: (fd) => native.functions('fs').guessHandleType(fd),
  toUSVString: (text) => String(text).toWellFormed(),
  getCallSites(count) {
    const { prepareStackTrace, stackTraceLimit } = Error;
    try {
      // The first two are this function, and the one of the module `util`.
      Error.stackTraceLimit = count + 2;
      Error.prepareStackTrace = (_, sites) => sites;
      return new Error().stack.slice(2).map((site) => ({
        functionName: site.getFunctionName() ?? '', scriptId: '0', scriptName: site.getFileName() ?? '',
        lineNumber: site.getLineNumber(), columnNumber: site.getColumnNumber(), column: site.getColumnNumber(),
      }));
    } finally {
      Object.assign(Error, { prepareStackTrace, stackTraceLimit });
    }
  },
  parseEnv(text) {
    const all = {};
    const line = /^\s*(?:export\s+)?([\w.-]+)\s*=[^\S\n]*(?:'([^']*)'|"([^"]*)"|`([^`]*)`|([^\n#]*))?.*$/gm;
    for (const [, name, single, double, tick, plain] of text.replaceAll('\r', '').matchAll(line)) {
      all[name] = single ?? double?.replaceAll('\\n', '\n') ?? tick ?? plain?.trim() ?? '';
    }
    return all;
  },
  arrayBufferViewHasBuffer: () => true,
  WeakReference: class WeakReference {
    #target;
    #count = 0;
    #strong;
    constructor(target) { this.#target = new WeakRef(target); }
    get() { return this.#target.deref(); }
    incRef() { if (++this.#count === 1) this.#strong = this.get(); }
    decRef() { if (--this.#count === 0) this.#strong = undefined; }
  },
};
})
