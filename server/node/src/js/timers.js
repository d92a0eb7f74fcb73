// Timers and immediates, as Node has them. When they are due is the host's to know.
(function (native) {
'use strict';

const { apply } = Reflect;
const LONGEST = 2 ** 31 - 1;
const custom = Symbol.for('nodejs.util.promisify.custom');
const requireFunction = (callback) => native.load('errors').requireFunction(callback, 'callback');

// Timers that were converted to a number, by that: they can be cleared by it.
const numbered = new Map();
let number = 0;

const duration = (after) => {
  const wish = after === undefined ? 1 : after * 1;
  if (wish >= 1 && wish <= LONGEST) return wish;
  if (wish > LONGEST) {
    globalThis.process.emitWarning(
      `${wish} does not fit into a 32-bit signed integer.\nTimeout duration was set to 1.`, 'TimeoutOverflowWarning');
  }
  return 1;
};

class Timeout {
  #key = 0;
  #number = 0;
  #referenced = true;
  #frame = native.frame;

  constructor(callback, after, args = [], repeats = false, referenced = true) {
    this.#referenced = referenced;
    this._idleTimeout = duration(after);
    this._onTimeout = callback;
    this._timerArgs = args;
    this._repeat = repeats ? this._idleTimeout : null;
    this._destroyed = false;
    this.#start();
  }

  #start(begin = undefined) {
    this._destroyed = false;
    this.#key = native.startTimer(this, Math.trunc(this._idleTimeout), this.#referenced, begin);
  }

  #stop() {
    if (this.#key !== 0) native.stopTimer(this.#key);
    this.#key = 0;
  }

  #end() {
    this._destroyed = true;
    if (this.#number !== 0) numbered.delete(String(this.#number));
  }

  static run(timer) {
    timer.#key = 0;
    if (typeof timer._onTimeout !== 'function') return timer.#end();
    // The next round of an interval counts from the beginning of this one.
    const begin = timer._repeat === null ? undefined : native.timerNow();
    try {
      if (timer.#frame !== undefined) native.within(timer.#frame, timer._onTimeout, timer, timer._timerArgs);
      else if (timer._timerArgs.length) apply(timer._onTimeout, timer, timer._timerArgs);
      else timer._onTimeout();
    } finally {
      // It may have been refreshed or cleared meanwhile.
      if (timer.#key === 0) {
        if (timer._repeat !== null && timer._idleTimeout > 0) timer.#start(begin);
        else timer.#end();
      }
    }
  }

  static clear(timer) {
    timer._onTimeout = null;
    timer._idleTimeout = -1;
    timer.#stop();
    timer.#end();
  }

  static is(value) { return typeof value === 'object' && value !== null && #key in value; }

  refresh() {
    if (this._idleTimeout > 0) {
      this.#stop();
      this.#start();
    }
    return this;
  }
  ref() {
    this.#referenced = true;
    if (this.#key !== 0) native.referenceTimer(this.#key, true);
    return this;
  }
  unref() {
    this.#referenced = false;
    if (this.#key !== 0) native.referenceTimer(this.#key, false);
    return this;
  }
  hasRef() { return this.#referenced; }
  close() {
    clear(this);
    return this;
  }
  [Symbol.toPrimitive]() {
    if (this.#number === 0) this.#number = ++number;
    if (!this._destroyed) numbered.set(String(this.#number), this);
    return this.#number;
  }
  [Symbol.dispose]() { clear(this); }
}
const { run: runTimeout, clear, is } = Timeout;
for (const name of ['run', 'clear', 'is']) delete Timeout[name];

class Immediate {
  #referenced = true;

  constructor(callback, args) {
    this._onImmediate = native.bindFrame(callback);
    this._argv = args;
    this._destroyed = false;
    native.addImmediate(this);
  }

  ref() {
    this.#referenced = true;
    return this;
  }
  unref() {
    this.#referenced = false;
    return this;
  }
  hasRef() { return !this._destroyed && this.#referenced; }
  [Symbol.dispose]() { clearImmediate(this); }
}
const runImmediate = (immediate) => {
  if (immediate._destroyed) return;
  immediate._destroyed = true;
  if (immediate._argv.length) apply(immediate._onImmediate, immediate, immediate._argv);
  else immediate._onImmediate();
};

function setTimeout(callback, after, ...args) {
  requireFunction(callback);
  return new Timeout(callback, after, args, false);
}
function setInterval(callback, repeat, ...args) {
  requireFunction(callback);
  return new Timeout(callback, repeat, args, true);
}
function setImmediate(callback, ...args) {
  requireFunction(callback);
  return new Immediate(callback, args);
}
function clearTimeout(timer) {
  if (is(timer)) clear(timer);
  else if (typeof timer === 'number' || typeof timer === 'string') {
    const found = numbered.get(String(timer));
    if (found !== undefined) clear(found);
  }
}
function clearInterval(timer) { clearTimeout(timer); }
function clearImmediate(immediate) {
  if (!(immediate instanceof Immediate) || immediate._destroyed) return;
  immediate._destroyed = true;
  immediate._onImmediate = null;
}

for (const start of [setTimeout, setImmediate]) {
  Object.defineProperty(start, custom, {
    enumerable: true, get: () => native.load('realm').require('timers/promises')[start.name],
  });
}

native.setTimerCalls(runTimeout, runImmediate);
return { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, Timeout, Immediate };
})
