// What runs when on libuv's loop. The value is a promise of the lines, for the loop has to run.
const write = (...words) => lines.push(words.join(" "));
const once = (start) => new Promise((resolve) => start(resolve));
// To the end of a round: of timers that are due together, those of the host run before libuv's.
const pause = () => new Promise((resolve) => setTimeout(() => setImmediate(resolve), 30));

// Everything that can be asked for from within a callback, each of which writes its name.
function follow(name) {
  setImmediate(() => write(name, "immediate"));
  Promise.resolve()
    .then(() => write(name, "then"))
    .then(() => process.nextTick(() => write(name, "tick of a then")));
  process.nextTick(() => write(name, "tick"));
  queueMicrotask(() => write(name, "microtask"));
}

async function main() {
  // Python keeps the host alive; Node ends when nothing keeps its loop.
  const alive = setInterval(() => {}, 1000);
  op("the same loop", () => addon.sameLoop());
  op("libuv", () => typeof process.versions.uv);
  op("a round in the middle of a call", () => addon.runNested());

  // Each callback is a task of its own.
  for (const [name, start] of [
    ["timer", (callback) => addon.timer(callback, 1)],
    ["unrefTimer", (callback) => addon.unrefTimer(callback, 1)],
    ["work", (callback) => addon.work(callback, 1)],
    ["stat", (callback) => addon.stat(callback, "/")],
    ["no file", (callback) => addon.stat(callback, "/not there/at all")],
    ["signs", (callback) => addon.signs(callback, 10000)],
  ]) {
    await once((resolve) =>
      start((word) => {
        write(name, word);
        follow(name);
        resolve();
      }),
    );
    write(name, "awaited");
    await pause();
  }

  // What the addon calls without a scope leaves its microtasks to the next task.
  await once((resolve) => {
    addon.bareTimer((word) => {
      write("bare", word);
      process.nextTick(() => write("tick of a bare call"));
      queueMicrotask(() => write("microtask of a bare call"));
    }, 1);
    addon.timer((word) => {
      write("scoped", word);
      resolve();
    }, 1);
  });
  await pause();

  // What a callback throws stays with the addon, which may ask for it, until it is called again.
  const heard = (error) => write("uncaught", error.message);
  process.on("uncaughtException", heard);
  for (const start of ["timer", "bareTimer"]) {
    addon[start](() => {
      process.nextTick(() => write("tick of what throws"));
      throw new Error(`thrown by ${start}`);
    }, 1);
    await pause();
    op("the call after it", () => addon.sameLoop());
    op("and the next", () => addon.sameLoop());
  }
  process.off("uncaughtException", heard);

  // A pipe is read as it fills.
  const parts = [];
  await once((resolve) => {
    addon.poll((part) => {
      parts.push(part);
      if (part === "end") resolve();
    });
  });
  write(parts.join());

  // Timers run by due time, and by age among those due together.
  const timers = [];
  await once((resolve) => {
    for (const after of [6, 2, 4, 2]) addon.timer(() => timers.push(after), after);
    addon.timer(resolve, 12);
  });
  write(timers.join());

  // Threads' clock and the loop's: a timer counts from the call that starts it.
  const before = addon.now();
  const until = Date.now() + 20;
  while (Date.now() < until);
  write("the clock stands during a call", addon.now() === before);
  await pause();
  write("and goes on after it", addon.now() > before);

  // One round: idle, prepare, events of threads, check, immediates, closing.
  const rounds = [];
  await once((resolve) => {
    setImmediate(() => {
      addon.phases((word) => {
        rounds.push(word);
        if (word === "closed") setImmediate(resolve);
      });
      addon.event(() => rounds.push("event"));
      setImmediate(() => rounds.push("immediate"));
    });
  });
  write(rounds.join());

  // Immediates and events take turns with a loop that is never idle.
  const turns = [];
  await once((resolve) => {
    const again = (round) => {
      turns.push(`immediate ${round}`);
      addon.timer(() => turns.push(`timer ${round}`), 0);
      if (round === 3) addon.timer(resolve, 5);
      else setImmediate(again, round + 1);
    };
    setImmediate(again, 0);
  });
  write(turns.join());
  clearInterval(alive);
  addon.holdUntilTheEnd();
  return lines;
}
return main();
