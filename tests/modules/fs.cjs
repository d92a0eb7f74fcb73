// The synchronous functions of `fs`, and those with a callback.
'use strict';

const fs = require('fs');
const path = require('path');

const folder = fs.realpathSync(fs.mkdtempSync('/tmp/modules-fs-'));
const at = (...names) => path.join(folder, ...names);

const shown = (value) => {
  if (typeof value === 'bigint') return `${value}n`;
  if (value === undefined) return 'undefined';
  if (Buffer.isBuffer(value)) return `buffer ${value.toString('hex')}`;
  if (Array.isArray(value)) return value.map(shown);
  return value;
};
const print = (name, outcome) => console.log(JSON.stringify([name, outcome]).replaceAll(folder, '<folder>').replace(/mt-\w{6}/g, 'mt-<six>'));
const failure = (error) => [error.name, error.code, error.message, error.errno, error.syscall, error.path, error.dest];

const probe = (name, act) => {
  let outcome;
  try {
    outcome = shown(act());
  } catch (error) {
    outcome = failure(error);
  }
  print(name, outcome);
};
// A function with a callback: whether it is called later, how many arguments it has, and what they are.
const later = (name, act) => new Promise((resolve) => {
  let isLater = false;
  try {
    act((...args) => {
      const [error, ...values] = args;
      print(name, [isLater, args.length, error instanceof Error ? failure(error) : shown(error), shown(values)]);
      resolve();
    });
  } catch (error) {
    print(name, ['thrown', ...failure(error)]);
    resolve();
  }
  isLater = true;
});

// Whole files.
probe('writeFileSync', () => fs.writeFileSync(at('a'), 'hällo'));
probe('readFileSync utf8', () => fs.readFileSync(at('a'), 'utf8'));
probe('readFileSync utf-8', () => fs.readFileSync(at('a'), { encoding: 'utf-8' }));
probe('readFileSync', () => fs.readFileSync(at('a')));
probe('readFileSync latin1', () => fs.readFileSync(at('a'), 'latin1'));
probe('readFileSync of bytes of a path', () => fs.readFileSync(Buffer.from(at('a')), 'utf8'));
probe('readFileSync of a URL', () => fs.readFileSync(require('url').pathToFileURL(at('a')), 'utf8'));
probe('readFileSync invalid UTF-8', () => {
  fs.writeFileSync(at('invalid'), Buffer.from([0x61, 0xff, 0xc3, 0x62]));
  return fs.readFileSync(at('invalid'), 'utf8');
});
probe('readFileSync of a missing file', () => fs.readFileSync(at('none'), 'utf8'));
probe('readFileSync of a missing file, bytes', () => fs.readFileSync(at('none')));
probe('readFileSync of a folder', () => fs.readFileSync(folder, 'utf8'));
probe('readFileSync of a folder, bytes', () => fs.readFileSync(folder));
probe('readFileSync with a NUL in the path', () => fs.readFileSync('a\0b', 'utf8'));
probe('readFileSync of nothing', () => fs.readFileSync());
probe('readFileSync of an empty path', () => fs.readFileSync('', 'utf8'));
probe('readFileSync of /proc', () => fs.readFileSync('/proc/self/comm', 'utf8').length > 0);
probe('readFileSync of /proc, bytes', () => fs.readFileSync('/proc/self/status').length > 100);
probe('readFileSync with an unknown encoding', () => fs.readFileSync(at('a'), 'nope'));
probe('writeFileSync with wx', () => fs.writeFileSync(at('a'), 'x', { flag: 'wx' }));
probe('writeFileSync of bytes', () => { fs.writeFileSync(at('b'), Buffer.from('bytes')); return fs.readFileSync(at('b'), 'utf8'); });
probe('writeFileSync of a view', () => { fs.writeFileSync(at('b'), new Uint16Array([1, 2])); return fs.readFileSync(at('b')); });
probe('writeFileSync in hex', () => { fs.writeFileSync(at('b'), '616263', 'hex'); return fs.readFileSync(at('b'), 'utf8'); });
probe('writeFileSync with a mode', () => { fs.writeFileSync(at('m'), '', { mode: 0o600 }); return fs.statSync(at('m')).mode.toString(8); });
probe('writeFileSync of a number', () => fs.writeFileSync(at('b'), 5));
probe('writeFileSync where no folder is', () => fs.writeFileSync(at('none', 'b'), 'x'));
probe('appendFileSync', () => { fs.appendFileSync(at('a'), 'more'); return fs.readFileSync(at('a'), 'utf8'); });
probe('truncateSync', () => { fs.truncateSync(at('b'), 1); return fs.readFileSync(at('b'), 'utf8'); });
probe('truncateSync to more', () => { fs.truncateSync(at('b'), 4); return fs.readFileSync(at('b')); });
probe('writeFileSync with flush', () => fs.writeFileSync(at('b'), Buffer.from('abc'), { flush: true }));
probe('lone surrogate', () => { fs.writeFileSync(at('s'), 'a\ud800b'); return fs.readFileSync(at('s')); });

