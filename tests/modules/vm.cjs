'use strict';
const { probes } = require('./probe.js');

probes({
  'vm exports': () => Object.keys(require('vm')),
  'runInThisContext': () => require('vm').runInThisContext('1 + 2'),
  'Script': () => { const s = new (require('vm').Script)('globalThis.vmMade = 5; vmMade * 2', 'x.js'); const found = [s.runInThisContext(), globalThis.vmMade]; delete globalThis.vmMade; return found; },
  'Script with bad syntax': () => { try { new (require('vm').Script)('a b'); } catch (e) { return e.name; } },
  'compileFunction': () => require('vm').compileFunction('return a + b', ['a', 'b'])(1, 2),
  'runInThisContext of a number': () => require('vm').runInThisContext(),
  'isContext': () => require('vm').isContext({}),
});
