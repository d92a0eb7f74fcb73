// The binding `fs`: the operations of the file system. Each is run at once and throws, or on a thread of
// the pool, and then calls back or settles a promise, as its argument `request` says.
(function (native) {
'use strict';

const { Buffer, process } = globalThis;
const errors = native.load('errors');
const { read, write, existsSync, internalModuleStat, getFormatOfExtensionlessFile } = native.functions('fs');
const { FSReqCallback, kUsePromises, isRaw, listed, named, perform, typed } = native.load('fs_requests');

const copy = () => native.load('fs_copy');
const FD_MAX = 2 ** 31 - 1;

const checkFd = (fd) => {
  if (Number.isInteger(fd) && fd >= 0 && fd <= FD_MAX) return;
  native.load('realm').require('internal/validators').validateInt32(fd, 'fd', 0, FD_MAX);
};
// Which of the three modes there are of `access` and `copyFile`, 7 at most.
const checkMode = (mode) => {
  if (mode === undefined || mode === null) return 0;
  if (!Number.isInteger(mode) || mode !== (mode | 0)) {
    throw errors.coded(TypeError, 'ERR_INVALID_ARG_TYPE', 'mode must be int32 or null/undefined');
  }
  if (mode < 0 || mode > 7) throw errors.coded(RangeError, 'ERR_OUT_OF_RANGE', 'mode is out of range: >= 0 && <= 7');
  return mode;
};

// An operation of so many arguments, then the request; `onFile` has the number of a file first.
const onPath = (operation, count) => ({
  [operation](...args) { return perform(args[count], undefined, operation, ...args.slice(0, count)); },
})[operation];
const onFile = (operation, count) => ({
  [operation](fd, ...args) {
    checkFd(fd);
    return perform(args[count - 1], undefined, operation, fd, ...args.slice(0, count - 1));
  },
})[operation];

// The numbers of `stat` are an array of them. At once, what is missing can be accepted; then it is undefined.
const numbers = (bigint) => (buffer) => {
  if (buffer === undefined) return undefined;
  return bigint ? new BigInt64Array(buffer) : new Float64Array(buffer);
};
const onPathStat = (operation) => ({
  [operation](path, bigint, request, throwIfNoEntry) {
    const accepted = request === undefined && throwIfNoEntry === false ? 1 : 0;
    return perform(request, numbers(bigint), operation, path, bigint, accepted);
  },
})[operation];

const writeBuffer = (fd, buffer, offset, length, position, request, context) => {
  checkFd(fd);
  if (request !== undefined) return perform(request, undefined, 'write', fd, buffer, offset, length, position);
  if (context === undefined) return write(fd, buffer, offset, length, position);
  try {
    return write(fd, buffer, offset, length, position);
  } catch (error) {
    // Node's caller throws what it finds in the context.
    const { errno, code, syscall } = error;
    Object.assign(context, errno === undefined ? { error } : { errno, code, syscall });
    return undefined;
  }
};

// An open file of the promises.
const lost = new FinalizationRegistry((fd) => {
  process.emitWarning(`Closing file descriptor ${fd} on garbage collection`);
  perform(kUsePromises, undefined, 'close', fd).catch(() => {});
});
class FileHandle {
  #fd;
  #closing;
  constructor(fd) {
    this.#fd = fd;
    lost.register(this, fd, this);
  }
  get fd() { return this.#fd; }
  getAsyncId() { return 0; }
  close() { return this.#closing ??= perform(kUsePromises, undefined, 'close', this.releaseFD()); }
  releaseFD() {
    const fd = this.#fd;
    this.#fd = -1;
    lost.unregister(this);
    return fd;
  }
}

// Asks for the facts of a file again and again, and reports when they change.
class StatWatcher {
  #bigint;
  #timer;
  #previous;
  #referenced = true;
  constructor(bigint) { this.#bigint = bigint; }
  start(path, interval) {
    const poll = () => perform(kUsePromises, numbers(this.#bigint), 'stat', path, this.#bigint, 0).then(
      (found) => this.#report(0, found),
      (error) => this.#report(error.errno, this.#bigint ? new BigInt64Array(18) : new Float64Array(18)));
    const run = () => poll().then(() => {
      if (this.#timer === undefined) return;
      this.#timer = setTimeout(run, interval);
      if (!this.#referenced) this.#timer.unref();
    });
    this.#timer = setTimeout(run, 0);
    return 0;
  }
  #report(status, now) {
    if (this.#timer === undefined) return;
    const before = this.#previous;
    this.#previous = now;
    // The time of the last access does not count.
    const isChanged = before === undefined ? status !== 0 : now.some((number, index) => index !== 10 && index !== 11 && number !== before[index]);
    if (!isChanged) return;
    const both = new now.constructor(36);
    both.set(now);
    both.set(before ?? now, 18);
    this.onchange(status, both);
  }
  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
  ref() {
    this.#referenced = true;
    this.#timer?.ref();
  }
  unref() {
    this.#referenced = false;
    this.#timer?.unref();
  }
  getAsyncId() { return 0; }
}

// The suffixes by which a package's main file is looked for, and those without a main file.
const MAINS = ['', '.js', '.json', '.node', '/index.js', '/index.json', '/index.node'];
const INDEXES = ['index.js', 'index.json', 'index.node'];
const legacyMainResolve = (folder, main, base) => {
  const isFile = (file) => internalModuleStat(file) === 0;
  if (typeof main === 'string') {
    const found = MAINS.findIndex((suffix) => isFile(`${folder}/${main}${suffix}`));
    if (found >= 0) return found;
  }
  const found = INDEXES.findIndex((name) => isFile(`${folder}/${name}`));
  if (found >= 0) return found + MAINS.length;
  const { require } = native.load('realm');
  const missing = require('path').resolve(folder, main ?? 'index.js');
  const from = base === undefined ? '' : ` imported from ${require('internal/url').fileURLToPath(base)}`;
  throw errors.coded(Error, 'ERR_MODULE_NOT_FOUND', `Cannot find package '${missing}'${from}`);
};

return {
  FSReqCallback,
  FileHandle,
  StatWatcher,
  kUsePromises,
  kFsStatsFieldsNumber: 18,
  statValues: new Float64Array(36),
  bigintStatValues: new BigInt64Array(36),
  existsSync,
  internalModuleStat,
  getFormatOfExtensionlessFile,
  legacyMainResolve,
  chmod: onPath('chmod', 2),
  chown: onPath('chown', 3),
  lchown: onPath('lchown', 3),
  link: onPath('link', 2),
  lutimes: onPath('lutimes', 3),
  mkdir: onPath('mkdir', 3),
  open: onPath('open', 3),
  rename: onPath('rename', 2),
  rmdir: onPath('rmdir', 1),
  unlink: onPath('unlink', 1),
  utimes: onPath('utimes', 3),
  readFileUtf8: onPath('readFileUtf8', 2),
  writeFileUtf8: onPath('writeFileUtf8', 4),
  close: onFile('close', 1),
  fchmod: onFile('fchmod', 2),
  fchown: onFile('fchown', 3),
  fdatasync: onFile('fdatasync', 1),
  fsync: onFile('fsync', 1),
  ftruncate: onFile('ftruncate', 2),
  futimes: onFile('futimes', 3),
  readBuffers: onFile('readBuffers', 3),
  writeBuffers: onFile('writeBuffers', 3),
  stat: onPathStat('stat'),
  lstat: onPathStat('lstat'),
  fstat(fd, bigint, request, shouldNotThrow) {
    checkFd(fd);
    return perform(request, numbers(bigint), 'fstat', fd, bigint, shouldNotThrow === true ? 2 : 0);
  },
  statfs: (path, bigint, request) => perform(request, numbers(bigint), 'statfs', path, bigint),
  access: (path, mode, request) => perform(request, undefined, 'access', path, checkMode(mode)),
  copyFile: (from, to, mode, request) => perform(request, undefined, 'copyFile', from, to, checkMode(mode)),
  symlink: (target, path, flags, request) => perform(request, undefined, 'symlink', target, path),
  readlink: (path, encoding, request) => perform(request, named(encoding), 'readlink', path, isRaw(encoding)),
  realpath: (path, encoding, request) => perform(request, named(encoding), 'realpath', path, isRaw(encoding)),
  mkdtemp: (prefix, encoding, request) => perform(request, named(encoding), 'mkdtemp', prefix, isRaw(encoding)),
  readdir: (path, encoding, types, request) =>
    perform(request, (types ? typed : listed)(encoding), 'readdir', path, isRaw(encoding), types),
  openFileHandle: (path, flags, mode, request) => perform(request, (fd) => new FileHandle(fd), 'open', path, flags, mode),
  read(fd, buffer, offset, length, position, request) {
    checkFd(fd);
    if (request === undefined) return read(fd, buffer, offset, length, position);
    return perform(request, undefined, 'read', fd, buffer, offset, length, position);
  },
  writeBuffer,
  writeString(fd, text, position, encoding, request, context) {
    const bytes = Buffer.from(text, encoding);
    return writeBuffer(fd, bytes, 0, bytes.length, position, request, context);
  },
  cpSyncCheckPaths: (...args) => copy().checkPaths(...args),
  cpSyncCopyDir: (...args) => copy().copyFolder(...args),
  cpSyncOverrideFile: (...args) => copy().overrideFile(...args),
};
})