// Facts.
probe('statSync', () => {
  const found = fs.statSync(at('a'));
  return [found.size, found.isFile(), found.isDirectory(), found.nlink, found.mode.toString(8), found.mtime instanceof Date, Object.keys(found)];
});
probe('statSync, times', () => {
  const found = fs.statSync(at('a'));
  return ['atimeMs', 'mtimeMs', 'ctimeMs', 'birthtimeMs'].map((name) => Math.abs(found[name] - Date.now()) < 60000);
});
probe('statSync bigint', () => {
  const found = fs.statSync(at('a'), { bigint: true });
  return [found.size, typeof found.mtimeNs, typeof found.ino, found.isFile()];
});
probe('statSync bigint equals number', () => {
  const [big, plain] = [fs.statSync('/', { bigint: true }), fs.statSync('/')];
  return ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blksize', 'blocks'].map((name) => Number(big[name]) === plain[name]);
});
probe('statSync of a device', () => { const { rdev, mode } = fs.statSync('/dev/null'); return [rdev, mode.toString(8)]; });
probe('statSync, missing', () => fs.statSync(at('none')));
probe('statSync, missing and accepted', () => fs.statSync(at('none'), { throwIfNoEntry: false }));
probe('statSync, not a folder and accepted', () => fs.statSync(at('a', 'b'), { throwIfNoEntry: false }));
probe('lstatSync, missing', () => fs.lstatSync(at('none')));
probe('lstatSync, missing and accepted', () => fs.lstatSync(at('none'), { throwIfNoEntry: false }));
probe('statfsSync', () => { const found = fs.statfsSync(folder); return [Object.keys(found), found.bsize > 0, found.type === fs.statfsSync(folder, { bigint: true }).type]; });
probe('statfsSync bigint', () => typeof fs.statfsSync(folder, { bigint: true }).blocks);
probe('statfsSync, missing', () => fs.statfsSync(at('none')));
probe('existsSync', () => [fs.existsSync(folder), fs.existsSync(at('none')), fs.existsSync(3), fs.existsSync('')]);
probe('accessSync', () => fs.accessSync(folder));
probe('accessSync, missing', () => fs.accessSync(at('none')));
probe('accessSync with a text', () => fs.accessSync(folder, 'x'));
probe('accessSync out of range', () => fs.accessSync(folder, 9));
probe('accessSync with null', () => fs.accessSync(folder, null));

