// Node's side of the scaling curves: measures in process what a line on stdin asks for.
'use strict';
const readline = require('node:readline');

const addon = require(process.argv[2]);
const now = () => Number(process.hrtime.bigint());
const numbers = (size, make) => Array.from({ length: size }, (_, number) => make(number));

// As in curve_values.py.
const made = {
  bytes: (size) => Buffer.alloc(size, 1),
  text: (size) => Buffer.alloc(size, 'a').toString('latin1'),
  list: (size) => numbers(size, (number) => number),
  dict: (size) => Object.fromEntries(numbers(size, (number) => [`property${number}`, number])),
  nested: (size) => numbers(size / 4, (number) =>
    ({ id: number, name: `record ${number}`, at: [number, number + 1] })),
};
const functions = {
  bytes: addon.sumBuffer,
  text: addon.copyText,
  list: addon.sumList,
  dict: addon.sumAll,
  nested: addon.sumAll,
};

function timed(run, times) {
  const start = now();
  for (let i = 0; i < times; i++) run();
  return (now() - start) / times;
}

const kept = { key: '', value: undefined };
function valueOf(kind, size) {
  const key = `${kind} ${size}`;
  if (kept.key !== key) Object.assign(kept, { key, value: made[kind](Number(size)) });
  return kept.value;
}

// As in curve_promises.py.
let waiting;
function pend(count, last) {
  const first = Promise.all(numbers(count - last, addon.pend));
  const rest = [];
  timed(() => addon.add(1, 2), 20);
  const taken = timed(() => rest.push(addon.pend()), last);
  waiting = Promise.all([first, ...rest]);
  return taken;
}
async function settle(count) {
  const start = now();
  addon.settle();
  await waiting;
  return (now() - start) / count;
}

const answers = {
  value: (kind, size, times) => {
    const value = valueOf(kind, size);
    return timed(() => functions[kind](value), Number(times));
  },
  add: (times) => timed(() => addon.add(1, 2), Number(times)),
  compute: (steps, times) => timed(() => addon.compute(Number(steps)), Number(times)),
  pend: (count, last) => pend(Number(count), Number(last)),
  settle: (count) => settle(Number(count)),
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const [name, ...rest] = line.split(' ');
  process.stdout.write(`${await answers[name](...rest)}\n`);
});
