// How modules are found and loaded: CommonJS, ES modules, both ways between them, packages, errors.
'use strict';
const fs = require('fs');
const path = require('path');

const root = fs.realpathSync(fs.mkdtempSync(path.join(process.env.TMPDIR || '/tmp', 'modules-')));
const hide = (text) => String(text).replaceAll(root, '<root>').replaceAll(__filename, '<this>');

const shown = (value, depth = 3) => {
  if (typeof value === 'string') return hide(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (value === null || typeof value !== 'object') return String(value);
  if (depth === 0) return '…';
  if (Array.isArray(value)) return value.map((item) => shown(item, depth - 1));
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, shown(value[key], depth - 1)]));
};
const failure = (error) => [error?.name, error?.code ?? null, hide(error?.message ?? error)];

const files = {
  'package.json': '{"name": "self", "exports": {".": "./a.cjs", "./sub/*": "./lib/*.cjs", "./hidden/*": null}, "imports": {"#dep": {"require": "./lib/one.cjs", "import": "./lib/one.mjs"}, "#fs": "fs", "#gone": "./gone.cjs"}}',
  'a.cjs': 'exports.a = 1; exports.file = __filename; exports.dir = __dirname; exports.main = require.main === module; exports.parent = module.children.length; exports.self = this === exports;',
  'b.js': 'module.exports = function named() { return 7; };',
  'data.json': '{"x": [1, 2, {"y": null}]}',
  'bom.json': '\uFEFF{"bom": true}',
  'broken.json': '{"x": ',
  'hashbang.cjs': '#!/usr/bin/env node\nmodule.exports = "after a hash-bang";',
  'bom.cjs': '\uFEFFmodule.exports = "after a mark";',
  'throws.cjs': 'exports.before = 1; throw new TypeError("half way");',
  'cycle/one.cjs': 'exports.early = 1; const two = require("./two.cjs"); exports.late = two.seen;',
  'cycle/two.cjs': 'const one = require("./one.cjs"); exports.seen = Object.keys(one);',
  'cycle/one.mjs': 'import { two } from "./two.mjs"; export const one = "one"; export const both = () => one + two;',
  'cycle/two.mjs': 'import { one } from "./one.mjs"; export const two = "two"; export const back = () => one;',
  'folder/index.js': 'exports.index = true;',
  'mained/package.json': '{"main": "lib"}',
  'mained/lib/index.js': 'exports.mained = true;',
  'lib/one.cjs': 'module.exports = "one by require";',
  'lib/one.mjs': 'export default "one by import";',
  'm.mjs': 'import def, { a } from "./a.cjs"; export { a, def }; export default class Thing {}; export let count = 0; export const add = () => ++count; export const meta = [import.meta.filename, import.meta.dirname, import.meta.url, typeof import.meta.resolve, import.meta.resolve("./a.cjs")];',
  'nodefault.mjs': 'export const x = 1;',
  'exported.mjs': 'const f = () => 5; export { f as "module.exports" }; export default 1;',
  'star.mjs': 'export * from "./nodefault.mjs"; export * as named from "./nodefault.mjs";',
  'json.mjs': 'import data from "./data.json" with { type: "json" }; export default data;',
  'json-without.mjs': 'import data from "./data.json"; export default data;',
  'missing-export.mjs': 'import { nothing } from "./nodefault.mjs"; export default nothing;',
  'missing-dep.mjs': 'import "./not-there.mjs"; export default 1;',
  'missing-deep.mjs': 'import "./missing-dep.mjs"; export default 1;',
  'throws.mjs': 'export const x = 1; throw new RangeError("from a module");',
  'tla.mjs': 'export const waited = await new Promise((resolve) => setTimeout(resolve, 1, "waited"));',
  'tla-dep.mjs': 'import { waited } from "./tla.mjs"; export const twice = waited + waited;',
  'dynamic.cjs': 'module.exports = () => import("./m.mjs");',
  'builtin.mjs': 'import fs, { readFileSync } from "node:fs"; import * as p from "path"; export default [fs.readFileSync === readFileSync, typeof p.default.join, p.join("a", "b")];',
  'created.mjs': 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); export default require("./b.js")();',
  'cjs-names.cjs': 'exports.first = 1; Object.defineProperty(exports, "second", { enumerable: true, value: 2 }); module.exports.third = 3; exports["fo" + "urth"] = 4;',
  'cjs-reexport.cjs': 'module.exports = require("./cjs-names.cjs");',
  'import-names.mjs': 'import * as names from "./cjs-names.cjs"; import * as again from "./cjs-reexport.cjs"; export default [Object.keys(names), Object.keys(again)];',
  'strict.mjs': 'export default [this === undefined, (function () { return this === undefined; })(), typeof require];',
  'detected/detected.js': 'export const detected = import.meta.url.length > 0;',
  'typed/package.json': '{"type": "module"}',
  'typed/m.js': 'export default "by type";',
  'typed/c.cjs': 'module.exports = "by extension";',
  'node_modules/plain/index.js': 'exports.plain = __filename;',
  'node_modules/exported/package.json': '{"name": "exported", "version": "1.2.3", "exports": {".": {"import": "./i.mjs", "require": "./r.cjs"}, "./feature": {"node": "./f.cjs", "default": "./d.cjs"}, "./array": ["invalid", "./d.cjs"], "./outside": "./../../a.cjs", "./package.json": "./package.json", "./pattern/*.js": "./p/*.cjs", "./pattern/private/*": null}}',
  'node_modules/exported/i.mjs': 'export const by = "import"; export default 1;',
  'node_modules/exported/r.cjs': 'exports.by = "require";',
  'node_modules/exported/f.cjs': 'module.exports = "feature for node";',
  'node_modules/exported/d.cjs': 'module.exports = "default";',
  'node_modules/exported/p/x.cjs': 'module.exports = "pattern";',
  'node_modules/importonly/package.json': '{"name": "importonly", "exports": {"import": "./i.mjs"}}',
  'node_modules/importonly/i.mjs': 'export const only = true;',
  'node_modules/@scope/pkg/package.json': '{"main": "./main"}',
  'node_modules/@scope/pkg/main.js': 'module.exports = "scoped";',
  'node_modules/badjson/package.json': '{"main": ',
  'node_modules/badjson/index.js': '',
  'node_modules/nomain/package.json': '{"main": "./gone.js"}',
  'node_modules/esm/package.json': '{"type": "module", "exports": "./index.js"}',
  'node_modules/esm/index.js': 'export default function esm() {}; export const named = 1;',
  'deep/er/x.cjs': 'module.exports = [require("plain").plain, require("../../a.cjs").a];',
  'store/real/node_modules/linked/index.js': 'module.exports = [__filename, require("beside")];',
  'store/real/node_modules/beside/index.js': 'module.exports = "beside, in the store";',
};
// Modules that lead back to what is being evaluated. Node adds advice to some of the messages.
const REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
const seen = (name) => `(() => { try { return Object.keys(require("${name}")); } catch (error) { return [error.name, error.code, error.message.split(" A cycle")[0].replace(/ $/gm, "")]; } })()`;
Object.assign(files, {
  'back/self.mjs': `${REQUIRE} export const seen = ${seen('./self.mjs')}; export const after = 1;`,
  'back/self-tla.mjs': `${REQUIRE} await null; export const seen = ${seen('./self-tla.mjs')};`,
  'back/a.mjs': 'import b from "./b.cjs"; export const a = 1; export default b;',
  'back/b.cjs': `exports.seen = ${seen('./a.mjs')};`,
  'back/c.cjs': `exports.c = 1; exports.seen = ${seen('./d.mjs')};`,
  'back/d.mjs': 'import c from "./c.cjs"; export const d = Object.keys(c);',
  'back/e.mjs': 'export { seen } from "./f.mjs"; export const e = 1;',
  'back/f.mjs': `${REQUIRE} import { e } from "./e.mjs"; export const seen = ${seen('./e.mjs')}; export const late = () => e;`,
  'back/g.mjs': 'import h from "./h.cjs"; export const g = h;',
  'back/h.cjs': `module.exports = ${seen('./i.mjs')};`,
  'back/i.mjs': 'import { g } from "./g.mjs"; export const i = () => g;',
  'back/import-self.mjs': 'export const before = 1; export const again = import("./import-self.mjs").then((found) => [found.before, found.after]); export const after = 2;',
  'back/import-self-tla.mjs': 'const again = import("./import-self-tla.mjs").then(() => "imported"); await null; export const first = await Promise.race([again, new Promise((done) => setTimeout(done, 5, "pending"))]);',
  'back/import-self-throws.mjs': 'globalThis.importedAgain = import("./import-self-throws.mjs").then(() => "imported", (error) => error.message); throw new Error("while evaluated");',
  'back/import-self.cjs': 'exports.early = 1; exports.again = import("./import-self.cjs").then((found) => [Object.keys(found), found.default === module.exports]); exports.late = 2;',
  'back/import-mixed.mjs': 'import mixed from "./import-mixed.cjs"; export const again = mixed.again; export const after = 2;',
  'back/import-mixed.cjs': 'exports.early = 1; exports.again = import("./import-mixed.mjs").then((found) => [Object.keys(found), found.after]);',
  'back/import-outer.mjs': 'import { again } from "./import-inner.mjs"; export const outer = 1; export { again };',
  'back/import-inner.mjs': 'import { outer } from "./import-outer.mjs"; export const again = import("./import-outer.mjs").then((found) => [found.outer, outer]);',
});
for (const [name, text] of Object.entries(files)) {
  const file = path.join(root, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
}
fs.symlinkSync(path.join(root, 'store/real/node_modules/linked'), path.join(root, 'node_modules/linked'));
fs.symlinkSync('loop-b', path.join(root, 'loop-a'));
fs.symlinkSync('loop-a', path.join(root, 'loop-b'));

const { createRequire } = require('module');
const from = createRequire(path.join(root, 'start.cjs'));
const importer = from('./dynamic.cjs');
fs.writeFileSync(path.join(root, 'importer.cjs'), 'module.exports = (name, options) => import(name, options);');
const load = from('./importer.cjs');

const probes = [];
const probe = (name, run) => probes.push([name, run]);
for (const name of [
  './a.cjs', './a', './b.js', './b', './data.json', './data', './bom.json', './broken.json', './hashbang.cjs', './bom.cjs',
  './throws.cjs', './cycle/one.cjs', './folder', './folder/', './mained', './deep/er/x.cjs', './nope', '../nope', '/nope',
  '.', './', 'plain', 'plain/index.js', 'plain/', 'plain/index', 'plain/nope', 'exported', 'exported/feature', 'exported/array',
  'exported/outside', 'exported/nope', 'exported/package.json', 'exported/pattern/x.js', 'exported/pattern/y.js',
  'exported/pattern/private/x.js', 'importonly', '@scope/pkg', '@scope/nope', 'badjson', 'nomain', 'esm', 'linked', 'nopkg',
  'self', 'self/sub/one', 'self/hidden/x', '#dep', '#gone', '#nope', '#fs', 'fs', 'node:fs', 'node:nope', 'node:test', 'test', 'sqlite', '',
  './m.mjs', './nodefault.mjs', './exported.mjs', './star.mjs', './json.mjs', './json-without.mjs', './missing-dep.mjs', './missing-deep.mjs',
  './throws.mjs', './tla.mjs', './tla-dep.mjs', './builtin.mjs', './created.mjs', './import-names.mjs', './strict.mjs', './detected/detected.js',
  './typed/m.js', './typed/c.cjs', './cycle/one.mjs', './loop-a', './a.cjs/x', 'file:///x', './a%2ecjs',
]) {
  const isBuiltin = /^(node:)?fs$|^#fs$|^node:test$/.test(name);
  probe(`require ${name}`, () => isBuiltin ? typeof from(name) : from(name));
  probe(`resolve ${name}`, () => from.resolve(name));
  if (!/^\.\/(broken|throws\.cjs)/.test(name)) probe(`import ${name}`, async () => isBuiltin ? typeof await load(name) : load(name));
}
probe('import with json', () => load('./data.json', { with: { type: 'json' } }));
probe('import with nonsense', () => load('./data.json', { with: { type: 'css' } }));
probe('import data', () => load('data:text/javascript,export default 5'));
probe('import http', () => load('http://x/y.mjs'));
probe('require number', () => from(5));
probe('the same module', () => [from('./a.cjs') === from('./a'), from.cache[path.join(root, 'a.cjs')].exports === from('./a')]);
probe('the same namespace', async () => [await load('./m.mjs') === await load('./m.mjs'), from('./m.mjs').add(), (await load('./m.mjs')).count]);
probe('out of the cache', () => {
  delete from.cache[path.join(root, 'b.js')];
  const before = from('./b.js');
  delete from.cache[path.join(root, 'b.js')];
  return before === from('./b.js');
});
probe('a failed module is tried again', () => {
  try { from('./throws.cjs'); } catch {}
  fs.writeFileSync(path.join(root, 'throws.cjs'), 'module.exports = "mended";');
  return from('./throws.cjs');
});
probe('a missing import that comes later', async () => {
  fs.writeFileSync(path.join(root, 'late.mjs'), 'import "./later.mjs"; export default "late";');
  let first;
  try { await load('./late.mjs'); } catch (error) { first = error.code; }
  try { await load('./late.mjs'); } catch (error) { first += error.code; }
  return first;
});
probe('search paths', () => from.resolve.paths('x').slice(0, 2));
probe('search paths of a builtin', () => from.resolve.paths('fs'));
probe('resolve with paths', () => from.resolve('plain', { paths: [path.join(root, 'deep')] }));
probe('extensions', () => Object.keys(from.extensions));
probe('module', () => [typeof module.id, module.loaded, typeof module.paths, module.filename === __filename, module.constructor.name]);
probe('is builtin', () => ['fs', 'node:fs', 'test', 'node:test', 'x'].map(require('module').isBuiltin));
probe('thousand modules', () => {
  for (let i = 0; i < 1000; i++) fs.writeFileSync(path.join(root, `t${i}.cjs`), i ? `module.exports = require("./t${i - 1}.cjs") + 1;` : 'module.exports = 0;');
  let sum = 0;
  for (let i = 0; i < 1000; i += 1) sum += from(`./t${i}.cjs`);
  return sum;
});
probe('two importers of one failure', async () => {
  fs.writeFileSync(path.join(root, 'shared.mjs'), 'import "./missing-dep.mjs";');
  fs.writeFileSync(path.join(root, 'other.mjs'), 'import "./shared.mjs"; import "./nodefault.mjs";');
  const both = await Promise.allSettled([load('./shared.mjs'), load('./other.mjs'), load('./nodefault.mjs')]);
  return both.map((one) => one.status);
});
for (const [name, kept] of [
  ['self.mjs', 'seen'], ['self-tla.mjs', 'seen'], ['a.mjs', 'default'], ['c.cjs', 'seen'], ['d.mjs', 'd'], ['e.mjs', 'seen'], ['f.mjs', 'seen'],
  ['g.mjs', 'g'], ['i.mjs', 'i'], ['import-self.mjs', 'again'], ['import-self-tla.mjs', 'first'], ['import-self.cjs', 'again'],
  ['import-mixed.mjs', 'again'], ['import-outer.mjs', 'again'],
]) {
  const file = `./back/${name}`;
  // Each way first once: in another folder the modules are others.
  fs.cpSync(path.join(root, 'back'), path.join(root, 'ways', name, 'back'), { recursive: true });
  probe(`lead back: require ${name}`, () => from(file)[kept]);
  probe(`lead back: import ${name}`, async () => (await load(`./ways/${name}/back/${name}`))[kept]);
  probe(`lead back: import ${name} after require`, async () => (await load(file))[kept]);
}
probe('lead back: import what throws', () => load('./back/import-self-throws.mjs'));
probe('lead back: what it imported', () => globalThis.importedAgain);
probe('create require of a folder', () => createRequire(`${root}/deep/`)('plain').plain);
probe('create require of a relative path', () => createRequire('./x'));

(async () => {
  for (const [name, run] of probes) {
    let outcome;
    try {
      outcome = shown(await run());
    } catch (error) {
      outcome = failure(error);
    }
    console.log(JSON.stringify([name, outcome]));
  }
  fs.rmSync(root, { recursive: true });
})();
