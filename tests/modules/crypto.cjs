// Probes of `crypto`: hashes, HMAC, random bytes, keys derived from passwords, secret keys.
'use strict';

const { probes } = require('./probe.js');
const crypto = require('crypto');
const { promisify } = require('util');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');

const all = {};
const probe = (name, run) => { all[name] = run; };
const big = Buffer.from(Array.from({ length: 20000 }, (_, index) => (index * 31 + (index >> 8)) & 255));

probe('exports', () => Object.keys(crypto).sort());
probe('getHashes', () => crypto.getHashes());
probe('getFips', () => [crypto.getFips(), crypto.fips]);

for (const name of [...crypto.getHashes(), 'SHA256', 'Sha-512', 'sha-1', 'SHA512-256', 'MD5', 'BLAKE2b512']) {
  probe(`hash ${name}`, () => [
    crypto.createHash(name).digest('hex'),
    crypto.createHash(name).update('abc').digest('base64'),
    crypto.createHash(name).update(big).update('tail').digest('hex'),
    crypto.createHash(name).update(big.subarray(0, 127)).update(big.subarray(127, 129)).digest('base64url'),
  ]);
  if (name.startsWith('shake')) continue;
  probe(`hmac ${name}`, () => [
    crypto.createHmac(name, 'key').update('abc').digest('hex'),
    crypto.createHmac(name, '').update(big).digest('hex'),
    crypto.createHmac(name, big).update('a').update('b').digest('latin1'),
  ]);
  if (name === 'md5-sha1') continue;
  probe(`pbkdf2 ${name}`, () => crypto.pbkdf2Sync('password', 'salt', 3, 100, name).toString('hex'));
  probe(`hkdf ${name}`, () => Buffer.from(crypto.hkdfSync(name, 'key', 'salt', 'info', 100)).toString('hex'));
}
probe('shake lengths', () => [0, 1, 16, 300].map((outputLength) => crypto.createHash('shake128', { outputLength }).update('x').digest('hex')));
probe('hash with its own length', () => crypto.createHash('sha256', { outputLength: 32 }).digest('hex'));
probe('hash with another length', () => crypto.createHash('sha256', { outputLength: 16 }));
probe('hash with length -1', () => crypto.createHash('shake256', { outputLength: -1 }));
probe('hash of an unknown name', () => crypto.createHash('sha257'));
probe('hash of no name', () => crypto.createHash());
probe('hash of a number', () => crypto.createHash('md5').update(5));
probe('hash of nothing', () => crypto.createHash('md5').update());
probe('hash of views', () => [new Uint16Array([1, 2, 3]), new DataView(new ArrayBuffer(3))].map((view) => crypto.createHash('md5').update(view).digest('hex')));
probe('hash of an ArrayBuffer', () => crypto.createHash('md5').update(new ArrayBuffer(3)));
for (const encoding of ['utf8', 'latin1', 'ascii', 'hex', 'base64', 'base64url', 'utf16le', 'ucs2', 'binary', 'buffer', 'nope']) {
  probe(`hash of text in ${encoding}`, () => crypto.createHash('sha1').update('61é€', encoding).digest('hex'));
  probe(`digest in ${encoding}`, () => {
    const digest = crypto.createHash('sha1').update('a').digest(encoding);
    return [typeof digest, Buffer.isBuffer(digest), Buffer.from(digest, 'utf16le').toString('hex')];
  });
}
probe('hash of odd hex', () => crypto.createHash('sha1').update('611', 'hex').digest('hex'));
probe('digest twice', () => {
  const hash = crypto.createHash('md5');
  hash.digest();
  return hash.digest();
});
probe('update after digest', () => {
  const hash = crypto.createHash('md5');
  hash.digest();
  return hash.update('x');
});
probe('copy', () => {
  const hash = crypto.createHash('sha256').update('one');
  const copy = hash.copy();
  return [hash.update('two').digest('hex'), copy.digest('hex')];
});
probe('copy of shake', () => {
  const hash = crypto.createHash('shake256', { outputLength: 8 }).update('one');
  return [hash.copy().digest('hex'), hash.copy({ outputLength: 12 }).digest('hex'), hash.digest('hex')];
});
probe('copy with another length', () => crypto.createHash('md5').copy({ outputLength: 1 }));
probe('copy after digest', () => {
  const hash = crypto.createHash('md5');
  hash.digest();
  return hash.copy();
});
probe('hash as a stream', async () => {
  const hash = crypto.createHash('sha256');
  await pipeline(Readable.from([Buffer.from('one'), Buffer.from('two')]), hash);
  return hash.read().toString('hex');
});
probe('hash as a stream with events', () => new Promise((resolve) => {
  const hash = crypto.createHash('sha256');
  hash.on('data', (digest) => resolve(digest.toString('hex')));
  hash.write('one');
  hash.end('two');
}));
probe('hash as a stream with an encoding', () => new Promise((resolve) => {
  const hash = crypto.createHash('sha256', { encoding: 'hex' });
  hash.on('data', resolve);
  hash.write('one');
  hash.end('two');
}));
probe('hash without new', () => crypto.Hash('md5') instanceof crypto.Hash);
probe('one shot', () => [crypto.hash('sha1', 'abc'), crypto.hash('sha1', Buffer.from('abc'), 'base64'), crypto.hash('md5', '', 'buffer').toString('hex')]);
probe('one shot of shake', () => crypto.hash('shake128', 'abc'));
probe('one shot of an unknown name', () => crypto.hash('nope', 'abc'));
probe('one shot of a number', () => crypto.hash('sha1', 5));
probe('one shot with a wrong encoding', () => crypto.hash('sha1', 'abc', 'nope'));
probe('many hashes that are not read', () => {
  for (let index = 0; index < 5000; index++) crypto.createHash('md5').update('x');
  return crypto.createHash('md5').update('x').digest('hex');
});

