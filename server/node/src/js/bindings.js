// The bindings under Node's built-in modules: what `internalBinding(name)` returns there. Each is made
// when it is first asked for.
(function (native) {
'use strict';

const { process } = globalThis;
const errors = native.load('errors');
const nothing = () => {};

const made = { __proto__: null };
const get = (name) => {
  if (name in made) return made[name];
  const make = makers[name];
  if (make === undefined) throw errors.coded(Error, 'ERR_INVALID_MODULE', `No such binding: ${name}`);
  return made[name] = make();
};

// Symbols by name, made as they are asked for.
const symbols = () => new Proxy({ __proto__: null }, {
  get(all, name) { return all[name] ??= typeof name === 'string' ? Symbol(name) : undefined; },
});

// Node's options, as it has them without arguments.
const OPTIONS = {
  __proto__: null,
  '--conditions': [], '--disable-warning': [], '--experimental-async-context-frame': true, '--experimental-default-type': '', '--experimental-detect-module': true,
  '--experimental-global-navigator': true, '--experimental-loader': [], '--experimental-require-module': true, '--import': [], '--input-type': '', '--network-family-autoselection': true,
  '--network-family-autoselection-attempt-timeout': 250, '--require': [], '--stack-trace-limit': 10,
  '--unhandled-rejections': '', '--warnings': true, '--max-http-header-size': 16384,
  '--diagnostic-dir': '', '--icu-data-dir': '', '--trace-require-module': '', '--dns-result-order': '',
};

// A binding of a file of its own.
const part = (name) => () => native.evaluate(name)(native, { get, symbols });

const makers = {
  __proto__: null,
  async_wrap: () => ({
    setupHooks: nothing, setCallbackTrampoline: nothing, registerDestroyHook: nothing, setPromiseHooks: nothing,
    pushAsyncContext: nothing, popAsyncContext: () => false, clearAsyncIdStack: nothing, executionAsyncResource: nothing,
    queueDestroyAsyncId: nothing, getPromiseHooks: () => [undefined, undefined, undefined, undefined],
    async_hook_fields: new Uint32Array(9), async_id_fields: new Float64Array(4), async_ids_stack: new Float64Array(32),
    execution_async_resources: [],
    constants: {
      kInit: 0, kBefore: 1, kAfter: 2, kDestroy: 3, kPromiseResolve: 4, kTotals: 5, kCheck: 6, kStackLength: 7,
      kUsesExecutionAsyncResource: 8, kExecutionAsyncId: 0, kTriggerAsyncId: 1, kAsyncIdCounter: 2, kDefaultTriggerAsyncId: 3,
    },
    Providers: {},
  }),
  async_context_frame: () => ({
    getContinuationPreservedEmbedderData: () => native.frame,
    setContinuationPreservedEmbedderData(frame) { native.frame = frame; },
  }),
  blob: part('bindings/blob'),
  buffer: () => ({
    kMaxLength: 2 ** 53 - 1, kStringMaxLength: 2 ** 29 - 24,
    compare: (a, b) => native.compare(a, 0, a.byteLength, b, 0, b.byteLength),
    copyArrayBuffer(target, at, source, from, count) { new Uint8Array(target, at, count).set(new Uint8Array(source, from, count)); },
    ...native.functions('buffer'),
  }),
  config: () => ({
    hasIntl: false, hasSmallICU: false, hasInspector: false, hasTracing: false, hasOpenSSL: false, fipsMode: false,
    hasNodeOptions: true, noBrowserGlobals: false, isDebugBuild: false, bits: 64, hasDtrace: false, hasCrypto: false,
    getDefaultLocale: () => 'en-US',
  }),
  constants: part('bindings/constants'),
  contextify: part('bindings/contextify'),
  crypto: part('bindings/crypto'),
  credentials: () => ({
    safeGetenv: (name) => process.env[name], implementsPosixCredentials: true,
    getTempDir: () => (process.env.TMPDIR ?? process.env.TMP ?? process.env.TEMP ?? '/tmp').replace(/(?<=.)\/$/, ''),
  }),
  encoding_binding: () => ({ toASCII: native.functions('url').domainToASCII, toUnicode: native.functions('url').domainToUnicode }),
  errors: () => ({
    setPrepareStackTraceCallback: nothing, setGetSourceMapErrorSource: nothing, setSourceMapsEnabled: nothing,
    setMaybeCacheGeneratedSourceMap: nothing, setEnhanceStackForFatalException: nothing,
    noSideEffectsToString: (shown) => String(shown), triggerUncaughtException(error) { native.uncaught(error); },
    exitCodes: { kNoFailure: 0, kGenericUserError: 1 },
  }),
  fs: part('bindings/fs'),
  fs_dir: part('bindings/fs_dir'),
  fs_event_wrap: part('bindings/fs_event'),
  messaging: part('bindings/messaging'),
  mksnapshot: () => ({
    isBuildingSnapshotBuffer: [0], setSerializeCallback: nothing, setDeserializeCallback: nothing,
    setDeserializeMainFunction: nothing, runEmbedderPreload: nothing, compileSerializeMain: nothing,
  }),
  module_wrap: () => ({
    get ModuleWrap() { return native.load('module_wrap'); },
    kUninstantiated: 0, kInstantiating: 1, kInstantiated: 2, kEvaluating: 3, kEvaluated: 5, kErrored: 6, kSourcePhase: 1,
    kEvaluationPhase: 2, setImportModuleDynamicallyCallback: nothing, setInitializeImportMetaObjectCallback: nothing,
    createRequiredModuleFacade: (wrap) => native.load('modules').facade(wrap),
    throwIfPromiseRejected: nothing,
  }),
  modules: part('bindings/modules'),
  options: () => ({
    getCLIOptionsValues: () => OPTIONS,
    getCLIOptionsInfo: () => ({ options: new Map(), aliases: new Map() }),
    getEmbedderOptions: () => ({ shouldNotRegisterESMLoader: true, noGlobalSearchPaths: false, noBrowserGlobals: false, hasEmbedderPreload: false }),
    getEnvOptionsInputType: () => new Map(),
    envSettings: { kAllowedInEnvvar: 0, kDisallowedInEnvvar: 1 },
    types: {},
    noGlobalSearchPaths: false, shouldNotRegisterESMLoader: true,
  }),
  performance: part('bindings/performance'),
  os: part('bindings/os'),
  pipe_wrap: () => get('subprocess').pipe_wrap,
  permission: () => ({ has: () => true }),
  process_methods: () => ({ hrtimeBuffer: new Uint32Array(3) }),
  process_wrap: () => get('subprocess').process_wrap,
  profiler: () => ({}),
  serdes: part('bindings/serdes'),
  string_decoder: () => ({
    encodings: ['ascii', 'utf8', 'base64', 'utf16le', 'latin1', 'hex', 'buffer', 'base64url'],
    kIncompleteCharactersStart: 0, kIncompleteCharactersEnd: 4, kMissingBytes: 4, kBufferedBytes: 5, kEncodingField: 6,
    kNumFields: 7, kSize: 7, ...native.functions('string_decoder'),
  }),
  spawn_sync: () => get('subprocess').spawn_sync,
  stream_wrap: () => get('subprocess').stream_wrap,
  subprocess: part('bindings/subprocess'),
  symbols,
  task_queue: () => ({
    tickInfo: new Int32Array(2), runMicrotasks: nothing, setTickCallback: nothing, enqueueMicrotask: globalThis.queueMicrotask,
    promiseRejectEvents: {}, setPromiseRejectCallback: nothing,
  }),
  tcp_wrap: () => ({ TCP: class TCP {} }),
  trace_events: () => ({
    trace: nothing, isTraceCategoryEnabled: () => false, getCategoryEnabledBuffer: () => new Uint8Array(1),
    setTraceCategoryStateUpdateHandler: nothing, setLog: nothing, available: false, getEnabledCategories: nothing,
  }),
  tty_wrap: () => ({
    isTTY: (fd) => native.functions('os').isTerminal(fd),
    TTY: class TTY {
      constructor() { throw errors.unavailable('tty streams are not available in this host'); }
    },
  }),
  types: part('bindings/types'),
  url: part('bindings/url'),
  util: part('bindings/util'),
  udp_wrap: () => ({ UDP: class UDP {} }),
  uv: part('bindings/uv'),
  v8: part('bindings/v8'),
  heap_utils: () => ({
    createHeapSnapshotStream() { throw errors.unavailable('v8.getHeapSnapshot is not available: this host does not run on V8'); },
    triggerHeapSnapshot() { throw errors.unavailable('v8.writeHeapSnapshot is not available: this host does not run on V8'); },
  }),
  internal_only_v8: () => ({
    queryObjects() { throw errors.unavailable('v8.queryObjects is not available: this host does not run on V8'); },
  }),
  zlib: part('bindings/zlib'),
  watchdog: () => ({
    TraceSigintWatchdog: class TraceSigintWatchdog {
      constructor() { throw errors.unavailable('util.setTraceSigInt is not available: a host gets no SIGINT'); }
    },
  }),
  worker: () => ({
    Worker: class Worker {
      constructor() { throw errors.unavailable('worker_threads.Worker is not available: a host has one JavaScript thread'); }
    },
    isMainThread: true, isInternalThread: false, ownsProcessState: true, threadId: 0, threadName: '', resourceLimits: new Float64Array(4), getEnvMessagePort: nothing,
    kMaxYoungGenerationSizeMb: 0, kMaxOldGenerationSizeMb: 1, kCodeRangeSizeMb: 2, kStackSizeMb: 3, kTotalResourceLimitCount: 4,
  }),
};

return { get, set(name, binding) { made[name] = binding; }, names: Object.keys(makers), perIsolateSymbols: symbols() };
})
