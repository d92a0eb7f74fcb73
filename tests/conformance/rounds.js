// What belongs to one round of the loop: how many calls of threadsafe functions, in which order those
// of several functions and completions, and when what closes is finalized. The value is a promise of
// the lines, for the loop has to run.
const write = (...words) => lines.push(words.join(" "));
const busy = (time) => {
  const end = performance.now() + time;
  while (performance.now() < end);
};
const openFunctions = [];

// A function that writes its name with each call; `body` may do more.
function open(name, body = () => {}, { size = 0, quiet = false } = {}) {
  const number = addon.open(
    (what) => {
      if (!quiet) write(name, what);
      body(what);
    },
    () => {
      write(name, "is finalized, given back", addon.countGivenBack());
      openFunctions.splice(openFunctions.indexOf(number), 1);
    },
    size,
  );
  openFunctions.push(number);
  return number;
}

const post = (number, ...all) => all.forEach((what) => addon.post(number, what));
const release = (number) => addon.release(number, 0);
const abort = (number) => addon.release(number, 1);

async function rounds(count) {
  for (let round = 0; round < count; round++) await new Promise((resolve) => setImmediate(resolve));
}

// Begins in an immediate; over when the loop has come to rest and what is open has been closed.
async function section(name, body) {
  write(`-- ${name}`);
  await new Promise((resolve) => {
    setImmediate(() => {
      if (body.length > 0) return body(resolve);
      resolve();
      return body();
    });
  });
  await rounds(6);
  for (const number of [...openFunctions]) abort(number);
  await rounds(3);
}

// Writes in each round how many calls there were until then, until there are as many as `count`.
function watch(count, calls, done) {
  const marks = [];
  setImmediate(function again() {
    marks.push(calls());
    if (calls() < count) return setImmediate(again);
    write(marks.join());
    done();
  });
}

async function bounds() {
  for (const [count, time] of [[998, 0], [999, 0], [1000, 0], [3500, 0], [2100, 0.02], [1001, 0.5]]) {
    await section(`${count} calls of ${time} ms`, (done) => {
      let calls = 0;
      const one = open("counted", () => (calls++, busy(time)), { quiet: true });
      watch(count, () => calls, done);
      for (let what = 0; what < count; what++) post(one, what);
    });
  }
  await section("a function that is called in each of its calls", (done) => {
    let calls = 0;
    const one = open("endless", () => {
      if (++calls < 2500) post(one, calls);
    }, { quiet: true });
    watch(2500, () => calls, done);
    post(one, 0);
  });
  await section("timers come in between", (done) => {
    let calls = 0;
    const one = open("counted", () => calls++, { quiet: true });
    for (let what = 0; what < 2500; what++) post(one, what);
    setTimeout(() => (write("timeout after", calls), done()), 1);
    busy(3);
  });
  await section("microtasks and ticks come after each", () => {
    const one = open("one", (what) => {
      process.nextTick(() => write("tick", what));
      queueMicrotask(() => write("microtask", what));
    });
    post(one, 1, 2);
  });
  await section("two functions with many calls have a bound of each", (done) => {
    const counts = [0, 0];
    const two = [0, 1].map((index) => open("counted", () => counts[index]++, { quiet: true }));
    watch(3000, () => counts[0] + counts[1], done);
    for (let what = 0; what < 1500; what++) post(two[what % 2], what);
    for (let what = 0; what < 1500; what++) post(two[what % 2], what);
  });
  await section("what comes after a bound", (done) => {
    let calls = 0;
    const first = open("first", () => calls++, { quiet: true });
    const second = open("second", () => write("after", calls));
    for (let what = 0; what < 1500; what++) post(first, what);
    post(second, 1);
    setImmediate(() => write("immediate after", calls));
    watch(1500, () => calls, done);
  });
}

async function several() {
  await section("called in the order in which they were made", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => open(name));
    post(a, 1);
    post(b, 1);
    post(c, 1);
  });
  await section("called in another order", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => open(name));
    post(c, 1);
    post(a, 1);
    post(b, 1);
    post(c, 2);
    post(a, 2);
  });
  await section("one calls those before and after it", () => {
    const all = ["a", "b", "c"].map((name, index) =>
      open(name, (what) => {
        if (index !== 1 || what > 1) return;
        post(all[0], 2);
        post(all[2], 2);
        post(all[1], 2);
        setImmediate(() => write("immediate"));
      }),
    );
    post(all[1], 1);
  });
  await section("made while others are served", () => {
    const make = (name) => post(open(name), 1);
    const a = open("a", () => make("made by a"));
    const b = open("b", () => {
      make("first made by b");
      make("second made by b");
      setImmediate(() => write("immediate"));
    });
    const c = open("c");
    post(c, 1);
    post(b, 1);
    post(a, 1);
    setImmediate(() => setImmediate(() => setImmediate(() => {
      write("again");
      for (const number of [...openFunctions].reverse()) post(number, 2);
    })));
  });
  await section("a timer calls them", () => {
    const [a, b] = ["a", "b"].map((name) => open(name));
    setTimeout(() => {
      post(b, 1);
      post(a, 1);
      setImmediate(() => write("immediate"));
    }, 1);
    busy(3);
  });
  await section("a function made in a completion", (done) => {
    const old = open("old");
    addon.work(() => {
      const young = open("young");
      post(old, 1);
      post(young, 1);
      setImmediate(() => (write("immediate"), done()));
    });
  });
}

// Waits until work that was queued has been executed, without a turn of the loop.
const executed = () => busy(30);

