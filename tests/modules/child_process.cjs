// Probes of `child_process`: programs that are run to their end, and programs that run beside.
'use strict';

const { probes } = require('./probe.js');
const child_process = require('child_process');
const { promisify } = require('util');

const { spawnSync, execSync, execFileSync, spawn, exec, execFile } = child_process;
const all = {};
const probe = (name, run) => { all[name] = run; };
const shown = ({ pid, status, signal, output, stdout, stderr, error }) => ({
  pid: typeof pid + (pid > 0), status, signal, output: output?.map((bytes) => bytes?.toString().slice(0, 100) ?? null),
  stdout: stdout?.toString().slice(0, 100), stderr: stderr?.toString().slice(0, 100), error: error && [error.message, { ...error }],
});
const thrown = (run) => {
  try {
    return run();
  } catch (error) {
    return [error.name, error.message, { ...error, pid: 0, output: null, stdout: String(error.stdout), stderr: String(error.stderr) }];
  }
};
const finished = (child) => new Promise((resolve) => {
  const events = [];
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name]?.on('data', (bytes) => { output[name] += bytes; });
  child.on('spawn', () => events.push('spawn'));
  child.on('error', (error) => events.push(['error', error.message, { ...error }]));
  child.on('exit', (code, signal) => events.push(['exit', code, signal]));
  child.on('close', (code, signal) => {
    events.push(['close', code, signal]);
    resolve([events, output, child.exitCode, child.signalCode, child.killed]);
  });
});

probe('exports', () => Object.keys(child_process).sort());

