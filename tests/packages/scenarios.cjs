// What is done with each package, by its README: in Node and in a host of the same folder. Each
// scenario returns what is compared; bytes are compared by their hash.
'use strict';
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const digest = (bytes) => `${bytes.length} bytes, ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
const failure = (error) => [error?.name, error?.code ?? null, String(error?.message)];
const attempt = async (run) => {
  try {
    return await run();
  } catch (error) {
    return failure(error);
  }
};
const folder = () => fs.mkdtempSync(path.join(os.tmpdir(), 'scenario-'));
const shown = (value) => JSON.parse(JSON.stringify(value, (key, item) => {
  if (typeof item === 'bigint') return `${item}n`;
  if (item instanceof Uint8Array) return digest(item);
  if (item?.type === 'Buffer' && Array.isArray(item.data)) return digest(Buffer.from(item.data));
  return item === undefined ? 'undefined' : item;
}));

const PIXELS = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7) % 256));
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="20" height="30" fill="#c33"/><circle cx="30" cy="15" r="8" fill="green"/></svg>';

// A model of ONNX, y = relu(a + b) over vectors of floats: the fields of its protocol buffer by
// number. A field has a whole number, or text or further fields with their length.
const varint = (number) => (number > 127 ? [(number & 127) | 128, ...varint(number >>> 7)] : [number]);
const field = (number, content) => {
  if (typeof content === 'number') return [number << 3, ...varint(content)];
  const bytes = Buffer.from(content);
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes];
};
const onnxNode = (operator, inputs, output) => field(1, [...inputs.flatMap((input) => field(1, input)), ...field(2, output), ...field(4, operator)]);
const FLOATS = field(1, [...field(1, 1), ...field(2, field(1, field(2, 'length')))]);
const onnxValue = (number, name) => field(number, [...field(1, name), ...field(2, FLOATS)]);
const SUM_MODEL = Buffer.from([
  ...field(1, 8),
  ...field(7, [
    ...onnxNode('Add', ['a', 'b'], 'sum'), ...onnxNode('Relu', ['sum'], 'y'), ...field(2, 'graph'),
    ...onnxValue(11, 'a'), ...onnxValue(11, 'b'), ...onnxValue(12, 'y'),
  ]),
  ...field(8, [...field(1, ''), ...field(2, 13)]),
]);

const scenarios = {
  async '@swc/core'(swc) {
    const { code } = swc.transformSync('let x: number = 1; export class A { #p = x ?? 2 }', {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2019' },
    });
    return [
      code,
      (await swc.transform('const a = <div/>', { jsc: { parser: { syntax: 'ecmascript', jsx: true } } })).code,
      (await swc.minify('function f(longName) { return longName + 1 }', { compress: false, mangle: true })).code,
      (await swc.parse('1 + 1', { syntax: 'ecmascript' })).body[0].type,
      (await attempt(() => swc.transform('let = =', {})))[0],
      swc.version.split('.').length,
    ];
  },
  async lightningcss({ transform, browserslistToTargets, Features }) {
    const code = Buffer.from('.a { .b & { color: rgb(255 0 0 / 50%) } } @media (width >= 100px) { p { color: lab(40% 56.6 39) } }');
    const done = transform({ filename: 'x.css', code, minify: true, targets: { chrome: 80 << 16 }, sourceMap: true });
    const visited = transform({
      filename: 'v.css', code: Buffer.from('.a { width: 10px }'), minify: true,
      visitor: { Length: (length) => ({ unit: length.unit, value: length.value * 2 }) },
    });
    return [
      String(done.code), String(done.map).length, String(visited.code), Object.keys(Features).length,
      browserslistToTargets(['chrome 90', 'safari 13.1']),
      (await attempt(() => transform({ filename: 'bad.css', code: Buffer.from('.a { color: }}'), errorRecovery: false })))[0],
    ];
  },
  async sharp(sharp) {
    const image = sharp(PIXELS, { raw: { width: 64, height: 64, channels: 3 } });
    const png = await image.clone().resize(32).png().toBuffer();
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    const dir = folder();
    const file = path.join(dir, 'x.webp');
    await image.clone().rotate(90).webp({ lossless: true }).toFile(file);
    const metadata = await sharp(file).metadata();
    const streamed = [];
    for await (const chunk of sharp(png).grayscale().jpeg().pipe(new (require('node:stream').PassThrough)())) streamed.push(chunk);
    return [
      digest(png), digest(data), info, [metadata.format, metadata.width, metadata.height], Buffer.concat(streamed).length,
      (await sharp(png).stats()).channels.length, Object.keys(sharp.format).length,
      await attempt(() => sharp(Buffer.from('no image')).png().toBuffer()),
      await attempt(() => sharp(png).resize(-1)),
    ];
  },
  async '@resvg/resvg-js'({ Resvg, renderAsync }) {
    const resvg = new Resvg(SVG, { fitTo: { mode: 'width', value: 80 } });
    const rendered = resvg.render();
    return [
      digest(rendered.asPng()), [rendered.width, rendered.height], digest(rendered.pixels), resvg.getBBox()?.width,
      digest((await renderAsync(SVG, {})).asPng()), (await attempt(() => new Resvg('<svg')))[0],
    ];
  },
  async '@napi-rs/canvas'({ createCanvas, loadImage, Path2D }) {
    const canvas = createCanvas(60, 40);
    const context = canvas.getContext('2d');
    context.fillStyle = '#06c';
    context.fillRect(5, 5, 30, 20);
    context.stroke(new Path2D('M0 0 L60 40'));
    const png = await canvas.encode('png');
    const image = await loadImage(png);
    context.drawImage(image, 10, 10, 20, 20);
    return [
      digest(png), [image.width, image.height], digest(Buffer.from(context.getImageData(0, 0, 60, 40).data)), canvas.toDataURL().length,
      digest(canvas.toBuffer('image/png')),
    ];
  },
  async bcrypt(bcrypt) {
    const salt = '$2b$04$abcdefghijklmnopqrstuu';
    const hash = await bcrypt.hash('secret', salt);
    return [
      hash, await bcrypt.compare('secret', hash), bcrypt.compareSync('wrong', hash), bcrypt.getRounds(hash),
      await new Promise((done) => bcrypt.compare('secret', hash, (error, same) => done([error ?? null, same]))),
      await attempt(() => bcrypt.hash('secret')),
    ];
  },
  async argon2(argon2) {
    const salt = Buffer.alloc(16, 7);
    const hash = await argon2.hash('password', { salt, timeCost: 2, memoryCost: 1024 });
    return [hash, await argon2.verify(hash, 'password'), await argon2.verify(hash, 'other'), argon2.needsRehash(hash, { timeCost: 9 }),
      digest(await argon2.hash('p', { salt, raw: true, memoryCost: 1024 })), (await attempt(() => argon2.verify('nonsense', 'x')))[0]];
  },
  'better-sqlite3': async (Database) => {
    const db = new Database(path.join(folder(), 'x.db'));
    const mode = db.pragma('journal_mode = WAL', { simple: true });
    db.exec('create table t (id integer primary key, name text, data blob)');
    const insert = db.prepare('insert into t (name, data) values (?, ?)');
    const many = db.transaction((rows) => rows.map(({ name, data }) => insert.run(name, data).changes));
    const changes = many([{ name: 'a', data: Buffer.from([1, 2]) }, { name: 'b', data: null }]);
    db.function('twice', (x) => x * 2);
    db.aggregate('total', { start: 0, step: (sum, item) => sum + item });
    db.table('numbers', { columns: ['n'], parameters: ['last'], *rows(last) { for (let n = 1; n <= last; n++) yield [n]; } });
    const results = [
      mode, changes,
      db.prepare('select id, name, data, twice(id) as twice from t order by id').all(),
      db.prepare('select total(id) from t').pluck().get(),
      [...db.prepare('select n from numbers(4)').iterate()].map(({ n }) => n),
      db.prepare('select 9007199254740993 as b').safeIntegers().get(),
      await attempt(() => db.exec('nonsense')),
      await attempt(() => many([{ name: 1n << 70n }])),
      db.inTransaction,
    ];
    db.close();
    return [...results, await attempt(() => db.exec('select 1'))];
  },
  async lmdb({ open }) {
    const dir = folder();
    const database = open({ path: path.join(dir, 'db'), compression: false });
    await database.put('a', { x: [1, 2, { y: 'text' }] });
    await database.transaction(() => {
      database.put('b', new Uint8Array([1, 2, 3]));
      database.put(['c', 1], 'composed');
    });
    const all = [...database.getRange({ limit: 10 })].map(({ key, value }) => [key, value]);
    const result = [database.get('a'), database.get('gone'), all, database.doesExist('b'), await database.remove('a'), database.getKeysCount()];
    await database.close();
    return result;
  },
  async 'classic-level'({ ClassicLevel }) {
    const database = new ClassicLevel(path.join(folder(), 'db'), { valueEncoding: 'json' });
    await database.put('k1', { n: 1 });
    await database.batch([{ type: 'put', key: 'k2', value: [2] }, { type: 'put', key: 'k3', value: null ?? 'x' }, { type: 'del', key: 'k1' }]);
    const entries = [];
    for await (const entry of database.iterator({ reverse: true })) entries.push(entry);
    const result = [entries, await database.get('k1'), await database.keys().all(), database.status];
    await database.close();
    return [...result, database.status, (await attempt(() => database.get('k2')))[1]];
  },
  async '@duckdb/node-api'({ DuckDBInstance }) {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll("select i, i * 1.5::double as d, 'n' || i as s, [i, i + 1] as l from range(3) t(i)");
    const prepared = await connection.prepare('select $1::int + 1 as x');
    prepared.bindInteger(1, 41);
    const sum = (await prepared.runAndReadAll()).getRows();
    const result = [reader.columnNames(), reader.getRowsJson(), shown(sum), (await attempt(() => connection.run('selec')))[0]];
    connection.closeSync();
    return result;
  },
  async 'tree-sitter'(Parser) {
    const parser = new Parser();
    const results = [];
    for (const [name, text] of [['tree-sitter-javascript', 'const x = y => y?.z'], ['tree-sitter-json', '{"a": [1, null]}']]) {
      parser.setLanguage(require(name));
      const tree = parser.parse(text);
      results.push(tree.rootNode.toString(), tree.rootNode.descendantsOfType('number').length, tree.rootNode.firstChild.startPosition);
    }
    const query = new Parser.Query(require('tree-sitter-json'), '(number) @n');
    results.push(query.captures(parser.parse('[1, 2]').rootNode).map((capture) => [capture.name, capture.node.text]));
    return results;
  },
  async koffi(koffi) {
    const libc = koffi.load('libc.so.6');
    const strlen = libc.func('size_t strlen(const char *text)');
    const Point = koffi.struct('Point', { x: 'int', y: 'double' });
    return [String(strlen('twelve chars')), koffi.sizeof(Point), libc.func('abs', 'int', ['int'])(-5), koffi.sizeof('long'), (await attempt(() => libc.func('int no_such_function(int)')))[0]];
  },
  async zeromq(zmq) {
    const server = new zmq.Reply(), client = new zmq.Request();
    await server.bind('inproc://scenario');
    client.connect('inproc://scenario');
    await client.send(['one', Buffer.from('two')]);
    const heard = (await server.receive()).map(String);
    await server.send('answer');
    const answer = (await client.receive()).map(String);
    server.close();
    client.close();
    return [heard, answer, server.closed, (await attempt(() => client.send('x')))[1]];
  },
  async usearch({ Index, MetricKind, ScalarKind }) {
    const index = new Index(3, MetricKind.L2sq, ScalarKind.F32, 16);
    index.add(1n, new Float32Array([1, 0, 0]));
    index.add(2n, new Float32Array([0, 1, 0]));
    const found = index.search(new Float32Array([0.9, 0.1, 0]), 2, 0);
    return [[...found.keys].map(String), [...found.distances].map((d) => d.toFixed(3)), index.size(), index.contains(2n), index.dimensions()];
  },
  async 'onnxruntime-node'({ InferenceSession, Tensor, listSupportedBackends }) {
    const session = await InferenceSession.create(SUM_MODEL, { intraOpNumThreads: 1, logSeverityLevel: 4 });
    const floats = (...values) => new Tensor('float32', Float32Array.from(values), [values.length]);
    const { y } = await session.run({ a: floats(1, -2, 3.5), b: floats(0.5, 1, 4) });
    const large = Float32Array.from({ length: 100_000 }, (_, i) => i);
    const sums = await session.run({ a: new Tensor('float32', large, [100_000]), b: floats(-1) });
    const file = path.join(folder(), 'sum.onnx');
    fs.writeFileSync(file, SUM_MODEL);
    const again = await InferenceSession.create(file);
    const outcome = [
      session.inputNames, session.outputNames, y.type, y.dims, [...y.data], sums.y.dims, digest(Buffer.from(sums.y.data.buffer)),
      [...(await again.run({ a: floats(1), b: floats(2) })).y.data], listSupportedBackends().map(({ name }) => name),
      await attempt(() => InferenceSession.create(Buffer.from('no model'))),
      await attempt(() => session.run({ a: floats(1) })),
      await attempt(() => session.run({ a: new Tensor('int32', [1]), b: floats(1) })),
    ];
    await session.release();
    await again.release();
    return outcome;
  },
  async rollup({ rollup, VERSION }) {
    const files = { entry: 'import { used } from "dep"; console.log(used); export default 1', dep: 'export const used = 2; export const unused = 3' };
    const bundle = await rollup({
      input: 'entry',
      plugins: [{ name: 'memory', resolveId: (id) => (id in files ? id : null), load: (id) => files[id] ?? null,
        transform(code, id) { return id === 'dep' ? { code: code.replace('2', '22'), map: null } : null; } }],
    });
    const { output } = await bundle.generate({ format: 'es' });
    await bundle.close();
    return [output[0].code, Object.keys(output[0].modules), typeof VERSION, (await attempt(() => rollup({ input: './gone.js' })))[1]];
  },
  async msgpackr({ pack, unpack, Packr }) {
    const value = { a: [1, -2, 3.5, 'text', null, true], d: new Date(0), n: { m: new Map([['k', 1]]) }, b: Buffer.from([1, 2]) };
    const packr = new Packr({ structures: [], useRecords: true });
    const rows = [{ x: 1, y: 'a' }, { x: 2, y: 'b' }];
    return [digest(pack({ a: 1, b: ['x', 2.5] })), shown(unpack(pack(value))), packr.unpack(packr.pack(rows)), (await attempt(() => unpack(Buffer.from([0xc1, 0xff]))))[0]];
  },
  async 'sodium-native'(sodium) {
    const key = Buffer.alloc(sodium.crypto_secretbox_KEYBYTES, 1), nonce = Buffer.alloc(sodium.crypto_secretbox_NONCEBYTES, 2);
    const message = Buffer.from('a secret'), cipher = Buffer.alloc(message.length + sodium.crypto_secretbox_MACBYTES), plain = Buffer.alloc(message.length);
    sodium.crypto_secretbox_easy(cipher, message, nonce, key);
    const opened = sodium.crypto_secretbox_open_easy(plain, cipher, nonce, key);
    const out = Buffer.alloc(sodium.crypto_generichash_BYTES);
    sodium.crypto_generichash(out, message);
    return [cipher.toString('hex'), opened, String(plain), out.toString('hex'), Object.keys(sodium).length > 300];
  },
  async 'nodejs-polars'(module) {
    const pl = module.default ?? module;
    const frame = pl.DataFrame({ name: ['a', 'b', 'a'], n: [1, 2, 3] });
    const grouped = frame.groupBy('name').agg(pl.col('n').sum().alias('sum')).sort('name');
    return [grouped.toRecords(), frame.filter(pl.col('n').gt(1)).height, frame.columns, frame.select(pl.col('n').mul(2)).toRecords(), frame.toString().length];
  },
  async 'oxc-parser'({ parseSync, parse }) {
    const { program, errors } = parseSync('x.ts', 'const x: number = 1;');
    return [program.type, program.body[0].declarations[0].id.name, errors.length, (await parse('y.js', 'let let = 1')).errors.length];
  },
  async 'oxc-transform'(module) {
    const { code, errors } = await module.transform('x.ts', 'enum E { A = 1 } export const e: E = E.A');
    return [code, errors.length];
  },
  async rolldown({ rolldown }) {
    const files = { 'virtual:a': 'export { b } from "virtual:b"', 'virtual:b': 'export const b = 40 + 2; export const c = 1' };
    const bundle = await rolldown({ input: 'virtual:a', plugins: [{ name: 'm', resolveId: (id) => (id in files ? id : null), load: (id) => files[id] ?? null }] });
    const { output } = await bundle.generate({ format: 'es' });
    await bundle.close();
    return output.map((chunk) => [chunk.type, chunk.code.replace(/\/\/.*\n/g, '')]);
  },
  '@node-rs/xxhash': async ({ xxh32, xxh64, xxh3 }) => [xxh32('abc'), xxh64('abc'), xxh3.xxh64(Buffer.alloc(100_000, 3))].map(String),
  '@node-rs/crc32': async ({ crc32, crc32c }) => [crc32('abc'), crc32c(Buffer.from('abc')), crc32('d', crc32('abc'))],
  async '@node-rs/jieba'({ Jieba }) {
    const jieba = new Jieba();
    return [jieba.cut('abc 123', false), jieba.cutForSearch('hello world', true)];
  },
  '@node-rs/argon2': async ({ hash, verify }) => [await verify(await hash('p', { memoryCost: 1024 }), 'p'), await attempt(() => verify('x', 'p'))].map((value) => Array.isArray(value) ? value[0] : value),
  async '@tailwindcss/oxide'({ Scanner }) {
    const scanner = new Scanner({});
    return scanner.scanFiles([{ content: '<div class="flex p-4 md:w-1/2">', extension: 'html' }]).sort();
  },
  async '@ast-grep/napi'({ parse, Lang }) {
    const root = parse(Lang.JavaScript ?? 'JavaScript', 'console.log("a"); foo(1)').root();
    return [root.findAll('console.log($A)').map((node) => node.getMatch('A').text()), root.kind()];
  },
  async snappy({ compress, uncompress, compressSync, uncompressSync }) {
    const data = Buffer.alloc(10_000, 'abc');
    const packed = await compress(data);
    return [digest(packed), digest(await uncompress(packed, { asBuffer: true })), compressSync('text').length, uncompressSync(packed).length, (await attempt(() => uncompress(Buffer.from('no'))))[0]];
  },
  'date-fns': async ({ format, addDays, parseISO }) => [format(new Date(2024, 1, 29), 'yyyy-MM-dd EEEE'), addDays(new Date(0), 3).toISOString(), parseISO('2020-01-02').getDate()],
  nanoid: async ({ nanoid, customAlphabet }) => [nanoid().length, customAlphabet('ab', 8)().replace(/[ab]/g, '').length],
  '@napi-rs/uuid': async ({ v4 }) => [/^[0-9a-f-]{36}$/.test(v4())],
};

// What `scenarios[name]` returns, as JSON.
exports.run = async (name) => JSON.stringify(shown(await scenarios[name](require(name))));
exports.names = Object.keys(scenarios);

if (require.main === module) {
  exports.run(process.argv[2]).then((text) => process.stdout.write(`${text}\n`, () => process.exit()), (error) => {
    process.stderr.write(`${error?.stack}\n`, () => process.exit(1));
  });
}
