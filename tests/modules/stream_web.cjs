'use strict';
const { probes } = require('./probe.js');
const web = require('stream/web');
const { inspect } = require('util');
const all = async (stream) => { const seen = []; for await (const chunk of stream) seen.push(chunk); return seen; };
probes({
  exports: () => Object.keys(web),
  'globals': () => Object.keys(web).map((name) => globalThis[name] === web[name]),
  'ReadableStream': async () => all(new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } })),
  'ReadableStream.from': async () => all(ReadableStream.from(['a', 'b'])),
  'pull': async () => { let n = 0; return all(new ReadableStream({ pull(c) { c.enqueue(n); if (++n === 3) c.close(); } })); },
  'error': async () => all(new ReadableStream({ start(c) { c.error(new Error('bad')); } })),
  'cancel': async () => { let why; const s = new ReadableStream({ cancel(reason) { why = reason; } }); await s.cancel('r'); return why; },
  'locked': () => { const s = new ReadableStream(); s.getReader(); return s.getReader(); },
  'tee': async () => Promise.all(ReadableStream.from([1, 2]).tee().map(all)),
  'byte stream': async () => { const s = new ReadableStream({ type: 'bytes', pull(c) { c.byobRequest.view[0] = 7; c.byobRequest.respond(1); } }); const reader = s.getReader({ mode: 'byob' }); return (await reader.read(new Uint8Array(2))).value; },
  'WritableStream': async () => { const seen = []; const w = new WritableStream({ write(x) { seen.push(x); }, close() { seen.push('end'); } }).getWriter(); await w.write('a'); await w.close(); return seen; },
  'WritableStream aborted': async () => { let why; const w = new WritableStream({ abort(r) { why = r; } }); await w.abort('x'); return why; },
  'TransformStream': async () => all(ReadableStream.from([1, 2]).pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x * 2); } }))),
  'pipeTo': async () => { const seen = []; await ReadableStream.from([1, 2]).pipeTo(new WritableStream({ write(x) { seen.push(x); } })); return seen; },
  'pipeTo aborted': async () => new ReadableStream().pipeTo(new WritableStream(), { signal: AbortSignal.abort() }),
  'TextEncoderStream': async () => all(ReadableStream.from(['é']).pipeThrough(new TextEncoderStream())),
  'TextDecoderStream': async () => all(ReadableStream.from([new Uint8Array([0xe2, 0x82]), new Uint8Array([0xac])]).pipeThrough(new TextDecoderStream())),
  'strategies': () => [new CountQueuingStrategy({ highWaterMark: 3 }).size(), new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size({ byteLength: 5 })],
  'inspect': () => [inspect(new ReadableStream()), inspect(new WritableStream()), inspect(new CountQueuingStrategy({ highWaterMark: 1 }))],
  'bad source': () => new ReadableStream({ type: 'x' }),
  'released reader': async () => { const r = new ReadableStream().getReader(); r.releaseLock(); return r.read(); },
  'desiredSize': () => { let c; new ReadableStream({ start(x) { c = x; } }); return c.desiredSize; },
});