probe('hmac of an unknown name', () => crypto.createHmac('nope', 'key'));
probe('hmac of shake', () => crypto.createHmac('shake128', 'key'));
probe('hmac without a key', () => crypto.createHmac('md5'));
probe('hmac digest twice', () => {
  const hmac = crypto.createHmac('md5', 'k');
  return [hmac.digest('hex'), hmac.digest('hex'), hmac.digest().length];
});
probe('hmac with a key object', () => crypto.createHmac('sha256', crypto.createSecretKey(Buffer.from('key'))).update('abc').digest('hex'));
probe('hmac with a key in hex', () => crypto.createHmac('sha256', '6b6579', { encoding: 'hex' }).update('abc').digest('hex'));
probe('hmac as a stream', async () => {
  const hmac = crypto.createHmac('sha256', 'key');
  await pipeline(Readable.from([Buffer.from('abc')]), hmac);
  return hmac.read().toString('hex');
});

probe('secret key', () => {
  const key = crypto.createSecretKey(Buffer.from('secret'));
  return [key.type, key.symmetricKeySize, key.export().toString(), key.export({ format: 'jwk' }), String(key), key.equals(crypto.createSecretKey('secret', 'utf8')), key.equals(crypto.createSecretKey('other', 'utf8'))];
});
probe('secret key of nothing', () => crypto.createSecretKey());
probe('secret key of no bytes', () => crypto.createSecretKey(Buffer.alloc(0)).symmetricKeySize);
probe('key object of a wrong type', () => new crypto.KeyObject('secret', {}));

probe('timingSafeEqual', () => [crypto.timingSafeEqual(Buffer.from('abc'), Buffer.from('abc')), crypto.timingSafeEqual(new Uint8Array(3), Buffer.from('abc')), crypto.timingSafeEqual(new ArrayBuffer(3), new DataView(new ArrayBuffer(3))), crypto.timingSafeEqual(Buffer.alloc(0), Buffer.alloc(0))]);
probe('timingSafeEqual of two lengths', () => crypto.timingSafeEqual(Buffer.alloc(1), Buffer.alloc(2)));
probe('timingSafeEqual of a text', () => crypto.timingSafeEqual('abc', Buffer.from('abc')));
probe('timingSafeEqual of one', () => crypto.timingSafeEqual(Buffer.from('abc')));

