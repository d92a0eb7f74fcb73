'use strict';
const { probes } = require('./probe.js');
process.noDeprecation = true;
const punycode = require('punycode');
probes({
  exports: () => Object.keys(punycode),
  version: () => punycode.version,
  encode: () => ['mañana', '☃-⌘', '', 'abc', '😀'].map(punycode.encode),
  decode: () => ['maana-pta', '--dqo34k', '', 'abc-'].map(punycode.decode),
  'decode of bad input': () => punycode.decode('é-'),
  'decode of an overflow': () => punycode.decode('99999999'),
  'decode of a bad digit': () => punycode.decode('a-!'),
  toASCII: () => ['mañana.com', '☃-⌘.com', 'a.b', 'bücher@münchen.de'].map(punycode.toASCII),
  toUnicode: () => ['xn--maana-pta.com', 'xn----dqo34k.com', 'a.b'].map(punycode.toUnicode),
  'toASCII of other dots': () => punycode.toASCII('mañana\u3002com\uff0ede'),
  'ucs2.decode': () => punycode.ucs2.decode('a😀\ud83d'),
  'ucs2.encode': () => punycode.ucs2.encode([0x61, 0x1f600]),
  'encode of a number': () => punycode.encode(1),
});
