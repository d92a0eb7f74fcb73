// Calls every native function, and every function and class of the bindings over them, with arguments that
// a package could pass. `next()` names the next case, `call()` runs it; `next` gives undefined at the end.
//
// What a case passes is drawn from a generator of pseudo-random numbers that is seeded anew for each, so that a case
// can be repeated alone.
(function (native, groups, operations, load, calls, folder, seed, rounds) {
'use strict';

const { apply, construct, ownKeys, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;

let state = 0;
const random = (below) => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
};
const one = (list) => list[random(list.length)];

// What is called: name, function, and what makes its receiver.
const entries = [];
// The arguments of the case that runs, and results of earlier ones, which may be numbers of streams, hashes and files.
let current = [];
const results = [];
let depth = 0;

const detach = (value) => {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  try {
    if (buffer.resizable) buffer.resize(0);
    else buffer.transfer();
  } catch {
    // It is no buffer, or is detached already.
  }
};
const again = () => {
  if (depth >= 3) return;
  depth++;
  try {
    const entry = one(entries);
    const args = list(random(4));
    if (isAllowed(entry.name, args)) apply(entry.call, entry.receiver(), args);
  } catch {
    // It may throw.
  } finally {
    depth--;
  }
};
// An object each conversion of which does something first.
const converting = (act) => ({
  toString() { act(); return 'x'; }, valueOf() { act(); return 1; }, toJSON() { act(); return 'x'; },
  get length() { act(); return 2; }, get then() { act(); return undefined; }, get 0() { act(); return 'x'; },
  get byteLength() { act(); return 2; }, get buffer() { act(); return undefined; },
});
const fail = () => { throw new Error('hostile'); };
const traps = (act) => Object.fromEntries(ownKeys(Reflect).filter((name) => typeof Reflect[name] === 'function').map((name) => [name, act]));
const outOfBounds = (View) => {
  const buffer = new ArrayBuffer(64, { maxByteLength: 128 });
  const view = new View(buffer, 32);
  buffer.resize(16);
  return view;
};
const detached = () => {
  const buffer = new ArrayBuffer(8);
  const view = new Uint8Array(buffer);
  buffer.transfer();
  return one([buffer, view]);
};
const answering = () => new Proxy(function () {}, {
  get: (_, name) => name === Symbol.toPrimitive ? undefined : one([undefined, 1, 'x', hostile(), () => hostile()]),
  has: () => true,
});
const inherited = () => Object.setPrototypeOf([, , ,], new Proxy([], { get: () => hostile(), has: () => true }));
const recursive = () => {
  const value = { toString: () => String(apply(native.encode, undefined, [value, 0])), valueOf: () => value.toString().length };
  return value;
};
// Arrays that are no text: the engine itself would join their items for a minute. It would also visit each
// hole of the longest where a script calls `map` and its kin.
let isNative = true;
const endless = () => Object.assign(new Array(isNative ? 2 ** 32 - 1 : 2 ** 16), { toString: fail });
const many = () => Object.assign(Array(2000).fill(new Uint8Array(1 << 13)), { toString: fail });
const huge = 'x'.repeat(1 << 18), wide = '\u20ac'.repeat(1 << 15);

const HOSTILE = [
  () => undefined, () => null, () => NaN, () => Infinity, () => -Infinity, () => -1, () => 2 ** 31, () => 2 ** 31 - 1, () => -(2 ** 31),
  () => 2 ** 32, () => 2 ** 32 - 1, () => 2 ** 53, () => Number.MAX_SAFE_INTEGER, () => -(2 ** 53), () => 1e308, () => -0, () => 1.5, () => 5e-324,
  () => true, () => false, () => '', () => huge, () => wide, () => '\ud800', () => 'a\udfffb', () => 'a\0b', () => '\0',
  () => Symbol('x'), () => Symbol.iterator, () => 0n, () => -1n, () => 2n ** 64n, () => 2n ** 4096n,
  () => converting(fail), () => converting(() => current.forEach(detach)), () => converting(again), recursive,
  () => new Proxy({}, traps(fail)), () => new Proxy([], traps(again)), answering, inherited,
  () => [], () => [, 'x', ,], endless, () => [undefined, null, NaN, Symbol('x')], () => [[], [[]]], () => Array(3000).fill('x'),
  () => [new Uint8Array(4), new Uint8Array(0), detached()], many,
  () => new ArrayBuffer(0), () => new ArrayBuffer(16, { maxByteLength: 64 }), detached, detached,
  () => new SharedArrayBuffer(16), () => new Uint8Array(new SharedArrayBuffer(16, { maxByteLength: 64 })), () => outOfBounds(Uint8Array),
  () => outOfBounds(Float64Array), () => outOfBounds(DataView), () => new Uint8Array(0), () => new Uint8Array(new ArrayBuffer(64), 60),
  () => () => {}, () => fail, () => again, () => class {}, () => async () => fail(), () => function* () {}, () => Function.prototype,
  () => ({}), () => ({ __proto__: null }), () => new Map([[1, 2]]), () => new Set([1]), () => new WeakMap(), () => new Date(NaN), () => /x/g,
  () => Promise.resolve(1), () => { const made = Promise.reject(new Error('x')); made.catch(() => {}); return made; },
  () => Object(1n), () => Object('x'), () => Object(Symbol('x')), () => globalThis, () => native, () => Object.prototype, () => arguments,
  () => new WeakRef({}), () => new Error('x'), () => (function* () {})(), () => new Map().entries(),
];
const PLAUSIBLE = [
  () => 0, () => 1, () => 2, () => 3, () => 4, () => 7, () => 8, () => 9, () => 15, () => 16, () => 64, () => 100, () => 1024, () => 65536, () => 577, () => 0o755,
  () => -1, () => true, () => false, () => undefined, () => null,
  () => 'utf8', () => 'hex', () => 'buffer', () => 'sha256', () => 'md5', () => 'shake128', () => 'x', () => 'a', () => 'dir', () => 'dir/a', () => 'a=b', () => 'true', () => 'cat',
  () => 'https://user:pw@xn--fiq228c.example:8080/a/../b?q=%zz#f', () => 'file:///a', () => 'data:,x', () => 'export default 1', () => '{}',
  () => new Uint8Array(16), () => new Uint8Array(1024).fill(97), () => new ArrayBuffer(64), () => new Float64Array(4), () => globalThis.Buffer.from('a'),
  () => globalThis.Buffer.from('dir'), () => globalThis.Buffer.from('H4sIAAAAAAAAA0sEAEO+t+gBAAAA', 'base64'), () => new Uint32Array(10).fill(2 ** 32 - 1), () => new Uint32Array(10),
  () => [], () => ['a', 'b'], () => [-1, -1, -1], () => ({}), () => () => {}, () => again, () => Promise.resolve(),
];
const hostile = () => one(HOSTILE)();
const argument = () => {
  const kind = random(16);
  if (kind < 6) return hostile();
  if (kind < 9 && results.length > 0) return one(results);
  return one(PLAUSIBLE)();
};
const list = (length) => Array.from({ length }, argument);

// Arguments of a script, one or two of which are others.
const altered = (args) => {
  const made = [...args];
  for (let left = 1 + random(2); left > 0; left--) made[random(made.length + 1)] = random(2) === 0 ? hostile() : argument();
  return made;
};

const SMALL = 2 ** 12;
// Arguments that are not passed, by the reason.
const LEFT_OUT = {
  __proto__: null,
  // It ends the process, as in Node.
  'native.abort': () => false,
  // Another process than this one.
  'os.kill': ([pid]) => !(pid > 0),
  'os.setPriority': ([pid]) => !(pid >= 0),
  // What takes long because it is asked to.
  'crypto.pbkdf2': (args) => !(args[3] > SMALL) && !(args[4] > 2 ** 20),
  'crypto.scrypt': (args) => !(args[2] > SMALL || args[3] > 64 || args[4] > 64),
  'internalBinding(util).sleep': ([milliseconds]) => milliseconds < 2 && milliseconds >= 0,
  'internalBinding(crypto).PBKDF2Job': (args) => !(args[3] > SMALL) && !(args[4] > 2 ** 20),
  'internalBinding(crypto).ScryptJob': (args) => !(args[3] > SMALL || args[4] > 64 || args[5] > 64),
};
// What reads such a file takes long.
for (const name of ['fs.run(ftruncate)', 'fs.submit(ftruncate)', 'internalBinding(fs).ftruncate']) {
  LEFT_OUT[name] = ([, length]) => !(length > 2 ** 24);
}
const isAllowed = (name, args) => {
  const allows = LEFT_OUT[name];
  if (allows === undefined) return true;
  try {
    return allows(args);
  } catch {
    return false;
  }
};

const add = (name, call, receiver = () => undefined) => entries.push({ name, call, receiver });
for (const name of ownKeys(native)) add(`native.${name}`, native[name]);
for (const group of groups) {
  const functions = native.functions(group);
  for (const name of ownKeys(functions)) add(`${group}.${name}`, functions[name]);
}
const { run, submit } = native.functions('fs');
for (const operation of operations) {
  add(`fs.run(${operation})`, (...args) => run(operation, ...args));
  add(`fs.submit(${operation})`, (...args) => submit(() => {}, operation, ...args));
}
const natives = entries.length;

// The methods of a class are called on instances, which its constructor made of arguments like these.
const addClass = (name, made) => {
  const instances = [];
  const receiver = () => {
    if (instances.length < 8 || random(8) === 0) {
      try {
        const args = list(random(9));
        if (isAllowed(name, args)) instances[random(8)] = construct(made, args);
      } catch {
        // It may throw.
      }
    }
    return random(8) === 0 ? hostile() : instances[random(8)] ?? one(results);
  };
  const seen = new Set(['constructor']);
  for (let from = made.prototype; from && from !== Object.prototype; from = getPrototypeOf(from)) {
    for (const key of ownKeys(from)) {
      if (seen.has(key)) continue;
      seen.add(key);
      const { value, get, set } = getOwnPropertyDescriptor(from, key);
      for (const call of [value, get, set]) if (typeof call === 'function') add(`${name}#${String(key)}`, call, receiver);
    }
  }
  add(`new ${name}`, (...args) => isAllowed(name, args) && construct(made, args));
};
const { internalBinding } = load('realm');
for (const binding of load('bindings').names) {
  let functions;
  try {
    functions = internalBinding(binding);
  } catch (error) {
    throw new Error(`internalBinding(${binding}) cannot be made: ${error}`);
  }
  for (const key of ownKeys(functions)) {
    const value = functions[key];
    const name = `internalBinding(${binding}).${String(key)}`;
    if (typeof value !== 'function') continue;
    add(name, value, () => random(4) === 0 ? hostile() : functions);
    if (value.prototype && ownKeys(value.prototype).length > 0) addClass(name, value);
  }
}

// What scripts do with most of the functions: their arguments are what others are drawn from.
const work = () => {
  const { Buffer, process } = globalThis;
  const { require } = load('realm');
  const bytes = Buffer.from('some text \u20ac');
  for (const encoding of ['utf8', 'utf16le', 'latin1', 'ascii', 'hex', 'base64', 'base64url']) {
    bytes.toString(encoding, 1, 8);
    Buffer.from('616263', encoding).write('6162', 1, 2, encoding);
    bytes.indexOf('te', 1, encoding);
    bytes.lastIndexOf('te', 8, encoding);
    new (require('string_decoder').StringDecoder)(encoding).end(bytes);
  }
  bytes.indexOf(116);
  bytes.fill('ab', 2, 6).compare(Buffer.alloc(4), 1, 3, 2, 4);
  Buffer.alloc(16).swap16().swap32().swap64();
  for (const kind of ['UInt8', 'Int16LE', 'UInt32BE', 'BigInt64LE', 'DoubleBE', 'FloatLE']) {
    const value = bytes[`read${kind}`](0);
    bytes[`write${kind}`](value, 1);
  }
  bytes.readUIntBE(1, 6);
  for (const label of ['utf-8', 'utf-16le', 'shift_jis']) {
    new TextDecoder(label).decode(bytes);
    new TextDecoder(label).decode(bytes, { stream: true });
  }
  const zlib = require('zlib');
  for (const name of ['gzip', 'deflate', 'deflateRaw', 'brotliCompress']) zlib[`${name}Sync`]('text'.repeat(9));
  zlib.gunzipSync(zlib.gzipSync('text', { dictionary: Buffer.from('text') }));
  zlib.brotliDecompressSync(zlib.brotliCompressSync('text'));
  zlib.crc32('text', 1);
  zlib.gzip('text', () => {});
  const crypto = require('crypto');
  crypto.createHash('sha256').update('a').copy().digest('hex');
  crypto.createHash('shake128', { outputLength: 8 }).update('a').digest();
  crypto.createHmac('md5', 'key').update('a').digest();
  crypto.randomBytes(8);
  crypto.randomFill(Buffer.alloc(8), 2, 4, () => {});
  crypto.pbkdf2Sync('a', 'b', 2, 40, 'sha1');
  crypto.hkdfSync('sha256', 'a', 'b', 'c', 70);
  crypto.scryptSync('a', 'b', 8, { N: 4, r: 2, p: 3 });
  crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('b'));
  const url = new URL('https://user:pw@example.com:8080/a?b#c');
  for (const part of ['protocol', 'host', 'port', 'username', 'pathname', 'search', 'hash', 'href']) url[part] = url[part];
  require('url').format(url, { unicode: true, auth: false });
  require('url').domainToASCII('\u20ac.example');
  const fs = require('fs');
  fs.writeFileSync('worked', 'text');
  const fd = fs.openSync('worked', 'r+');
  fs.readSync(fd, Buffer.alloc(8), 1, 4, 1);
  fs.writeSync(fd, 'abc', 1);
  fs.readvSync(fd, [Buffer.alloc(2), Buffer.alloc(2)], 0);
  fs.writevSync(fd, [Buffer.alloc(2), Buffer.alloc(2)], 0);
  fs.ftruncateSync(fd, 2);
  fs.readFile('worked', () => {});
  fs.readFileSync('worked', 'utf8');
  fs.readdirSync('.', { withFileTypes: true });
  fs.opendirSync('.').closeSync();
  fs.utimesSync('worked', 1, 2);
  fs.watch('worked', () => {}).close();
  require('child_process').spawnSync('true', ['a'], { timeout: 1000 });
  require('child_process').spawn('cat').kill();
  setTimeout(() => {}, 1).unref();
  process.nextTick(() => {}, 1, 2);
  require('vm').runInThisContext('1');
};
work();

// The cases of one entry: each hostile value alone, in all places, and in each place of the arguments of a script;
// receivers; and as many drawn as are wanted.
const cases = function* () {
  for (const [index, entry] of entries.entries()) {
    for (const [number, make] of HOSTILE.entries()) {
      yield { index, entry, what: `value ${number} alone`, args: () => [make()] };
      yield { index, entry, what: `value ${number} in all places`, args: () => Array.from({ length: 9 }, make) };
    }
    for (let round = 0; round < 8; round++) yield { index, entry, what: `receiver ${round}`, args: () => list(random(3)), receiver: hostile };
    yield { index, entry, what: 'no arguments', args: () => [] };
    yield { index, entry, what: 'new', args: () => list(2), isNew: true };
    for (let round = 0; round < rounds; round++) yield { index, entry, what: `round ${round}`, args: () => list(random(10)) };
    const known = calls[entry.name];
    if (known === undefined) continue;
    const longest = known.reduce((found, args) => args.length >= found.length ? args : found);
    for (let place = 0; place < longest.length; place++) {
      for (const [number, make] of HOSTILE.entries()) yield { index, entry, what: `value ${number} at ${place}`, args: () => longest.with(place, make()) };
    }
    for (let round = 0; round < 2 * rounds; round++) yield { index, entry, what: `like a script ${round}`, args: () => altered(one(known)) };
  }
};
const all = cases();
let count = 0;
let next;

return {
  entries: entries.length,
  natives,
  next() {
    const { value, done } = all.next();
    if (done) return undefined;
    next = value;
    count++;
    return `${next.entry.name}, ${next.what}`;
  },
  call() {
    const { index, entry, what, args, receiver, isNew } = next;
    // Of the name and the case, so that a new function leaves the cases of the others as they are.
    state = seed;
    for (const unit of entry.name + what) state = Math.imul(state ^ unit.charCodeAt(0), 0x01000193);
    depth = 0;
    isNative = index < natives;
    current = args();
    if (!isAllowed(entry.name, current)) return;
    try {
      const result = isNew ? construct(entry.call, current) : apply(entry.call, receiver === undefined ? entry.receiver() : receiver(), current);
      if (result !== undefined && result !== null && result !== true && result !== false) {
        results[random(24)] = Array.isArray(result) && result.length > 0 ? result[0] : result;
      }
    } catch {
      // An exception of JavaScript is an answer.
    } finally {
      // What changes how everything else runs.
      if (entry.name === 'native.collectCyclesFrom') native.collectCyclesFrom(8 << 20);
      if (entry.name === 'native.setFrame' || entry.name.includes('EmbedderData')) native.setFrame(undefined);
      if (index < natives && entry.name === 'os.chdir') native.functions('os').chdir(folder);
    }
  },
};
})