probe('randomBytes', () => {
  const [one, two] = [crypto.randomBytes(32), crypto.randomBytes(32)];
  return [one.length, Buffer.isBuffer(one), one.equals(two), crypto.randomBytes(0).length, crypto.randomBytes(100000).some((byte) => byte !== 0)];
});
probe('randomBytes async', async () => {
  const bytes = await promisify(crypto.randomBytes)(64);
  return [bytes.length, bytes.some((byte) => byte !== 0)];
});
for (const size of [-1, 1.5, NaN, 2 ** 31, '5', undefined, null]) probe(`randomBytes of ${size} ${typeof size}`, () => crypto.randomBytes(size).length);
probe('randomBytes with a wrong callback', () => crypto.randomBytes(5, 5));
probe('randomFillSync', () => {
  const filled = crypto.randomFillSync(Buffer.alloc(40), 30, 5);
  return [filled.subarray(0, 30).every((byte) => byte === 0), filled.subarray(35).every((byte) => byte === 0), crypto.randomFillSync(new Uint32Array(4), 1, 2)[3], crypto.randomFillSync(new ArrayBuffer(9)).byteLength];
});
probe('randomFillSync out of range', () => crypto.randomFillSync(Buffer.alloc(4), 3, 2));
probe('randomFillSync at a wrong offset', () => crypto.randomFillSync(Buffer.alloc(4), 5));
probe('randomFillSync of an array', () => crypto.randomFillSync([1, 2]));
probe('randomFill', async () => {
  const filled = await promisify(crypto.randomFill)(Buffer.alloc(40), 8, 32);
  return [filled.length, filled.subarray(0, 8).every((byte) => byte === 0), filled.subarray(8).some((byte) => byte !== 0)];
});
probe('randomFill without a callback', () => crypto.randomFill(Buffer.alloc(4)));
probe('randomInt', async () => {
  const sync = Array.from({ length: 500 }, () => crypto.randomInt(3, 7));
  const async = await Promise.all(Array.from({ length: 100 }, () => promisify(crypto.randomInt)(10)));
  return [Math.min(...sync), Math.max(...sync), async.every((number) => number >= 0 && number < 10)];
});
for (const bounds of [[0], [5, 5], [5, 1], [1.5], ['a'], [0, 2 ** 48], [-5, 2 ** 53], []]) probe(`randomInt ${JSON.stringify(bounds)}`, () => typeof crypto.randomInt(...bounds));
probe('randomUUID', () => {
  const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const many = Array.from({ length: 300 }, () => crypto.randomUUID());
  return [many.every((uuid) => form.test(uuid)), new Set(many).size, form.test(crypto.randomUUID({ disableEntropyCache: true }))];
});
probe('randomUUID with wrong options', () => crypto.randomUUID(5));
probe('randomUUID with a wrong option', () => crypto.randomUUID({ disableEntropyCache: 1 }));
probe('getRandomValues', () => {
  const values = new Uint16Array(100);
  return [crypto.getRandomValues(values) === values, values.some((value) => value > 255), globalThis.crypto.getRandomValues(new BigInt64Array(1)).length];
});
probe('getRandomValues of floats', () => crypto.getRandomValues(new Float32Array(1)));
probe('getRandomValues of too many', () => crypto.getRandomValues(new Uint8Array(65537)));

probe('pbkdf2', async () => [
  (await promisify(crypto.pbkdf2)('password', 'salt', 1000, 64, 'sha512')).toString('hex'),
  crypto.pbkdf2Sync(Buffer.from('p'), new Uint8Array(4), 1, 1, 'sha1').toString('hex'),
]);
for (const given of [
  ['p', 's', 1, 10], ['p', 's', 0, 10, 'md5'], ['p', 's', 1, -1, 'md5'], ['p', 's', 1.5, 10, 'md5'], [5, 's', 1, 10, 'md5'],
  ['p', null, 1, 10, 'md5'], ['p', 's', 1, 10, 'nope'], ['p', 's', 2 ** 31, 10, 'md5'], ['p', 's', 1, 10, 'shake128'], ['', '', 1, 0, 'sha1'],
]) probe(`pbkdf2Sync ${JSON.stringify(given)}`, () => crypto.pbkdf2Sync(...given).toString('hex'));
probe('pbkdf2 without a callback', () => crypto.pbkdf2('p', 's', 1, 10, 'md5'));
probe('pbkdf2 of an unknown digest', () => crypto.pbkdf2('p', 's', 1, 10, 'nope', () => {}));

