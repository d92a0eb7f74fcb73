// What the loop does in which order: ticks, microtasks, timers, immediates, threadsafe functions,
// completions, and what throws in each. The value is a promise of the lines, for the loop has to run.
const write = (...words) => lines.push(words.join(" "));
const busy = (time) => {
  const end = performance.now() + time;
  while (performance.now() < end);
};

// What a place is to run in a task of its own: each begins there, and the loop comes to rest after it.
const PLACES = {
  timer: (body) => setTimeout(body, 1),
  immediate: (body) => setImmediate(body),
  event: (body) => addon.events(body, 1),
  completion: (body) => addon.work(body),
  tick: (body) => setImmediate(() => process.nextTick(body)),
  microtask: (body) => setImmediate(() => queueMicrotask(body)),
  reaction: (body) => setImmediate(() => Promise.resolve().then(body)),
};
const MACRO = ["timer", "immediate", "event", "completion"];

// The loop comes to rest: what is due has run after so many rounds.
async function rest() {
  for (let round = 0; round < 6; round++) await new Promise((resolve) => setImmediate(resolve));
}

// Runs a body in a task of its own. One that takes `done` says itself when it is over; no other waits
// for time to pass, so that a machine that stalls changes nothing.
async function section(name, body, place = "immediate") {
  write(`-- ${name}, in ${place}`);
  await new Promise((resolve) => {
    PLACES[place](() => {
      if (body.length > 0) return body(resolve);
      // First, for it may throw.
      resolve();
      return body();
    });
  });
  await rest();
}

// Starts timers that have to be of one moment: of one millisecond of their clock.
function together(start) {
  const moment = () => process.hrtime.bigint() / 1000000n;
  for (;;) {
    const begin = moment();
    const timers = start();
    if (moment() === begin) return timers;
    timers.forEach(clearTimeout);
  }
}

async function ordinary() {
  for (const place of Object.keys(PLACES)) {
    await section("what is asked for", () => {
      setTimeout(() => write("timeout"), 1);
      setImmediate(() => write("immediate"));
      process.nextTick(() => write("tick 1"));
      queueMicrotask(() => write("microtask 1"));
      Promise.resolve().then(() => write("reaction 1")).then(() => write("reaction 2"));
      process.nextTick(() => {
        write("tick 2");
        queueMicrotask(() => write("microtask of a tick"));
        process.nextTick(() => write("tick of a tick"));
      });
      queueMicrotask(() => {
        write("microtask 2");
        process.nextTick(() => write("tick of a microtask"));
        queueMicrotask(() => write("microtask of a microtask"));
      });
      Promise.reject(1).catch(() => process.nextTick(() => write("tick of a reaction")));
      busy(3);
      write("body");
    }, place);
  }
  for (const place of MACRO) {
    await section("an event and a completion of each", () => {
      addon.events((number) => {
        write("event", number);
        process.nextTick(() => write("tick of event", number));
        Promise.resolve().then(() => write("reaction of event", number));
      }, 3);
      write("body");
    }, place);
  }
  await section("an event from a completion", (done) => {
    addon.work(() => {
      done();
      write("completion");
      addon.events(() => write("event"), 1);
      setImmediate(() => write("immediate"));
      process.nextTick(() => write("tick"));
    });
  });
  await section("events of two functions", () => {
    addon.events((number) => write("first", number), 2);
    addon.events((number) => write("second", number), 2);
    addon.events((number) => write("third", number), 1);
  });
  await section("an event from an event", () => {
    addon.events(() => {
      write("event");
      addon.events(() => write("event of an event"), 1);
      setImmediate(() => write("immediate"));
    }, 1);
  });
  await section("arguments", () => {
    process.nextTick((...args) => write("tick", args.length, show(args)));
    process.nextTick((...args) => write("tick", args.length, show(args)), 1, undefined, "three", null, 5, 6);
    process.nextTick(function () { write("tick's this", this === undefined, this === globalThis); });
    setTimeout((...args) => write("timeout", show(args)), 1, 1, undefined, "three", null);
    setTimeout(function () { write("timeout's this", typeof this, this.constructor.name); }, 1);
    setImmediate((...args) => write("immediate", show(args)), 1, undefined, "three");
    setImmediate(function () { write("immediate's this", typeof this, this.constructor.name); });
    queueMicrotask((...args) => write("microtask", show(args)), 1, 2);
    queueMicrotask(function () { "use strict"; write("microtask's this", typeof this); });
    busy(3);
  });
  for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"]) {
    for (const wrong of [undefined, null, 1, "text", {}]) op(`${name}(${show(wrong)})`, () => globalThis[name](wrong));
  }
  for (const wrong of [undefined, null, 1, "text", {}]) op(`nextTick(${show(wrong)})`, () => process.nextTick(wrong));
}

