// The bindings `spawn_sync`, `process_wrap`, `pipe_wrap` and `stream_wrap`: programs that scripts start.
(function (native, bindings) {
'use strict';

const { get } = bindings;
const subprocess = native.functions('subprocess');
const { Buffer } = globalThis;
const { signals } = get('constants').os;
const signalNames = new Map(Object.entries(signals).map(([name, number]) => [number, name]).reverse());
const { UV_ENOTSUP } = get('uv');
const errors = native.load('errors');
const PIPE = -1;
const IGNORED = -2;
const IPC = 2;

// The numbers of the three streams; undefined if there is one that cannot be passed on.
const streamsOf = (stdio) => {
  const streams = [IGNORED, IGNORED, IGNORED];
  for (const [index, { type, fd }] of stdio.entries()) {
    const stream = type === 'pipe' || type === 'overlapped' ? PIPE : type === 'inherit' || type === 'fd' ? fd : IGNORED;
    if (type === 'wrap' || (index > 2 && stream !== IGNORED)) return undefined;
    if (index <= 2) streams[index] = stream;
  }
  return streams;
};

const signalOf = (signal) => typeof signal === 'number' && signal > 0 ? signal : signals.SIGTERM;
const nameOf = (signal) => signal === null ? null : signalNames.get(signal) ?? null;

const begin = (call, options, ...more) => {
  const streams = streamsOf(options.stdio ?? []);
  if (streams === undefined) return UV_ENOTSUP;
  const { file, args, cwd, envPairs, uid, gid, detached } = options;
  return call(file, args?.length > 0 ? args : [file], cwd, envPairs, streams, uid, gid, Boolean(detached), ...more);
};

const spawn = (options) => {
  const { timeout, maxBuffer, killSignal } = options;
  const result = begin(
    subprocess.runToEnd, options, options.stdio?.[0]?.input, timeout,
    maxBuffer > 0 && maxBuffer < Number.MAX_SAFE_INTEGER ? maxBuffer : undefined, signalOf(killSignal));
  if (typeof result === 'number') return { error: result, status: null, signal: null, output: null, pid: 0 };
  const [pid, code, signal, stdout, stderr, error] = result;
  const shown = (memory) => memory === null ? null : Buffer.from(memory);
  const output = options.stdio.map((_, index) => index === 1 ? shown(stdout) : index === 2 ? shown(stderr) : null);
  return { ...error !== undefined && { error }, status: code, signal: nameOf(signal), output, pid };
};

// One end of a pipe to a program; it is bound when the program is started.
class Pipe {
  #number;
  #index;

  constructor(type) {
    if (type === IPC) {
      throw errors.unavailable("child_process.fork and stdio: 'ipc' are not available in napi-hostd; use spawn");
    }
  }

  bind(number, index) {
    this.#number = number;
    this.#index = index;
  }

  read(done) {
    const error = subprocess.read(this.#number, this.#index, (bytes) => done(typeof bytes === 'number' ? bytes : Buffer.from(bytes)));
    if (error !== 0) done(Buffer.alloc(0));
  }
  write(bytes, done) { return subprocess.write(this.#number, this.#index, bytes, done); }
  close() { subprocess.closePipe(this.#number, this.#index); }
}

class Process {
  #number;

  spawn(options) {
    const started = begin(subprocess.start, options, (code, signal) => {
      this.onexit(code ?? 0, nameOf(signal) ?? '');
    });
    if (typeof started === 'number') return started;
    const [number, pid] = started;
    this.#number = number;
    this.pid = pid;
    for (const [index, { handle }] of options.stdio.entries()) if (index <= 2) handle?.bind?.(number, index);
    return 0;
  }

  kill(signal) { return subprocess.kill(this.#number, signal); }
  close() {}
  ref() {}
  unref() {}
  hasRef() { return true; }
}

class Request {}

return {
  spawn_sync: { spawn },
  process_wrap: { Process },
  pipe_wrap: { Pipe, PipeConnectWrap: Request, constants: { SOCKET: 0, SERVER: 1, IPC, UV_READABLE: 1, UV_WRITABLE: 2 } },
  stream_wrap: {
    kReadBytesOrError: 0, kArrayBufferOffset: 1, kBytesWritten: 2, kLastWriteWasAsync: 3, streamBaseState: new Int32Array(5),
    WriteWrap: Request, ShutdownWrap: Request, LibuvStreamWrap: Request,
  },
};
})
