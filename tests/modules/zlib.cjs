// Probes of `zlib`. What is compressed is compared by what it decompresses to: the bytes depend on
// the library.
'use strict';

const { probes } = require('./probe.js');
const zlib = require('zlib');
const { promisify } = require('util');
const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');

const all = {};
const probe = (name, run) => { all[name] = run; };
const text = 'In the beginning was the word, and the word was repeated. '.repeat(150);
const noise = Buffer.from(Array.from({ length: 20000 }, (_, index) => (index * 7919 + (index >> 3) * 104729) & 255));
const from64 = (encoded) => Buffer.from(encoded, 'base64');

// "hello hello hello hello", as zlib, gzip, raw deflate and brotli write it.
const DEFLATED = from64('eJzLSM3JyVfIQCcBaAMIsQ==');
const GZIPPED = from64('H4sIAAAAAAAAA8tIzcnJV8hAJwHjUT2NFwAAAA==');
const RAW = from64('y0jNyclXyEAnAQ==');
const BROTLI = from64('GxYA+I2Ubt5EVYaWbCBvIU8c4Dg=');
const pairs = [
  ['deflate', 'inflate'], ['gzip', 'gunzip'], ['deflateRaw', 'inflateRaw'], ['brotliCompress', 'brotliDecompress'],
  ['gzip', 'unzip'], ['deflate', 'unzip'],
];

const collect = (stream, chunks) => new Promise((resolve, reject) => {
  const all = [];
  stream.on('data', (chunk) => all.push(chunk));
  stream.on('end', () => resolve(Buffer.concat(all)));
  stream.on('error', reject);
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
});

probe('exports', () => Object.keys(zlib).sort());
probe('constants', () => zlib.constants);
probe('codes', () => zlib.codes);

for (const [compress, decompress] of pairs) {
  const name = `${compress} ${decompress}`;
  probe(`${name} sync`, () => zlib[`${decompress}Sync`](zlib[`${compress}Sync`](text)).toString() === text);
  probe(`${name} sync empty`, () => zlib[`${decompress}Sync`](zlib[`${compress}Sync`]('')).length);
  probe(`${name} sync noise`, () => zlib[`${decompress}Sync`](zlib[`${compress}Sync`](noise)).equals(noise));
  probe(`${name} is smaller`, () => zlib[`${compress}Sync`](text).length < text.length / 20);
  probe(`${name} async`, async () => {
    const packed = await promisify(zlib[compress])(text);
    return (await promisify(zlib[decompress])(packed)).toString() === text;
  });
  probe(`${name} async noise`, async () => {
    const packed = await promisify(zlib[compress])(noise, { chunkSize: 64 });
    return (await promisify(zlib[decompress])(packed, { chunkSize: 100 })).equals(noise);
  });
  probe(`${name} small chunks`, () => {
    const packed = zlib[`${compress}Sync`](text, { chunkSize: 64 });
    return zlib[`${decompress}Sync`](packed, { chunkSize: 64 }).toString() === text;
  });
  probe(`${name} streams`, async () => {
    let unpacked = '';
    const sink = new Writable({ write(chunk, _, done) { unpacked += chunk; done(); } });
    const make = (method) => zlib[`create${method[0].toUpperCase()}${method.slice(1)}`]();
    await pipeline(Readable.from([text.slice(0, 1000), text.slice(1000)]), make(compress), make(decompress), sink);
    return unpacked === text;
  });
  probe(`${decompress} of garbage`, () => zlib[`${decompress}Sync`](Buffer.from('this was never compressed at all')).length);
  probe(`${decompress} of garbage async`, () => promisify(zlib[decompress])(Buffer.from('this was never compressed')));
  probe(`${decompress} of nothing`, () => zlib[`${decompress}Sync`](Buffer.alloc(0)).length);
  probe(`${decompress} of a part`, () => zlib[`${decompress}Sync`](zlib[`${compress}Sync`](text).subarray(0, -9)).length);
  probe(`${decompress} of a part async`, () => promisify(zlib[decompress])(zlib[`${compress}Sync`](text).subarray(0, 20)));
  probe(`${decompress} maxOutputLength`, () => zlib[`${decompress}Sync`](zlib[`${compress}Sync`](text), { maxOutputLength: 100 }));
  probe(`${decompress} maxOutputLength async`, () => promisify(zlib[decompress])(zlib[`${compress}Sync`](text), { maxOutputLength: 100 }));
  probe(`${compress} of a number`, () => zlib[`${compress}Sync`](5));
  probe(`${compress} info`, () => {
    const { buffer, engine } = zlib[`${compress}Sync`](text, { info: true });
    return [buffer.length > 0, engine.bytesWritten, engine.constructor.name];
  });
}

