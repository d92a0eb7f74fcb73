// Node's side of the benchmark: loads the addon in process and measures a row when asked on stdin.
'use strict';
const path = require('node:path');
const readline = require('node:readline');

const addon = require(process.argv[2]);
const counter = new addon.Counter(0);
const numbers = Array.from({ length: 1000 }, (_, i) => i);
const double = (x) => x * 2;
const block = Buffer.alloc(1 << 20, 1);

// As in memory.py.
const MIB = 1 << 20;
const published = (name, file) =>
  require(path.join(__dirname, '..', 'real', 'node_modules', name, file));
const memo = (make) => { let made; return () => (made ??= make()); };
const prose = memo(() => {
  const all = 'be to of and a in that have it for not on with he as you'.split(' ');
  const words = [];
  for (let state = 1, i = 0; i < 200_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words.push(all[state >>> 28]);
  }
  return Buffer.alloc(10_000_000, words.join(' '));
});
const large = memo(() => Buffer.alloc(64 * MIB, 1));
const changed = Buffer.alloc(MIB);
const text = memo(() => 'a'.repeat(MIB));
const long = memo(() => Buffer.alloc(10_000_000, 'a').toString('latin1'));
const wide = memo(() => Buffer.from('naïve — '.repeat(910_000), 'utf16le').toString('utf16le'));
const blake = memo(() => published('@napi-rs/blake-hash-linux-x64-gnu', 'blake.linux-x64-gnu.node'));
const xxhash = memo(() => published('@node-rs/xxhash-linux-x64-gnu', 'xxhash.linux-x64-gnu.node'));
const snappy = memo(() => published('@napi-rs/snappy-linux-x64-gnu', 'snappy.linux-x64-gnu.node'));
const lz4 = memo(() =>
  published('@antoniomuso/lz4-napi-linux-x64-gnu', 'lz4-napi.linux-x64-gnu.node'));
const memoryRows = {
  'bytes-64': () => addon.sumBuffer(large()),
  'made-1': () => addon.makeBuffer(MIB),
  'made-64': () => addon.makeBuffer(64 * MIB),
  'external-1': () => addon.makeExternal(MIB),
  'external-64': () => addon.makeExternal(64 * MIB),
  unchanged: () => addon.sumBuffer(changed),
  changed: () => addon.changeBuffer(changed),
  'text-1': () => addon.copyText(text()),
  'text-10': () => addon.copyText(long()),
  'wide-10': () => addon.copyText(wide()),
  blake3: () => blake().blake3(prose()),
  xxh64: () => xxhash().xxh64(prose()),
  snappy: () => snappy().compressSync(prose()),
  lz4: () => lz4().compressSync(prose()),
};

const rows = {
  ...memoryRows,
  add: () => addon.add(1, 2),
  bulk: () => addon.add(1, 2),
  method: () => counter.increment(),
  getter: () => counter.value,
  callback: () => addon.callOnce(double, 21),
  list: () => addon.sumList(numbers),
  object: () => addon.makeObject(),
  buffer: () => addon.sumBuffer(block),
};

function measure(row, rounds) {
  const run = rows[row];
  if (run === undefined) return addon.measure(row, rounds);
  const start = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) run();
  return Number(process.hrtime.bigint() - start) / rounds;
}

// What happens of itself, as in turns.py.
const sample = (name) => require(path.join(path.dirname(process.argv[2]), name));
const now = () => Number(process.hrtime.bigint());
const hearAll = (count) => new Promise((done) => {
  const last = (number) => { if (number === count - 1) done(now()); };
  sample('order.node').eventsOfThread(last, count);
});
const burst = async (count) => {
  const seen = await hearAll(count);
  return (seen - sample('order.node').eventsBegun()) / count;
};
const seen = (count) => new Promise((done) => {
  const delays = [];
  sample('order.node').momentsOfThread((moment) => {
    delays.push(now() - moment);
    if (delays.length === count) done(delays.sort((a, b) => a - b)[count >> 1]);
  }, count);
});
const gathered = (count) => {
  const { asyncAdd } = sample('sample_rust.node');
  return Promise.all(Array.from({ length: count }, (_, i) => asyncAdd(i, 1)));
};
const turns = {
  event: hearAll,
  seen,
  events: burst,
  'many-events': burst,
  awaited: async (count) => {
    for (let i = 0; i < count; i++) await sample('sample_rust.node').asyncAdd(i, 1);
  },
  together: gathered,
  gathered,
};

async function measureTurns(row, rounds) {
  const start = now();
  const measured = await turns[row](rounds);
  return ['seen', 'events', 'many-events'].includes(row) ? measured : (now() - start) / rounds;
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const [row, text] = line.split(' ');
  const rounds = Number(text);
  let answer;
  if (row === 'memory') answer = process.memoryUsage.rss();
  else if (row in turns) answer = await measureTurns(row, rounds);
  else answer = measure(row, rounds);
  process.stdout.write(`${answer}\n`);
});
