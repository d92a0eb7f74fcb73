// Values as text for console and for error messages: Node's layout for the common kinds, no
// colours, no columns. Nothing here throws for a hostile value, and the text is bounded.
(function (native) {
'use strict';

const CUSTOM = Symbol.for('nodejs.util.inspect.custom');
const WIDTH = 80, DEPTH = 2, ITEMS = 100, CHARACTERS = 10000, BUDGET = 1 << 17;

const quote = (text) => {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes('`') && !text.includes('${') ? '`' : "'";
  const escapes = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\b': '\\b', '\f': '\\f', '\v': '\\v', '\\': '\\\\' };
  const body = text.replace(/[\x00-\x1f\x7f-\x9f\\'"`]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (unit) => {
    if (unit === '"' || unit === "'" || unit === '`') return unit === mark ? `\\${unit}` : unit;
    const code = unit.charCodeAt(0);
    return escapes[unit] ?? (code < 256 ? `\\x${code.toString(16).toUpperCase().padStart(2, '0')}` : `\\u${code.toString(16).toUpperCase()}`);
  });
  return mark + body + mark;
};
const more = (count, what = 'item') => `... ${count} more ${what}${count > 1 ? 's' : ''}`;
const cut = (text, show = String) => text.length <= CHARACTERS ? show(text)
  : `${show(text.slice(0, CHARACTERS))}${more(text.length - CHARACTERS, 'character')}`;

const primitive = (value) => {
  switch (typeof value) {
    case 'string': return cut(value, quote);
    case 'number': return Object.is(value, -0) ? '-0' : `${value}`;
    case 'bigint': return `${cut(String(value))}n`;
    case 'symbol': return cut(Symbol.prototype.toString.call(value));
    default: return `${value}`;
  }
};

const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);
const hasOwn = (object, key) => Object.prototype.hasOwnProperty.call(object, key);

const className = (value) => {
  for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
    const made = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof made === 'function' && typeof made.name === 'string' && made.name !== '' && value instanceof made) return made.name;
  }
  return null;
};
// What stands before the brace, with a trailing space; nothing for a plain object or array.
const prefix = (value, fallback, size) => {
  const name = className(value);
  const count = size === undefined ? '' : `(${size})`;
  const tag = !hasOwn(value, Symbol.toStringTag) && typeof value[Symbol.toStringTag] === 'string' && value[Symbol.toStringTag] !== '' && value[Symbol.toStringTag] !== name
    ? `[${value[Symbol.toStringTag]}] ` : '';
  return name === null ? `[${fallback}${count}: null prototype] ${tag}` : `${name}${count} ${tag}`;
};

const keyText = (key) => {
  if (typeof key === 'symbol') return `[${primitive(key)}]`;
  return /^[A-Za-z_]\w*$/.test(key) ? key : quote(key);
};

const isKind = (probe) => (value) => {
  try {
    probe(value);
    return true;
  } catch {
    return false;
  }
};
const getter = (Class, name) => Object.getOwnPropertyDescriptor(Class.prototype, name).get;
const isMap = isKind((value) => getter(Map, 'size').call(value));
const isSet = isKind((value) => getter(Set, 'size').call(value));
const isDate = isKind((value) => Date.prototype.getTime.call(value));
const isWeakMap = isKind((value) => WeakMap.prototype.has.call(value, WeakMap));
const isWeakSet = isKind((value) => WeakSet.prototype.has.call(value, WeakSet));
const boxes = [[Number, 'Number'], [String, 'String'], [Boolean, 'Boolean'], [BigInt, 'BigInt'], [Symbol, 'Symbol']];
const unboxed = (value) => {
  for (const [Class, name] of boxes) {
    try {
      return [name, Class.prototype.valueOf.call(value)];
    } catch { /* not this one */ }
  }
  return undefined;
};

const errorText = (state, error) => {
  let text = typeof error.stack === 'string' && error.stack !== '' ? error.stack : `[${Error.prototype.toString.call(error)}]`;
  const name = className(error) ?? error.name;
  if (typeof error.name === 'string' && hasOwn(error, 'name') && !text.startsWith(error.name)) text = text.replace(/^\w*Error/, error.name);
  if (typeof name === 'string' && name.endsWith('Error') && text.startsWith('Error') && name !== 'Error') text = name + text.slice(5);
  if (!text.includes('\n')) text = text.startsWith('[') ? text : `[${text}]`;
  return text.replaceAll('\n', `\n${' '.repeat(state.indent)}`);
};

const property = (state, object, key, level, inArray) => {
  const own = Object.getOwnPropertyDescriptor(object, key) ?? { value: object[key], enumerable: true };
  let text;
  if (own.get !== undefined) text = own.set !== undefined ? '[Getter/Setter]' : '[Getter]';
  else if (own.set !== undefined) text = '[Setter]';
  else {
    state.indent += 2;
    text = show(state, own.value, level);
    state.indent -= 2;
  }
  if (inArray) return text;
  return `${own.enumerable ? keyText(key) : `[${typeof key === 'symbol' ? primitive(key) : key}]`}: ${text}`;
};

