'use strict';
const { probes } = require('./probe.js');

probes({
  'v8 exports': () => Object.keys(require('v8')),
  'heap statistics': () => Object.entries(require('v8').getHeapStatistics()).map(([name, value]) => [name, typeof value]),
  'heap spaces': () => require('v8').getHeapSpaceStatistics().every((space) => typeof space.space_used_size === 'number'),
  'setFlagsFromString of a number': () => require('v8').setFlagsFromString(1),
});
