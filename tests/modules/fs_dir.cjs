// `fs.opendir` and `fs.Dir`.
'use strict';

const fs = require('fs');
const path = require('path');

const folder = fs.realpathSync(fs.mkdtempSync('/tmp/modules-dir-'));
const at = (...names) => path.join(folder, ...names);
const print = (name, outcome) => console.log(JSON.stringify([name, outcome]).replaceAll(folder, '<folder>'));
const failure = (error) => [error.name, error.code, error.message, error.errno, error.syscall, error.path];
const probe = async (name, act) => {
  let outcome;
  try {
    outcome = (await act()) ?? String(outcome);
  } catch (error) {
    outcome = failure(error);
  }
  print(name, outcome);
};
const all = async (folder) => {
  const found = [];
  for await (const entry of folder) found.push(Buffer.isBuffer(entry.name) ? entry.name.toString('hex') : entry.name);
  return found.sort();
};

const run = async () => {
  for (let index = 0; index < 100; index++) fs.writeFileSync(at(`f${index}`), '');
  fs.mkdirSync(at('d', 'e'), { recursive: true });
  fs.writeFileSync(at('d', 'e', 'file'), '');
  fs.symlinkSync('f1', at('link'));
  await probe('opendirSync', () => { const found = fs.opendirSync(folder); const shown = [found.constructor.name, found.path]; found.closeSync(); return shown; });
  await probe('readSync', () => {
    const found = fs.opendirSync(folder);
    const names = [];
    for (let entry = found.readSync(); entry !== null; entry = found.readSync()) names.push(entry.name);
    const end = found.readSync();
    found.closeSync();
    return [names.length, names.sort().slice(0, 3), end];
  });
  await probe('types', async () => {
    const found = [];
    for await (const entry of await fs.promises.opendir(folder)) if (!entry.isFile()) found.push([entry.name, entry.isDirectory(), entry.isSymbolicLink(), entry.parentPath]);
    return found.sort();
  });
  await probe('iterated', async () => (await all(fs.opendirSync(folder))).length);
  await probe('with a small buffer', async () => (await all(fs.opendirSync(folder, { bufferSize: 1 }))).length);
  await probe('with a bad buffer', () => fs.opendirSync(folder, { bufferSize: 0 }));
  await probe('recursive', async () => (await all(fs.opendirSync(at('d'), { recursive: true }))));
  await probe('recursive, async', async () => (await all(await fs.promises.opendir(at('d'), { recursive: true }))));
  await probe('as bytes', async () => (await all(fs.opendirSync(at('d'), { encoding: 'buffer' }))));
  await probe('in hex', async () => (await all(fs.opendirSync(at('d'), { encoding: 'hex' }))));
  await probe('missing, at once', () => fs.opendirSync(at('none')));
  await probe('missing, promise', () => fs.promises.opendir(at('none')));
  await probe('missing, callback', () => new Promise((resolve) => fs.opendir(at('none'), (error, found) => resolve([failure(error), String(found)]))));
  await probe('a file, promise', () => fs.promises.opendir(at('f1')));
  await probe('no path', () => fs.opendirSync());
  await probe('no callback', () => fs.opendir(folder));
  await probe('callbacks', () => new Promise((resolve) => {
    fs.opendir(at('d'), (error, found) => {
      found.read((error, entry) => {
        found.read((error, end) => found.close((error) => resolve([entry.name, end, error])));
      });
    });
  }));
  await probe('read twice at once', async () => {
    const found = await fs.promises.opendir(at('d'));
    const entries = await Promise.all([found.read(), found.read(), found.read()]);
    await found.close();
    return entries.map((entry) => entry && entry.name);
  });
  await probe('readSync while read', async () => {
    const found = await fs.promises.opendir(folder);
    const reading = found.read();
    try {
      found.readSync();
    } finally {
      await reading;
      await found.close();
    }
  });
  await probe('closed, readSync', () => { const found = fs.opendirSync(folder); found.closeSync(); return found.readSync(); });
  await probe('closed, read', async () => { const found = fs.opendirSync(folder); found.closeSync(); return found.read(); });
  await probe('closed twice', () => { const found = fs.opendirSync(folder); found.closeSync(); return found.closeSync(); });
  await probe('closed twice, promise', async () => { const found = fs.opendirSync(folder); await found.close(); return found.close(); });
  await probe('opened and closed often', () => { for (let index = 0; index < 2000; index++) fs.opendirSync(folder).closeSync(); return true; });
  fs.rmSync(folder, { recursive: true });
};
run();