async function timers() {
  await section("equal times", () => {
    for (const name of "abcd") setTimeout(() => write(name), 1);
    busy(3);
  });
  await section("shorter after longer", () => {
    together(() => [10, 6, 2, 8, 4].map((after) => setTimeout(() => write(after), after)));
    busy(14);
  });
  await section("one that is not due, after one that is", (done) => {
    setTimeout(() => (write("later"), done()), 30);
    setTimeout(() => write("sooner"), 1);
  });
  await section("all overdue at once", () => {
    together(() => [5, 1, 3, 5, 1].map((after) => setTimeout(() => write(after), after)));
    busy(10);
  });
  await section("the same time, asked for later", () => {
    setTimeout(() => write("one 2"), 2);
    setTimeout(() => write("one 60"), 60);
    busy(3);
    setTimeout(() => write("two 2"), 2);
    busy(62);
  });
  await section("of equal length run together", () => {
    setTimeout(() => write("2, first"), 2);
    setTimeout(() => write("4"), 4);
    busy(4);
    setTimeout(() => write("2, second"), 2);
    busy(8);
  });
  await section("what follows each", () => {
    for (const name of "ab") {
      setTimeout(() => {
        write(name);
        process.nextTick(() => write("tick of", name));
        Promise.resolve().then(() => write("reaction of", name));
        setImmediate(() => write("immediate of", name));
      }, 1);
    }
    busy(4);
  });
  await section("a timer of a timer", () => {
    setTimeout(() => {
      write("first");
      setTimeout(() => write("timeout of the first"), 1);
      busy(4);
    }, 1);
    setTimeout(() => write("second"), 1);
    setImmediate(() => write("immediate"));
    busy(4);
  });
  await section("cleared by another", () => {
    const all = ["a", "b", "c", "d"].map((name, number) =>
      setTimeout(() => {
        write(name);
        if (number === 0) clearTimeout(all[2]);
      }, 1),
    );
    busy(4);
  });
  await section("cleared by a tick between them", () => {
    let second;
    setTimeout(() => process.nextTick(() => (write("first"), clearTimeout(second))), 1);
    second = setTimeout(() => write("second"), 1);
    setTimeout(() => write("third"), 1);
    busy(4);
  });
  await section("an interval", (done) => {
    let rounds = 0;
    const timer = setInterval((...args) => {
      write("round", ++rounds, show(args));
      if (rounds < 3) return;
      clearInterval(timer);
      done();
    }, 1, "an argument", 2);
  });
  await section("an interval that clears itself in a tick", (done) => {
    let rounds = 0;
    const timer = setInterval(() => {
      write("round", ++rounds);
      process.nextTick(() => clearInterval(timer));
      setTimeout(done, 5);
    }, 1);
  });
  await section("an interval counts from the beginning of its call", (done) => {
    let rounds = 0;
    const timer = setInterval(() => {
      write("round", ++rounds);
      if (rounds === 3) {
        clearInterval(timer);
        done();
      } else if (rounds === 1) {
        // Due when this call is over, before what is asked for in its end.
        busy(6);
        setTimeout(() => write("asked for at the end of round 1"), 1);
        busy(3);
      }
    }, 4);
  });
  await section("refreshed", () => {
    const first = setTimeout(() => write("first"), 1);
    setTimeout(() => write("second"), 1);
    op("refresh", () => first.refresh() === first);
    setTimeout(() => write("third"), 1);
    busy(4);
  });
  await section("refreshed after it ran", (done) => {
    let runs = 0;
    const timer = setTimeout(() => {
      write("run", ++runs);
      if (runs < 3) timer.refresh();
      else done();
    }, 1);
  });
  await section("refreshed after it was cleared", () => {
    const timer = setTimeout(() => write("ran"), 1);
    clearTimeout(timer);
    timer.refresh();
    busy(4);
  });
  await section("references", () => {
    const timer = setTimeout(() => write("ran although nothing waits"), 1);
    op("hasRef", () => [timer.hasRef(), timer.unref() === timer, timer.hasRef(), timer.ref() === timer, timer.hasRef(), timer.unref().hasRef()]);
    const immediate = setImmediate(() => write("immediate ran"));
    op("hasRef of an immediate", () => [immediate.hasRef(), immediate.unref() === immediate, immediate.hasRef(), immediate.ref() === immediate, immediate.hasRef()]);
    const interval = setInterval(() => 0, 1000);
    op("hasRef of an interval", () => [interval.hasRef(), interval.unref().hasRef()]);
    clearInterval(interval);
    op("hasRef of one that was cleared", () => interval.hasRef());
    busy(4);
  });
  await section("numbers", () => {
    const timer = setTimeout(() => write("ran although its number was cleared"), 1);
    const number = +timer;
    op("a number", () => [typeof number, number > 0, +timer === number, `${timer}` === String(number), timer[Symbol.toPrimitive]() === number]);
    clearTimeout(number);
    const other = setTimeout(() => write("ran although its text was cleared"), 1);
    clearTimeout(String(+other));
    const third = setTimeout(() => write("is cleared by no number that is another"), 1);
    clearTimeout(+third + 1000);
    const interval = setInterval(() => write("an interval ran"), 1);
    clearTimeout(+interval);
    const fourth = setTimeout(() => write("clearInterval clears a timeout"), 1);
    clearInterval(fourth);
    const fifth = setTimeout(() => write("clearImmediate clears no timeout"), 1);
    clearImmediate(fifth);
    const immediate = setImmediate(() => write("clearTimeout clears no immediate"));
    clearTimeout(immediate);
    const close = setTimeout(() => write("closed"), 1);
    op("close", () => close.close() === close);
    const dispose = setTimeout(() => write("disposed of"), 1);
    op("dispose", () => dispose[Symbol.dispose]());
    const gone = setImmediate(() => write("disposed of immediate"));
    op("dispose of an immediate", () => gone[Symbol.dispose]());
    busy(4);
  });
  for (const wrong of [undefined, null, 0, -1, 1e9, "no number", {}, [], true, NaN]) {
    op(`clearTimeout(${show(wrong)})`, () => clearTimeout(wrong));
    op(`clearInterval(${show(wrong)})`, () => clearInterval(wrong));
    op(`clearImmediate(${show(wrong)})`, () => clearImmediate(wrong));
  }
  op("methods of a timer", () => Object.getOwnPropertyNames(Object.getPrototypeOf(setTimeout(() => 0, 1))).filter((name) => name !== "constructor").sort());
  op("methods of an immediate", () => Object.getOwnPropertyNames(Object.getPrototypeOf(setImmediate(() => 0))).filter((name) => name !== "constructor").sort());
  // Each is alone here: the next begins when it has run.
  for (const wish of [undefined, null, 0, -5, 1, 1.9, "2", "no number", NaN, {}, true]) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wish);
      write(`setTimeout of ${show(wish)}`, timer._idleTimeout, timer._repeat);
    });
  }
  const interval = setInterval(() => 0, 7);
  write("an interval's", interval._idleTimeout, interval._repeat);
  clearInterval(interval);
}

