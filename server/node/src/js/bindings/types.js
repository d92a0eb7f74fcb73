// The binding `types`: which class of the engine's a value is of.
(function (native) {
'use strict';

const value = native.functions('value');

// Whether a value is of the class that an example is of.
const sameClass = (...examples) => {
  const numbers = examples.map(value.classNumber);
  return (tested) => {
    const number = value.classNumber(tested);
    return number !== 0 && numbers.includes(number);
  };
};

const generator = (function* () {})();
const number = sameClass(Object(0)), string = sameClass(Object('')), boolean = sameClass(Object(false));
const bigint = sameClass(Object(0n)), symbol = sameClass(Object(Symbol.iterator));
const buffer = sameClass(new ArrayBuffer(0)), shared = sameClass(new SharedArrayBuffer(0));
return {
  isExternal: native.isExternal,
  isDate: sameClass(new Date(0)),
  isArgumentsObject: sameClass((function () { return arguments; })(), Function('return arguments')(), Function('a', 'return arguments')(1)),
  isBigIntObject: bigint,
  isBooleanObject: boolean,
  isNumberObject: number,
  isStringObject: string,
  isSymbolObject: symbol,
  isNativeError: sameClass(new Error('')),
  isRegExp: sameClass(/x/),
  isAsyncFunction: sameClass(async () => {}, async function* () {}),
  isGeneratorFunction: sameClass(function* () {}, async function* () {}),
  isGeneratorObject: sameClass(generator, (async function* () {})()),
  isPromise: native.isPromise,
  isMap: sameClass(new Map()),
  isSet: sameClass(new Set()),
  isMapIterator: sameClass(new Map().keys()),
  isSetIterator: sameClass(new Set().keys()),
  isWeakMap: sameClass(new WeakMap()),
  isWeakSet: sameClass(new WeakSet()),
  isArrayBuffer: buffer,
  isDataView: sameClass(new DataView(new ArrayBuffer(0))),
  isSharedArrayBuffer: shared,
  isProxy: native.isProxy,
  isModuleNamespaceObject: (tested) => native.load('modules').isNamespace(tested),
  isAnyArrayBuffer: (tested) => buffer(tested) || shared(tested),
  isBoxedPrimitive: (tested) => number(tested) || string(tested) || boolean(tested) || bigint(tested) || symbol(tested),
};
})
