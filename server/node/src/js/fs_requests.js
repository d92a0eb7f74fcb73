// How an operation of the file system is performed: at once, or on a thread of the pool.
(function (native) {
'use strict';

const { Buffer } = globalThis;
const { run, submit } = native.functions('fs');

const kUsePromises = Symbol('fs_use_promises_symbol');

class FSReqCallback {
  constructor(bigint) { this.bigint = bigint; }
}

// Without a request the operation throws; with the symbol it is a promise; else it calls back, with no
// second argument where there is no result. `convert` makes what Node has of a result.
const perform = (request, convert, operation, ...args) => {
  const made = (value) => convert === undefined ? value : convert(value);
  if (request === undefined) return made(run(operation, ...args));
  if (request === kUsePromises) {
    return new Promise((resolve, reject) => {
      submit((error, value) => error === undefined ? resolve(made(value)) : reject(error), operation, ...args);
    });
  }
  submit((error, value) => {
    if (error !== undefined) return request.oncomplete(error);
    const result = made(value);
    return result === undefined ? request.oncomplete(null) : request.oncomplete(null, result);
  }, operation, ...args);
  return undefined;
};

// Names are texts, or bytes that become the encoding that is wanted.
const isRaw = (encoding) => encoding !== undefined && encoding !== null && encoding !== 'utf8' && encoding !== 'utf-8';
const named = (encoding) => {
  if (!isRaw(encoding)) return undefined;
  if (encoding === 'buffer') return (name) => Buffer.from(name);
  return (name) => Buffer.from(name).toString(encoding);
};
const listed = (encoding) => {
  const name = named(encoding);
  return name && ((names) => names.map(name));
};
const typed = (encoding) => {
  const list = listed(encoding);
  return ([names, types]) => [list === undefined ? names : list(names), types];
};

return { FSReqCallback, kUsePromises, isRaw, listed, named, perform, typed };
})
