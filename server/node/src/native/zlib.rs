//! The native functions of the binding `zlib`. A stream is kept by the host, under a number that its
//! handle in `bindings/zlib.js` holds.

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};
use hostd_napi::Host;

use super::bytes::{argument, size};
use crate::compression::{BrotliStream, Engine, Failure, Mode, Settings, Step, Stream, ZlibStream};
use crate::state::NodeState;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("open", open),
    ("openBrotli", open_brotli),
    ("writeSync", write_sync),
    ("write", write),
    ("setLevel", set_level),
    ("reset", reset),
    ("close", close),
    ("crc32", crc32),
];

/// How much of the input a synchronous step copies at once. A step ends when its output is full, which
/// is mostly shorter, and what it did not read is copied again.
const PIECE: usize = 64 * 1024;
/// The flush of a piece that is not the last, in zlib and in brotli.
const NO_FLUSH: i32 = 0;

fn integer(call: &Invocation<'_>, index: usize) -> Option<i32> {
    argument(call, index).as_i32()
}

fn insert(rt: Runtime, engine: Result<Engine, Failure>) -> JsResult {
    let engine = match engine {
        Ok(engine) => engine,
        Err(failure) => return report(rt, &failure),
    };
    let mut streams = NodeState::of(rt)?.streams.borrow_mut();
    let space = streams.by_number.try_reserve(1);
    space.map_err(|_| rt.out_of_memory())?;
    streams.given += 1;
    let number = streams.given;
    let stream = Stream {
        engine,
        input: Vec::new(),
        output: Vec::new(),
    };
    streams.by_number.insert(number, Some(stream));
    Ok(count(number))
}

fn count(number: usize) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "counts to far less than 2^53")]
    Value::from(number as f64)
}

/// Message, code and number of a failure.
fn report(rt: Runtime, failure: &Failure) -> JsResult {
    rt.array_from(vec![
        rt.string_utf8(failure.message.as_bytes())?,
        rt.string_utf8(failure.code.as_bytes())?,
        Value::from(f64::from(failure.number)),
    ])
}

/// `open(mode, windowBits, level, memLevel, strategy, dictionary or undefined)`: the number of a
/// stream, or an array of a failure.
fn open(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let settings = || {
        Some(Settings {
            mode: Mode::from_number(integer(call, 0)?)?,
            window_bits: integer(call, 1)?,
            level: integer(call, 2)?,
            memory_level: integer(call, 3)?,
            strategy: integer(call, 4)?,
            dictionary: Vec::new(),
        })
    };
    let Some(mut settings) = settings().filter(Settings::is_valid) else {
        return Err(rt.type_error("these are no parameters of a stream of zlib"));
    };
    settings.dictionary = rt.copy_bytes(argument(call, 5))?.unwrap_or_default();
    let stream = ZlibStream::new(settings);
    insert(rt, stream.map(|stream| Engine::Zlib(Box::new(stream))))
}

/// `openBrotli(isEncoder, parameters)`: the number of a stream, or an array of a failure.
fn open_brotli(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let is_encoder = argument(call, 0).as_bool().unwrap_or(false);
    let bytes = rt.copy_bytes(argument(call, 1))?.unwrap_or_default();
    let (words, _) = bytes.as_chunks::<4>();
    let parameters = rt.list_from(words.iter().map(|word| u32::from_le_bytes(*word)))?;
    let stream = BrotliStream::new(is_encoder, parameters);
    insert(rt, stream.map(|stream| Engine::Brotli(Box::new(stream))))
}

/// The arguments of a step.
struct Request<'a> {
    number: usize,
    flush: i32,
    input: &'a Value,
    /// Where its input begins, and how long it is.
    start: usize,
    length: usize,
    output: &'a Value,
    at: usize,
    space: usize,
}

impl<'a> Request<'a> {
    /// `(number, flush, input or undefined, offset, length, output, offset, length)`.
    fn of(rt: Runtime, call: &Invocation<'a>) -> JsResult<Self> {
        let request = || {
            let request = Request {
                number: size(call, 0)?,
                flush: integer(call, 1)?,
                input: argument(call, 2),
                start: size(call, 3)?,
                length: size(call, 4)?,
                output: argument(call, 5),
                at: size(call, 6)?,
                space: size(call, 7)?,
            };
            let available = rt.byte_length(request.input).unwrap_or(0);
            let is_inside = request.start.checked_add(request.length)? <= available
                && request.at.checked_add(request.space)? <= rt.byte_length(request.output)?;
            is_inside.then_some(request)
        };
        request().ok_or_else(|| rt.type_error("these are no parameters of a step"))
    }

    /// Takes the stream, which is busy from now on.
    fn take(&self, rt: Runtime) -> JsResult<Stream> {
        let mut streams = NodeState::of(rt)?.streams.borrow_mut();
        let stream = streams.by_number.get_mut(&self.number);
        stream
            .and_then(Option::take)
            .ok_or_else(|| rt.type_error("this stream is closed or busy"))
    }

    /// Gives `stream` enough memory for the output.
    fn make_space(&self, rt: Runtime, stream: &mut Stream) -> JsResult<()> {
        let more = self.space.saturating_sub(stream.output.len());
        rt.reserve(&mut stream.output, more)?;
        stream.output.resize(self.space, 0);
        Ok(())
    }
}

/// Puts back a stream that was busy. One that was closed meanwhile is gone.
fn put_back(rt: Runtime, number: usize, stream: Stream) -> JsResult<()> {
    let mut streams = NodeState::of(rt)?.streams.borrow_mut();
    if let Some(place) = streams.by_number.get_mut(&number) {
        *place = Some(stream);
    }
    Ok(())
}

