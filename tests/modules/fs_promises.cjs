// `fs/promises` and its FileHandle.
'use strict';

const fs = require('fs/promises');
const { constants, existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } = require('fs');
const path = require('path');

const folder = realpathSync(mkdtempSync('/tmp/modules-promises-'));
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
const probe = async (name, act) => {
  let outcome;
  try {
    outcome = shown(await act());
  } catch (error) {
    outcome = failure(error);
  }
  print(name, outcome);
};
const opened = async (file, flags, act) => {
  const handle = await fs.open(file, flags);
  try {
    return await act(handle);
  } finally {
    await handle.close();
  }
};

const run = async () => {
  await probe('is a promise', () => fs.stat(folder) instanceof Promise);
  await probe('same as fs.promises', () => require('fs').promises === fs);
  await probe('names', () => Object.keys(fs).sort());
  await probe('writeFile', () => fs.writeFile(at('a'), 'hällo'));
  await probe('readFile', () => fs.readFile(at('a')));
  await probe('readFile utf8', () => fs.readFile(at('a'), 'utf8'));
  await probe('readFile hex', () => fs.readFile(at('a'), { encoding: 'hex' }));
  await probe('readFile, missing', () => fs.readFile(at('none')));
  await probe('readFile of a folder', () => fs.readFile(folder));
  await probe('readFile of a number', () => fs.readFile(5));
  await probe('readFile of /proc', async () => (await fs.readFile('/proc/self/status', 'utf8')).startsWith('Name:'));
  await probe('readFile, large', async () => {
    writeFileSync(at('large'), Buffer.alloc(3_000_001, 'abc'));
    const [bytes, text] = [await fs.readFile(at('large')), await fs.readFile(at('large'), 'utf8')];
    return [bytes.length, text.length, bytes.toString() === text];
  });
  await probe('readFile, aborted', () => fs.readFile(at('a'), { signal: AbortSignal.abort() }));
  await probe('writeFile of an iterable', async () => { await fs.writeFile(at('i'), ['one', 'two']); return fs.readFile(at('i'), 'utf8'); });
  await probe('writeFile of an async iterable', async () => {
    await fs.writeFile(at('i'), (async function* () { yield 'x'; yield Buffer.from('y'); })());
    return fs.readFile(at('i'), 'utf8');
  });
  await probe('writeFile with wx', () => fs.writeFile(at('a'), '', { flag: 'wx' }));
  await probe('writeFile with flush', () => fs.writeFile(at('i'), 'x', { flush: true }));
  await probe('writeFile of a number', () => fs.writeFile(at('i'), 5));
  await probe('appendFile', async () => { await fs.appendFile(at('a'), '!'); return fs.readFile(at('a'), 'utf8'); });
  await probe('stat', async () => { const found = await fs.stat(at('a')); return [found.size, found.isFile()]; });
  await probe('stat bigint', async () => (await fs.stat(at('a'), { bigint: true })).size);
  await probe('stat, missing', () => fs.stat(at('none')));
  await probe('stat, bad path', () => fs.stat('a\0b'));
  await probe('lstat, missing', () => fs.lstat(at('none')));
  await probe('statfs', async () => Object.keys(await fs.statfs(folder)));
  await probe('access', () => fs.access(folder));
  await probe('access, missing', () => fs.access(at('none'), constants.R_OK));
  await probe('mkdir', () => fs.mkdir(at('d')));
  await probe('mkdir again', () => fs.mkdir(at('d')));
  await probe('mkdir recursive', () => fs.mkdir(at('d', 'e', 'f'), { recursive: true }));
  await probe('mkdir recursive again', () => fs.mkdir(at('d', 'e', 'f'), { recursive: true }));
  await probe('mkdir recursive below a file', () => fs.mkdir(at('a', 'e', 'f'), { recursive: true }));
  await probe('readdir', () => fs.readdir(folder));
  await probe('readdir recursive', () => fs.readdir(folder, { recursive: true }));
  await probe('readdir with types', async () => (await fs.readdir(folder, { withFileTypes: true })).map((found) => [found.name, found.isDirectory(), found.parentPath]));
  await probe('readdir recursive with types', async () => (await fs.readdir(at('d'), { withFileTypes: true, recursive: true })).map((found) => [found.name, found.parentPath]));
  await probe('readdir as bytes', () => fs.readdir(at('d'), 'buffer'));
  await probe('readdir, missing', () => fs.readdir(at('none')));
  await probe('mkdtemp', async () => (await fs.mkdtemp(at('mt-'))).slice(folder.length));
  await probe('mkdtemp, missing', () => fs.mkdtemp(at('none', 'mt-')));
  await probe('symlink', () => fs.symlink('a', at('l')));
  await probe('readlink', () => fs.readlink(at('l')));
  await probe('readlink as bytes', () => fs.readlink(at('l'), 'buffer'));
  await probe('realpath', () => fs.realpath(at('l')));
  await probe('realpath, missing', () => fs.realpath(at('none')));
  await probe('link', () => fs.link(at('a'), at('h')));
  await probe('link, missing', () => fs.link(at('none'), at('h2')));
  await probe('rename', () => fs.rename(at('h'), at('h3')));
  await probe('rename, missing', () => fs.rename(at('h'), at('h3')));
  await probe('copyFile', () => fs.copyFile(at('a'), at('c')));
  await probe('copyFile, exclusive', () => fs.copyFile(at('a'), at('c'), constants.COPYFILE_EXCL));
  await probe('copyFile, missing', () => fs.copyFile(at('none'), at('c')));
  await probe('chmod', async () => { await fs.chmod(at('c'), 0o600); return statSync(at('c')).mode.toString(8); });
  await probe('chown', () => fs.chown(at('c'), -1, -1));
  await probe('lchown', () => fs.lchown(at('l'), -1, -1));
  await probe('lchmod', () => fs.lchmod(at('l'), 0o600));
  await probe('utimes', async () => { await fs.utimes(at('c'), 1, 2); return statSync(at('c')).mtimeMs; });
  await probe('lutimes', () => fs.lutimes(at('l'), 1, 2));
  await probe('utimes, missing', () => fs.utimes(at('none'), 1, 2));
  await probe('truncate', async () => { await fs.truncate(at('c'), 2); return statSync(at('c')).size; });
  await probe('unlink', () => fs.unlink(at('c')));
  await probe('unlink, missing', () => fs.unlink(at('c')));
  await probe('rmdir', () => fs.rmdir(at('d', 'e', 'f')));
  await probe('rmdir, not empty', () => fs.rmdir(at('d')));
  await probe('cp', async () => { await fs.cp(at('d'), at('d2'), { recursive: true }); return fs.readdir(at('d2')); });
  await probe('cp of a folder, not recursive', () => fs.cp(at('d'), at('d3')));
  await probe('cp, missing', () => fs.cp(at('none'), at('d3')));
  await probe('rm', async () => { await fs.rm(at('d2'), { recursive: true }); return existsSync(at('d2')); });
  await probe('rm, missing', () => fs.rm(at('d2')));
  await probe('rm, forced', () => fs.rm(at('d2'), { force: true }));
  await probe('open, missing', () => fs.open(at('none')));
  await probe('open with unknown flags', () => fs.open(at('a'), 'q'));

  // File handles.
  await probe('handle', () => opened(at('a'), 'r', (handle) => [handle.constructor.name, typeof handle.fd, handle.fd > 2]));
  await probe('handle.read', () => opened(at('a'), 'r', async (handle) => { const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, 4, 1); return [bytesRead, buffer]; }));
  await probe('handle.read, defaults', () => opened(at('a'), 'r', async (handle) => { const { bytesRead, buffer } = await handle.read(); return [bytesRead, buffer.length]; }));
  await probe('handle.read with options', () => opened(at('a'), 'r', async (handle) => { const { bytesRead, buffer } = await handle.read({ buffer: Buffer.alloc(3), position: 2 }); return [bytesRead, buffer]; }));
  await probe('handle.read of nothing', () => opened(at('a'), 'r', async (handle) => (await handle.read(Buffer.alloc(0))).bytesRead));
  await probe('handle.readv', () => opened(at('a'), 'r', async (handle) => { const { bytesRead, buffers } = await handle.readv([Buffer.alloc(2), Buffer.alloc(2)], 1); return [bytesRead, buffers]; }));
  await probe('handle.readFile', () => opened(at('a'), 'r', (handle) => handle.readFile('utf8')));
  await probe('handle.write', () => opened(at('w'), 'w+', async (handle) => { const { bytesWritten } = await handle.write(Buffer.from('0123456789'), 2, 4); return [bytesWritten, await fs.readFile(at('w'), 'utf8')]; }));
  await probe('handle.write a text', () => opened(at('w'), 'r+', async (handle) => { const { bytesWritten, buffer } = await handle.write('ü', 1); return [bytesWritten, buffer, await fs.readFile(at('w'), 'latin1')]; }));
  await probe('handle.writev', () => opened(at('w'), 'r+', async (handle) => { const { bytesWritten } = await handle.writev([Buffer.from('A'), Buffer.from('B')], 3); return [bytesWritten, await fs.readFile(at('w'), 'latin1')]; }));
  await probe('handle.write, read only', () => opened(at('w'), 'r', (handle) => handle.write('x')));
  await probe('handle.writeFile', () => opened(at('w'), 'w', async (handle) => { await handle.writeFile('one'); await handle.writeFile('two'); return fs.readFile(at('w'), 'utf8'); }));
  await probe('handle.appendFile', () => opened(at('w'), 'a', async (handle) => { await handle.appendFile('!'); return fs.readFile(at('w'), 'utf8'); }));
  await probe('handle.stat', () => opened(at('w'), 'r', async (handle) => (await handle.stat()).size));
  await probe('handle.stat bigint', () => opened(at('w'), 'r', async (handle) => (await handle.stat({ bigint: true })).size));
  await probe('handle.truncate', () => opened(at('w'), 'r+', async (handle) => { await handle.truncate(2); return (await handle.stat()).size; }));
  await probe('handle.chmod', () => opened(at('w'), 'r+', async (handle) => { await handle.chmod(0o600); return (await handle.stat()).mode.toString(8); }));
  await probe('handle.chown', () => opened(at('w'), 'r+', (handle) => handle.chown(statSync(at('w')).uid, statSync(at('w')).gid)));
  await probe('handle.utimes', () => opened(at('w'), 'r+', async (handle) => { await handle.utimes(1, 2); return (await handle.stat()).mtimeMs; }));
  await probe('handle.sync', () => opened(at('w'), 'r+', (handle) => handle.sync()));
  await probe('handle.datasync', () => opened(at('w'), 'r+', (handle) => handle.datasync()));
  await probe('handle.createReadStream', () => opened(at('a'), 'r', async (handle) => { let text = ''; for await (const part of handle.createReadStream({ encoding: 'utf8', autoClose: false })) text += part; return text; }));
  await probe('closed twice', async () => { const handle = await fs.open(at('a')); return [await handle.close(), await handle.close(), handle.fd]; });
  await probe('read after close', async () => { const handle = await fs.open(at('a')); await handle.close(); return handle.read(); });
  await probe('close event', async () => { const handle = await fs.open(at('a')); let closed = 0; handle.on('close', () => { closed++; }); await handle.close(); return closed; });
  await probe('many at once', async () => (await Promise.all(Array.from({ length: 200 }, (_, index) => fs.writeFile(at(`n${index}`), String(index)).then(() => fs.readFile(at(`n${index}`), 'utf8'))))).every((text, index) => text === String(index)));
  await probe('opened and closed often', async () => { for (let index = 0; index < 200; index++) await opened(at('a'), 'r', () => {}); return true; });
  await probe('handle.readLines', () => opened(at('w'), 'w+', async (handle) => {
    await handle.writeFile('first\nsecond\r\nthird');
    return fs.open(at('w')).then(async (lines) => { const all = []; for await (const line of lines.readLines()) all.push(line); return all; });
  }));
  rmSync(folder, { recursive: true });
};
run();