// Folders.
probe('mkdirSync', () => fs.mkdirSync(at('d')));
probe('mkdirSync again', () => fs.mkdirSync(at('d')));
probe('mkdirSync with a mode', () => { fs.mkdirSync(at('dm'), 0o700); return fs.statSync(at('dm')).mode.toString(8); });
probe('mkdirSync recursive', () => fs.mkdirSync(at('x', 'y', 'z'), { recursive: true }));
probe('mkdirSync recursive again', () => fs.mkdirSync(at('x', 'y', 'z'), { recursive: true }));
probe('mkdirSync recursive, slashes at the end', () => fs.mkdirSync(`${at('x2', 'y')}//`, { recursive: true }));
probe('mkdirSync recursive below a file', () => fs.mkdirSync(at('a', 'y', 'z'), { recursive: true }));
probe('mkdirSync recursive where a file is', () => fs.mkdirSync(at('a'), { recursive: true }));
probe('mkdirSync recursive of nothing', () => fs.mkdirSync('', { recursive: true }));
probe('mkdirSync recursive of the root', () => fs.mkdirSync('/', { recursive: true }));
probe('mkdirSync recursive below a broken link', () => { fs.symlinkSync('gone', at('broken')); return fs.mkdirSync(at('broken', 'x'), { recursive: true }); });
probe('mkdirSync without parent', () => fs.mkdirSync(at('none', 'd')));
probe('readdirSync', () => fs.readdirSync(folder));
probe('readdirSync recursive', () => fs.readdirSync(folder, { recursive: true }));
probe('readdirSync with types', () => fs.readdirSync(folder, { withFileTypes: true }).map((found) => [found.name, found.isFile(), found.isDirectory(), found.parentPath]));
probe('readdirSync recursive with types', () => fs.readdirSync(at('x'), { withFileTypes: true, recursive: true }).map((found) => [found.name, found.isDirectory(), found.parentPath]));
probe('readdirSync as bytes', () => fs.readdirSync(at('x'), 'buffer'));
probe('readdirSync as bytes with types', () => fs.readdirSync(at('x'), { encoding: 'buffer', withFileTypes: true }).map((found) => found.name));
probe('readdirSync in hex', () => fs.readdirSync(at('x'), 'hex'));
probe('readdirSync in base64', () => fs.readdirSync(at('x'), { encoding: 'base64' }));
probe('readdirSync of a name that is no UTF-8', () => {
  fs.mkdirSync(at('odd'));
  fs.writeFileSync(Buffer.concat([Buffer.from(at('odd')), Buffer.from([0x2f, 0xff, 0x61])]), 'x');
  return [fs.readdirSync(at('odd')), fs.readdirSync(at('odd'), 'buffer'), fs.readdirSync(at('odd'), 'latin1')];
});
probe('readdirSync, missing', () => fs.readdirSync(at('none')));
probe('readdirSync of a file', () => fs.readdirSync(at('a')));
probe('rmdirSync', () => fs.rmdirSync(at('d')));
probe('rmdirSync, not empty', () => fs.rmdirSync(at('x')));
probe('rmdirSync of a file', () => fs.rmdirSync(at('a')));
probe('mkdtempSync', () => { const made = fs.mkdtempSync(at('t-')); return [made.length - folder.length, fs.statSync(made).mode.toString(8)]; });
probe('mkdtempSync as bytes', () => Buffer.isBuffer(fs.mkdtempSync(at('t-'), 'buffer')));
probe('mkdtempSync, no parent', () => fs.mkdtempSync(at('none', 't-')));

