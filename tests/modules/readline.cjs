'use strict';
const { probes } = require('./probe.js');
const { Readable, PassThrough } = require('stream');

probes({
  'readline exports': () => [Object.keys(require('readline')), Object.keys(require('readline/promises'))],
  'lines': async () => { const seen = []; for await (const line of require('readline').createInterface({ input: Readable.from(['a\nb\r\nc']) })) seen.push(line); return seen; },
  'line events': () => new Promise((resolve) => { const seen = []; require('readline').createInterface({ input: Readable.from(['x\ny\n']) }).on('line', (l) => seen.push(l)).on('close', () => resolve(seen)); }),
  'question': async () => { const input = new PassThrough(), output = new PassThrough(); const rl = require('readline/promises').createInterface({ input, output }); setImmediate(() => input.write('42\n')); const answer = await rl.question('what? '); rl.close(); return [answer, String(output.read())]; },
  'cursorTo': () => { const out = new PassThrough(); require('readline').cursorTo(out, 1, 2); return String(out.read()); },
});
