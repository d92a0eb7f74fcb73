'use strict';
const { probes } = require('./probe.js');
const timers = require('timers');
const promises = require('timers/promises');
probes({
  exports: () => Object.keys(timers),
  'exports of promises': () => [Object.keys(promises), timers.promises === promises],
  'are the globals': () => [timers.setTimeout === setTimeout, timers.clearInterval === clearInterval],
  'setTimeout': async () => promises.setTimeout(1, 'v'),
  'setTimeout without arguments': async () => promises.setTimeout(),
  'setTimeout of a text': async () => promises.setTimeout('x'),
  'setTimeout with bad options': async () => promises.setTimeout(1, 1, 'x'),
  'setTimeout with a bad signal': async () => promises.setTimeout(1, 1, { signal: {} }),
  'setTimeout with a bad ref': async () => promises.setTimeout(1, 1, { ref: 1 }),
  'setTimeout aborted': async () => promises.setTimeout(1, 1, { signal: AbortSignal.abort('why') }),
  'setTimeout aborted later': async () => { const c = new AbortController(); setImmediate(() => c.abort()); return promises.setTimeout(10000, 1, { signal: c.signal }); },
  'setImmediate': async () => promises.setImmediate('i'),
  'setImmediate aborted': async () => promises.setImmediate(1, { signal: AbortSignal.abort() }),
  'setInterval': async () => { const seen = []; for await (const x of promises.setInterval(1, 'x')) { seen.push(x); if (seen.length === 3) break; } return seen; },
  'setInterval aborted': async () => { const c = new AbortController(); setTimeout(() => c.abort(), 3); for await (const _ of promises.setInterval(1, 1, { signal: c.signal })); },
  'scheduler.wait': async () => promises.scheduler.wait(1),
  'scheduler.yield': async () => promises.scheduler.yield(),
  'order': async () => { const seen = []; await Promise.all([promises.setImmediate().then(() => seen.push('immediate')), new Promise((r) => process.nextTick(() => { seen.push('tick'); r(); })), Promise.resolve().then(() => seen.push('micro'))]); return seen; },
  'ref and unref': () => { const t = setTimeout(() => {}, 1); const all = [t.hasRef(), t.unref() === t, t.hasRef(), t.ref().hasRef()]; clearTimeout(t); return all; },
  'refresh': async () => { let count = 0; await new Promise((resolve) => { const t = setTimeout(() => { if (++count < 2) t.refresh(); else resolve(); }, 1); }); return count; },
  'as a number': () => { const t = setTimeout(() => {}, 1); const ok = typeof +t; clearTimeout(+t); return [ok, t._destroyed]; },
  'setTimeout of no function': () => setTimeout(1),
  'setInterval of no function': () => setInterval('x'),
  'clearTimeout of rubbish': () => [clearTimeout(), clearTimeout(null), clearTimeout({})],
});