// Links, names, rights, times.
probe('symlinkSync', () => fs.symlinkSync('a', at('l')));
probe('symlinkSync again', () => fs.symlinkSync('a', at('l')));
probe('readlinkSync', () => fs.readlinkSync(at('l')));
probe('readlinkSync as bytes', () => fs.readlinkSync(at('l'), 'buffer'));
probe('readlinkSync of a file', () => fs.readlinkSync(at('a')));
probe('lstatSync of a link', () => [fs.lstatSync(at('l')).isSymbolicLink(), fs.statSync(at('l')).isSymbolicLink()]);
probe('realpathSync', () => fs.realpathSync(at('x', '..', 'l')));
probe('realpathSync, missing', () => fs.realpathSync(at('none')));
probe('realpathSync.native', () => fs.realpathSync.native(at('l')));
probe('realpathSync.native, missing', () => fs.realpathSync.native(at('none')));
probe('realpathSync of a loop', () => { fs.symlinkSync('loop', at('loop')); return fs.realpathSync(at('loop')); });
probe('statSync of a loop', () => fs.statSync(at('loop')));
probe('linkSync', () => { fs.linkSync(at('a'), at('hard')); return fs.statSync(at('a')).nlink; });
probe('linkSync, missing', () => fs.linkSync(at('none'), at('hard2')));
probe('renameSync', () => { fs.renameSync(at('hard'), at('soft')); return fs.existsSync(at('hard')); });
probe('renameSync, missing', () => fs.renameSync(at('none'), at('none2')));
probe('unlinkSync', () => fs.unlinkSync(at('soft')));
probe('unlinkSync, missing', () => fs.unlinkSync(at('soft')));
probe('unlinkSync of a folder', () => fs.unlinkSync(at('x')));
probe('chmodSync', () => { fs.chmodSync(at('a'), 0o640); return fs.statSync(at('a')).mode.toString(8); });
probe('chmodSync, missing', () => fs.chmodSync(at('none'), 0o640));
probe('chownSync', () => fs.chownSync(at('a'), process.getuid?.() ?? -1, -1));
probe('chownSync, missing', () => fs.chownSync(at('none'), 0, 0));
probe('lchownSync', () => fs.lchownSync(at('l'), -1, -1));
probe('utimesSync', () => { fs.utimesSync(at('a'), 1.5, 1234567.123456); const found = fs.statSync(at('a'), { bigint: true }); return [found.atimeNs, found.mtimeNs]; });
probe('utimesSync with dates', () => { fs.utimesSync(at('a'), new Date(1000), '77'); const found = fs.statSync(at('a')); return [found.atimeMs, found.mtimeMs]; });
probe('utimesSync, missing', () => fs.utimesSync(at('none'), 1, 1));
probe('lutimesSync', () => { fs.lutimesSync(at('l'), 5, 6); const found = fs.lstatSync(at('l')); return [found.mtimeMs, fs.statSync(at('l')).mtimeMs]; });
probe('copyFileSync', () => { fs.copyFileSync(at('a'), at('c')); return [fs.readFileSync(at('c'), 'utf8'), fs.statSync(at('c')).mode.toString(8)]; });
probe('copyFileSync onto itself', () => { fs.copyFileSync(at('a'), at('a')); return fs.readFileSync(at('a'), 'utf8'); });
probe('copyFileSync, exclusive', () => fs.copyFileSync(at('a'), at('c'), fs.constants.COPYFILE_EXCL));
probe('copyFileSync, clone if possible', () => fs.copyFileSync(at('a'), at('c2'), fs.constants.COPYFILE_FICLONE));
probe('copyFileSync, missing', () => fs.copyFileSync(at('none'), at('c3')));
probe('copyFileSync of a folder', () => { try { fs.copyFileSync(at('x'), at('c4')); } catch (error) { return [...failure(error), fs.existsSync(at('c4'))]; } });
probe('copyFileSync out of range', () => fs.copyFileSync(at('a'), at('c'), 9));

