// The binding `contextify`: compiling and running text.
(function (native, bindings) {
'use strict';

const errors = native.load('errors');
const nothing = () => {};
const script = native.functions('script');
const CJS_PARAMETERS = 'exports, require, module, __filename, __dirname';

let hasInternalContext = false;

// The function that a CommonJS module is. A hash-bang line is no JavaScript inside of a function.
const compileCommonJs = (code, filename) =>
  script.compileFunction(CJS_PARAMETERS, code.startsWith('#!') ? `//${code.slice(2)}` : code, filename);

// Whether a text is that of an ES module and cannot be a CommonJS one.
const isModuleOnly = (code, filename) => {
  try {
    compileCommonJs(code, filename);
    return false;
  } catch {
    return script.isModuleText(code);
  }
};

return {
  constants: { measureMemory: { mode: { SUMMARY: 0, DETAILED: 1 }, execution: { DEFAULT: 0, EAGER: 1 } } },
  containsModuleSyntax: (code, filename) => isModuleOnly(String(code), filename),
  compileFunctionForCJSLoader(code, filename, _isMain, detects) {
    try {
      const made = compileCommonJs(code, filename);
      return { __proto__: null, canParseAsESM: false, cachedDataRejected: undefined, sourceMapURL: undefined, function: made };
    } catch (error) {
      if (detects && error instanceof SyntaxError && script.isModuleText(code)) {
        return { __proto__: null, canParseAsESM: true, cachedDataRejected: undefined, sourceMapURL: undefined, function: undefined };
      }
      throw error;
    }
  },
  ContextifyScript: class ContextifyScript {
    #text;
    #filename;
    constructor(text, filename = 'evalmachine.<anonymous>') {
      script.checkScript(text, filename);
      this.#text = text;
      this.#filename = filename;
    }
    createCachedData() { throw errors.unavailable('vm.Script.createCachedData is not available: this host has no code cache'); }
    runInContext() { return script.runScript(this.#text, this.#filename); }
  },
  compileFunction(code, filename, line, column, cached, produce, context, extensions, parameters) {
    return { __proto__: null, function: script.compileFunction((parameters ?? []).join(', '), code, filename), sourceMapURL: undefined };
  },
  makeContext(object, name) {
    // Node's own modules ask once for a context of their own, for classes that programs did not change.
    if (name === 'internal' && !hasInternalContext) {
      hasInternalContext = true;
      object[bindings.get('util').privateSymbols.contextify_context_private_symbol] = true;
      return object;
    }
    throw errors.unavailable('vm.createContext is not available: a host has one context');
  },
  measureMemory() { throw errors.unavailable('vm.measureMemory is not available: this host does not run on V8'); },
  startSigintWatchdog: nothing,
  stopSigintWatchdog: () => false,
};
})
