// What takes the place of some of Node's built-in modules, because the host has it itself: functions
// of `exports, require, module` as the modules are.
(function (native) {
'use strict';

const { Buffer, process } = globalThis;
const nothing = () => {};
const is = (get) => (exports, require, module) => { module.exports = get(require); };

return {
  __proto__: null,
  ...native.load('absent'),
  'process': is(() => process),
  'console': is(() => globalThis.console),
  'timers': is((require) => native.load('timers_module').timers(require)),
  'internal/timers': is(() => native.load('timers_module').internal),
  'internal/process/task_queues': is(() => ({
    nextTick: process.nextTick, queueMicrotask: globalThis.queueMicrotask, runNextTicks: nothing, setupTaskQueue: nothing,
  })),
  'internal/encoding': is(() => ({ ...native.load('text'), getEncodingFromLabel: (label) => native.encodingName(label) })),
  'internal/buffer': is(() => ({
    FastBuffer: Buffer[Symbol.species],
    addBufferPrototype: nothing,
    markAsUntransferable: nothing,
    isMarkedAsUntransferable: () => false,
    createUnsafeBuffer: (size) => new Buffer[Symbol.species](size),
    reconnectZeroFillToggle: nothing,
  })),
  'buffer': is(() => native.load('buffer_module')),
  'internal/worker/js_transferable': is(() => {
    const symbols = native.load('bindings').get('symbols');
    native.cloneSymbols = { clone: symbols.messaging_clone_symbol, deserialize: symbols.messaging_deserialize_symbol };
    return {
      markTransferMode: nothing, setup: nothing,
      structuredClone: (...args) => globalThis.structuredClone(...args),
      kClone: symbols.messaging_clone_symbol, kDeserialize: symbols.messaging_deserialize_symbol,
      kTransfer: symbols.messaging_transfer_symbol, kTransferList: symbols.messaging_transfer_list_symbol,
    };
  }),
  'internal/deps/undici/undici': is((require) => {
    const { Event } = require('internal/event_target');
    class MessageEvent extends Event {
      #init;
      constructor(type, init = undefined) {
        super(type, init);
        this.#init = init ?? {};
      }
      get data() { return this.#init.data ?? null; }
      get origin() { return this.#init.origin ?? ''; }
      get lastEventId() { return this.#init.lastEventId ?? ''; }
      get source() { return this.#init.source ?? null; }
      get ports() { return this.#init.ports ?? []; }
    }
    return { MessageEvent, createFastMessageEvent: (type, init) => new MessageEvent(type, init) };
  }),
  'internal/child_process': (exports, require, module, process, internalBinding, primordials) => {
    // What it needs of modules that a host does not have.
    const own = {
      __proto__: null, 'net': { Socket: native.load('pipe_socket')(require), Server: class Server {} }, 'dgram': { Socket: class Socket {} },
      'internal/dgram': { kStateSymbol: Symbol('state') },
    };
    native.builtinFunction('internal/child_process')(exports, (id) => own[id] ?? require(id), module, process, internalBinding, primordials);
  },
  'internal/source_map/source_map_cache': is(() => ({
    findSourceMap: nothing, getSourceMapsSupport: () => ({ enabled: false, nodeModules: false, generatedCode: false }), maybeCacheSourceMap: nothing, setSourceMapsSupport: nothing,
  })),
  // What it would do needs a program that is run, which a host has not.
  'internal/modules/run_main': is(() => ({ executeUserEntryPoint: nothing, runEntryPointWithESMLoader: nothing })),
  'internal/modules/typescript': is((require) => ({
    stripTypeScriptModuleTypes(text, filename) {
      const { ERR_UNKNOWN_FILE_EXTENSION } = require('internal/errors').codes;
      throw new ERR_UNKNOWN_FILE_EXTENSION('.ts', filename);
    },
    stripTypeScriptTypes() {
      throw native.load('errors').unavailable('module.stripTypeScriptTypes is not available: the engine has no WebAssembly');
    },
  })),
  'internal/modules/esm/loader': is(() => native.load('modules').exports),
};
})