// Open files.
const opened = (flags, act) => {
  const fd = fs.openSync(at('f'), flags);
  try {
    return act(fd);
  } finally {
    fs.closeSync(fd);
  }
};
fs.writeFileSync(at('f'), '0123456789');
probe('openSync, missing', () => fs.openSync(at('none')));
probe('openSync with unknown flags', () => fs.openSync(at('a'), 'q'));
probe('openSync with wrong flags', () => fs.openSync(at('a'), {}));
probe('readSync', () => opened('r', (fd) => { const to = Buffer.alloc(4); return [fs.readSync(fd, to), to]; }));
probe('readSync at a place', () => opened('r', (fd) => { const to = Buffer.alloc(4); return [fs.readSync(fd, to, 1, 2, 5), to]; }));
probe('readSync at a bigint', () => opened('r', (fd) => { const to = Buffer.alloc(2); return [fs.readSync(fd, to, 0, 2, 7n), to]; }));
probe('readSync goes on', () => opened('r', (fd) => { const to = Buffer.alloc(3); fs.readSync(fd, to); fs.readSync(fd, to, 0, 1, 9); return [fs.readSync(fd, to), to]; }));
probe('readSync at the end', () => opened('r', (fd) => fs.readSync(fd, Buffer.alloc(4), 0, 4, 100)));
probe('readSync into a Float64Array', () => opened('r', (fd) => { const to = new Float64Array(2); return [fs.readSync(fd, to), Buffer.from(to.buffer)]; }));
probe('readSync with options', () => opened('r', (fd) => { const to = Buffer.alloc(4); return [fs.readSync(fd, to, { offset: 1, length: 2, position: 3 }), to]; }));
probe('readSync out of range', () => opened('r', (fd) => fs.readSync(fd, Buffer.alloc(4), 2, 5)));
probe('readSync of a file that is written only', () => opened('a', (fd) => fs.readSync(fd, Buffer.alloc(4))));
probe('readSync into nothing', () => opened('r', (fd) => fs.readSync(fd, Buffer.alloc(0))));
probe('readvSync', () => opened('r', (fd) => { const to = [Buffer.alloc(2), Buffer.alloc(3)]; return [fs.readvSync(fd, to), to]; }));
probe('readvSync at a place', () => opened('r', (fd) => { const to = [Buffer.alloc(2), Buffer.alloc(30)]; return [fs.readvSync(fd, to, 6), to[0]]; }));
probe('writeSync', () => opened('r+', (fd) => [fs.writeSync(fd, Buffer.from('abc')), fs.readFileSync(at('f'), 'utf8')]));
probe('writeSync at a place', () => opened('r+', (fd) => [fs.writeSync(fd, Buffer.from('xyz'), 1, 1, 8), fs.readFileSync(at('f'), 'utf8')]));
probe('writeSync of a text', () => opened('r+', (fd) => [fs.writeSync(fd, 'ü', 4), fs.readFileSync(at('f'), 'latin1')]));
probe('writeSync of a text in hex', () => opened('r+', (fd) => [fs.writeSync(fd, '4142', null, 'hex'), fs.readFileSync(at('f'), 'latin1')]));
probe('writeSync of a file that is read only', () => opened('r', (fd) => fs.writeSync(fd, 'x')));
probe('writeSync of bytes, read only', () => opened('r', (fd) => fs.writeSync(fd, Buffer.from('x'))));
probe('writeSync out of range', () => opened('r+', (fd) => fs.writeSync(fd, Buffer.from('x'), 2)));
probe('writevSync', () => opened('w+', (fd) => [fs.writevSync(fd, [Buffer.from('ab'), new Uint8Array([99])]), fs.readFileSync(at('f'), 'utf8')]));
probe('writevSync at a place', () => opened('r+', (fd) => [fs.writevSync(fd, [Buffer.from('Q'), Buffer.from('R')], 2), fs.readFileSync(at('f'), 'utf8')]));
probe('writevSync, read only', () => opened('r', (fd) => fs.writevSync(fd, [Buffer.from('x')])));
probe('append', () => opened('a', (fd) => { fs.writeSync(fd, 'end', 0); return fs.readFileSync(at('f'), 'utf8'); }));
probe('fstatSync', () => opened('r', (fd) => [fs.fstatSync(fd).size, fs.fstatSync(fd, { bigint: true }).size]));
probe('ftruncateSync', () => opened('r+', (fd) => { fs.ftruncateSync(fd, 2); return fs.fstatSync(fd).size; }));
probe('ftruncateSync, read only', () => opened('r', (fd) => fs.ftruncateSync(fd, 2)));
probe('fchmodSync', () => opened('r', (fd) => { fs.fchmodSync(fd, 0o600); return fs.fstatSync(fd).mode.toString(8); }));
probe('fchownSync', () => opened('r', (fd) => fs.fchownSync(fd, -1, -1)));
probe('futimesSync', () => opened('r+', (fd) => { fs.futimesSync(fd, 3, 4); return [fs.fstatSync(fd).atimeMs, fs.fstatSync(fd).mtimeMs]; }));
probe('fsyncSync', () => opened('r+', (fd) => [fs.fsyncSync(fd), fs.fdatasyncSync(fd)]));
probe('readFileSync of a number', () => opened('r', (fd) => [fs.readFileSync(fd, 'utf8'), fs.readFileSync(fd)]));
probe('writeFileSync to a number', () => opened('w', (fd) => { fs.writeFileSync(fd, 'one'); fs.writeFileSync(fd, Buffer.from('two')); return fs.readFileSync(at('f'), 'utf8'); }));
for (const fd of [-1, '1', 1.5, NaN, 2 ** 31, undefined, 999999]) {
  probe(`closeSync ${String(fd)}`, () => fs.closeSync(fd));
  probe(`fstatSync ${String(fd)}`, () => fs.fstatSync(fd));
}
probe('fsyncSync of a closed file', () => fs.fsyncSync(999999));
probe('ftruncateSync of a closed file', () => fs.ftruncateSync(999999));
probe('readSync of a closed file', () => fs.readSync(999999, Buffer.alloc(1)));
probe('writeSync to a closed file', () => fs.writeSync(999999, 'x'));

