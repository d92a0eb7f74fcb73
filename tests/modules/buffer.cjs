'use strict';
const { probes } = require('./probe.js');
const buffer = require('buffer');
const { Buffer, Blob, File } = buffer;

probes({
  exports: () => Object.keys(buffer),
  'node: is the same': () => require('node:buffer') === buffer,
  'Buffer is the global': () => buffer.Buffer === globalThis.Buffer,
  'kMaxLength': () => buffer.kMaxLength,
  'kStringMaxLength': () => buffer.kStringMaxLength,
  'constants': () => buffer.constants,
  'INSPECT_MAX_BYTES': () => buffer.INSPECT_MAX_BYTES,
  'INSPECT_MAX_BYTES shortens': () => {
    buffer.INSPECT_MAX_BYTES = 2;
    try {
      return require('util').inspect(Buffer.from('abcdef'));
    } finally {
      buffer.INSPECT_MAX_BYTES = 50;
    }
  },
  'INSPECT_MAX_BYTES refuses': () => { buffer.INSPECT_MAX_BYTES = -1; },
  'inspect of a subclass': () => require('util').inspect([Buffer.from('hi')]),
  'inspect with a property': () => require('util').inspect(Object.assign(Buffer.from('hi'), { a: 1 })),
  'isUtf8 valid': () => buffer.isUtf8(Buffer.from('grün €')),
  'isUtf8 invalid': () => buffer.isUtf8(Buffer.from([0xc3])),
  'isUtf8 of an ArrayBuffer': () => buffer.isUtf8(new ArrayBuffer(3)),
  'isUtf8 of a text': () => buffer.isUtf8('abc'),
  'isAscii': () => [buffer.isAscii(Buffer.from('abc')), buffer.isAscii(Buffer.from('é'))],
  'isAscii of a part': () => buffer.isAscii(new Uint8Array([255, 1, 2]).subarray(1)),
  'isAscii of undefined': () => buffer.isAscii(),
  'atob': () => ['', 'aGk=', 'aGk', ' aG k=\n', 'aA==', '//79'].map((text) => atob(text)),
  'atob with an invalid character': () => atob('a?b='),
  'atob of url base64': () => atob('-_-_'),
  'atob of one character': () => atob('a'),
  'atob with one = too many': () => atob('aGk=='),
  'atob of nothing': () => atob(),
  'atob of a number': () => atob(1234),
  'btoa': () => ['', 'hi', '\xff\0', 12, null].map((text) => btoa(text)),
  'btoa of a character above 255': () => btoa('€'),
  'btoa of nothing': () => btoa(),
  'globals': () => [atob === buffer.atob, btoa === buffer.btoa, globalThis.Blob === Blob, globalThis.File === File],
  'transcode utf8 to utf16le': () => buffer.transcode(Buffer.from('€'), 'utf8', 'utf16le'),
  'transcode utf8 to latin1': () => buffer.transcode(Buffer.from('é€'), 'utf8', 'latin1'),
  'transcode utf8 to ascii': () => buffer.transcode(Buffer.from('aé€😀'), 'utf8', 'ascii'),
  'transcode utf16le to utf8': () => buffer.transcode(Buffer.from('é€😀', 'utf16le'), 'ucs2', 'utf8'),
  'transcode latin1 to utf8': () => buffer.transcode(Buffer.from([0xe9]), 'binary', 'utf8'),
  'transcode latin1 to utf16le': () => buffer.transcode(Buffer.from([0xe9]), 'latin1', 'ucs2'),
  'transcode of nothing': () => buffer.transcode(Buffer.alloc(0), 'utf8', 'x'),
  'transcode to hex': () => buffer.transcode(Buffer.from('a'), 'utf8', 'hex'),
  'transcode from a text': () => buffer.transcode('a', 'utf8', 'ascii'),
  'SlowBuffer': () => buffer.SlowBuffer(3),
  'SlowBuffer of a text': () => buffer.SlowBuffer('3'),
  'Blob of parts': async () => {
    const blob = new Blob(['a', Buffer.from('bc'), new Blob(['d']), new Uint16Array([0x6665]).buffer], { type: 'Text/Plain' });
    return [blob.size, blob.type, await blob.text(), Buffer.from(await blob.arrayBuffer()), await blob.bytes()];
  },
  'Blob slice': async () => {
    const blob = new Blob(['abc', 'def']);
    return Promise.all([blob.slice(1, 4), blob.slice(-2), blob.slice(2, 1), blob.slice(0, 100, 'X/y')].map(async (part) =>
      [part.size, part.type, await part.text()]));
  },
  'Blob stream': async () => {
    let all = '';
    for await (const chunk of new Blob(['abc', 'def']).stream()) all += Buffer.from(chunk);
    return all;
  },
  'Blob stream of nothing': async () => {
    let count = 0;
    for await (const _ of new Blob([]).stream()) count++;
    return count;
  },
  'Blob cloned': async () => { const blob = structuredClone(new Blob(['abc'], { type: 'a/b' })); return [blob instanceof Blob, blob.type, await blob.text()]; },
  'Blob copies': async () => {
    const bytes = Buffer.from('abc');
    const blob = new Blob([bytes]);
    bytes[0] = 0x78;
    return blob.text();
  },
  'Blob endings': async () => new Blob(['a\r\nb\n'], { endings: 'native' }).text(),
  'Blob of a text': () => new Blob('abc'),
  'Blob with bad endings': () => new Blob([], { endings: 'x' }),
  'Blob inspected': () => require('util').inspect(new Blob(['ab'], { type: 'a/b' })),
  'Blob tag': () => Object.prototype.toString.call(new Blob()),
  'Blob type not ASCII': () => new Blob([], { type: 'é' }).type,
  'File': async () => {
    const file = new File(['abc'], 'a.txt', { type: 'text/plain', lastModified: 12 });
    return [file.name, file.size, file.type, file.lastModified, await file.text(), file instanceof Blob, String(file)];
  },
  'File without a name': () => new File([]),
  'File inspected': () => require('util').inspect(new File(['ab'], 'n', { lastModified: 1 })),
  'resolveObjectURL of another': () => buffer.resolveObjectURL('http://a'),
});
