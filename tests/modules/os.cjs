'use strict';
const { probes } = require('./probe.js');
const os = require('os');
const near = (value) => Math.round(Math.log2(value));

probes({
  exports: () => Object.keys(os),
  EOL: () => os.EOL,
  devNull: () => os.devNull,
  'arch and platform': () => [os.arch(), os.platform(), `${os.arch}`, `${os.platform}`],
  'type, release, version, machine': () => [os.type(), os.release(), os.version(), os.machine()],
  endianness: () => os.endianness(),
  hostname: () => os.hostname(),
  tmpdir: () => os.tmpdir(),
  homedir: () => os.homedir(),
  'homedir of HOME': () => {
    const { HOME } = process.env;
    process.env.HOME = '/somewhere';
    try {
      return os.homedir();
    } finally {
      process.env.HOME = HOME;
    }
  },
  userInfo: () => os.userInfo(),
  'userInfo as buffers': () => Buffer.isBuffer(os.userInfo({ encoding: 'buffer' }).username),
  'number of cpus': () => os.cpus().length,
  'shape of a cpu': () => { const cpu = os.cpus()[0]; return [cpu.model, typeof cpu.speed, Object.entries(cpu.times).map(([name, value]) => [name, typeof value])]; },
  availableParallelism: () => os.availableParallelism(),
  totalmem: () => os.totalmem(),
  freemem: () => os.freemem() > 0 && os.freemem() <= os.totalmem(),
  uptime: () => near(os.uptime()),
  loadavg: () => os.loadavg().map((load) => typeof load),
  networkInterfaces: () => os.networkInterfaces(),
  getPriority: () => os.getPriority(),
  'getPriority of a process': () => os.getPriority(process.pid),
  'getPriority of none': () => os.getPriority(2 ** 22 + 5),
  'getPriority of a text': () => os.getPriority('1'),
  'setPriority to the same': () => os.setPriority(os.getPriority()),
  'setPriority too high': () => os.setPriority(0, 20),
  'setPriority of none': () => os.setPriority(2 ** 22 + 5, 3),
  'constants': () => Object.keys(os.constants),
  'signals': () => os.constants.signals,
  'errno': () => os.constants.errno,
  'priority': () => os.constants.priority,
  'dlopen': () => os.constants.dlopen,
});
