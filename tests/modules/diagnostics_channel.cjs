'use strict';
const { probes } = require('./probe.js');
const dc = require('diagnostics_channel');

probes({
  'dc exports': () => Object.keys(dc),
  'dc publish': () => { const seen = []; const f = (m, n) => seen.push([m, n]); dc.subscribe('c', f); dc.channel('c').publish({ a: 1 }); const ok = dc.unsubscribe('c', f); dc.channel('c').publish(2); return [seen, ok, dc.hasSubscribers('c')]; },
  'dc tracingChannel': () => { const seen = []; const t = dc.tracingChannel('t'); t.subscribe({ start() { seen.push('start'); }, end(m) { seen.push(m.result); }, asyncStart() {}, asyncEnd() {}, error() {} }); t.traceSync(() => 5, {}); return seen; },
  'dc bad name': () => dc.channel(1),
});
