// ES modules: Node's own resolution and translation, over the engine's modules.
(function (native) {
'use strict';

const { internalBinding, require } = native.load('realm');
const script = native.functions('script');
const { classNumber } = native.functions('value');
const fs = internalBinding('fs');
const { process } = globalThis;

const { URL, fileURLToPath, pathToFileURL } = require('internal/url');
const { defaultResolve } = require('internal/modules/esm/resolve');
const { defaultLoadSync } = require('internal/modules/esm/load');
const { Module, kIsExecuting, kRequiredModuleSymbol } = require('internal/modules/cjs/loader');
const { kEvaluated, kEvaluating } = internalBinding('module_wrap');
const { initializeImportMeta } = require('internal/modules/esm/initialize_import_meta');
const { codes: { ERR_REQUIRE_ASYNC_MODULE, ERR_REQUIRE_CYCLE_MODULE, ERR_METHOD_NOT_IMPLEMENTED, ERR_UNKNOWN_MODULE_FORMAT } } = require('internal/errors');
require('internal/modules/esm/utils').initializeESM(true);
const translators = () => require('internal/modules/esm/translators').translators;

const EMPTY = 'node:internal/empty';
const FACADE = 'node:internal/facade/';

const { parts } = native.load('module_wrap');

// What resolution found out about a module.
const formats = new Map();

// The URL of the module or script that imports something. A script that lies in no file counts as one in the
// folder that the host was opened with.
const urlOf = (base) => {
  if (base.startsWith('/')) return pathToFileURL(base).href;
  return URL.canParse(base) ? base : pathToFileURL(`${script.root() ?? process.cwd()}/[script]`).href;
};

const resolveSync = (specifier, base, importAttributes) => {
  const found = defaultResolve(specifier, { __proto__: null, parentURL: urlOf(base), importAttributes });
  if (found.format != null) formats.set(found.url, found.format);
  return found;
};

const cycle = (what, from) => {
  const shown = from?.startsWith('file:') ? fileURLToPath(from) : from;
  return new ERR_REQUIRE_CYCLE_MODULE(`Cannot ${what} in a cycle.${shown ? ` (from ${shown})` : ''}`);
};

// Whether the imports that are resolved are those of a module that require() loads.
let isRequired = false;

const refuseCycle = (url, specifier, base) => {
  if (script.isEvaluating(url)) throw cycle(`import Module ${specifier}`, base);
  if (!url.startsWith('file:')) return;
  const loaded = Module._cache[fileURLToPath(url)];
  if (loaded?.[kIsExecuting]) throw cycle(`import CommonJS Module ${specifier}`, base);
};

const resolve = (specifier, base, attributes) => {
  if (specifier.startsWith(FACADE) || base.startsWith(FACADE)) return specifier;
  const { url } = resolveSync(specifier, base, { __proto__: null, ...attributes });
  if (isRequired) refuseCycle(url, specifier, base);
  return url;
};

const load = (url, attributes) => {
  if (url === EMPTY) return [[], () => []];
  if (url.startsWith(FACADE)) {
    const original = JSON.stringify(url.slice(FACADE.length));
    return `export * from ${original}; export { default } from ${original}; export const __esModule = true;`;
  }
  const known = formats.get(url);
  const context = { __proto__: null, format: known, importAttributes: { __proto__: null, ...attributes } };
  if (url.startsWith('file:') && known !== 'commonjs') context.source = fs.readFileUtf8(fileURLToPath(url), 0);
  const { format, source } = defaultLoadSync(url, context);
  if (format === 'module') return String(source);
  const translate = translators().get(format);
  if (translate === undefined) throw new ERR_UNKNOWN_MODULE_FORMAT(format, url);
  return parts(translate(url, format === 'commonjs' ? undefined : source, false));
};

const fillMeta = (url, meta) => {
  if (!url.startsWith(FACADE)) initializeImportMeta(meta, { url, isMain: false }, loader);
};

// Imports a module for require(): its imports must not lead back to what is being evaluated.
const importRequired = (url, filename, parent) => {
  const before = isRequired;
  isRequired = true;
  try {
    const found = script.importModule(url);
    if (found === undefined) throw cycle(`require() ES Module ${filename}`, parent?.filename);
    return found;
  } finally {
    isRequired = before;
  }
};

const evaluateNow = (url, filename, parent) => {
  const [promise, namespace] = importRequired(url, filename, parent);
  const [state, reason] = native.promiseState(promise);
  if (state === 'fulfilled') return namespace;
  promise.catch(() => {});
  if (state === 'rejected') throw reason;
  throw new ERR_REQUIRE_ASYNC_MODULE(filename, parent?.filename);
};

// The module loader, as Node's own CommonJS modules ask for it. The engine imports what import() names.
const loader = {
  allowImportMetaResolve: true,
  resolveSync,
  resolve: async (...args) => resolveSync(...args),
  importSyncForRequire(module, filename, source, isMain, parent) {
    const { href } = pathToFileURL(filename);
    formats.set(href, 'module');
    let status = kEvaluating;
    const wrap = { url: href, getStatus: () => status };
    module[kRequiredModuleSymbol] = wrap;
    const namespace = evaluateNow(href, filename, parent);
    status = kEvaluated;
    return { wrap, namespace };
  },
};

// What can be imported only, for a caller that blocks: the evaluation that a module is in goes on
// only after the call.
const importFrom = async (specifier, folder) => {
  const { url } = resolveSync(specifier, pathToFileURL(`${folder}/noop.js`).href, undefined);
  const found = script.importModule(url);
  if (found === undefined) throw cycle(`require() ES Module ${url.startsWith('file:') ? fileURLToPath(url) : url}`);
  const [promise, namespace] = found;
  await promise;
  return namespace;
};

let namespaceClass;
const isNamespace = (tested) => {
  namespaceClass ??= classNumber(script.importModule(EMPTY)[1]);
  return classNumber(tested) === namespaceClass;
};

return {
  resolve, load, fillMeta,
  isNamespace,
  facade: (wrap) => evaluateNow(FACADE + wrap.url, wrap.url),
  importFrom,
  exports: {
    getOrInitializeCascadedLoader: () => loader,
    createModuleLoader: () => loader,
    register() { throw new ERR_METHOD_NOT_IMPLEMENTED('module.register()'); },
    getHooksProxy() { throw new ERR_METHOD_NOT_IMPLEMENTED('getHooksProxy()'); },
  },
};
})
