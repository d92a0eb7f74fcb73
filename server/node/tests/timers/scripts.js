setTimeout(() => log('timeout'), 1);
setImmediate(() => setTimeout(() => log('late'), 20));
process.nextTick(() => log('tick'));
Promise.resolve().then(() => log('then'));
queueMicrotask(() => log('microtask'));
log('main');
//
// Of equal durations the oldest first, of others the shortest.
together(() => [['a', 30], ['b', 10], ['c', 30], ['d', 10], ['e', 20]].map(([name, after]) => setTimeout(log, after, name)));
//
// Ticks and microtasks between timers that are due together.
for (const name of ['a', 'b']) {
  setTimeout(() => {
    log(name);
    Promise.resolve().then(() => log(name, 'then'));
    process.nextTick(() => log(name, 'tick'));
  }, 5);
}
//
// And between immediates.
for (const name of ['a', 'b']) {
  setImmediate(() => {
    log(name);
    Promise.resolve().then(() => log(name, 'then')).then(() => process.nextTick(() => log(name, 'last')));
    process.nextTick(() => log(name, 'tick'));
    setImmediate(() => log(name, 'next round'));
  });
}
//
// An immediate comes before a timer that was set with it inside a timer.
setTimeout(() => {
  setTimeout(() => log('timeout'), 0);
  setImmediate(() => log('immediate'));
}, 5);
//
let left = 3;
const interval = setInterval((word) => {
  log(word, left);
  if (--left === 0) clearInterval(interval);
}, 2, 'interval');
//
const first = setTimeout(() => { log('first'); clearTimeout(second); }, 5);
const second = setTimeout(() => log('second'), 5);
const never = setTimeout(() => log('never'), 1);
clearTimeout(never);
clearTimeout(never);
clearTimeout(undefined);
clearTimeout({});
clearInterval('nothing');
//
const byNumber = +setTimeout(() => log('cleared by number'), 1);
clearTimeout(byNumber);
const byText = `${setTimeout(() => log('cleared by text'), 1)}`;
clearTimeout(byText);
log(typeof byNumber, typeof byText);
setTimeout(() => log('other'), 3);
//
const a = setImmediate(() => { log('a'); clearImmediate(b); });
const b = setImmediate(() => log('b'));
const c = setImmediate(() => log('c'));
clearImmediate(c);
clearImmediate(null);
log(a.hasRef(), a.unref().hasRef(), a.ref() === a, c.hasRef());
//
let runs = 0;
const again = setTimeout(() => {
  log('run', ++runs);
  if (runs < 3) again.refresh();
}, 2);
log(again.hasRef(), again.unref().hasRef(), again.ref().hasRef(), again.refresh() === again);
//
const [timer] = together(() => [
  setTimeout(function (...args) {
    log(this === timer, args.length, typeof this._onTimeout);
  }, '60', 1, 2),
  setTimeout(() => log('fraction'), 1.9),
  setTimeout(() => log('negative'), -5),
  setTimeout(() => log('not a number'), 'x'),
  setTimeout(() => log('none')),
]);
//
for (const make of [setTimeout, setInterval, setImmediate]) {
  try {
    make('text');
  } catch (error) {
    log(error.name, error.code, error.message);
  }
}
log(setTimeout.name, setInterval.name, setImmediate.name, clearTimeout.name, clearInterval.name, clearImmediate.name);
//
setTimeout(() => log('closed')).close();
{ const gone = setTimeout(() => log('gone'), 1); gone[Symbol.dispose]?.() ?? clearTimeout(gone); }
setTimeout(() => log('the only one'), 2);
//
const wait = setTimeout[Symbol.for('nodejs.util.promisify.custom')];
const soon = setImmediate[Symbol.for('nodejs.util.promisify.custom')];
soon('soon').then((value) => log(value)).then(() => wait(10, 'value')).then((value) => log(value));
//
process.nextTick(() => {
  log('tick 1');
  process.nextTick(() => log('tick 3'));
  Promise.resolve().then(() => { log('then 1'); process.nextTick(() => log('tick 4')); });
});
process.nextTick(() => log('tick 2'));
queueMicrotask(() => { log('microtask'); queueMicrotask(() => log('nested')); });
setImmediate(() => log('immediate'));
//
const controller = new AbortController();
const { signal } = controller;
log(signal.aborted, signal.reason, signal.onabort, String(controller), String(signal));
signal.addEventListener('abort', (event) => log('listener', event.type, event.target === signal));
signal.addEventListener('abort', { handleEvent(event) { log('object', event.constructor.name); } }, { once: true });
signal.onabort = function (event) { log('handler', this === signal, event.type); };
const unheard = () => log('unheard');
signal.addEventListener('abort', unheard);
signal.removeEventListener('abort', unheard);
controller.abort();
controller.abort('again');
log(signal.aborted, signal.reason.name, signal.reason.message, signal.reason.code);
try { signal.throwIfAborted(); } catch (error) { log(error === signal.reason); }
//
const early = AbortSignal.abort('why');
log(early.aborted, early.reason, early instanceof AbortSignal, early instanceof EventTarget);
try { new AbortSignal(); } catch (error) { log(error.name, error.code, error.message); }
const timed = AbortSignal.timeout(5);
timed.onabort = () => log('timed', timed.reason.name, timed.reason.message);
setTimeout(() => log('after'), 60);
const either = AbortSignal.any([new AbortController().signal, timed]);
either.addEventListener('abort', () => log('either', either.reason === timed.reason));
//
const target = new EventTarget();
target.addEventListener('x', (event) => { log('one', event.cancelable); event.preventDefault(); });
target.addEventListener('x', (event) => { log('two', event.defaultPrevented); event.stopImmediatePropagation(); });
target.addEventListener('x', () => log('three'));
log(target.dispatchEvent(new Event('x', { cancelable: true })), target.dispatchEvent(new Event('y')));
//
process.on("uncaughtException", (error) => log("uncaught", error.message));
setImmediate(() => {
  for (const name of ["first", "second", "third"]) {
    setImmediate(() => {
      process.nextTick(() => log("tick of", name));
      queueMicrotask(() => log("microtask of", name));
      if (name === "first") throw new Error(name);
      log(name);
    });
  }
});
//
process.on("uncaughtException", (error) => log("uncaught", error.message));
together(() =>
  ["first", "second", "third"].map((name) =>
    setTimeout(() => {
      process.nextTick(() => log("tick of", name));
      queueMicrotask(() => log("microtask of", name));
      if (name !== "second") throw new Error(name);
      log(name);
    }, 5),
  ),
);