const isIndex = (key) => /^(0|[1-9]\d*)$/.test(key);

const elements = (state, value, length, level) => {
  const output = [];
  let at = 0, present;
  while (at < length && output.length < ITEMS) {
    if (hasOwn(value, at)) {
      output.push(property(state, value, String(at), level, true));
      at += 1;
    } else {
      // Holes may be as many as an array is long, so they are counted by the keys there are.
      present ??= Object.keys(value).filter(isIndex).map(Number);
      const next = present.find((index) => index > at) ?? length;
      output.push(`<${next - at} empty item${next - at > 1 ? 's' : ''}>`);
      at = next;
    }
  }
  if (at < length) output.push(more(length - at));
  return output;
};

const ownKeys = (value, indexed) => {
  const keys = Object.keys(value).filter((key) => !indexed || !isIndex(key));
  return keys.concat(Object.getOwnPropertySymbols(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable));
};

const functionBase = (value) => {
  const source = Function.prototype.toString.call(value);
  const name = Object.getOwnPropertyDescriptor(value, 'name')?.value;
  if (source.startsWith('class') && source.endsWith('}')) {
    const parent = Object.getPrototypeOf(value)?.name;
    return `[class ${name || '(anonymous)'}${parent ? ` extends ${parent}` : ''}]`;
  }
  const kind = /^async\s*(function\s*)?\*/.test(source) ? 'AsyncGeneratorFunction' : source.startsWith('async') ? 'AsyncFunction'
    : /^function\s*\*/.test(source) ? 'GeneratorFunction' : 'Function';
  return `[${kind}${name ? `: ${name}` : ' (anonymous)'}]`;
};

// One line if it is short and shallow, else one entry per line.
const layout = (state, base, [open, close], output, level) => {
  const before = base ? `${base} ` : '';
  if (state.deepest - level < 3) {
    const start = output.length + state.indent + open.length + base.length + 10;
    const total = output.reduce((sum, entry) => sum + entry.length, output.length + start);
    const joined = output.join(', ');
    if (total <= WIDTH && !base.includes('\n') && !joined.includes('\n')) return `${before}${open} ${joined} ${close}`;
  }
  const pad = `\n${' '.repeat(state.indent)}`;
  return `${before}${open}${pad}  ${output.join(`,${pad}  `)}${pad}${close}`;
};

const compound = (state, value, level) => {
  let base = '', braces = ['{', '}'], output = [], indexed = false;
  const nested = level + 1;
  const entriesOf = (values, text) => {
    state.indent += 2;
    const all = values.slice(0, ITEMS).map(text);
    state.indent -= 2;
    if (values.length > ITEMS) all.push(more(values.length - ITEMS));
    return all;
  };
  if (Array.isArray(value)) {
    const name = prefix(value, 'Array', value.length);
    braces = [name === `Array(${value.length}) ` ? '[' : `${name}[`, ']'];
    indexed = true;
    output = elements(state, value, value.length, nested);
  } else if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    braces = [`${prefix(value, 'TypedArray', value.length).replace(/\[(\w+)\] $/, '')}[`, ']'];
    indexed = true;
    output = Array.from(value.subarray(0, ITEMS), primitive);
    if (value.length > ITEMS) output.push(more(value.length - ITEMS));
  } else if (isMap(value)) {
    braces[0] = `${prefix(value, 'Map', value.size).replace('[Map] ', '')}{`;
    output = entriesOf([...Map.prototype.entries.call(value)], ([key, item]) => `${show(state, key, nested)} => ${show(state, item, nested)}`);
  } else if (isSet(value)) {
    braces[0] = `${prefix(value, 'Set', value.size).replace('[Set] ', '')}{`;
    output = entriesOf([...Set.prototype.values.call(value)], (item) => show(state, item, nested));
  } else if (typeof value === 'function') {
    base = functionBase(value);
  } else if (tagOf(value) === 'RegExp' && value instanceof RegExp) {
    base = RegExp.prototype.toString.call(value);
  } else if (isDate(value)) {
    base = Number.isNaN(Date.prototype.getTime.call(value)) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
  } else if (value instanceof Error || tagOf(value) === 'Error') {
    base = errorText(state, value);
  } else if (value instanceof ArrayBuffer) {
    braces[0] = `${prefix(value, 'ArrayBuffer').replace('[ArrayBuffer] ', '')}{`;
    const bytes = new Uint8Array(value, 0, Math.min(value.byteLength, 50));
    const rest = value.byteLength - bytes.length;
    output = [`[Uint8Contents]: <${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}${rest > 0 ? ` ${more(rest, 'byte')}` : ''}>`,
      `byteLength: ${value.byteLength}`];
  } else if (value instanceof DataView) {
    braces[0] = 'DataView {';
    output = [`byteLength: ${value.byteLength}`, `byteOffset: ${value.byteOffset}`, property(state, { buffer: value.buffer }, 'buffer', nested, false)];
  } else if (native.isPromise(value)) {
    braces[0] = 'Promise {';
    const [settled, result] = native.promiseState(value);
    output = [settled === 'pending' ? '<pending>' : `${settled === 'rejected' ? '<rejected> ' : ''}${show(state, result, nested)}`];
  } else if (isWeakMap(value) || isWeakSet(value)) {
    return `${isWeakMap(value) ? 'WeakMap' : 'WeakSet'} { <items unknown> }`;
  } else {
    const boxed = unboxed(value);
    if (boxed !== undefined) {
      base = `[${boxed[0]}: ${primitive(boxed[1])}]`;
      indexed = boxed[0] === 'String';
    } else {
      const name = prefix(value, 'Object');
      braces[0] = name === 'Object ' ? '{' : `${name}{`;
    }
  }
  const hidden = value instanceof Error ? ['stack', 'message'].concat(hasOwn(value, 'name') ? 'name' : []) : [];
  const keys = ownKeys(value, indexed).filter((key) => !hidden.includes(key));
  if (value instanceof Error) {
    for (const key of ['cause', 'errors']) if (hasOwn(value, key) && !keys.includes(key)) keys.push(key);
  }
  for (const key of keys.slice(0, ITEMS)) output.push(property(state, value, key, nested, false));
  if (keys.length > ITEMS) output.push(more(keys.length - ITEMS, 'property'));
  if (base && output.length === 0) return base;
  if (output.length === 0) return `${braces[0]}${braces[1]}`;
  return layout(state, base, braces, output, level);
};