probe('scrypt', async () => [
  (await promisify(crypto.scrypt)('password', 'salt', 64)).toString('hex'),
  crypto.scryptSync('password', 'NaCl', 64, { N: 1024, r: 8, p: 16 }).toString('hex'),
  crypto.scryptSync('', '', 64, { cost: 16, blockSize: 1, parallelization: 1 }).toString('hex'),
  crypto.scryptSync('a', 'b', 0).length,
]);
for (const options of [
  { N: 3 }, { N: 1 }, { N: 2 ** 20 }, { r: 2 ** 30 }, { p: 2 ** 30 }, { N: 16, maxmem: 1 }, { N: 16, cost: 16 }, { N: 'x' },
  { r: -1 }, { p: 1.5 }, { maxmem: -1 }, { N: 65536, r: 1 }, { N: 16, r: 2 ** 20, maxmem: 2 ** 53 - 1, p: 2 ** 15 },
]) {
  // In one process Node may add the cause of an earlier failure to a later one.
  probe(`scrypt ${JSON.stringify(options)}`, () => {
    try {
      return crypto.scryptSync('a', 'b', 8, options).toString('hex');
    } catch (error) {
      return [error.name, error.code, error.message.slice(0, 21)];
    }
  });
}
probe('scrypt with a wrong length', () => crypto.scryptSync('a', 'b', -1));
probe('scrypt without a callback', () => crypto.scrypt('a', 'b', 8));

probe('hkdf', async () => [
  Buffer.from(await promisify(crypto.hkdf)('sha512', 'key', 'salt', 'info', 64)).toString('hex'),
  Buffer.from(crypto.hkdfSync('sha256', crypto.createSecretKey(Buffer.from('key')), Buffer.alloc(0), new Uint8Array(0), 8160)).toString('hex').slice(-40),
  crypto.hkdfSync('sha1', '', '', '', 1) instanceof ArrayBuffer,
]);
for (const given of [
  ['nope', 'k', 's', 'i', 10], ['sha256', 'k', 's', 'i', 8161], ['sha256', 'k', 's', 'i', -1], ['sha256', 'k', 's', 'i', 0],
  ['sha256', 5, 's', 'i', 10], ['sha256', 'k', 5, 'i', 10], ['sha256', 'k', 's', 'i'.repeat(1025), 10], ['shake128', 'k', 's', 'i', 10],
]) probe(`hkdfSync ${JSON.stringify(given).slice(0, 50)}`, () => crypto.hkdfSync(...given).byteLength);

for (const name of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', 'sha-256', { name: 'SHA-256' }, 'MD5', undefined]) {
  probe(`subtle.digest ${JSON.stringify(name)}`, async () => Buffer.from(await crypto.subtle.digest(name, Buffer.from('abc'))).toString('hex'));
}
probe('subtle.digest of an ArrayBuffer', async () => Buffer.from(await globalThis.crypto.subtle.digest('SHA-1', new ArrayBuffer(3))).toString('hex'));
probe('subtle.digest of a text', () => crypto.subtle.digest('SHA-1', 'abc'));
probe('subtle.importKey', async () => {
  const key = await crypto.subtle.importKey('raw', Buffer.from('0123456789abcdef'), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
  return [key.type, key.extractable, key.algorithm, key.usages, Buffer.from(await crypto.subtle.exportKey('raw', key)).toString()];
});
probe('subtle.importKey of a JWK', async () => {
  const key = await crypto.subtle.importKey('jwk', { kty: 'oct', k: 'MDEyMzQ1Njc4OWFiY2RlZg', ext: true }, 'AES-GCM', true, ['encrypt']);
  return [key.type, key.algorithm, await crypto.subtle.exportKey('jwk', key), crypto.KeyObject.from(key).symmetricKeySize];
});
for (const name of ['PBKDF2', 'HKDF']) {
  probe(`subtle.deriveBits ${name}`, async () => {
    const key = await crypto.subtle.importKey('raw', Buffer.from('password'), name, false, ['deriveBits']);
    const salt = Buffer.from('0123456789abcdef');
    return Buffer.from(await crypto.subtle.deriveBits({ name, salt, info: salt, iterations: 1000, hash: 'SHA-256' }, key, 256)).toString('hex');
  });
  probe(`subtle.deriveKey ${name}`, async () => {
    const key = await crypto.subtle.importKey('raw', Buffer.from('password'), name, false, ['deriveKey']);
    const salt = Buffer.from('0123456789abcdef');
    const made = await crypto.subtle.deriveKey(
      { name, salt, info: salt, iterations: 1000, hash: 'SHA-256' }, key, { name: 'AES-GCM', length: 128 }, true, ['encrypt']);
    return Buffer.from(await crypto.subtle.exportKey('raw', made)).toString('hex');
  });
}
probe('the global', () => [crypto.webcrypto === globalThis.crypto, typeof CryptoKey, typeof SubtleCrypto, typeof Crypto, globalThis.crypto.randomUUID().length, Object.prototype.toString.call(globalThis.crypto)]);
probe('the global is no constructor', () => new Crypto());

probes(all);