/// What is left of the output and of the input, and the parts of a failure if there is one.
fn answer(rt: Runtime, left: [usize; 2], failure: Option<&Failure>) -> JsResult {
    let mut values = left.map(count).to_vec();
    if let Some(failure) = failure {
        values.push(report(rt, failure)?);
    }
    rt.array_from(values)
}

/// `writeSync(…)`: does a step; gives an array of what is left of the output and of the input, and
/// the failure.
fn write_sync(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let request = Request::of(rt, call)?;
    let mut stream = request.take(rt)?;
    let done = run_pieces(rt, &request, &mut stream);
    let written = match &done {
        Ok(step) => rt.write_bytes(request.output, request.at, &stream.output[..step.written]),
        Err(_) => false,
    };
    put_back(rt, request.number, stream)?;
    let step = done?;
    if !written && step.written > 0 {
        return Err(rt.type_error("the output is gone"));
    }
    let left = [request.space - step.written, request.length - step.read];
    answer(rt, left, step.failure.as_ref())
}

fn run_pieces(rt: Runtime, request: &Request<'_>, stream: &mut Stream) -> JsResult<Step> {
    request.make_space(rt, stream)?;
    let Stream {
        engine,
        input,
        output,
    } = stream;
    let first = request.length.min(PIECE);
    rt.reserve(input, first.saturating_sub(input.len()))?;
    let mut all = Step {
        read: 0,
        written: 0,
        failure: None,
    };
    loop {
        let length = (request.length - all.read).min(PIECE);
        let is_last = all.read + length == request.length;
        input.resize(length, 0);
        rt.read_bytes(request.input, request.start + all.read, input);
        let flush = if is_last { request.flush } else { NO_FLUSH };
        let step = engine.step(input, &mut output[all.written..], flush);
        all.read += step.read;
        all.written += step.written;
        all.failure = step.failure;
        if is_last || step.read < length || all.written == output.len() || all.failure.is_some() {
            return Ok(all);
        }
    }
}

/// `write(…, callback)`: does a step in the pool, then calls `callback` with what [`write_sync`]
/// gives. An offset other than 0 goes on in the input of the last step.
fn write(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let request = Request::of(rt, call)?;
    let Some(host) = Host::current() else {
        return Err(rt.type_error("this thread has no host"));
    };
    let mut stream = request.take(rt)?;
    let prepared = prepare(rt, &request, &mut stream);
    if let Err(thrown) = prepared {
        put_back(rt, request.number, stream)?;
        return Err(thrown);
    }
    let Request {
        number,
        flush,
        start,
        length,
        at,
        space,
        ..
    } = request;
    let (output, callback) = (request.output.clone(), argument(call, 8).clone());
    let work = move || {
        let Stream {
            engine,
            input,
            output,
        } = &mut stream;
        let step = engine.step(&input[start..start + length], output, flush);
        (stream, step)
    };
    host.run_in_pool(work, move |rt, (stream, step): (Stream, Step)| {
        rt.write_bytes(&output, at, &stream.output[..step.written]);
        put_back(rt, number, stream)?;
        let left = [space - step.written, length - step.read];
        let answer = answer(rt, left, step.failure.as_ref())?;
        rt.call(&callback, &Value::UNDEFINED, &[answer]).map(drop)
    })?;
    Ok(Value::UNDEFINED)
}

fn prepare(rt: Runtime, request: &Request<'_>, stream: &mut Stream) -> JsResult<()> {
    request.make_space(rt, stream)?;
    let end = request.start + request.length;
    if request.start == 0 || stream.input.len() != end {
        stream.input.clear();
        rt.reserve(&mut stream.input, end)?;
        stream.input.resize(end, 0);
        rt.read_bytes(request.input, 0, &mut stream.input);
    }
    Ok(())
}

/// Does something with an idle stream; gives the parts of its failure.
fn with_stream(
    rt: Runtime,
    call: &Invocation<'_>,
    act: impl FnOnce(&mut Engine) -> Result<(), Failure>,
) -> JsResult {
    let mut streams = NodeState::of(rt)?.streams.borrow_mut();
    let number = size(call, 0).unwrap_or(0);
    let stream = streams.by_number.get_mut(&number);
    let Some(stream) = stream.and_then(Option::as_mut) else {
        return Err(rt.type_error("this stream is closed or busy"));
    };
    match act(&mut stream.engine) {
        Ok(()) => Ok(Value::UNDEFINED),
        Err(failure) => report(rt, &failure),
    }
}

/// `setLevel(number, level)`.
fn set_level(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let level = integer(call, 1).unwrap_or(-1);
    with_stream(rt, call, |engine| {
        if let Engine::Zlib(stream) = engine {
            stream.set_level(level);
        }
        Ok(())
    })
}

/// `reset(number)`: undefined, or an array of the failure.
fn reset(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    with_stream(rt, call, Engine::reset)
}

/// `close(number)`: frees the stream; one that is busy is freed when its step is done.
fn close(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let mut streams = NodeState::of(rt)?.streams.borrow_mut();
    streams.by_number.remove(&size(call, 0).unwrap_or(0));
    Ok(Value::UNDEFINED)
}

/// `crc32(text or view, value)`.
fn crc32(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let data = argument(call, 0);
    let start = argument(call, 1).as_wrapped_i32().unwrap_or(0);
    let sum = if data.is_string() {
        let text = rt.utf8(data)?;
        zlib_rs::crc32::crc32(start.cast_unsigned(), text.as_bytes())
    } else {
        let bytes = rt.copy_bytes(data)?.unwrap_or_default();
        zlib_rs::crc32::crc32(start.cast_unsigned(), &bytes)
    };
    Ok(Value::from(f64::from(sum)))
}
