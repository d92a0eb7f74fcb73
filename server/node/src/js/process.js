// process: what addons ask about where they run, its small emitter, and nextTick.
(function (native) {
'use strict';

const errors = () => native.load('errors');
const facts = native.facts();

class EventEmitter {
  on(name, listener) { return add(this, name, listener, false); }
  prependListener(name, listener) { return add(this, name, listener, true); }
  once(name, listener) { return add(this, name, onceOnly(this, name, listener), false); }
  prependOnceListener(name, listener) { return add(this, name, onceOnly(this, name, listener), true); }
  off(name, listener) {
    errors().requireFunction(listener, 'listener');
    const list = listeners(this).get(name) ?? [];
    const at = list.findLastIndex((known) => known === listener || known.listener === listener);
    if (at >= 0) {
      const left = list.toSpliced(at, 1);
      if (left.length) listeners(this).set(name, left);
      else listeners(this).delete(name);
      if (name !== 'removeListener') this.emit('removeListener', name, listener);
    }
    return this;
  }
  removeAllListeners(name) {
    if (name === undefined) listeners(this).clear();
    else listeners(this).delete(name);
    return this;
  }
  emit(name, ...args) {
    const list = listeners(this).get(name);
    if (list === undefined) {
      if (name !== 'error') return false;
      throw args[0] instanceof Error ? args[0]
        : errors().named(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${native.load('inspect').inspect(args[0])})`);
    }
    // The list is replaced, never changed, so listeners may add and remove while it runs.
    for (const listener of list) Reflect.apply(listener, this, args);
    return true;
  }
  listenerCount(name) { return listeners(this).get(name)?.length ?? 0; }
  listeners(name) { return (listeners(this).get(name) ?? []).map((known) => known.listener ?? known); }
  rawListeners(name) { return [...listeners(this).get(name) ?? []]; }
  eventNames() { return [...listeners(this).keys()]; }
  setMaxListeners() { return this; }
  getMaxListeners() { return 10; }
}
EventEmitter.prototype.addListener = EventEmitter.prototype.on;
EventEmitter.prototype.removeListener = EventEmitter.prototype.off;

const registered = new WeakMap();
const listeners = (emitter) => {
  let all = registered.get(emitter);
  if (all === undefined) registered.set(emitter, all = new Map());
  return all;
};
const add = (emitter, name, listener, first) => {
  errors().requireFunction(listener, 'listener');
  const all = listeners(emitter);
  if (all.has('newListener')) emitter.emit('newListener', name, listener.listener ?? listener);
  const list = all.get(name) ?? [];
  all.set(name, first ? [listener, ...list] : [...list, listener]);
  return emitter;
};
const onceOnly = (emitter, name, listener) => {
  errors().requireFunction(listener, 'listener');
  const wrapped = function (...args) {
    emitter.off(name, wrapped);
    return Reflect.apply(listener, this, args);
  };
  wrapped.listener = listener;
  return wrapped;
};

function process() { throw new TypeError('process is not a constructor'); }
Object.setPrototypeOf(process.prototype, EventEmitter.prototype);
Object.defineProperty(process.prototype, Symbol.toStringTag, { value: 'process', configurable: true });
const self = Object.create(process.prototype);

const hrtime = function (previous) {
  const now = native.hrtime();
  const seconds = Number(now / 1_000_000_000n), nanoseconds = Number(now % 1_000_000_000n);
  if (previous === undefined) return [seconds, nanoseconds];
  if (!Array.isArray(previous)) throw errors().invalidType('time', 'Array', previous);
  if (previous.length !== 2) throw errors().outOfRange('time', 2, previous.length);
  const borrow = nanoseconds < previous[1];
  return [seconds - previous[0] - (borrow ? 1 : 0), nanoseconds - previous[1] + (borrow ? 1_000_000_000 : 0)];
};
hrtime.bigint = function hrtimeBigInt() { return native.hrtime(); };

const exitCodeOf = (code) => {
  if (code === undefined || code === null) return undefined;
  const number = typeof code === 'string' && Number.isInteger(Number(code)) && code.trim() !== '' ? Number(code) : code;
  errors().requireInteger(number, 'code', -0x80000000, 0xffffffff);
  return number;
};
let exiting = false;

// Values are strings, whatever is assigned.
const textOf = (value) => {
  if (typeof value === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
  return `${value}`;
};
const environment = new Proxy(Object.fromEntries(facts.env), {
  set(target, name, value) { return Reflect.set(target, name, textOf(value)); },
  defineProperty(target, name, descriptor) {
    if ('get' in descriptor || 'set' in descriptor) {
      throw errors().named(TypeError, 'ERR_INVALID_OBJECT_DEFINE_PROPERTY', "'process.env' does not accept an accessor(getter/setter) descriptor");
    }
    if (!descriptor.configurable || !descriptor.writable || !descriptor.enumerable) {
      throw errors().named(TypeError, 'ERR_INVALID_OBJECT_DEFINE_PROPERTY',
        "'process.env' only accepts a configurable, writable, and enumerable data descriptor");
    }
    return Reflect.defineProperty(target, name, { ...descriptor, value: textOf(descriptor.value) });
  },
});

const members = {
  version: `v${facts.node}`,
  versions: Object.freeze({ node: facts.node, modules: facts.modules, napi: facts.napi, uv: facts.uv, openssl: '3.5.2' }),
  arch: facts.arch,
  platform: facts.platform,
  release: { name: 'node', lts: facts.lts },
  title: 'napi-hostd',
  pid: facts.pid,
  argv: facts.argv,
  argv0: facts.argv[0],
  execArgv: [],
  execPath: facts.execPath,
  env: environment,
  config: {
    target_defaults: { cflags: [], default_configuration: 'Release', defines: [], include_dirs: [], libraries: [] },
    variables: { host_arch: facts.arch, target_arch: facts.arch, napi_build_version: facts.napi, node_module_version: Number(facts.modules) },
  },
  features: {
    inspector: false, debug: false, uv: false, ipv6: true, tls_alpn: false, tls_sni: false, tls_ocsp: false, tls: false,
    openssl_is_boringssl: false, cached_builtins: true, require_module: true, typescript: false,
  },
  _exiting: false,
  cwd: function () { return native.cwd(); },
  uptime() { return Number(native.hrtime() - facts.started) / 1e9; },
  hrtime,
  memoryUsage: Object.assign(function memoryUsage() { return native.memory(); }, { rss: () => native.memory().rss }),
  nextTick: function (callback, ...args) {
    errors().requireFunction(callback, 'callback');
    if (!exiting) native.nextTick(native.bindFrame(callback), args);
  },
  emitWarning: function (warning, type, code) {
    let detail;
    if (type !== null && typeof type === 'object' && !Array.isArray(type)) ({ type, code, detail } = type);
    if (typeof type === 'function') type = undefined;
    if (typeof code === 'function') code = undefined;
    let error = warning;
    if (typeof warning === 'string') {
      error = new Error(warning);
      error.name = String(type || 'Warning');
      if (code !== undefined) error.code = code;
      if (detail !== undefined) error.detail = detail;
    } else if (!(warning instanceof Error)) {
      throw errors().invalidType('warning', ['Error', 'string'], warning);
    }
    if (error.name === 'DeprecationWarning' && self.noDeprecation) return;
    self.nextTick(() => {
      const prefix = `(node:${self.pid}) ${error.code ? `[${error.code}] ` : ''}`;
      native.output(2, `${prefix}${error.name}: ${error.message}\n${typeof error.detail === 'string' ? `${error.detail}\n` : ''}`);
      self.emit('warning', error);
    });
  },
  exit: function (code) {
    const given = exitCodeOf(code);
    if (given !== undefined) self.exitCode = given;
    if (!exiting) {
      exiting = self._exiting = true;
      try {
        self.emit('exit', self.exitCode ?? 0);
      } catch (error) {
        // A listener that fails does not keep the process alive.
        native.uncaught(error);
      }
    }
    self.reallyExit(exitCodeOf(self.exitCode) ?? 0);
  },
  reallyExit(code) { native.exit(code | 0); },
  abort() { native.abort(); },
  _rawDebug: function (...args) { native.output(2, `${native.load('inspect').format(args)}\n`); },
  dlopen(...args) {
    const { named } = native.load('errors');
    if (args.length < 2) {
      throw named(TypeError, 'ERR_MISSING_ARGS', 'process.dlopen needs at least 2 arguments.');
    }
    const toObject = (value) => {
      if (value == null) throw new TypeError('Cannot convert undefined or null to object');
      return Object(value);
    };
    const flags = args.length > 2 ? args[2] | 0 : undefined;
    const module = toObject(args[0]);
    const exports = toObject(module.exports);
    // A symbol is no name of a file: it is looked for as if nothing were given.
    const filename = typeof args[1] === 'symbol' ? '' : String(args[1]);
    const made = native.dlopen(filename, exports, flags, module.filename);
    if (made !== exports) Reflect.set(module, 'exports', made);
  },
};
for (const name of Object.keys(members)) {
  Object.defineProperty(self, name, { value: members[name], enumerable: true, writable: true, configurable: true });
}
for (const name of ['version', 'versions', 'arch', 'platform', 'release']) {
  Object.defineProperty(self, name, { writable: false, configurable: false });
}
let exitCode;
Object.defineProperty(self, 'exitCode', {
  get: () => exitCode,
  set(code) {
    exitCodeOf(code);
    exitCode = code;
  },
  enumerable: true,
});
Object.defineProperty(self, 'ppid', { enumerable: true, configurable: true, get: () => native.parent() });
for (const name of [
  'stdin', 'stdout', 'stderr', 'getuid', 'geteuid', 'getgid', 'getegid', 'getgroups', 'umask', 'chdir', 'kill', 'cpuUsage',
  'threadCpuUsage', 'resourceUsage', 'constrainedMemory', 'availableMemory', 'binding', 'report', 'allowedNodeEnvironmentFlags',
  'getBuiltinModule', 'hasUncaughtExceptionCaptureCallback', 'setUncaughtExceptionCaptureCallback', 'getActiveResourcesInfo',
  '_getActiveHandles', '_getActiveRequests', 'sourceMapsEnabled', 'setSourceMapsEnabled', 'moduleLoadList', 'domain', 'debugPort',
  'ref', 'unref',
]) {
  Object.defineProperty(self, name, {
    get() { return native.load('process_more')[name]; },
    set(value) { Object.defineProperty(self, name, { value, enumerable: true, writable: true, configurable: true }); },
    enumerable: true, configurable: true,
  });
}

// Once Node's `EventEmitter` is loaded, `process` is one: its listeners move.
native.becomeEmitter = (NodeEmitter) => {
  const all = listeners(self);
  Object.setPrototypeOf(process.prototype, NodeEmitter.prototype);
  for (const [name, list] of all) {
    for (const listener of list) {
      if (listener.listener) self.once(name, listener.listener);
      else self.on(name, listener);
    }
  }
};

// What a promise was rejected with may be anything; listeners of uncaught errors are given an error.
const nameOf = (reason) => {
  if (reason === null || (typeof reason !== 'object' && typeof reason !== 'function')) return String(reason);
  try {
    const { toString } = Object.prototype;
    return reason.toString === toString ? `#<${reason.constructor.name}>` : Reflect.apply(toString, reason, []);
  } catch {
    return '#<Object>';
  }
};
const unhandled = (reason) => {
  const error = errors().named(Error, 'ERR_UNHANDLED_REJECTION',
    'This error originated either by throwing inside of an async function without a catch block, or by ' +
    `rejecting a promise which was not handled with .catch(). The promise rejected with the reason "${nameOf(reason)}".`);
  error.name = 'UnhandledPromiseRejection';
  return error;
};
native.setUncaughtListener((name, first, second) => {
  if (name !== 'uncaughtException') return self.emit(name, first, second);
  const isReason = second === 'unhandledRejection' && !(first instanceof Error);
  const error = isReason ? unhandled(first) : first;
  self.emit('uncaughtExceptionMonitor', error, second);
  const capture = native.uncaughtCapture?.();
  if (capture) {
    capture(error);
    return true;
  }
  return self.emit(name, error, second);
});
return self;
})
