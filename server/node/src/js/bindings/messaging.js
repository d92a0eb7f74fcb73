// The binding `messaging`: ports whose ends lie in the same thread.
(function (native, bindings) {
'use strict';

const errors = native.load('errors');
const symbols = bindings.get('symbols');
const clone = native.load('clone');

let making = false; // Ports are made by channels only.

class MessagePort {
  #queue = [];
  #other = null;
  #started = false;
  #closed = false;
  #referenced = true;
  #scheduled = false;

  constructor() {
    if (!making) throw errors.named(TypeError, 'ERR_CONSTRUCT_CALL_INVALID', 'Constructor cannot be called');
    this[symbols.oninit]?.();
  }

  static link(first, second) {
    first.#other = second;
    second.#other = first;
  }
  static take(port) { return port.#queue.shift(); }
  static is(value) { return typeof value === 'object' && value !== null && #queue in value; }
  static stop(port) { port.#started = false; }

  // A new port in the place of one that was sent.
  static move(port) {
    const moved = make();
    moved.#queue = port.#queue.splice(0);
    if (port.#other !== null) link(moved, port.#other);
    port.#other = null;
    port.#end();
    return moved;
  }

  postMessage(message, options = undefined) {
    if (arguments.length === 0) throw errors.named(TypeError, 'ERR_MISSING_ARGS', 'The "message" argument must be specified');
    if (options !== undefined && options !== null && typeof options !== 'object') {
      throw errors.named(TypeError, 'ERR_INVALID_ARG_TYPE', 'Optional transferList argument must be an iterable');
    }
    const list = [...(options?.[Symbol.iterator] ? options : options?.transfer ?? [])];
    if (list.includes(this)) throw new DOMException('Transfer list contains source port', 'DataCloneError');
    const other = this.#other;
    const ports = list.filter(is);
    const moved = new Map(ports.map((port) => [port, other === null ? port : move(port)]));
    const data = clone.withKnown(message, moved);
    for (const buffer of list) if (buffer instanceof ArrayBuffer) buffer.transfer();
    if (other === null) return undefined;
    other.#queue.push([data, [...moved.values()]]);
    other.#schedule();
    return undefined;
  }
  start() {
    if (this.#closed) return;
    this.#started = true;
    this.#schedule();
  }
  drain() { while (this.#queue.length !== 0) this.#deliver(); }
  close() {
    const other = this.#other;
    this.#other = null;
    this.#end();
    if (other !== null) {
      other.#other = null;
      // What was sent before is delivered first.
      globalThis.setImmediate(() => other.#end());
    }
  }
  ref() { this.#referenced = true; }
  unref() { this.#referenced = false; }
  hasRef() { return this.#closed ? undefined : this.#referenced; }

  #end() {
    if (this.#closed) return;
    this.#closed = true;
    globalThis.setImmediate(() => this[symbols.handle_onclose]?.());
  }
  #schedule() {
    if (this.#scheduled || !this.#started || this.#queue.length === 0) return;
    this.#scheduled = true;
    globalThis.setImmediate(() => {
      this.#scheduled = false;
      while (this.#started && this.#queue.length !== 0) this.#deliver();
    });
  }
  #deliver() {
    const [data, ports] = this.#queue.shift();
    Reflect.apply(binding.emitMessage, this, [data, ports, 'message']);
  }
}
const { link, take, is, stop, move } = MessagePort;
for (const name of ['link', 'take', 'is', 'stop', 'move']) delete MessagePort[name];

const make = () => {
  making = true;
  try {
    return new MessagePort();
  } finally {
    making = false;
  }
};

class MessageChannel {
  constructor() {
    this.port1 = make();
    this.port2 = make();
    link(this.port1, this.port2);
  }
}

const binding = {
  MessagePort, MessageChannel,
  // What the scripts of `internal/per_context` set, they set here.
  emitMessage: undefined,
  drainMessagePort(port) { port?.drain(); },
  stopMessagePort(port) { stop(port); },
  moveMessagePortToContext() { throw errors.unavailable('This host has one context'); },
  receiveMessageOnPort(port) {
    if (!is(port)) {
      throw errors.named(TypeError, 'ERR_INVALID_ARG_TYPE', 'The "port" argument must be a MessagePort instance');
    }
    const found = take(port);
    return found === undefined ? symbols.no_message_symbol : found[0];
  },
  checkMessagePort: is,
  broadcastChannel() { throw errors.unavailable('BroadcastChannel is not available: this host has one thread'); },
  setDeserializerCreateObjectFunction() {},
  structuredClone: (value, options) => globalThis.structuredClone(value, options),
};
return binding;
})
