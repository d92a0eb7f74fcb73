// The streams of `fs`, large files, and files whose read takes long.
'use strict';

const fs = require('fs');
const path = require('path');
const { pipeline } = require('stream');
const { pipeline: piped } = require('stream/promises');

const folder = fs.realpathSync(fs.mkdtempSync('/tmp/modules-streams-'));
const at = (...names) => path.join(folder, ...names);
const print = (name, outcome) => console.log(JSON.stringify([name, outcome]).replaceAll(folder, '<folder>'));
const failure = (error) => [error.name, error.code, error.message, error.errno, error.syscall, error.path];
const probe = async (name, act) => {
  let outcome;
  try {
    outcome = (await act()) ?? 'undefined';
  } catch (error) {
    outcome = failure(error);
  }
  print(name, outcome);
};
const text = async (stream) => {
  let all = '';
  for await (const part of stream) all += part;
  return all;
};
// The events of a stream, until it is closed.
const events = (stream, ...names) => new Promise((resolve) => {
  const seen = [];
  for (const name of names) stream.on(name, (value) => seen.push(value instanceof Error ? [name, ...failure(value)] : typeof value === 'number' ? [name] : [name, value]));
  stream.on('close', () => resolve(seen));
});

const run = async () => {
  fs.writeFileSync(at('a'), '0123456789');
  await probe('read', () => text(fs.createReadStream(at('a'))));
  await probe('read from and to', () => text(fs.createReadStream(at('a'), { start: 2, end: 5 })));
  await probe('read in pieces', async () => { const parts = []; for await (const part of fs.createReadStream(at('a'), { highWaterMark: 4 })) parts.push(part.toString()); return parts; });
  await probe('read with an encoding', async () => { const parts = []; for await (const part of fs.createReadStream(at('a'), { encoding: 'hex', highWaterMark: 4 })) parts.push(part); return parts; });
  await probe('read events', () => { const stream = fs.createReadStream(at('a'), 'utf8'); return events(stream, 'open', 'ready', 'data', 'end', 'error'); });
  await probe('read, missing', () => events(fs.createReadStream(at('none')), 'open', 'data', 'end', 'error'));
  await probe('read of a folder', () => events(fs.createReadStream(folder), 'open', 'data', 'end', 'error').then((seen) => seen));
  await probe('read, range', () => fs.createReadStream(at('a'), { start: 5, end: 2 }));
  await probe('read with a number', () => { const fd = fs.openSync(at('a')); return text(fs.createReadStream('', { fd, start: 8 })); });
  await probe('read, properties', async () => { const stream = fs.createReadStream(at('a')); const before = [stream.path, stream.fd, stream.bytesRead, stream.pending, stream.flags]; await text(stream); return [before, stream.bytesRead, stream.fd]; });
  await probe('read, destroyed', () => { const stream = fs.createReadStream(at('a')); const seen = events(stream, 'end', 'error'); stream.destroy(); return seen; });
  await probe('read, destroyed with an error', () => { const stream = fs.createReadStream(at('a')); const seen = events(stream, 'end', 'error'); stream.destroy(new Error('stop')); return seen; });
  await probe('write', async () => {
    const stream = fs.createWriteStream(at('w'));
    const seen = events(stream, 'open', 'ready', 'finish', 'error');
    stream.write('one');
    stream.write(Buffer.from('two'));
    stream.end('three');
    return [await seen, fs.readFileSync(at('w'), 'utf8'), stream.bytesWritten];
  });
  await probe('write at a start', async () => {
    const stream = fs.createWriteStream(at('w'), { flags: 'r+', start: 2 });
    stream.end('XX');
    await events(stream);
    return fs.readFileSync(at('w'), 'utf8');
  });
  await probe('append', async () => {
    const stream = fs.createWriteStream(at('w'), { flags: 'a' });
    stream.end('END');
    await events(stream);
    return fs.readFileSync(at('w'), 'utf8');
  });
  await probe('write, corked', async () => {
    const stream = fs.createWriteStream(at('w'));
    stream.cork();
    for (const part of ['a', 'b', 'c']) stream.write(part);
    stream.uncork();
    stream.end();
    await events(stream);
    return fs.readFileSync(at('w'), 'utf8');
  });
  await probe('write where no folder is', () => events(fs.createWriteStream(at('none', 'w')), 'open', 'finish', 'error'));
  await probe('write of a number', () => fs.createWriteStream(at('w')).write(5));
  await probe('write with flush', async () => { const stream = fs.createWriteStream(at('w'), { flush: true }); stream.end('flushed'); await events(stream); return fs.readFileSync(at('w'), 'utf8'); });
  await probe('write, back pressure', async () => { const stream = fs.createWriteStream(at('w'), { highWaterMark: 10 }); const answers = [stream.write('12345'), stream.write('12345678')]; stream.end(); await events(stream); return answers; });
  await probe('pipe', async () => { await piped(fs.createReadStream(at('a')), fs.createWriteStream(at('p'))); return fs.readFileSync(at('p'), 'utf8'); });
  await probe('pipe with a callback', () => new Promise((resolve) => pipeline(fs.createReadStream(at('none')), fs.createWriteStream(at('p')), (error) => resolve(failure(error)))));
  await probe('pipe, 20 MB', async () => {
    fs.writeFileSync(at('m'), Buffer.alloc(20_000_000, 'napi'));
    await piped(fs.createReadStream(at('m')), fs.createWriteStream(at('m2')));
    return fs.readFileSync(at('m')).equals(fs.readFileSync(at('m2')));
  });
  await probe('512 MiB in pieces', async () => {
    fs.writeFileSync(at('g'), 'begin');
    fs.truncateSync(at('g'), 2 ** 29);
    const before = process.memoryUsage().rss;
    let length = 0;
    for await (const part of fs.createReadStream(at('g'), { highWaterMark: 2 ** 22 })) length += part.length;
    return [length, process.memoryUsage().rss - before < 400e6];
  });
  await probe('a read beyond 4 GiB', async () => {
    fs.truncateSync(at('g'), 2 ** 32 + 100);
    const fd = fs.openSync(at('g'), 'r+');
    fs.writeSync(fd, 'far', 2 ** 32 + 5);
    const to = Buffer.alloc(3);
    const count = fs.readSync(fd, to, 0, 3, 2 ** 32 + 5);
    fs.closeSync(fd);
    fs.unlinkSync(at('g'));
    return [count, to.toString()];
  });
  await probe('a read that takes long blocks nothing', () => new Promise((resolve) => {
    const seen = [];
    // A terminal without a program: a read ends when something was written.
    const fd = fs.openSync('/dev/ptmx', fs.constants.O_RDWR | fs.constants.O_NOCTTY);
    fs.read(fd, Buffer.alloc(1), 0, 1, null, (error, count) => {
      seen.push(['read', error, count]);
      fs.closeSync(fd);
      resolve(seen);
    });
    setImmediate(() => fs.stat(folder, () => {
      seen.push('stat');
      fs.write(fd, 'x\n', () => {});
    }));
  }));
  fs.rmSync(folder, { recursive: true });
};
run();
