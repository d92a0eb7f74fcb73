'use strict';
const { probes } = require('./probe.js');

probes({
  'tty exports': () => Object.keys(require('tty')),
  'isatty': () => [0, 1, 100, -1, 'x'].map(require('tty').isatty),
  'ReadStream of a bad descriptor': () => new (require('tty').ReadStream)(-1),
});