async function immediates() {
  await section("from an immediate", () => {
    setImmediate(() => {
      write("immediate 1");
      setImmediate(() => write("immediate of an immediate"));
      process.nextTick(() => write("tick of immediate 1"));
      Promise.resolve().then(() => write("reaction of immediate 1"));
    });
    setImmediate(() => write("immediate 2"));
    addon.events(() => write("event"), 1);
  });
  await section("a timer that is due between them", () => {
    setImmediate(() => {
      write("immediate 1");
      setImmediate(() => write("immediate of the next round"));
      setTimeout(() => write("timeout"), 1);
      busy(4);
    });
    setImmediate(() => write("immediate 2"));
  });
  await section("cleared by another", () => {
    const all = ["a", "b", "c", "d"].map((name, number) =>
      setImmediate(() => {
        write(name);
        if (number === 0) clearImmediate(all[2]);
      }),
    );
  });
  await section("cleared by a tick between them", () => {
    let second;
    setImmediate(() => process.nextTick(() => (write("first"), clearImmediate(second))));
    second = setImmediate(() => write("second"));
    setImmediate(() => write("third"));
  });
  await section("cleared by itself", () => {
    const immediate = setImmediate(() => (write("ran"), clearImmediate(immediate)));
    setImmediate(() => write("next"));
  });
  await section("many in a row", () => {
    let left = 5;
    const again = () => {
      write("round", left);
      addon.events(() => write("event"), 1);
      if (--left > 0) setImmediate(again);
    };
    again();
  });
}

