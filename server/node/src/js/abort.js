// Events and abort signals: as much of the web's as addons use to have their tasks cancelled.
// `globals.js` evaluates this when one of the four classes is first read.
(function (native) {
'use strict';

const { apply } = Reflect;
const errors = () => native.load('errors');

class Event {
  #type;
  #target = null;
  #cancelable;
  #prevented = false;
  #stopped = false;

  constructor(type, options = undefined) {
    if (arguments.length === 0) {
      throw errors().named(TypeError, 'ERR_MISSING_ARGS', 'The "type" argument must be specified');
    }
    this.#type = String(type);
    this.#cancelable = Boolean(options?.cancelable);
    this.timeStamp = Number(native.hrtime()) / 1e6;
  }

  static begin(event, target) { event.#target = target; }
  static isStopped(event) { return event.#stopped; }

  get type() { return this.#type; }
  get target() { return this.#target; }
  get currentTarget() { return this.#target; }
  get srcElement() { return this.#target; }
  get cancelable() { return this.#cancelable; }
  get defaultPrevented() { return this.#cancelable && this.#prevented; }
  get bubbles() { return false; }
  get composed() { return false; }
  get isTrusted() { return false; }
  preventDefault() { this.#prevented = true; }
  stopPropagation() {}
  stopImmediatePropagation() { this.#stopped = true; }
  composedPath() { return this.#target === null ? [] : [this.#target]; }
  get [Symbol.toStringTag]() { return 'Event'; }
}
const { begin, isStopped } = Event;
delete Event.begin;
delete Event.isStopped;

// A listener that throws does not keep the others from hearing: its error is an uncaught one, later.
const later = (error) => globalThis.process.nextTick(() => { throw error; });

class EventTarget {
  #listeners = new Map();

  addEventListener(type, listener, options = undefined) {
    if (arguments.length < 2) {
      throw errors().named(TypeError, 'ERR_MISSING_ARGS', 'The "type" and "listener" arguments must be specified');
    }
    if (listener === null || listener === undefined) return;
    if (typeof listener !== 'function' && typeof listener !== 'object') {
      throw errors().invalidType('listener', ['EventListener'], listener);
    }
    const { once = false, signal = undefined } = typeof options === 'object' && options !== null ? options : {};
    if (signal?.aborted) return;
    const name = String(type);
    const known = this.#listeners.get(name) ?? [];
    if (known.some((other) => other.listener === listener)) return;
    this.#listeners.set(name, [...known, { listener, once: Boolean(once) }]);
    signal?.addEventListener('abort', () => this.removeEventListener(name, listener), { once: true });
  }

  removeEventListener(type, listener) {
    const name = String(type);
    const left = (this.#listeners.get(name) ?? []).filter((known) => known.listener !== listener);
    if (left.length) this.#listeners.set(name, left);
    else this.#listeners.delete(name);
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw errors().invalidType('event', 'Event', event);
    begin(event, this);
    // Listeners may be added and removed meanwhile: those are heard, as in Node, and these are not.
    const heard = new Set();
    for (;;) {
      const known = this.#listeners.get(event.type)?.find((other) => !heard.has(other));
      if (known === undefined) break;
      heard.add(known);
      if (known.once) this.removeEventListener(event.type, known.listener);
      try {
        if (typeof known.listener === 'function') apply(known.listener, this, [event]);
        else known.listener.handleEvent?.(event);
      } catch (error) {
        later(error);
      }
      if (isStopped(event)) break;
    }
    return !event.defaultPrevented;
  }

  get [Symbol.toStringTag]() { return 'EventTarget'; }
}

const secret = Symbol('only the host makes signals');

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  #handler = null;
  #dependents = [];

  constructor(key = undefined) {
    if (key !== secret) throw errors().named(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
    super();
  }

  static abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
    const signal = new AbortSignal(secret);
    signal.#aborted = true;
    signal.#reason = reason;
    return signal;
  }

  static timeout(delay) {
    errors().requireInteger(delay, 'delay', 0, 2 ** 32 - 1);
    const signal = new AbortSignal(secret);
    globalThis.setTimeout(() => {
      abort(signal, new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
    }, delay).unref();
    return signal;
  }

  static any(signals) {
    const wrong = (text) => errors().named(TypeError, 'ERR_INVALID_ARG_TYPE', text);
    if (typeof signals?.[Symbol.iterator] !== 'function') throw wrong('signals cannot be converted to sequence.');
    const all = [...signals];
    const made = new AbortSignal(secret);
    all.forEach((signal, index) => {
      if (!(signal instanceof AbortSignal)) throw wrong(`signals[${index}] is not of type AbortSignal.`);
    });
    const over = all.find((signal) => signal.#aborted);
    if (over) {
      made.#aborted = true;
      made.#reason = over.#reason;
    } else {
      for (const signal of all) signal.#dependents.push(made);
    }
    return made;
  }

  static trigger(signal, reason) {
    const over = [];
    AbortSignal.#end(signal, reason, over);
    for (const each of over) each.dispatchEvent(new Event('abort'));
  }

  // A listener of one finds those that depend on it aborted too.
  static #end(signal, reason, over) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason;
    over.push(signal);
    for (const dependent of signal.#dependents.splice(0)) AbortSignal.#end(dependent, reason, over);
  }

  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }

  get onabort() { return this.#handler?.callback ?? null; }
  set onabort(callback) {
    if (typeof callback !== 'function') {
      if (this.#handler) this.removeEventListener('abort', this.#handler.listener);
      this.#handler = null;
    } else if (this.#handler) {
      this.#handler.callback = callback;
    } else {
      const handler = { callback, listener: undefined };
      handler.listener = (event) => apply(handler.callback, this, [event]);
      this.#handler = handler;
      this.addEventListener('abort', handler.listener);
    }
  }

  get [Symbol.toStringTag]() { return 'AbortSignal'; }
}
const abort = AbortSignal.trigger;
delete AbortSignal.trigger;

class AbortController {
  #signal = new AbortSignal(secret);

  get signal() { return this.#signal; }
  abort(reason = new DOMException('This operation was aborted', 'AbortError')) { abort(this.#signal, reason); }
  get [Symbol.toStringTag]() { return 'AbortController'; }
}

return { Event, EventTarget, AbortSignal, AbortController };
})