probe('inflate of zlib', () => zlib.inflateSync(DEFLATED).toString());
probe('gunzip of gzip', () => zlib.gunzipSync(GZIPPED).toString());
probe('unzip of gzip', () => zlib.unzipSync(GZIPPED).toString());
probe('inflateRaw', () => zlib.inflateRawSync(RAW).toString());
probe('brotli', () => zlib.brotliDecompressSync(BROTLI).toString());
probe('gunzip of two members', () => zlib.gunzipSync(Buffer.concat([GZIPPED, GZIPPED])).toString());
probe('unzip of two members', () => zlib.unzipSync(Buffer.concat([GZIPPED, GZIPPED])).toString());
probe('gunzip with padding', () => zlib.gunzipSync(Buffer.concat([GZIPPED, Buffer.alloc(10)])).toString());
probe('gunzip with garbage', () => zlib.gunzipSync(Buffer.concat([GZIPPED, Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])])).toString());
probe('inflate with garbage', () => zlib.inflateSync(Buffer.concat([DEFLATED, Buffer.from('garbage')])).toString());
probe('rejectGarbageAfterEnd', () => promisify(zlib.inflate)(Buffer.concat([DEFLATED, Buffer.from('garbage')]), { rejectGarbageAfterEnd: true }));
for (const at of [0, 1, 2, 3, 10, 12, DEFLATED.length - 1]) {
  probe(`inflate with a wrong byte at ${at}`, () => {
    const bytes = Buffer.from(DEFLATED);
    bytes[at] ^= 0xff;
    return zlib.inflateSync(bytes).toString();
  });
}
for (const at of [0, 1, 2, 3, 10, GZIPPED.length - 8, GZIPPED.length - 1]) {
  probe(`gunzip with a wrong byte at ${at}`, () => {
    const bytes = Buffer.from(GZIPPED);
    bytes[at] ^= 0xff;
    return zlib.gunzipSync(bytes).toString();
  });
}
for (const at of [0, 1, 2, 3]) {
  probe(`brotli with a wrong byte at ${at}`, () => {
    const bytes = Buffer.from(BROTLI);
    bytes[at] ^= 0xff;
    return zlib.brotliDecompressSync(bytes).toString('latin1');
  });
}

const dictionary = Buffer.from('the word was repeated in the beginning');
probe('dictionary', () => zlib.inflateSync(zlib.deflateSync(text, { dictionary }), { dictionary }).toString() === text);
probe('dictionary raw', () => zlib.inflateRawSync(zlib.deflateRawSync(text, { dictionary }), { dictionary }).toString() === text);
probe('dictionary missing', () => zlib.inflateSync(zlib.deflateSync(text, { dictionary })));
probe('dictionary wrong', () => zlib.inflateSync(zlib.deflateSync(text, { dictionary }), { dictionary: Buffer.from('other') }));
probe('dictionary of a wrong type', () => zlib.deflateSync(text, { dictionary: 5 }));

for (const options of [
  { level: 0 }, { level: 1 }, { level: 9 }, { level: 10 }, { level: -2 }, { level: 'high' }, { windowBits: 8 }, { windowBits: 9 },
  { windowBits: 15 }, { windowBits: 16 }, { windowBits: 0 }, { memLevel: 1 }, { memLevel: 9 }, { memLevel: 10 }, { strategy: 1 },
  { strategy: 2 }, { strategy: 3 }, { strategy: 4 }, { strategy: 5 }, { chunkSize: 1 }, { chunkSize: NaN }, { flush: 7 },
  { finishFlush: 2 }, { maxOutputLength: 0 },
]) {
  probe(`gzip ${JSON.stringify(options)}`, () => zlib.gunzipSync(zlib.gzipSync(text, options), { finishFlush: 2 }).toString() === text);
  probe(`deflateRaw ${JSON.stringify(options)}`, () => zlib.inflateRawSync(zlib.deflateRawSync(text, options), { finishFlush: 2 }).toString() === text);
}
probe('inflate windowBits too small', () => zlib.inflateSync(zlib.deflateSync(text), { windowBits: 9 }).length);
probe('level 0 stores', () => zlib.deflateSync(text, { level: 0 }).length > text.length);
const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_MODE, BROTLI_PARAM_SIZE_HINT } = zlib.constants;
for (const params of [
  { [BROTLI_PARAM_QUALITY]: 0 }, { [BROTLI_PARAM_QUALITY]: 1 }, { [BROTLI_PARAM_QUALITY]: 5 }, { [BROTLI_PARAM_LGWIN]: 10 },
  { [BROTLI_PARAM_MODE]: 1, [BROTLI_PARAM_SIZE_HINT]: text.length }, { 99: 1 }, { x: 1 }, { [BROTLI_PARAM_QUALITY]: 'best' },
]) {
  probe(`brotli ${JSON.stringify(params)}`, () => zlib.brotliDecompressSync(zlib.brotliCompressSync(text, { params })).toString() === text);
}

