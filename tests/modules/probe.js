// What the scripts of this folder share: `probes` runs functions in order and prints one line for each,
// its name and its value or its error.
'use strict';

const plain = (value, seen = []) => {
  if (value === undefined) return 'undefined';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol') return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (seen.includes(value)) return 'a cycle';
  if (value instanceof Error) return [value.name, value.code ?? null, value.message];
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return [value.constructor.name, ...Array.from(value, (item) => plain(item))];
  if (Array.isArray(value)) return value.map((item) => plain(item, [...seen, value]));
  return Object.fromEntries(Object.keys(value).map((key) => [key, plain(value[key], [...seen, value])]));
};

exports.probes = async (all) => {
  for (const [name, run] of Object.entries(all)) {
    let outcome;
    try {
      outcome = plain(await run());
    } catch (error) {
      outcome = error instanceof Error ? [error.name, error.code ?? null, error.message] : ['thrown', plain(error)];
    }
    console.log(JSON.stringify([name, outcome]));
  }
};
