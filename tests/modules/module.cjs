'use strict';
const { probes } = require('./probe.js');

probes({
  'import() in CommonJS': async () => (await import('node:path')).sep,
  'module exports': () => Object.keys(require('module')),
  'constants': () => require('module').constants,
  'builtinModules': () => require('module').builtinModules,
  'isBuiltin': () => ['fs', 'node:fs', 'fs/promises', 'node:test', 'test', 'x', 'node:x', 'node:sqlite', 'sqlite'].map(require('module').isBuiltin),
  'createRequire': () => [require('module').createRequire(__filename)('./probe.js') === require('./probe.js'), require('module').createRequire(`file://${__filename}`)('fs') === require('fs')],
  'createRequire of a relative path': () => require('module').createRequire('x'),
  'Module': () => [require('module') === require('module').Module, module.constructor === require('module'), require('module').wrap('x')],
  'require of an unknown one': () => { try { require('node:nope'); } catch (e) { return [e.code, e.message]; } },
});
