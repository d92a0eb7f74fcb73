'use strict';
const { probes } = require('./probe.js');
const path = require('path');
const samples = ['', '/', '.', 'a/b.c.d', '/a/../b/./c/', '../x', 'a//b', 'C:\\a\\..\\b', '.hidden', 'a.', '/a/b/..', '\\\\server\\share\\x'];
const all = { exports: () => Object.keys(path), 'posix is path': () => path.posix === path, 'path/win32': () => require('path/win32') === path.win32 };
for (const [name, which] of [['posix', path.posix], ['win32', path.win32]]) {
  for (const call of ['normalize', 'basename', 'dirname', 'extname', 'isAbsolute', 'parse', 'toNamespacedPath']) {
    all[`${name}.${call}`] = () => samples.map((sample) => which[call](sample));
    all[`${name}.${call} of a number`] = () => which[call](1);
  }
  all[`${name}.join`] = () => [which.join(), which.join('a', '..', '..', 'b'), which.join('/a', '/b', '', 'c')];
  all[`${name}.join of null`] = () => which.join('a', null);
  all[`${name}.resolve`] = () => [which.resolve('/a', 'b', '../c'), which.resolve('/a', '/b')];
  all[`${name}.relative`] = () => [which.relative('/a/b/c', '/a/d'), which.relative('/a', '/a'), which.relative('/', '/x/y')];
  all[`${name}.format`] = () => [which.format({ dir: '/a', base: 'b.c' }), which.format({ root: '/', name: 'n', ext: 'x' }), which.format({})];
  all[`${name}.format of null`] = () => which.format(null);
  all[`${name}.basename with a suffix`] = () => [which.basename('a.txt', '.txt'), which.basename('.txt', '.txt'), which.basename('a.txt', 'xt')];
  all[`${name}.sep`] = () => [which.sep, which.delimiter];
  all[`${name}.matchesGlob`] = () => { process.noDeprecation = true; return [which.matchesGlob('a/b.js', 'a/*.js'), which.matchesGlob('a/b/c', 'a/**')]; };
}
probes(all);