for (const [name, ...given] of [
  ['true', 'true'], ['false', 'false'], ['echo', 'echo', ['a', 'b c', '']], ['no program', 'nope-nope', []], ['no folder', 'true', [], { cwd: '/nope' }],
  ['no right', '/etc/passwd', []], ['input', 'cat', [], { input: 'hello' }], ['no input', 'cat', []],
  ['input of bytes', 'cat', [], { input: new Uint8Array([104, 105]) }], ['input that is not read', 'true', [], { input: 'x'.repeat(200000) }],
  ['ignore', 'echo', ['a'], { stdio: 'ignore' }], ['ignore some', 'echo', ['a'], { stdio: ['ignore', 'pipe', 'ignore'] }],
  ['both outputs', 'sh', ['-c', 'echo out; echo err >&2']], ['a shell', 'echo $X; exit 3', [], { shell: true, env: { X: 'y' } }],
  ['a signal', 'sh', ['-c', 'kill -9 $$']], ['argv0', 'sh', ['-c', 'echo $0; exit 1'], { argv0: 'other' }], ['a folder', 'pwd', [], { cwd: '/usr' }],
  ['an environment', 'env', [], { env: { A: '1', B: 'x=y' } }], ['an encoding', 'echo', ['ä'], { encoding: 'utf8' }],
  ['an encoding in hex', 'echo', ['ä'], { encoding: 'hex' }], ['timeout', 'sleep', ['20'], { timeout: 100 }],
  ['timeout with a signal', 'sleep', ['20'], { timeout: 100, killSignal: 'SIGKILL' }], ['too much output', 'sh', ['-c', 'echo 12345678; sleep 20'], { maxBuffer: 4 }],
  ['large output', 'sh', ['-c', 'head -c 300000 /dev/zero | tr "\\0" x']], ['large both', 'cat', [], { input: 'hello'.repeat(50000) }],
]) {
  probe(`spawnSync ${name}`, () => shown(spawnSync(...given)));
}
probe('spawnSync sizes', () => spawnSync('cat', [], { input: Buffer.alloc(500000, 'ab') }).stdout.equals(Buffer.alloc(500000, 'ab')));
for (const [name, ...given] of [
  ['of nothing'], ['of a number', 5], ['of an empty name', ''], ['with a null byte', 'a\0b'], ['with a null byte in an argument', 'echo', ['a\0']],
  ['with wrong arguments', 'echo', 5], ['with wrong options', 'echo', [], 5], ['with a wrong folder', 'echo', [], { cwd: 5 }],
  ['with wrong stdio', 'echo', [], { stdio: 'nope' }], ['with a wrong timeout', 'echo', [], { timeout: -1 }], ['with a wrong maxBuffer', 'echo', [], { maxBuffer: -1 }],
  ['with a wrong signal', 'echo', [], { killSignal: 'SIGNOPE' }], ['with wrong input', 'cat', [], { input: 5 }], ['with ipc', 'cat', [], { stdio: ['ipc'] }],
  ['with a wrong uid', 'cat', [], { uid: 'root' }], ['with a wrong shell', 'cat', [], { shell: 5 }], ['with a wrong environment', 'env', [], { env: { 'A\0': '1' } }],
]) {
  probe(`spawnSync ${name}`, () => shown(spawnSync(...given)));
}
probe('execSync', () => execSync('echo a; echo b').toString());
probe('execSync with an encoding', () => execSync('echo a', { encoding: 'utf8' }));
probe('execSync of a failure', () => thrown(() => execSync('echo out; echo err >&2; exit 4', { stdio: 'pipe' })));
probe('spawnSync of two pipes more', () => shown(spawnSync('true', [], { stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore'] })));
probe('execSync of no program', () => thrown(() => execSync('nope-nope', { stdio: 'pipe' })).slice(0, 1));
probe('execSync with a timeout', () => thrown(() => execSync('sleep 20', { timeout: 100 })).slice(0, 2));
probe('execFileSync', () => execFileSync('printf', ['%s-', 'a', 'b']).toString());
probe('execFileSync of a failure', () => thrown(() => execFileSync('false')));
probe('execFileSync of no program', () => thrown(() => execFileSync('nope-nope', ['x'])));

probe('spawn', () => finished(spawn('sh', ['-c', 'echo out; echo err >&2; exit 3'])));
probe('spawn of no program', () => finished(spawn('nope-nope', ['x'])));
probe('spawn in no folder', () => finished(spawn('true', [], { cwd: '/nope' })));
probe('spawn with input', () => {
  const child = spawn('cat');
  child.stdin.write('one ');
  child.stdin.end('two');
  return finished(child);
});
probe('spawn with much input', async () => {
  const child = spawn('wc', ['-c']);
  child.stdin.end(Buffer.alloc(1000000, 'x'));
  return finished(child);
});
probe('spawn with much output', async () => {
  const [events, output] = await finished(spawn('sh', ['-c', 'head -c 1000000 /dev/zero | tr "\\0" x']));
  return [events, output.stdout.length];
});
probe('spawn and kill', () => {
  const child = spawn('sleep', ['20']);
  return [child.kill('SIGTERM'), finished(child)][1];
});
probe('spawn and kill with another signal', async () => {
  const child = spawn('sleep', ['20']);
  const end = finished(child);
  const killed = child.kill('SIGKILL');
  return [killed, await end, child.kill()];
});
probe('spawn without pipes', async () => {
  const child = spawn('true', [], { stdio: 'ignore' });
  return [child.stdin, child.stdout, child.stderr, child.stdio, await finished(child)];
});
probe('spawn with a signal', async () => {
  const controller = new AbortController();
  const end = finished(spawn('sleep', ['20'], { signal: controller.signal }));
  controller.abort();
  return end;
});
probe('spawn with a timeout', () => finished(spawn('sleep', ['20'], { timeout: 100 })));
probe('spawn with wrong stdio', () => spawn('true', [], { stdio: 'nope' }));
probe('spawnfile and spawnargs', async () => {
  const child = spawn('echo', ['a', 'b']);
  await finished(child);
  return [child.spawnfile, child.spawnargs, typeof child.pid, child.connected];
});
probe('exec', () => promisify(exec)('echo out; echo err >&2'));
probe('exec of a failure', async () => promisify(exec)('echo out; exit 5').catch((error) => [error.message, { ...error }]));
probe('exec with a timeout', async () => promisify(exec)('sleep 20', { timeout: 100 }).catch((error) => [error.message, error.killed, error.signal, error.code]));
probe('execFile', () => promisify(execFile)('printf', ['%s', 'a b']));
probe('execFile in bytes', async () => (await promisify(execFile)('printf', ['%s', 'ab'], { encoding: 'buffer' })).stdout);
probe('execFile of no program', async () => promisify(execFile)('nope-nope').catch((error) => [error.message, { ...error }]));
probe('execFile with too much output', async () => promisify(execFile)('echo', ['123456789'], { maxBuffer: 4 }).catch((error) => [error.message, error.code, error.stdout]));
probe('many at once', async () => (await Promise.all(Array.from({ length: 12 }, (_, index) => promisify(execFile)('echo', [`${index}`])))).map(({ stdout }) => stdout.trim()));

probes(all);