// Copying and removing trees.
probe('cpSync of a file', () => { fs.cpSync(at('a'), at('cp', 'a')); return fs.readdirSync(at('cp')); });
probe('cpSync of a tree', () => {
  fs.writeFileSync(at('x', 'y', 'file'), 'x');
  fs.symlinkSync('file', at('x', 'y', 'link'));
  fs.cpSync(at('x'), at('xx'), { recursive: true });
  return [fs.readdirSync(at('xx'), { recursive: true }), fs.readlinkSync(at('xx', 'y', 'link'))];
});
probe('cpSync of a tree, again', () => { fs.cpSync(at('x'), at('xx'), { recursive: true }); return fs.readdirSync(at('xx'), { recursive: true }); });
probe('cpSync of a tree that exists', () => fs.cpSync(at('x', 'y', 'file'), at('xx', 'y', 'file'), { force: false, errorOnExist: true }));
probe('cpSync with a filter', () => { fs.cpSync(at('x'), at('xf'), { recursive: true, filter: (from) => !from.endsWith('file') }); return fs.readdirSync(at('xf'), { recursive: true }); });
probe('cpSync, verbatim links', () => { fs.cpSync(at('x'), at('xv'), { recursive: true, verbatimSymlinks: true }); return fs.readlinkSync(at('xv', 'y', 'link')); });
probe('cpSync with times', () => { fs.utimesSync(at('x', 'y', 'file'), 5, 7); fs.cpSync(at('x'), at('xt'), { recursive: true, preserveTimestamps: true }); return fs.statSync(at('xt', 'y', 'file')).mtimeMs; });
probe('cpSync of a folder, not recursive', () => fs.cpSync(at('x'), at('xn')));
probe('cpSync onto itself', () => fs.cpSync(at('a'), at('a')));
probe('cpSync into itself', () => fs.cpSync(at('x'), at('x', 'sub'), { recursive: true }));
probe('cpSync of a folder onto a file', () => fs.cpSync(at('x'), at('a'), { recursive: true }));
probe('cpSync of a file onto a folder', () => fs.cpSync(at('a'), at('x')));
probe('cpSync, missing', () => fs.cpSync(at('none'), at('xn')));
probe('rmSync, missing', () => fs.rmSync(at('none')));
probe('rmSync, missing and forced', () => fs.rmSync(at('none'), { force: true }));
probe('rmSync of a folder', () => fs.rmSync(at('x')));
probe('rmSync recursive', () => { fs.rmSync(at('xx'), { recursive: true }); return fs.existsSync(at('xx')); });
probe('constants', () => fs.constants);
probe('names', () => Object.keys(fs).sort());
probe('process.getBuiltinModule', () => [process.getBuiltinModule('fs') === fs, process.getBuiltinModule('node:fs') === fs, process.getBuiltinModule('nope'), process.getBuiltinModule('internal/util')]);
probe('process.getBuiltinModule of a number', () => process.getBuiltinModule(5));

