'use strict';
// Modules that need a network, threads or a debugger: here they load, with the names that Node exports.
const { probes } = require('./probe.js');
const names = ['http', 'https', 'http2', 'net', 'tls', 'dns', 'dns/promises', 'dgram', 'cluster', 'inspector', 'repl', 'node:sqlite', 'wasi', 'trace_events', 'node:test', 'node:sea'];
process.removeAllListeners('warning');
const all = {
  'STATUS_CODES': () => require('http').STATUS_CODES,
  'METHODS': () => require('http').METHODS,
  'http2.constants': () => require('http2').constants,
  'net.isIP': () => ['1.2.3.4', '::1', 'x'].map(require('net').isIP),
  'cluster.isPrimary': () => require('cluster').isPrimary,
  'extended': () => { class Mine extends require('http').Agent {} return typeof Mine; },
  'sqlite needs a scheme': () => { try { require('sqlite'); } catch (error) { return error.code; } },
};
for (const name of names) {
  all[name] = () => Object.entries(require(name)).map(([key, value]) => [key, typeof value]).sort();
}
probes(all);