probe('crc32', () => [zlib.crc32('hello'), zlib.crc32(Buffer.from('hello')), zlib.crc32('', 5), zlib.crc32('hello', zlib.crc32('x')), zlib.crc32(noise)]);
probe('crc32 of a number', () => zlib.crc32(5));
probe('crc32 with a wrong start', () => zlib.crc32('x', -1));

probe('flush', async () => {
  const stream = zlib.createDeflate();
  const parts = [];
  stream.on('data', (chunk) => parts.push(chunk));
  stream.write('first');
  await new Promise((resolve) => stream.flush(resolve));
  const first = zlib.inflateSync(Buffer.concat(parts), { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString();
  stream.end('second');
  await new Promise((resolve) => stream.on('end', resolve));
  return [first, zlib.inflateSync(Buffer.concat(parts)).toString()];
});
probe('flush of brotli', async () => {
  const stream = zlib.createBrotliCompress();
  const parts = [];
  stream.on('data', (chunk) => parts.push(chunk));
  stream.write('first');
  await new Promise((resolve) => stream.flush(resolve));
  const had = parts.length > 0;
  stream.end('second');
  await new Promise((resolve) => stream.on('end', resolve));
  return [had, zlib.brotliDecompressSync(Buffer.concat(parts)).toString()];
});
probe('params', async () => {
  const stream = zlib.createDeflate({ level: 9 });
  const all = collect(stream, [text]);
  const other = zlib.createDeflate({ level: 9 });
  const parts = [];
  other.on('data', (chunk) => parts.push(chunk));
  other.write(text);
  await new Promise((resolve) => other.params(0, 0, resolve));
  other.end(text);
  await new Promise((resolve) => other.on('end', resolve));
  return [zlib.inflateSync(await all).length, zlib.inflateSync(Buffer.concat(parts)).toString() === text + text];
});
probe('params out of range', () => zlib.createDeflate().params(10, 0));
probe('reset', async () => {
  const stream = zlib.createDeflate();
  stream.reset();
  return zlib.inflateSync(await collect(stream, ['again'])).toString();
});
probe('write after close', () => new Promise((resolve) => {
  const stream = zlib.createGzip();
  stream.on('error', () => {});
  stream.close();
  stream.write('late', resolve);
}));
probe('close while writing', () => new Promise((resolve) => {
  const stream = zlib.createGzip();
  stream.write(text);
  stream.close(() => resolve('closed'));
}));
probe('single bytes', async () => {
  const packed = zlib.gzipSync(text);
  return (await collect(zlib.createUnzip(), Array.from(packed, (byte) => Buffer.from([byte])))).toString() === text;
});
probe('stream error', () => collect(zlib.createGunzip(), [Buffer.from('not at all')]));
probe('without new', () => zlib.Gzip() instanceof zlib.Gzip);
probe('views', () => [new Uint16Array([1, 2, 3]), new DataView(new ArrayBuffer(3)), new ArrayBuffer(4)].map((view) => zlib.inflateSync(zlib.deflateSync(view)).toString('hex')));
probe('no callback', () => zlib.gzip('x'));
probe('bytesWritten', () => new Promise((resolve) => {
  const stream = zlib.createGzip();
  stream.on('data', () => {});
  stream.on('end', () => resolve(stream.bytesWritten));
  stream.end(text);
}));
probe('many at once', async () => {
  const packed = await Promise.all(Array.from({ length: 50 }, (_, index) => promisify(zlib.gzip)(`${text}${index}`)));
  const unpacked = await Promise.all(packed.map((bytes) => promisify(zlib.gunzip)(bytes)));
  return unpacked.every((bytes, index) => bytes.toString() === `${text}${index}`);
});
probe('a bomb', () => zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(4_000_000)), { maxOutputLength: 200_000 }));
probes(all);