async function errors() {
  const heard = (error, origin) => write("uncaught", error?.message ?? show(error), origin);
  process.on("uncaughtException", heard);
  for (const place of Object.keys(PLACES)) {
    // What an addon below version 10 leaves pending in a threadsafe function is another matter.
    if (place === "event" && BUILD === "order") continue;
    await section("throws", () => {
      setImmediate(() => write("immediate"));
      setTimeout(() => write("timeout"), 1);
      busy(3);
      write("body");
      throw new Error(`of ${place}`);
    }, place);
    await section("throws with a reaction", () => {
      Promise.resolve().then(() => write("reaction"));
      write("body");
      throw new Error(`of ${place}`);
    }, place);
    await section("throws with a tick", () => {
      process.nextTick(() => write("tick"));
      write("body");
      throw new Error(`of ${place}`);
    }, place);
    for (const thrown of [5, undefined, null]) {
      await section(`throws ${show(thrown)}`, () => {
        throw thrown;
      }, place);
    }
  }
  for (const [name, start] of [
    ["timers", (body) => setTimeout(body, 1)],
    ["immediates", setImmediate],
    ["ticks", process.nextTick],
    ["microtasks", queueMicrotask],
  ]) {
    // Timers that are not of one moment need not be of one round.
    const atOnce = name === "timers" ? together : (body) => body();
    await section(`the first of three ${name} throws`, () => {
      atOnce(() => [
        start(() => {
          write("first");
          throw new Error("of the first");
        }),
        start(() => write("second")),
        start(() => write("third")),
      ]);
      setImmediate(() => write("immediate"));
      if (name === "timers") busy(4);
    });
    await section(`the first of three ${name} throws and has followers`, () => {
      atOnce(() => [
        start(() => {
          process.nextTick(() => write("tick of the first"));
          queueMicrotask(() => write("microtask of the first"));
          throw new Error("of the first");
        }),
        start(() => write("second")),
        start(() => write("third")),
      ]);
      setImmediate(() => write("immediate"));
      if (name === "timers") busy(4);
    });
  }
  await section("an interval goes on", (done) => {
    let rounds = 0;
    const timer = setInterval(() => {
      if (++rounds === 3) {
        clearInterval(timer);
        done();
      }
      throw new Error(`of round ${rounds}`);
    }, 1);
  });
  await section("a tick of a tick that throws", () => {
    process.nextTick(() => {
      process.nextTick(() => write("inner tick"));
      throw new Error("of a tick");
    });
    queueMicrotask(() => write("microtask"));
    setImmediate(() => write("immediate"));
  });
  process.off("uncaughtException", heard);

  const late = (error) => {
    write("uncaught", error.message);
    process.nextTick(() => write("tick of the listener"));
    queueMicrotask(() => write("microtask of the listener"));
    setImmediate(() => write("immediate of the listener"));
  };
  process.on("uncaughtException", late);
  for (const place of Object.keys(PLACES)) {
    if (place === "event" && BUILD === "order") continue;
    await section("the listener has followers", () => {
      setImmediate(() => write("immediate"));
      throw new Error(`of ${place}`);
    }, place);
  }
  process.off("uncaughtException", late);
}

