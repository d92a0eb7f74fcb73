'use strict';
const { probes } = require('./probe.js');

probes({
  'worker_threads exports': () => Object.keys(require('worker_threads')),
  'worker facts': () => { const w = require('worker_threads'); return [w.isMainThread, w.parentPort, w.workerData, w.threadId, w.SHARE_ENV, w.isInternalThread]; },
  'MessageChannel': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.on('message', (m) => { port1.close(); resolve(m); }); port1.postMessage({ a: [1, new Map([[1, 2]])] }); }),
  'onmessage': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.onmessage = (event) => { port1.close(); resolve([event.data, event.type, event.constructor.name]); }; port1.postMessage('x'); }),
  'receiveMessageOnPort': () => { const { receiveMessageOnPort } = require('worker_threads'); const { port1, port2 } = new MessageChannel(); port1.postMessage(1); const all = [receiveMessageOnPort(port2), receiveMessageOnPort(port2)]; port1.close(); return all; },
  'receiveMessageOnPort of rubbish': () => require('worker_threads').receiveMessageOnPort({}),
  'port closes': () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port2.on('close', () => resolve('closed')); port1.close(); }),
  'port constructed': () => new MessagePort(),
  'postMessage of a function': () => { const { port1 } = new MessageChannel(); try { port1.postMessage(() => {}); } finally { port1.close(); } },
  'transfer of a buffer': () => { const { receiveMessageOnPort } = require('worker_threads'); const { port1, port2 } = new MessageChannel(); const b = new ArrayBuffer(4); port1.postMessage(b, [b]); const m = receiveMessageOnPort(port2).message; port1.close(); return [b.byteLength, m.byteLength]; },
  'environment data': () => { const w = require('worker_threads'); w.setEnvironmentData('a', 1); return [w.getEnvironmentData('a'), w.getEnvironmentData('b')]; },
});