const show = (state, value, level) => {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return primitive(value);
  if (native.isProxy(value)) return '[Proxy]';
  try {
    const custom = value[CUSTOM];
    if (typeof custom === 'function') {
      const shown = custom.call(value, state.depth - level, { depth: state.depth - level }, inspect);
      if (shown !== value) return typeof shown === 'string' ? shown.replaceAll('\n', `\n${' '.repeat(state.indent)}`) : show(state, shown, level);
    }
    if (state.seen.includes(value)) {
      if (!state.circular.has(value)) state.circular.set(value, state.circular.size + 1);
      return `[Circular *${state.circular.get(value)}]`;
    }
    if (level > state.depth) {
      if (Array.isArray(value)) return '[Array]';
      return `[${prefix(value, 'Object').trimEnd().replace(/^\[(.*)\]$/, '$1')}]`;
    }
    if (state.spent > BUDGET) return '...';
    state.seen.push(value);
    state.deepest = level;
    let text = compound(state, value, level);
    state.seen.pop();
    state.spent += text.length;
    if (state.circular.has(value)) text = `<ref *${state.circular.get(value)}> ${text}`;
    return text;
  } catch (error) {
    return `[object that cannot be shown: ${plain(error)}]`;
  }
};

// The least that can be said of a thrown value, without trusting it.
const plain = (error) => {
  try {
    return typeof error === 'object' && error !== null ? `${error.name}: ${error.message}` : primitive(error);
  } catch {
    return 'unknown';
  }
};

const inspect = (value, options) => {
  const depth = options?.depth;
  return show({
    depth: depth === null ? 50 : Math.min(typeof depth === 'number' ? depth : DEPTH, 50),
    seen: [], circular: new Map(), indent: 0, deepest: 0, spent: 0,
  }, value, 0);
};

const numeric = (value, convert) => {
  if (typeof value === 'symbol') return 'NaN';
  if (typeof value === 'bigint') return `${value}n`;
  return primitive(convert(value));
};
const PLACES = {
  s: (value) => {
    if (typeof value === 'bigint' || Object.is(value, -0)) return primitive(value);
    if (typeof value !== 'object' || value === null) return String(value);
    const own = !native.isProxy(value) && typeof value.toString === 'function' && className(value) !== 'Object' && !Array.isArray(value) &&
      (value instanceof Error || value instanceof Date || hasOwn(Object.getPrototypeOf(value) ?? {}, 'toString'));
    return own ? String(value) : inspect(value, { depth: 0 });
  },
  d: (value) => typeof value === 'object' ? numeric(value, (object) => object === null ? 0 : NaN) : numeric(value, Number),
  i: (value) => typeof value === 'bigint' ? `${value}n` : typeof value === 'object' ? 'NaN' : numeric(value, Number.parseInt),
  f: (value) => typeof value === 'symbol' ? 'NaN' : primitive(Number.parseFloat(value)),
  j: (value) => {
    try {
      return JSON.stringify(value);
    } catch (error) {
      if (/circular/i.test(error?.message)) return '[Circular]';
      throw error;
    }
  },
  o: (value) => inspect(value, { depth: 4 }),
  O: (value) => inspect(value),
  c: () => '',
};

const format = (args) => {
  let text = '', at = 0;
  if (typeof args[0] === 'string') {
    at = 1;
    text = args.length === 1 ? args[0] : args[0].replace(/%([sdifjoOc%])/g, (whole, kind) => {
      if (kind === '%') return '%';
      return at < args.length ? PLACES[kind](args[at++]) : whole;
    });
  }
  const rest = args.slice(at).map((value) => typeof value === 'string' ? value : inspect(value));
  return (at ? [text, ...rest] : rest).join(' ');
};

return { inspect, format, plain };
})