async function rejections() {
  const rejected = (reason, promise) => write("unhandled", reason?.message ?? reason, promise instanceof Promise);
  const handled = (promise) => write("handled after all", promise instanceof Promise);
  process.on("unhandledRejection", rejected);
  process.on("rejectionHandled", handled);
  for (const place of Object.keys(PLACES)) {
    await section("a rejection", () => {
      Promise.reject(new Error("of nobody"));
      process.nextTick(() => write("tick"));
      queueMicrotask(() => write("microtask"));
      setImmediate(() => write("immediate"));
      write("body");
    }, place);
  }
  await section("handled in the same task", () => {
    const promise = Promise.reject(1);
    promise.catch(() => write("caught"));
  });
  await section("handled in a tick", () => {
    const promise = Promise.reject(1);
    process.nextTick(() => promise.catch(() => write("caught")));
  });
  await section("handled in a microtask", () => {
    const promise = Promise.reject(1);
    queueMicrotask(() => queueMicrotask(() => promise.catch(() => write("caught"))));
  });
  await section("handled in an immediate", () => {
    const promise = Promise.reject("late");
    setImmediate(() => {
      write("now");
      promise.catch(() => write("caught"));
      process.nextTick(() => write("tick"));
    });
  });
  await section("handled in an event", () => {
    const promise = Promise.reject("late");
    addon.events(() => promise.catch(() => write("caught")), 1);
  });
  await section("several", () => {
    const all = [1, 2, 3].map((number) => Promise.reject(number));
    all[1].catch(() => 0);
    Promise.reject("last");
    (async () => { throw new TypeError("of an async function"); })();
  });
  await section("of a chain, the last", () => {
    Promise.reject("first").then(() => 0).finally(() => write("finally"));
  });
  await section("in a listener", () => {
    process.once("unhandledRejection", () => {
      process.nextTick(() => write("tick of the listener"));
      Promise.reject("of the listener");
    });
    Promise.reject("first");
    setImmediate(() => write("immediate"));
  });
  process.off("unhandledRejection", rejected);
  process.off("rejectionHandled", handled);

  const heard = (error, origin) => write("uncaught", show(error), origin);
  process.on("uncaughtException", heard);
  const monitor = (error, origin) => write("monitor", show(error), origin);
  process.on("uncaughtExceptionMonitor", monitor);
  const thrower = (reason) => {
    throw new Error(`the listener of ${reason}`);
  };
  process.on("unhandledRejection", thrower);
  await section("a listener that throws", () => {
    Promise.reject("first");
    process.nextTick(() => write("tick"));
    setImmediate(() => write("immediate"));
  });
  process.off("unhandledRejection", thrower);
  for (const reason of [new Error("of nobody"), "text", { an: "object" }, [], Symbol("s"), Object.create(null)]) {
    await section("without a listener of its own", () => {
      Promise.reject(reason);
      setImmediate(() => write("immediate"));
    });
  }
  process.off("uncaughtException", heard);
  process.off("uncaughtExceptionMonitor", monitor);
}

