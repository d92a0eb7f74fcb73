// The binding `crypto`: hashes, random bytes, keys derived from passwords, secret keys. All else
// throws when it is used.
(function (native) {
'use strict';

const errors = native.load('errors');
const crypto = native.functions('crypto');
const { Buffer } = globalThis;
const abandoned = new FinalizationRegistry((number) => crypto.dropHash(number));

const invalidDigest = (name) => errors.coded(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${name}`);
const bytesOf = (data, encoding) => typeof data !== 'string' ? data
  : Buffer.from(data, Buffer.isEncoding(encoding) ? encoding : 'utf8');
const shown = (memory, encoding) => {
  const buffer = Buffer.from(memory);
  return Buffer.isEncoding(encoding) ? buffer.toString(encoding) : buffer;
};

// A hash that was begun; `number` is what the native function gave.
class Running {
  #number;
  #result;

  begin(number) {
    if (number === false) {
      const error = errors.coded(
        Error, 'ERR_OSSL_EVP_NOT_XOF_OR_INVALID_LENGTH',
        'error:030000B2:digital envelope routines::not XOF or invalid length');
      throw Object.assign(error, { library: 'digital envelope routines', reason: 'not XOF or invalid length' });
    }
    this.#number = number;
    abandoned.register(this, number, this);
  }

  copy(length) { return crypto.copyHash(this.#number, length); }
  update(data, encoding) { return crypto.updateHash(this.#number, bytesOf(data, encoding)); }

  digest(encoding) {
    if (this.#result === undefined) {
      abandoned.unregister(this);
      this.#result = crypto.endHash(this.#number);
    }
    return shown(this.#result, encoding);
  }
}

class Hash extends Running {
  constructor(algorithm, length) {
    super();
    const number = algorithm instanceof Hash ? algorithm.copy(length) : crypto.beginHash(algorithm, length);
    if (number === undefined) throw new Error('Digest method not supported');
    this.begin(number);
  }
}

class Hmac extends Running {
  init(algorithm, key) {
    const number = crypto.beginHmac(algorithm, keyBytes(key));
    if (number === undefined) throw invalidDigest(algorithm);
    if (number === false) throw new Error('error:00000000:lib(0)::reason(0)');
    this.begin(number);
  }
}

const absent = (what) => errors.unavailable(`crypto.${what} is not available in napi-hostd`);
const absentClass = (name, what) => ({ [name]: class { constructor() { throw absent(what); } } })[name];
const absentFunction = (what) => () => { throw absent(what); };

const KEY_TYPES = ['Secret', 'Public', 'Private'];

// A secret key: its bytes.
class KeyObjectHandle {
  #bytes;

  init(type, data) {
    if (KEY_TYPES[type] !== 'Secret') throw absent(`create${KEY_TYPES[type]}Key`);
    this.#bytes = Buffer.from(viewOf(data));
  }
  get bytes() { return this.#bytes; }
  getSymmetricKeySize() { return this.#bytes.length; }
  keyDetail(target) { return Object.assign(target, { length: this.#bytes.length * 8 }); }
  export() { return Buffer.from(this.#bytes); }
  exportJwk(target) { return Object.assign(target, { kty: 'oct', k: this.#bytes.toString('base64url') }); }
  equals(other) { return other.bytes.length === this.#bytes.length && crypto.isEqual(other.bytes, this.#bytes); }
  initJwk(jwk) {
    if (jwk.kty !== 'oct') throw absent('createPublicKey or createPrivateKey of a JWK');
    this.#bytes = Buffer.from(jwk.k, 'base64url');
  }
  initECRaw() { throw absent('subtle.importKey of an elliptic curve'); }
  initEDRaw() { throw absent('subtle.importKey of an Edwards curve'); }
}

const handles = new WeakMap();
class NativeKeyObject {
  constructor(handle) { handles.set(this, handle); }
}

const viewOf = (data) => ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
const keyBytes = (key) => key instanceof KeyObjectHandle ? key.bytes : handles.get(key)?.bytes ?? key;

const ASYNC = 0;
const SYNC = 1;

// Work that `compute(callback or undefined)` does; its result is judged by `judge`.
class Job {
  #mode;
  #compute;
  #judge;

  constructor(mode, compute, judge) {
    this.#mode = mode;
    this.#compute = compute;
    this.#judge = judge;
  }

  run() {
    if (this.#mode === SYNC) return this.#judge(this.#compute(undefined));
    this.#compute((result) => this.ondone(...this.#judge(result)));
  }
}

const derived = (result) => result === undefined ? [new Error('Deriving bits failed'), undefined] : [undefined, result];

class RandomBytesJob extends Job {
  constructor(mode, view, offset, size) {
    super(mode, (done) => crypto.random(view, offset, size, done),
      (filled) => [filled ? undefined : errors.coded(Error, 'ERR_CRYPTO_OPERATION_FAILED', 'no random bytes'), undefined]);
  }
}

class PBKDF2Job extends Job {
  constructor(mode, password, salt, iterations, length, digest) {
    if (crypto.outputLength(digest) === undefined) throw invalidDigest(digest);
    super(mode, (done) => crypto.pbkdf2(digest, password, salt, iterations, length, done), derived);
  }
}

class HKDFJob extends Job {
  constructor(mode, digest, key, salt, info, length) {
    const size = crypto.outputLength(digest);
    if (size === undefined) throw invalidDigest(digest);
    if (length > 255 * size) throw errors.coded(RangeError, 'ERR_CRYPTO_INVALID_KEYLEN', 'Invalid key length');
    super(mode, (done) => crypto.hkdf(digest, keyBytes(key), salt, info, length, done), derived);
  }
}

class ScryptJob extends Job {
  constructor(mode, password, salt, N, r, p, memory, length) {
    const refused = crypto.checkScrypt(N, r, p, memory);
    if (refused !== undefined) {
      const reason = refused === 'memory' ? ': error:030000AC:digital envelope routines::memory limit exceeded' : '';
      throw errors.coded(RangeError, 'ERR_CRYPTO_INVALID_SCRYPT_PARAMS', `Invalid scrypt params${reason}`);
    }
    super(mode, (done) => crypto.scrypt(password, salt, N, r, p, memory, length, done), derived);
  }
}

class HashJob extends Job {
  constructor(mode, algorithm, data) {
    super(mode, (done) => crypto.digest(algorithm, data, done), (result) => [undefined, result]);
  }
}

const isBytes = (value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
const timingSafeEqual = (left, right) => {
  for (const [name, value] of [['buf1', left], ['buf2', right]]) {
    if (!isBytes(value)) {
      const text = `The "${name}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`;
      throw errors.coded(TypeError, 'ERR_INVALID_ARG_TYPE', text);
    }
  }
  if (left.byteLength !== right.byteLength) {
    throw errors.coded(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
  }
  return crypto.isEqual(left, right);
};

const HASHES = [
  'RSA-MD5', 'RSA-RIPEMD160', 'RSA-SHA1', 'RSA-SHA1-2', 'RSA-SHA224', 'RSA-SHA256', 'RSA-SHA3-224', 'RSA-SHA3-256',
  'RSA-SHA3-384', 'RSA-SHA3-512', 'RSA-SHA384', 'RSA-SHA512', 'RSA-SHA512/224', 'RSA-SHA512/256', 'RSA-SM3', 'blake2b512',
  'blake2s256', 'id-rsassa-pkcs1-v1_5-with-sha3-224', 'id-rsassa-pkcs1-v1_5-with-sha3-256',
  'id-rsassa-pkcs1-v1_5-with-sha3-384', 'id-rsassa-pkcs1-v1_5-with-sha3-512', 'md5', 'md5-sha1', 'md5WithRSAEncryption',
  'ripemd', 'ripemd160', 'ripemd160WithRSA', 'rmd160', 'sha1', 'sha1WithRSAEncryption', 'sha224', 'sha224WithRSAEncryption',
  'sha256', 'sha256WithRSAEncryption', 'sha3-224', 'sha3-256', 'sha3-384', 'sha3-512', 'sha384', 'sha384WithRSAEncryption',
  'sha512', 'sha512-224', 'sha512-224WithRSAEncryption', 'sha512-256', 'sha512-256WithRSAEncryption',
  'sha512WithRSAEncryption', 'shake128', 'shake256', 'sm3', 'sm3WithRSAEncryption', 'ssl3-md5', 'ssl3-sha1',
];

const numbers = (prefix, names) => names.map((name, index) => [prefix + name, index]);
const ABSENT_CLASSES = {
  AESCipherJob: 'subtle with AES', CheckPrimeJob: 'checkPrime', CipherBase: 'createCipheriv and createDecipheriv',
  DhKeyPairGenJob: 'generateKeyPair', DiffieHellman: 'createDiffieHellman', DiffieHellmanGroup: 'getDiffieHellman',
  DsaKeyPairGenJob: 'generateKeyPair', ECDH: 'createECDH', ECDHBitsJob: 'subtle with ECDH', ECKeyExportJob: 'subtle.exportKey',
  EcKeyPairGenJob: 'generateKeyPair', HmacJob: 'subtle with HMAC', NidKeyPairGenJob: 'generateKeyPair',
  RSACipherJob: 'subtle with RSA', RSAKeyExportJob: 'subtle.exportKey', RandomPrimeJob: 'generatePrime',
  RsaKeyPairGenJob: 'generateKeyPair', SecretKeyGenJob: 'generateKey', SecureContext: 'SecureContext', Sign: 'createSign',
  SignJob: 'sign and verify', Verify: 'createVerify', DHBitsJob: 'subtle with DH', DHKeyExportJob: 'subtle.exportKey',
};
const ABSENT_FUNCTIONS = {
  ECDHConvertKey: 'ECDH.convertKey', certExportChallenge: 'Certificate', certExportPublicKey: 'Certificate',
  certVerifySpkac: 'Certificate', getCipherInfo: 'getCipherInfo', parseX509: 'X509Certificate', privateDecrypt: 'privateDecrypt',
  privateEncrypt: 'privateEncrypt', publicDecrypt: 'publicDecrypt', publicEncrypt: 'publicEncrypt', setFipsCrypto: 'setFips',
  signOneShot: 'sign', verifyOneShot: 'verify', statelessDH: 'diffieHellman',
};

return {
  Hash, Hmac, HashJob, RandomBytesJob, PBKDF2Job, HKDFJob, ScryptJob, KeyObjectHandle, timingSafeEqual,
  createNativeKeyObjectClass: (make) => make(NativeKeyObject),
  oneShotDigest(algorithm, id, cache, input, encoding) {
    const result = crypto.digest(algorithm, bytesOf(input));
    if (result === undefined) throw new Error(`Digest method ${algorithm} is not supported`);
    return shown(result, encoding);
  },
  getHashes: () => [...HASHES],
  getCachedAliases: () => ({}),
  getCiphers: () => [],
  getCurves: () => [],
  getFipsCrypto: () => 0,
  getOpenSSLSecLevelCrypto: () => 1,
  secureHeapUsed() {},
  secureBuffer: (size) => new Uint8Array(size),
  kCryptoJobAsync: ASYNC, kCryptoJobSync: SYNC,
  ...Object.fromEntries([
    ...numbers('kKeyType', KEY_TYPES), ...numbers('kKeyFormat', ['DER', 'PEM', 'JWK']),
    ...numbers('kKeyEncoding', ['PKCS1', 'PKCS8', 'SPKI', 'SEC1']), ...numbers('kSigEnc', ['DER', 'P1363']),
    ...numbers('kWebCryptoKeyFormat', ['Raw', 'PKCS8', 'SPKI', 'JWK']), ...numbers('kWebCryptoCipher', ['Encrypt', 'Decrypt']),
    ...numbers('kSignJobMode', ['Sign', 'Verify']),
    ...numbers('kKeyVariant', [
      'RSA_SSA_PKCS1_v1_5', 'RSA_PSS', 'RSA_OAEP', 'AES_CTR_128', 'AES_CTR_192', 'AES_CTR_256', 'AES_CBC_128', 'AES_CBC_192',
      'AES_CBC_256', 'AES_GCM_128', 'AES_GCM_192', 'AES_GCM_256', 'AES_KW_128', 'AES_KW_192', 'AES_KW_256']),
    ...Object.entries(ABSENT_CLASSES).map(([name, what]) => [name, absentClass(name, what)]),
    ...Object.entries(ABSENT_FUNCTIONS).map(([name, what]) => [name, absentFunction(what)]),
  ]),
};
})
