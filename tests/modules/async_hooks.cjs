'use strict';
const { probes } = require('./probe.js');
const { AsyncLocalStorage, AsyncResource } = require('async_hooks');

probes({
  'async_hooks exports': () => Object.keys(require('async_hooks')),
  'als run': () => { const s = new AsyncLocalStorage(); return [s.run(1, () => s.getStore()), s.getStore()]; },
  'als nested and exit': () => { const s = new AsyncLocalStorage(); return s.run(1, () => [s.run(2, () => s.getStore()), s.exit(() => s.getStore()), s.getStore()]); },
  'als enterWith': () => { const s = new AsyncLocalStorage(); const r = new AsyncResource('X'); return r.runInAsyncScope(() => { s.enterWith(3); return s.getStore(); }); },
  'als timers': () => { const s = new AsyncLocalStorage(); return s.run('t', () => new Promise((resolve) => setTimeout(() => resolve(s.getStore()), 1))); },
  'als immediates': () => { const s = new AsyncLocalStorage(); return s.run('i', () => new Promise((resolve) => setImmediate(() => resolve(s.getStore())))); },
  'als ticks': () => { const s = new AsyncLocalStorage(); return s.run('n', () => new Promise((resolve) => process.nextTick(() => resolve(s.getStore())))); },
  'als microtasks': () => { const s = new AsyncLocalStorage(); return s.run('m', () => new Promise((resolve) => queueMicrotask(() => resolve(s.getStore())))); },
  'als then': () => { const s = new AsyncLocalStorage(); return s.run('p', () => Promise.resolve().then(() => s.getStore()).then((x) => [x, s.getStore()])); },
  'als catch and finally': () => { const s = new AsyncLocalStorage(); return s.run('p', () => Promise.reject(1).catch(() => s.getStore()).finally(() => {})); },
  'als two at once': () => { const s = new AsyncLocalStorage(); return Promise.all([1, 2].map((x) => s.run(x, () => Promise.resolve().then(() => s.getStore())))); },
  'als does not leak': async () => { const s = new AsyncLocalStorage(); s.run(1, () => Promise.resolve().then(() => {})); let seen; await new Promise((resolve) => setImmediate(() => { seen = s.getStore(); resolve(); })); return seen; },
  'als bind and snapshot': () => { const s = new AsyncLocalStorage(); const f = s.run(1, () => AsyncLocalStorage.bind(() => s.getStore())); const snap = s.run(2, () => AsyncLocalStorage.snapshot()); return [f(), snap(() => s.getStore())]; },
  'AsyncResource': () => { const r = new AsyncResource('X'); return [typeof r.asyncId(), r.runInAsyncScope(function (a) { return [this, a]; }, 't', 1), r.emitDestroy() === r]; },
  'AsyncResource keeps the store': () => { const s = new AsyncLocalStorage(); const r = s.run(9, () => new AsyncResource('X')); return r.runInAsyncScope(() => s.getStore()); },
  'AsyncResource without a name': () => new AsyncResource(),
  'executionAsyncId': () => typeof require('async_hooks').executionAsyncId(),
  'createHook': () => { const h = require('async_hooks').createHook({ init() {} }); return h.enable() === h && h.disable() === h; },
});