async function aborts() {
  await section("a timeout", (done) => {
    const signal = AbortSignal.timeout(3);
    signal.onabort = (event) => write(event.type, signal.aborted, signal.reason.name, signal.reason.message, signal.reason.code);
    op("not yet", () => [signal.aborted, signal.reason]);
    setTimeout(() => (write("a timer after it"), done()), 30);
  });
  await section("any", () => {
    const [one, two] = [new AbortController(), new AbortController()];
    const any = AbortSignal.any([one.signal, two.signal]);
    const of = AbortSignal.any([any]);
    for (const [name, signal] of [["of", of], ["any", any], ["two", two.signal], ["one", one.signal]]) {
      signal.addEventListener("abort", () => write(name, signal.reason, one.signal.aborted, two.signal.aborted, any.aborted, of.aborted));
    }
    process.nextTick(() => write("tick"));
    two.abort("enough");
    one.abort("late");
    op("reasons", () => [one.signal.reason, two.signal.reason, any.reason, of.reason]);
    op("of one that is over", () => AbortSignal.any([new AbortController().signal, one.signal]).reason);
    op("of none", () => AbortSignal.any([]).aborted);
  });
  await section("any with a timeout", (done) => {
    const any = AbortSignal.any([AbortSignal.timeout(2), new AbortController().signal]);
    any.addEventListener("abort", () => (write("aborted", any.reason.name), done()));
  });
  await section("many listeners", () => {
    const controller = new AbortController();
    const { signal } = controller;
    signal.addEventListener("abort", () => {
      write("first");
      signal.addEventListener("abort", () => write("added while it runs"));
      process.nextTick(() => write("tick of a listener"));
    });
    signal.onabort = () => write("onabort");
    signal.addEventListener("abort", () => write("once"), { once: true });
    signal.addEventListener("abort", { handleEvent: (event) => write("an object", event.target === signal) });
    const removed = () => write("removed");
    signal.addEventListener("abort", removed);
    signal.removeEventListener("abort", removed);
    controller.abort();
    controller.abort();
    write("aborted", signal.reason.name, signal.reason.message);
  });
  const heard = (error) => write("uncaught", error.message);
  process.on("uncaughtException", heard);
  await section("a listener that throws", () => {
    const controller = new AbortController();
    controller.signal.addEventListener("abort", () => {
      throw new Error("of a listener");
    });
    controller.signal.addEventListener("abort", () => write("second"));
    process.nextTick(() => write("tick"));
    controller.abort();
    write("body");
  });
  process.off("uncaughtException", heard);
  for (const wrong of [undefined, -1, 1.5, "1", NaN, Infinity, {}]) op(`AbortSignal.timeout(${show(wrong)})`, () => AbortSignal.timeout(wrong));
  for (const wrong of [undefined, null, 1, [1], [{}], {}]) engine.op(`AbortSignal.any(${show(wrong)})`, () => AbortSignal.any(wrong));
  op("AbortSignal.abort", () => [AbortSignal.abort().reason.name, AbortSignal.abort(5).reason, AbortSignal.abort(undefined).reason.name, AbortSignal.abort(null).reason]);
  op("throwIfAborted", () => AbortSignal.abort(new RangeError("given")).throwIfAborted());
  op("throwIfAborted of one that is not", () => new AbortController().signal.throwIfAborted());
  op("new AbortSignal", () => new AbortSignal());
}

async function main() {
  // Python keeps the host alive; Node ends when nothing keeps its loop.
  const alive = setInterval(() => {}, 1000);
  await ordinary();
  await timers();
  await immediates();
  await errors();
  await rejections();
  await aborts();
  clearInterval(alive);
  return lines;
}
return main();