// What the loaders of modules use.
const binding = process.binding('fs');
const base = require('url').pathToFileURL(at('x.mjs')).href;
for (const [name, main] of [['lib', 'lib'], ['file', './main'], ['index', undefined], ['index', 'nope'], ['none', 'nope'], ['none', undefined], ['exact', 'main.cjs']]) {
  probe(`legacyMainResolve ${name} ${main}`, () => {
    fs.mkdirSync(at('packages', name, 'lib'), { recursive: true });
    const file = { lib: 'lib/index.js', file: 'main.json', index: 'index.node', none: 'other', exact: 'main.cjs' }[name];
    fs.writeFileSync(at('packages', name, file), '');
    return binding.legacyMainResolve(`${at('packages', name)}/`, main, base);
  });
}
probe('internalModuleStat', () => [binding.internalModuleStat(folder), binding.internalModuleStat(at('a')), binding.internalModuleStat(at('none')) < 0]);
probe('getFormatOfExtensionlessFile', () => {
  fs.writeFileSync(at('wasm'), Buffer.from([0, 0x61, 0x73, 0x6d, 1]));
  return [binding.getFormatOfExtensionlessFile(at('wasm')), binding.getFormatOfExtensionlessFile(at('a')), binding.getFormatOfExtensionlessFile(at('none'))];
});

