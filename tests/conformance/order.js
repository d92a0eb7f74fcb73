// What runs when. The value is a promise of the lines, for the loop has to run.
const write = (...words) => lines.push(words.join(" "));

// Everything that can be asked for from within a callback, each of which writes its name.
function follow(name) {
  setTimeout(() => write(name, "timeout"), 0);
  setImmediate(() => write(name, "immediate"));
  Promise.resolve()
    .then(() => write(name, "then"))
    .then(() => process.nextTick(() => write(name, "tick of a then")));
  process.nextTick(() => {
    write(name, "tick");
    queueMicrotask(() => write(name, "microtask of a tick"));
  });
  queueMicrotask(() => write(name, "microtask"));
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 30));

async function main() {
  await new Promise((resolve) => {
    addon.events((number) => {
      write("event", number);
      if (number < 2) follow(`event ${number}`);
      if (number === 2) resolve();
    }, 3);
    write("events are sent");
  });
  write("the events are over");
  await pause();

  await new Promise((resolve) => {
    addon.work(() => {
      write("completion");
      follow("completion");
      addon.work(resolve);
    });
    write("work is queued");
  });
  await pause();

  await new Promise((resolve) => {
    addon.events(() => {
      write("before");
      const result = addon.makeCallback(() => {
        follow("callback");
        return "a result";
      });
      write("after", result);
      resolve();
    }, 1);
  });
  await pause();

  const numbers = [];
  await new Promise((resolve) => {
    addon.eventsOfThread((number) => {
      numbers.push(number);
      if (number === 2999) resolve();
    }, 3000);
  });
  write("in order", numbers.every((number, index) => number === index), numbers.length);

  const rounds = [];
  await new Promise((resolve) => {
    const again = (round) => {
      rounds.push(`immediate ${round}`);
      addon.events(() => rounds.push(`event ${round}`), 1);
      if (round === 3) addon.events(resolve, 1);
      else setImmediate(again, round + 1);
    };
    setImmediate(again, 0);
  });
  write(rounds.filter((word) => word.startsWith("event")).join());
  write(rounds.filter((word) => word.startsWith("immediate")).join());
  return lines;
}
return main();