async function completions() {
  await section("a completion comes before calls that were there first", () => {
    const one = open("event");
    post(one, 1);
    addon.work(() => write("completion"));
    executed();
  });
  await section("completions and calls of one round", () => {
    const one = open("event", (what) => process.nextTick(() => write("tick of event", what)));
    for (const number of [1, 2]) {
      addon.work(() => {
        write("completion");
        post(one, number);
        process.nextTick(() => write("tick of a completion"));
        setImmediate(() => write("immediate"));
      });
      executed();
    }
    post(one, 3);
  });
  await section("work that a completion queues is completed in another round", () => {
    addon.work(() => {
      write("first");
      addon.work(() => write("second"));
      executed();
      setImmediate(() => write("immediate"));
    });
    executed();
  });
  await section("work that a call queues is completed in another round", () => {
    const one = open("event", () => {
      addon.work(() => write("completion"));
      executed();
      setImmediate(() => write("immediate"));
    });
    post(one, 1);
  });
}

async function ends() {
  await section("a finalizer comes after immediates", () => {
    const one = open("one", () => {
      setImmediate(() => write("immediate"));
      process.nextTick(() => write("tick"));
    });
    post(one, 1);
    release(one);
  });
  await section("the last calls come before the end", () => {
    const one = open("one");
    post(one, 1, 2, 3);
    release(one);
    write("then", addon.post(one, 4));
  });
  await section("released in its last call", () => {
    const one = open("one", (what) => {
      if (what !== 3) return;
      release(one);
      write("then", addon.post(one, 4), addon.post(one, 5));
      setImmediate(() => write("immediate"));
    });
    post(one, 1, 2, 3);
  });
  await section("a call in the last call of what was released", () => {
    const one = open("one", () => write("then", addon.post(one, 2)));
    post(one, 1);
    release(one);
  });
  await section("aborted with calls left", () => {
    const before = addon.countGivenBack();
    const one = open("one");
    post(one, 1, 2, 3);
    abort(one);
    setImmediate(() => write("given back at once", addon.countGivenBack() - before));
    setTimeout(() => write("given back", addon.countGivenBack() - before), 1);
    write("then", addon.post(one, 4));
    busy(3);
  });
  await section("aborted in a call", () => {
    const before = addon.countGivenBack();
    const one = open("one", () => {
      abort(one);
      setImmediate(() => write("immediate", addon.countGivenBack() - before));
    });
    post(one, 1, 2, 3);
  });
  await section("several end in one round", () => {
    const all = ["a", "b", "c"].map((name) => open(name));
    post(all[1], 1);
    release(all[2]);
    release(all[0]);
    release(all[1]);
    setImmediate(() => write("immediate"));
  });
  await section("what a finalizer asks for", () => {
    const number = addon.open(() => write("event"), () => {
      write("finalized");
      process.nextTick(() => write("tick"));
      queueMicrotask(() => write("microtask"));
      setImmediate(() => write("immediate of a finalizer"));
      setTimeout(() => write("timeout of a finalizer"), 1);
      busy(3);
    }, 0);
    release(number);
    setImmediate(() => write("immediate"));
  });
  await section("between two finalizers", () => {
    for (const name of ["a", "b"]) {
      const number = addon.open(() => 0, () => {
        write(name, "is finalized");
        process.nextTick(() => write("tick of", name));
        queueMicrotask(() => write("microtask of", name));
      }, 0);
      release(number);
    }
  });
  await section("a finalizer closes another", () => {
    const other = open("other");
    const number = addon.open(() => 0, () => {
      write("finalized");
      release(other);
      setImmediate(() => write("immediate"));
    }, 0);
    release(number);
  });
  await section("released before a bound", (done) => {
    let calls = 0;
    const one = addon.open(() => calls++, () => (write("finalized after", calls), done()), 0);
    for (let what = 0; what < 1500; what++) post(one, what);
    release(one);
    setImmediate(() => write("immediate after", calls));
  });
  await section("a queue of two", () => {
    const one = open("one", (what) => {
      if (what < 10) write("room", addon.post(one, what + 10), addon.post(one, what + 20));
    }, { size: 2 });
    write([1, 2, 3].map((what) => addon.post(one, what)).join());
    setImmediate(() => release(one));
  });
}

// Another thread's calls. What it does is waited for in the rounds of the loop.
async function threads() {
  const until = async (body) => {
    while (!body()) await new Promise((resolve) => setImmediate(resolve));
  };
  await section("what has nothing of its own to call it", (done) => {
    addon.callDefault(function () {
      "use strict";
      write("this", this === undefined, "arguments", arguments.length);
      process.nextTick(() => write("tick"));
      setImmediate(done);
    });
  });
  await section("a thread waits where there is no room", (done) => {
    const seen = [];
    const one = open("one", (what) => seen.push(what), { size: 2, quiet: true });
    addon.postFromThread(one, 100);
    until(() => seen.length === 100).then(() => {
      write(seen.every((what, index) => what === index), addon.postedByThread().join());
      done();
    });
  });
  await section("a thread that waits is told of the end", (done) => {
    const before = addon.countGivenBack();
    const one = open("one", () => {}, { size: 1, quiet: true });
    addon.postFromThread(one, 3);
    while (addon.postedByThread()[0] < 1);
    busy(20);
    // Held by this thread as well as by the other.
    write("room", addon.post(one, 9), "end", abort(one));
    until(() => addon.postedByThread()[1] !== 0).then(async () => {
      await rounds(3);
      write(addon.postedByThread().join(), "given back", addon.countGivenBack() - before);
      done();
    });
  });
  await section("acquired while it closes", () => {
    const one = open("one");
    write("release", release(one), "post", addon.post(one, 1), "release", release(one));
  });
}

async function main() {
  // Python keeps the host alive; Node ends when nothing keeps its loop.
  const alive = setInterval(() => {}, 1000);
  await bounds();
  await several();
  await completions();
  await ends();
  await threads();
  clearInterval(alive);
  return lines;
}
return main();