// With a callback.
const run = async () => {
  await later('readFile', (done) => fs.readFile(at('a'), done));
  await later('readFile utf8', (done) => fs.readFile(at('a'), 'utf8', done));
  await later('readFile, missing', (done) => fs.readFile(at('none'), done));
  await later('readFile of a folder', (done) => fs.readFile(folder, done));
  await later('readFile of nothing', (done) => fs.readFile(undefined, done));
  await later('readFile of /proc', (done) => fs.readFile('/proc/self/comm', (error, text) => done(error, text.length > 0)));
  await later('writeFile', (done) => fs.writeFile(at('w'), 'wörld', done));
  await later('appendFile', (done) => fs.appendFile(at('w'), '!', done));
  await later('readFile after', (done) => fs.readFile(at('w'), 'utf8', done));
  await later('stat', (done) => fs.stat(at('w'), (error, found) => done(error, found.size, found.isFile())));
  await later('stat bigint', (done) => fs.stat(at('w'), { bigint: true }, (error, found) => done(error, found.size)));
  await later('stat, missing', (done) => fs.stat(at('none'), done));
  await later('lstat', (done) => fs.lstat(at('l'), (error, found) => done(error, found.isSymbolicLink())));
  await later('statfs', (done) => fs.statfs(folder, (error, found) => done(error, Object.keys(found))));
  await later('access', (done) => fs.access(folder, done));
  await later('access, missing', (done) => fs.access(at('none'), done));
  await later('access out of range', (done) => fs.access(at('none'), 99, done));
  await later('exists', (done) => fs.exists(folder, done));
  await later('mkdir', (done) => fs.mkdir(at('cd'), done));
  await later('mkdir recursive', (done) => fs.mkdir(at('cd', 'e', 'f'), { recursive: true }, done));
  await later('mkdir recursive again', (done) => fs.mkdir(at('cd', 'e', 'f'), { recursive: true }, done));
  await later('mkdir recursive below a file', (done) => fs.mkdir(at('a', 'e'), { recursive: true }, done));
  await later('readdir', (done) => fs.readdir(at('cd'), done));
  await later('readdir recursive', (done) => fs.readdir(at('cd'), { recursive: true }, done));
  await later('readdir with types', (done) => fs.readdir(at('cd'), { withFileTypes: true }, (error, found) => done(error, found.map(({ name }) => name))));
  await later('readdir as bytes', (done) => fs.readdir(at('cd'), 'buffer', done));
  await later('readdir, missing', (done) => fs.readdir(at('none'), done));
  await later('mkdtemp', (done) => fs.mkdtemp(at('mt-'), (error, made) => done(error, made.length - folder.length)));
  await later('mkdtemp, missing', (done) => fs.mkdtemp(at('none', 'mt-'), done));
  await later('symlink', (done) => fs.symlink('a', at('cl'), done));
  await later('readlink', (done) => fs.readlink(at('cl'), done));
  await later('realpath', (done) => fs.realpath(at('cl'), done));
  await later('realpath.native', (done) => fs.realpath.native(at('cl'), done));
  await later('realpath, missing', (done) => fs.realpath(at('none'), done));
  await later('link', (done) => fs.link(at('a'), at('ch'), done));
  await later('rename', (done) => fs.rename(at('ch'), at('ci'), done));
  await later('rename, missing', (done) => fs.rename(at('ch'), at('ci'), done));
  await later('copyFile', (done) => fs.copyFile(at('a'), at('cf'), done));
  await later('copyFile, missing', (done) => fs.copyFile(at('none'), at('cf'), done));
  await later('chmod', (done) => fs.chmod(at('cf'), 0o600, done));
  await later('utimes', (done) => fs.utimes(at('cf'), 1, 2, done));
  await later('truncate', (done) => fs.truncate(at('cf'), 2, done));
  await later('unlink', (done) => fs.unlink(at('cf'), done));
  await later('unlink, missing', (done) => fs.unlink(at('cf'), done));
  await later('rmdir', (done) => fs.rmdir(at('cd', 'e', 'f'), done));
  await later('rm', (done) => fs.rm(at('cd'), { recursive: true }, done));
  await later('rm, missing', (done) => fs.rm(at('cd'), done));
  await later('cp', (done) => fs.cp(at('x'), at('cx'), { recursive: true }, done));
  await later('cp, missing', (done) => fs.cp(at('none'), at('cx'), done));
  let fd;
  await later('open', (done) => fs.open(at('o'), 'w+', (error, number) => { fd = number; done(error, typeof number); }));
  await later('write', (done) => fs.write(fd, Buffer.from('0123456789'), done));
  await later('write a text', (done) => fs.write(fd, 'text', 3, done));
  await later('writev', (done) => fs.writev(fd, [Buffer.from('A'), Buffer.from('B')], done));
  await later('read', (done) => fs.read(fd, Buffer.alloc(4), 0, 4, 2, done));
  await later('read, defaults', (done) => fs.read(fd, { buffer: Buffer.alloc(3), position: 0 }, done));
  await later('readv', (done) => fs.readv(fd, [Buffer.alloc(1), Buffer.alloc(2)], 0, done));
  await later('fstat', (done) => fs.fstat(fd, (error, found) => done(error, found.size)));
  await later('ftruncate', (done) => fs.ftruncate(fd, 1, done));
  await later('fchmod', (done) => fs.fchmod(fd, 0o640, done));
  await later('futimes', (done) => fs.futimes(fd, 1, 2, done));
  await later('fsync', (done) => fs.fsync(fd, done));
  await later('fdatasync', (done) => fs.fdatasync(fd, done));
  await later('close', (done) => fs.close(fd, done));
  await later('close of a closed file', (done) => fs.close(999999, done));
  await later('close out of range', (done) => fs.close(-1, done));
  await later('read of a closed file', (done) => fs.read(999999, Buffer.alloc(1), done));
  await later('open, missing', (done) => fs.open(at('none'), done));
  probe('no callback', () => fs.stat(folder));
  probe('watchFile is told of a change', () => typeof fs.watchFile);
  await later('watchFile', (done) => {
    fs.writeFileSync(at('watched'), 'a');
    fs.watchFile(at('watched'), { interval: 20 }, (now, before) => {
      fs.unwatchFile(at('watched'));
      done(null, now.size, before.size);
    });
    const write = () => fs.writeFileSync(at('watched'), 'longer');
    setTimeout(write, 200);
  });
  const order = [];
  await new Promise((resolve) => {
    fs.stat(folder, () => {
      order.push('callback');
      process.nextTick(() => order.push('tick'));
      Promise.resolve().then(() => order.push('microtask'));
      setImmediate(() => { order.push('immediate'); resolve(); });
    });
    order.push('after');
  });
  print('order', order);
  fs.rmSync(folder, { recursive: true });
};
run();
