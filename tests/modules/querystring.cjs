'use strict';
const { probes } = require('./probe.js');
const qs = require('querystring');
probes({
  exports: () => Object.keys(qs),
  'aliases': () => [qs.decode === qs.parse, qs.encode === qs.stringify],
  parse: () => qs.parse('a=1&b=2&a=3&c=%20&d'),
  'parse has no prototype': () => Object.getPrototypeOf(qs.parse('')),
  'parse with other signs': () => qs.parse('a:1;b:2', ';', ':'),
  'parse with longer signs': () => qs.parse('a::1;;b::2', ';;', '::'),
  'parse with maxKeys': () => qs.parse('a=1&b=2&c=3', null, null, { maxKeys: 2 }),
  'parse of plus and broken escapes': () => qs.parse('a+b=%zz+%e2%82%ac&%'),
  'parse of bad UTF-8': () => qs.parse('a=%ff%fe'),
  'parse of a number': () => qs.parse(1),
  'parse with a decoder': () => qs.parse('a=b', null, null, { decodeURIComponent: (text) => `<${text}>` }),
  'parse with a failing decoder': () => qs.parse('a=%41', null, null, { decodeURIComponent() { throw new Error('no'); } }),
  stringify: () => qs.stringify({ a: 1, b: [1, 2], c: 'é €', d: true, e: null, f: undefined, g: {}, h: 1n, i: NaN }),
  'stringify with other signs': () => qs.stringify({ a: 1, b: 2 }, ';', ':'),
  'stringify with an encoder': () => qs.stringify({ a: 'x' }, null, null, { encodeURIComponent: (text) => `<${text}>` }),
  'stringify of nothing': () => [qs.stringify(), qs.stringify('a'), qs.stringify(null)],
  'stringify of a lone surrogate': () => qs.stringify({ a: '\ud800' }),
  escape: () => [qs.escape('a b&c/é'), qs.escape(1), qs.escape({}), qs.escape('-_.!~*\'()')],
  unescape: () => [qs.unescape('a%20b'), qs.unescape('%zz'), qs.unescape('%e2%82')],
  unescapeBuffer: () => qs.unescapeBuffer('a%20b%z'),
  'escape replaced': () => {
    const { escape } = qs;
    qs.escape = () => 'X';
    try {
      return qs.stringify({ a: 1 });
    } finally {
      qs.escape = escape;
    }
  },
});
