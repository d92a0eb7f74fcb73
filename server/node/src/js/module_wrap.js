// What Node's translators make of modules that are no ES modules: names, and what sets their values.
(function () {
'use strict';

class ModuleWrap {
  #names;
  #evaluate;
  #values = new Map();

  constructor(url, context, names, evaluate) {
    this.url = url;
    this.#names = names;
    this.#evaluate = evaluate;
  }

  instantiate() {}
  evaluate() { this.#evaluate(); }
  setExport(name, value) { this.#values.set(name, value); }

  // As the engine wants it.
  static parts(wrap) {
    return [[...wrap.#names], () => {
      wrap.#evaluate();
      return wrap.#names.map((name) => wrap.#values.get(name));
    }];
  }
}
return ModuleWrap;
})
