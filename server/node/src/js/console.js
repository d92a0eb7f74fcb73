// console: lines for the host's stdout and stderr.
(function (native) {
'use strict';

// Node's own, once it is loaded.
const inspect = () => native.shown ?? native.load('inspect');
let indentation = '';
const counts = new Map();
const timers = new Map();

const line = (fd, args) => {
  let text;
  try {
    text = args.length === 1 && typeof args[0] === 'string' ? args[0] : inspect().format(args);
  } catch (error) {
    text = `[console: a value could not be shown: ${inspect().plain(error)}]`;
  }
  if (indentation) text = indentation + text.replaceAll('\n', `\n${indentation}`);
  native.output(fd, `${text}\n`);
};
const elapsed = (label) => {
  const started = timers.get(label);
  if (started === undefined) {
    native.load('process').emitWarning(`No such label '${label}' for console.time()`);
    return undefined;
  }
  const milliseconds = Number(native.hrtime() - started) / 1e6;
  return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(3)}s` : `${+milliseconds.toFixed(3)}ms`;
};

const members = {
  log(...args) { line(1, args); },
  info(...args) { line(1, args); },
  debug(...args) { line(1, args); },
  warn(...args) { line(2, args); },
  error(...args) { line(2, args); },
  trace(...args) {
    const here = { name: 'Trace', message: args.length ? inspect().format(args) : '' };
    Error.captureStackTrace(here, members.trace);
    line(2, [`Trace${here.message && `: ${here.message}`}\n${String(here.stack).split('\n').slice(1).join('\n')}`.trimEnd()]);
  },
  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift('Assertion failed');
    line(2, args);
  },
  dir(value, options) { native.output(1, `${indentation}${inspect().inspect(value, options)}\n`); },
  dirxml(...args) { line(1, args); },
  table(data, columns) {
    let text = '';
    const sink = { write(part) { text += part; }, on() {}, once() {}, removeListener() {}, listenerCount: () => 0 };
    new members.Console({ stdout: sink }).table(data, columns);
    line(1, [text.slice(0, -1)]);
  },
  group(...args) {
    if (args.length) line(1, args);
    indentation += '  ';
  },
  groupEnd() { indentation = indentation.slice(2); },
  count(label = 'default') {
    const count = (counts.get(`${label}`) ?? 0) + 1;
    counts.set(`${label}`, count);
    line(1, [`${label}: ${count}`]);
  },
  countReset(label = 'default') { counts.delete(`${label}`); },
  time(label = 'default') { timers.set(`${label}`, native.hrtime()); },
  timeLog(label = 'default', ...args) {
    const text = elapsed(`${label}`);
    if (text !== undefined) line(1, [`${label}: ${text}`, ...args]);
  },
  timeEnd(label = 'default') {
    const text = elapsed(`${label}`);
    timers.delete(`${label}`);
    if (text !== undefined) line(1, [`${label}: ${text}`]);
  },
};
members.groupCollapsed = members.group;
Object.assign(members, { clear() {}, profile() {}, profileEnd() {}, timeStamp() {}, context: () => members });
members.createTask = () => ({ run: (callback) => callback() });
Object.defineProperty(members, 'Console', {
  get: () => native.load('realm').require('internal/console/constructor').Console,
  set(value) { Object.defineProperty(members, 'Console', { value, enumerable: true, writable: true, configurable: true }); },
  enumerable: true, configurable: true,
});
return Object.defineProperty(members, Symbol.toStringTag, { value: 'console', configurable: true });
})
