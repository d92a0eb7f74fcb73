// The modules `timers` and `internal/timers`, over the host's own timers.
(function (native) {
'use strict';

const { Timeout, Immediate, ...timers } = native.load('timers');
const { setTimeout, clearTimeout, setImmediate, clearImmediate, setInterval } = timers;

// Timers of others' objects, which Node deprecates.
const started = new WeakMap();
const unenroll = (item) => {
  clearTimeout(started.get(item));
  started.delete(item);
};
const start = (item, referenced) => {
  if (!(item._idleTimeout >= 0)) return;
  unenroll(item);
  const timer = setTimeout(() => item._onTimeout?.(), item._idleTimeout);
  started.set(item, referenced ? timer : timer.unref());
};
const requireDuration = (after, name) => {
  const errors = native.load('errors');
  if (typeof after !== 'number') throw errors.invalidType(name, 'number', after);
  if (!(after >= 0 && Number.isFinite(after))) throw errors.outOfRange(name, 'a non-negative finite number', after);
  return Math.min(after, 2 ** 31 - 1);
};

return {
  internal: {
    Timeout, Immediate,
    insert() {}, // A timer of the host's starts when it is made.
    kTimeout: Symbol('timeout'), TIMEOUT_MAX: 2 ** 31 - 1,
    getTimerDuration: requireDuration,
    setUnrefTimeout: (callback, after) => new Timeout(callback, after, [], false, false),
  },
  timers: (require) => {
    const exports = {
      setTimeout, clearTimeout, setImmediate, clearImmediate, setInterval, clearInterval: timers.clearInterval,
      _unrefActive(item) { start(item, false); },
      active(item) { start(item, true); },
      unenroll,
      enroll(item, after) {
        item._idleTimeout = requireDuration(after, 'msecs');
        unenroll(item);
      },
    };
    return Object.defineProperty(exports, 'promises', {
      enumerable: true, configurable: true, get: () => require('timers/promises'),
    });
  },
};
})
