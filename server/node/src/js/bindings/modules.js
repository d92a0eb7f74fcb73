// The binding `modules`: package configurations, by the path of their file.
(function (native, bindings) {
'use strict';

const errors = native.load('errors');
const nothing = () => {};
const fs = bindings.get('fs');
const path = () => native.load('realm').require('path');
const fileURLToPath = (url) => native.load('realm').require('internal/url').fileURLToPath(url);
const known = new Map();
const read = (file, base, specifier) => {
  if (known.has(file)) return known.get(file);
  let found;
  let text;
  try {
    text = fs.readFileUtf8(file, 0);
  } catch {
    text = undefined;
  }
  if (text !== undefined) {
    let parsed;
    try {
      parsed = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
    } catch {
      const importer = base?.startsWith('file:') ? fileURLToPath(base) : base;
      const from = importer === undefined ? '' : ` while importing "${specifier}" from ${importer}`;
      throw errors.coded(Error, 'ERR_INVALID_PACKAGE_CONFIG', `Invalid package config ${file}${from}.`);
    }
    const object = typeof parsed === 'object' && parsed !== null ? parsed : {};
    const plain = (field) => {
      if (field === null || field === undefined) return undefined;
      return typeof field === 'string' ? field : JSON.stringify(field);
    };
    found = [
      typeof object.name === 'string' ? object.name : undefined,
      typeof object.main === 'string' ? object.main : undefined,
      object.type === 'module' || object.type === 'commonjs' ? object.type : 'none',
      typeof object.imports === 'object' ? plain(object.imports) : undefined,
      typeof object.exports === 'string' ? JSON.stringify([object.exports]) : plain(object.exports),
      file,
    ];
  }
  known.set(file, found);
  return found;
};
const nearest = (from) => {
  for (let folder = path().dirname(from); ; folder = path().dirname(folder)) {
    if (!folder.endsWith('/node_modules')) {
      const found = read(path().join(folder, 'package.json'));
      if (found !== undefined) return found;
    }
    if (folder === path().dirname(folder)) return undefined;
  }
};
const STATUSES = ['FAILED', 'ENABLED', 'ALREADY_ENABLED', 'DISABLED'];

return {
  readPackageJSON: (file, isEsm, base, specifier) => read(file, base, specifier),
  getNearestParentPackageJSON: nearest,
  getNearestParentPackageJSONType: (from) => nearest(from)?.[2] ?? 'none',
  getPackageScopeConfig(resolved) {
    const from = fileURLToPath(resolved);
    return nearest(from) ?? path().join('/', 'package.json');
  },
  getPackageType(resolved) {
    return nearest(fileURLToPath(resolved))?.[2];
  },
  enableCompileCache: () => [STATUSES.indexOf('DISABLED')],
  getCompileCacheDir: nothing,
  flushCompileCache: nothing,
  compileCacheStatus: STATUSES,
  setLazyPathHelpers(meta, resolved) {
    meta.filename = fileURLToPath(resolved);
    meta.dirname = path().dirname(meta.filename);
  },
};
})
