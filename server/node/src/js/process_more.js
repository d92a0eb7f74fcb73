// Members of `process` that few programs ask for: made when one of them is first read.
(function (native) {
'use strict';

const process = native.load('process');
const errors = native.load('errors');
const os = native.functions('os');
const realm = () => native.load('realm');
const refuse = (name) => errors.unavailable(`process.${name} is not available in this host`);
const systemError = (syscall, errno) => {
  const { ErrnoException } = realm().require('internal/errors');
  return new ErrnoException(errno, syscall);
};
const [uid, euid, gid, egid, ...groups] = os.ids();

const cpuUsage = (previous) => {
  const [user, system] = os.times();
  if (previous === undefined) return { user, system };
  if (typeof previous !== 'object' || previous === null) throw errors.invalidType('prevValue', 'object', previous);
  for (const name of ['user', 'system']) {
    if (typeof previous[name] !== 'number') throw errors.invalidType(`prevValue.${name}`, 'number', previous[name]);
    if (!(previous[name] >= 0 && previous[name] <= Number.MAX_SAFE_INTEGER)) {
      throw errors.named(RangeError, 'ERR_INVALID_ARG_VALUE', `The property 'prevValue.${name}' is invalid. Received ${previous[name]}`);
    }
  }
  return { user: user - previous.user, system: system - previous.system };
};

const maskOf = (mask) => {
  if (typeof mask === 'string') {
    if (!/^[0-7]+$/.test(mask)) {
      throw errors.named(TypeError, 'ERR_INVALID_ARG_VALUE',
        `The argument 'mask' must be a 32-bit unsigned integer or an octal string. Received '${mask}'`);
    }
    return parseInt(mask, 8);
  }
  errors.requireInteger(mask, 'mask', 0, 2 ** 32 - 1);
  return mask;
};

const signalOf = (signal) => {
  const { signals } = native.load('bindings').get('constants').os;
  if (signal === (signal | 0)) return signal;
  const number = signals[signal ?? 'SIGTERM'];
  if (number === undefined) throw errors.named(TypeError, 'ERR_UNKNOWN_SIGNAL', `Unknown signal: ${signal}`);
  return number;
};

// A stream over one of the host's outputs, which takes everything at once.
const output = (fd) => {
  const { Writable } = realm().require('stream');
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, encoding, done) {
      native.output(fd, typeof chunk === 'string' && !/^utf-?8$/i.test(encoding) ? globalThis.Buffer.from(chunk, encoding) : chunk);
      done();
    },
    destroy(error, done) { done(error); },
  });
  return Object.assign(stream, { fd, isTTY: false, _type: 'pipe', _isStdio: true, destroySoon: stream.destroy });
};
const input = () => {
  const { Readable } = realm().require('stream');
  // A host has no standard input: reading ends at once.
  return Object.assign(new Readable({ highWaterMark: 65536, read() { this.push(null); } }), { fd: 0, isTTY: false });
};

let capture = null;
native.uncaughtCapture = () => capture;

const header = () => {
  const [osName, osVersion, osRelease, osMachine, host] = os.information();
  const now = new Date();
  return {
    reportVersion: 3, event: 'JavaScript API', trigger: 'GetReport', filename: null,
    dumpEventTime: now.toISOString().replace(/\.\d+Z$/, 'Z'), dumpEventTimeStamp: String(now.getTime()),
    processId: process.pid, threadId: 0, cwd: process.cwd(), commandLine: [...process.argv], nodejsVersion: process.version,
    glibcVersionRuntime: os.libcVersion(), glibcVersionCompiler: os.libcVersion(), wordSize: 64, arch: process.arch,
    platform: process.platform, componentVersions: { ...process.versions }, release: { ...process.release },
    osName, osRelease, osVersion, osMachine, cpus: [], networkInterfaces: [], host,
  };
};

const streams = { __proto__: null };
const once = (name, make) => streams[name] ??= make();

