// Generators, promises and abortable tasks of napi-rs. The value is a promise of the lines.
const write = (...words) => lines.push(words.join(" "));
const text = (value) => (value === undefined ? "undefined" : JSON.stringify(value));

function caught(name, run) {
  try {
    write(name, text(run()));
  } catch (error) {
    write(name, "threw", error instanceof Error ? `${error.name}: ${error.message}` : text(error));
  }
}

async function settled(name, run) {
  try {
    write(name, text(await run()));
  } catch (error) {
    write(name, "rejected", error instanceof Error ? `${error.name}: ${error.message}` : text(error));
  }
}

function generators() {
  const { Countdown } = addon;
  write("spread", text([...new Countdown(3)]));
  write("Array.from", text(Array.from(new Countdown(2), (x) => x * 2)));
  const one = new Countdown(5);
  const iterator = one[Symbol.iterator]();
  write("itself", typeof one.next, iterator === one[Symbol.iterator]());
  write("next", text(iterator.next()), text(iterator.next(3)), text(iterator.next()));
  write("return", text(iterator.return(7)), text(iterator.next()));
  write("over", text(iterator.next()), text(iterator.return()));
  caught("throw", () => new Countdown(2)[Symbol.iterator]().throw(new RangeError("in")));
  caught("throw a value", () => new Countdown(2)[Symbol.iterator]().throw("text"));
  caught("left early", () => {
    const left = new Countdown(4);
    for (const number of left) if (number === 2) break;
    return [...left];
  });
  caught("helpers", () => typeof new Countdown(2).map);
  caught("sum of an array", () => addon.sumOfIterator([1, 2, 3].values()));
  caught("sum of a generator", () => addon.sumOfIterator((function* () { yield 4; yield 5; })()));
  caught("sum of its own", () => addon.sumOfIterator(new Countdown(4)[Symbol.iterator]()));
  caught("sum of what fails", () =>
    addon.sumOfIterator((function* () { yield 4; throw new TypeError("mine"); })()),
  );
  caught("sum of nothing", () => addon.sumOfIterator({}));
}

async function asynchronous() {
  const { AsyncCountdown } = addon;
  const all = [];
  for await (const number of new AsyncCountdown(3)) all.push(number);
  write("for await", text(all));
  const one = new AsyncCountdown(5);
  const iterator = one[Symbol.asyncIterator]();
  write("keys", text(Object.keys(iterator)), iterator.next() instanceof Promise);
  await settled("next with a value", () => iterator.next(3));
  write("left", one.left);
  await settled("return", () => iterator.return(7));
  write("left", one.left);
  await settled("after the end", () => iterator.next());
  await settled("over", () => new AsyncCountdown(-5)[Symbol.asyncIterator]().next());
  await settled("throw", () => one[Symbol.asyncIterator]().throw(new RangeError("in")));
  await settled("throw a value", () => one[Symbol.asyncIterator]().throw(5));
  await settled("left early", async () => {
    const left = new AsyncCountdown(4);
    for await (const number of left) if (number === 2) break;
    return left.left;
  });
  await settled("step of another", () =>
    addon.nextOfAsyncIterator((async function* () { yield "item"; })()),
  );
}

async function promises() {
  await settled("add", () => addon.addToPromise(Promise.resolve(1), 2));
  await settled("sum", () => addon.sumOfPromises([Promise.resolve(1), addon.asyncAdd(1, 1)]));
  await settled("rejected", () => addon.addToPromise(Promise.reject(new TypeError("mine")), 2));
  await settled("rejected with a value", () => addon.addToPromise(Promise.reject(5), 2));
  await settled("wrong type", () => addon.addToPromise(Promise.resolve("text"), 2));
  await settled("no promise", () => addon.addToPromise(1, 2));
  await settled("a thenable", () => addon.addToPromise({ then: (done) => done(1) }, 2));
  await settled("callback", () => addon.callAndAwait(async (n) => n * 2, 20));
  await settled("callback that throws", () =>
    addon.callAndAwait(() => { throw new RangeError("thrown"); }, 20),
  );
}

async function abortable() {
  // Whatever the size of the pool, its threads are busy with these.
  const busy = Array.from({ length: 64 }, (_, number) => addon.behindGate(number));
  const early = new AbortController();
  early.abort();
  const aborted = addon.behindGate(100, early.signal);
  const controller = new AbortController();
  const waiting = [1, 2].map((number) => addon.behindGate(number, controller.signal));
  const spared = addon.behindGate(3, new AbortController().signal);
  controller.abort();
  await settled("called off", () => waiting[0]);
  await settled("called off", () => waiting[1]);
  addon.setGate(true);
  await settled("aborted before", () => aborted);
  await settled("busy", () => Promise.all(busy).then((all) => all.length));
  await settled("spared", () => spared);
  controller.abort();
  await settled("after the end", () => addon.behindGate(4, new AbortController().signal));
  addon.setGate(false);
}

async function main() {
  generators();
  await asynchronous();
  await promises();
  await abortable();
  return lines;
}
return LATER ? main() : lines;
