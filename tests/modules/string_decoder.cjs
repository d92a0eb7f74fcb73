'use strict';
const { probes } = require('./probe.js');
const { StringDecoder } = require('string_decoder');

const split = (encoding, bytes, size) => () => {
  const decoder = new StringDecoder(encoding);
  const pieces = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(decoder.write(bytes.subarray(at, at + size)));
  pieces.push(decoder.end());
  return pieces;
};
const text = Buffer.from('aé€😀z');
const broken = Buffer.from([0xe2, 0x82, 0x41, 0xf0, 0x9f, 0x98, 0xc3, 0xc3, 0xa9, 0xff, 0x80, 0xed, 0xa0, 0x80, 0xc0, 0x80, 0xf5, 0x80, 0xf4, 0x90, 0x80, 0xe2]);
// A generator of numbers, so that both sides read the same bytes.
const random = (seed, count) => Buffer.from(Array.from({ length: count }, () => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed >> 16;
}));

const all = {
  exports: () => Object.keys(require('string_decoder')),
  'default encoding': () => new StringDecoder().encoding,
  'names of encodings': () => ['UTF-8', 'ucs2', 'UTF-16LE', 'binary', 'BASE64', 'base64url', 'Hex', 'ascii'].map((name) => new StringDecoder(name).encoding),
  'unknown encoding': () => new StringDecoder('utf9'),
  'encoding of another type': () => new StringDecoder(1),
  'write of a text': () => new StringDecoder().write('abc'),
  'write of a number': () => new StringDecoder().write(1),
  'write of null': () => new StringDecoder().write(null),
  'write of a view': () => new StringDecoder().write(new DataView(new Uint8Array([0x61, 0x62]).buffer)),
  'write of a Uint16Array': () => new StringDecoder('hex').write(new Uint16Array([0x6162])),
  'without a decoder': () => StringDecoder.prototype.write.call({}, Buffer.from('a')),
  'lastChar and its kin': () => {
    const decoder = new StringDecoder();
    decoder.write(Buffer.from([0xe2, 0x82]));
    return [decoder.lastChar, decoder.lastNeed, decoder.lastTotal];
  },
  'end with bytes': () => new StringDecoder().end(Buffer.from([0xe2, 0x82])),
  'used after end': () => {
    const decoder = new StringDecoder();
    return [decoder.write(Buffer.from([0xe2])), decoder.end(), decoder.write(Buffer.from('a')), decoder.end()];
  },
  'text': () => new StringDecoder().text?.(Buffer.from('abc'), 1),
  'empty': () => [new StringDecoder().write(Buffer.alloc(0)), new StringDecoder().end()],
  'odd UTF-16': split('utf16le', Buffer.from([0x61, 0, 0x3d]), 3),
  'a lone high surrogate': split('utf16le', Buffer.from([0x3d, 0xd8, 0x61, 0]), 2),
  'a lone high surrogate at the end': split('utf16le', Buffer.from([0x61, 0, 0x3d, 0xd8]), 4),
};
for (const encoding of ['utf8', 'utf16le', 'base64', 'base64url', 'hex', 'latin1', 'ascii']) {
  for (const size of [1, 2, 3, 5]) {
    all[`${encoding} by ${size}`] = split(encoding, encoding === 'utf16le' ? Buffer.from('aé€😀z', 'utf16le') : text, size);
    all[`broken ${encoding} by ${size}`] = split(encoding, broken, size);
    all[`random ${encoding} by ${size}`] = split(encoding, random(size, 400), size);
  }
}
probes(all);