return {
  __proto__: null,
  get stdin() { return once('stdin', input); },
  get stdout() { return once('stdout', () => output(1)); },
  get stderr() { return once('stderr', () => output(2)); },
  getuid: () => uid, geteuid: () => euid, getgid: () => gid, getegid: () => egid, getgroups: () => [...new Set([...groups, egid])],
  umask: (mask) => mask === undefined ? os.umask() : os.umask(maskOf(mask)),
  chdir(directory) {
    if (typeof directory !== 'string') throw errors.invalidType('directory', 'string', directory);
    const errno = os.chdir(directory);
    if (errno !== 0) {
      const { UVException } = realm().require('internal/errors');
      throw new UVException({ errno, syscall: 'chdir', path: process.cwd(), dest: directory });
    }
  },
  kill(pid, signal) {
    if (pid != (pid | 0)) throw errors.invalidType('pid', 'number', pid);
    const errno = os.kill(pid | 0, signalOf(signal));
    if (errno !== 0) throw systemError('kill', errno);
    return true;
  },
  cpuUsage, threadCpuUsage: cpuUsage,
  resourceUsage() {
    const { user, system } = cpuUsage();
    const maxRSS = os.peakMemory();
    return {
      userCPUTime: user, systemCPUTime: system, maxRSS, sharedMemorySize: 0, unsharedDataSize: 0, unsharedStackSize: 0,
      minorPageFault: 0, majorPageFault: 0, swappedOut: 0, fsRead: 0, fsWrite: 0, ipcSent: 0, ipcReceived: 0,
      signalsCount: 0, voluntaryContextSwitches: 0, involuntaryContextSwitches: 0,
    };
  },
  constrainedMemory: () => 0,
  availableMemory: () => os.memory()[1],
  binding(name) {
    if (name === 'constants' || name === 'fs' || name === 'uv') return native.load('bindings').get(name);
    throw errors.coded(Error, 'ERR_INVALID_MODULE', `No such module: ${name}`);
  },
  report: {
    compact: false, directory: '', excludeEnv: false, excludeNetwork: false, filename: '', reportOnFatalError: false,
    reportOnSignal: false, reportOnUncaughtException: false, signal: 'SIGUSR2',
    getReport(error) {
      if (error !== undefined && (typeof error !== 'object' || error === null)) throw errors.invalidType('err', 'object', error);
      const { rss, heapTotal, heapUsed } = native.memory();
      return {
        header: header(),
        javascriptStack: { message: String(error?.message ?? ''), stack: String(error?.stack ?? '').split('\n').slice(1).map((line) => line.trim()) },
        javascriptHeap: { totalMemory: heapTotal, usedMemory: heapUsed }, nativeStack: [],
        resourceUsage: { rss: String(rss) }, libuv: [], workers: [], environmentVariables: { ...process.env },
        userLimits: {}, sharedObjects: os.libraries(),
      };
    },
    writeReport() { throw refuse('report.writeReport'); },
  },
  allowedNodeEnvironmentFlags: Object.freeze(new Set()),
  getBuiltinModule(id) {
    if (typeof id !== 'string') throw errors.invalidType('id', 'string', id);
    const { isBuiltin, createRequire } = realm().require('module');
    return isBuiltin(id) ? createRequire('/noop.js')(id) : undefined;
  },
  hasUncaughtExceptionCaptureCallback: () => capture !== null,
  setUncaughtExceptionCaptureCallback(callback) {
    if (callback !== null && typeof callback !== 'function') throw errors.invalidType('fn', ['function', 'null'], callback);
    if (callback !== null && capture !== null) {
      throw errors.named(Error, 'ERR_UNCAUGHT_EXCEPTION_CAPTURE_ALREADY_SET',
        '`process.setUncaughtExceptionCaptureCallback()` was called while a capture callback was already active');
    }
    capture = callback;
  },
  getActiveResourcesInfo: () => [], _getActiveHandles: () => [], _getActiveRequests: () => [],
  sourceMapsEnabled: false, setSourceMapsEnabled() {},
  moduleLoadList: [], domain: null, debugPort: 9229,
  ref(object) { (object?.[Symbol.for('nodejs.ref')] ?? object?.ref)?.call(object); },
  unref(object) { (object?.[Symbol.for('nodejs.unref')] ?? object?.unref)?.call(object); },
};
})
