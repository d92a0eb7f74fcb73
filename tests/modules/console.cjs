'use strict';
const { probes } = require('./probe.js');
const { PassThrough } = require('stream');

probes({
  'console exports': () => Object.keys(require('console')).sort(),
  'Console': () => { const out = new PassThrough(), err = new PassThrough(); const c = new (require('console').Console)(out, err); c.log('%s=%d', 'a', 1, { b: 2 }); c.group('g'); c.table([{ a: 1, b: 'x' }, { a: 2 }]); c.groupEnd(); c.error('e'); c.count(); c.dir({ a: { b: { c: { d: 1 } } } }, { depth: 0 }); c.assert(false, 'x'); return [String(out.read()), String(err.read())]; },
  'Console without streams': () => new (require('console').Console)(),
  'console is the global': () => require('console') === console,
});
