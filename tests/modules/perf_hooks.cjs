'use strict';
const { probes } = require('./probe.js');
const { inspect } = require('util');

probes({
  'perf_hooks exports': () => Object.keys(require('perf_hooks')),
  'constants': () => require('perf_hooks').constants,
  'performance.now': () => typeof performance.now() === 'number' && performance.now() >= 0,
  'timeOrigin': () => Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000,
  'mark and measure': () => { performance.mark('a', { detail: 1 }); performance.mark('b'); const m = performance.measure('m', 'a', 'b'); const all = performance.getEntriesByType('mark').map((e) => [e.name, e.detail, e.entryType]); performance.clearMarks(); return [m.name, m.entryType, m.duration >= 0, all, performance.getEntriesByName('a').length]; },
  'measure of an unknown mark': () => performance.measure('x', 'nope'),
  'timerify': () => performance.timerify(function f(a) { return a + 1; })(1),
  'PerformanceObserver': () => new Promise((resolve) => { const o = new (require('perf_hooks').PerformanceObserver)((list) => { o.disconnect(); resolve(list.getEntries().map((e) => e.name)); }); o.observe({ entryTypes: ['mark'] }); performance.mark('seen'); }),
  'createHistogram': () => { const h = require('perf_hooks').createHistogram(); for (let i = 1; i <= 10; i++) h.record(i); return [h.count, h.min, h.max, h.mean, h.percentile(50), h.exceeds]; },
  'eventLoopUtilization': () => Object.keys(performance.eventLoopUtilization()),
  'performance inspected': () => inspect(performance, { depth: -1 }),
  'toJSON': () => Object.keys(performance.toJSON()),
});
