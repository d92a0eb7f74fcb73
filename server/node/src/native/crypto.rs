//! The native functions of the binding `crypto`. A hash that is given its input in parts is kept by
//! the host, under a number that its object in `bindings/crypto.js` holds.
//!
//! The last argument of what may take long is a function, or undefined: with a function it runs in
//! the pool, and the function is called with the result.

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};
use hostd_napi::Host;

use super::bytes::{argument, size};
use crate::digests::{Algorithm, Begun, Cost, Refused, Running};
use crate::state::NodeState;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("outputLength", output_length),
    ("beginHash", begin_hash),
    ("beginHmac", begin_hmac),
    ("copyHash", copy_hash),
    ("updateHash", update_hash),
    ("endHash", end_hash),
    ("dropHash", drop_hash),
    ("digest", digest),
    ("random", random),
    ("pbkdf2", pbkdf2),
    ("hkdf", hkdf),
    ("checkScrypt", check_scrypt),
    ("scrypt", scrypt),
    ("isEqual", is_equal),
];

/// How much of a view is read or written at once.
const PIECE: usize = 64 * 1024;
/// How many bytes an `ArrayBuffer` can have.
const LARGEST: usize = i32::MAX as usize;

fn algorithm(rt: Runtime, call: &Invocation<'_>, index: usize) -> JsResult<Option<Algorithm>> {
    let name = argument(call, index);
    if !name.is_string() {
        return Ok(None);
    }
    Ok(Algorithm::of(rt.utf8(name)?.as_str()))
}

fn count(number: usize) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "lengths and counts are far less than 2^53"
    )]
    Value::from(number as f64)
}

fn zeros(rt: Runtime, length: usize) -> JsResult<Vec<u8>> {
    if length > LARGEST {
        return Err(rt.range_error("Array buffer allocation failed"));
    }
    let mut bytes = Vec::new();
    rt.reserve(&mut bytes, length)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

fn bytes(rt: Runtime, call: &Invocation<'_>, index: usize) -> JsResult<Vec<u8>> {
    Ok(rt.copy_bytes(argument(call, index))?.unwrap_or_default())
}

/// `outputLength(name)`: how many bytes the hash has; undefined if there is none of that name.
fn output_length(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let algorithm = algorithm(rt, call, 0)?;
    Ok(algorithm.map_or(Value::UNDEFINED, |algorithm| {
        count(algorithm.output_length())
    }))
}

/// The length at an index that the output is to have: that of the algorithm, unless it is extendable.
fn chosen(call: &Invocation<'_>, index: usize, algorithm: Algorithm) -> Option<usize> {
    let length = algorithm.output_length();
    match size(call, index) {
        None => Some(length),
        Some(chosen) => (algorithm.is_extendable() || chosen == length).then_some(chosen),
    }
}

fn insert(rt: Runtime, begun: Begun) -> JsResult {
    let mut hashes = NodeState::of(rt)?.hashes.borrow_mut();
    let space = hashes.by_number.try_reserve(1);
    space.map_err(|_| rt.out_of_memory())?;
    hashes.given += 1;
    let number = hashes.given;
    hashes.by_number.insert(number, begun);
    Ok(count(number))
}

/// `beginHash(name, length or undefined)`: its number; undefined if there is none of that name, false
/// if it cannot have that length.
fn begin_hash(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some(algorithm) = algorithm(rt, call, 0)? else {
        return Ok(Value::UNDEFINED);
    };
    let Some(length) = chosen(call, 1, algorithm) else {
        return Ok(Value::from(false));
    };
    insert(
        rt,
        Begun {
            running: algorithm.hash(),
            algorithm,
            length,
        },
    )
}

/// `beginHmac(name, key)`: its number; undefined if there is no hash of that name, false if it is not
/// for an HMAC.
fn begin_hmac(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some(algorithm) = algorithm(rt, call, 0)? else {
        return Ok(Value::UNDEFINED);
    };
    let Some(running) = algorithm.hmac(&bytes(rt, call, 1)?) else {
        return Ok(Value::from(false));
    };
    let length = algorithm.output_length();
    insert(
        rt,
        Begun {
            running,
            algorithm,
            length,
        },
    )
}

/// `copyHash(number, length or undefined)`: the number of a copy; false if it cannot have that length.
fn copy_hash(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let copy = {
        let hashes = NodeState::of(rt)?.hashes.borrow();
        let Some(begun) = hashes.by_number.get(&size(call, 0).unwrap_or(0)) else {
            return Ok(Value::UNDEFINED);
        };
        let Some(length) = chosen(call, 1, begun.algorithm) else {
            return Ok(Value::from(false));
        };
        Begun {
            running: begun.running.copied(),
            algorithm: begun.algorithm,
            length,
        }
    };
    insert(rt, copy)
}

/// Gives a hash the bytes of a view.
fn read_all(rt: Runtime, running: &mut dyn Running, view: &Value) {
    let length = rt.byte_length(view).unwrap_or(0);
    let mut piece = [0; 4096];
    if length <= piece.len() {
        rt.read_bytes(view, 0, &mut piece[..length]);
        running.update(&piece[..length]);
        return;
    }
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < length {
        let part = &mut piece[..PIECE.min(length - at)];
        rt.read_bytes(view, at, part);
        running.update(part);
        at += part.len();
    }
}

/// `updateHash(number, view)`: false if there is none of that number.
fn update_hash(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let mut hashes = NodeState::of(rt)?.hashes.borrow_mut();
    let begun = hashes.by_number.get_mut(&size(call, 0).unwrap_or(0));
    let is_there = begun.is_some();
    if let Some(begun) = begun {
        read_all(rt, begun.running.as_mut(), argument(call, 1));
    }
    Ok(Value::from(is_there))
}

/// `endHash(number)`: an `ArrayBuffer`; undefined if there is none of that number.
fn end_hash(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let number = size(call, 0).unwrap_or(0);
    let begun = NodeState::of(rt)?
        .hashes
        .borrow_mut()
        .by_number
        .remove(&number);
    match begun {
        Some(begun) => finished(rt, begun.running, begun.length),
        None => Ok(Value::UNDEFINED),
    }
}

fn finished(rt: Runtime, running: Box<dyn Running>, length: usize) -> JsResult {
    let mut output = zeros(rt, length)?;
    running.finish(&mut output);
    rt.array_buffer_from(output)
}

/// `dropHash(number)`.
fn drop_hash(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let number = size(call, 0).unwrap_or(0);
    let begun = NodeState::of(rt)?
        .hashes
        .borrow_mut()
        .by_number
        .remove(&number);
    drop(begun);
    Ok(Value::UNDEFINED)
}

/// Computes bytes, here or in the pool: gives an `ArrayBuffer`, undefined if `work` fails.
fn compute(
    rt: Runtime,
    callback: &Value,
    mut output: Vec<u8>,
    work: impl FnOnce(&mut [u8]) -> bool + Send + 'static,
) -> JsResult {
    if !rt.is_function(callback) {
        return if work(&mut output) {
            rt.array_buffer_from(output)
        } else {
            Ok(Value::UNDEFINED)
        };
    }
    let Some(host) = Host::current() else {
        return Err(rt.type_error("this thread has no host"));
    };
    let callback = callback.clone();
    let work = move || work(&mut output).then_some(output);
    host.run_in_pool(work, move |rt, output: Option<Vec<u8>>| {
        let result = match output {
            Some(output) => rt.array_buffer_from(output)?,
            None => Value::UNDEFINED,
        };
        rt.call(&callback, &Value::UNDEFINED, &[result]).map(drop)
    })?;
    Ok(Value::UNDEFINED)
}

/// `digest(name, view, callback)`: the hash of the bytes; undefined if there is none of that name.
fn digest(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let Some(algorithm) = algorithm(rt, call, 0)? else {
        return Ok(Value::UNDEFINED);
    };
    let (view, callback) = (argument(call, 1), argument(call, 2));
    let length = algorithm.output_length();
    if !rt.is_function(callback) {
        let mut running = algorithm.hash();
        read_all(rt, running.as_mut(), view);
        return finished(rt, running, length);
    }
    let input = rt.copy_bytes(view)?.unwrap_or_default();
    compute(rt, callback, zeros(rt, length)?, move |output| {
        let mut running = algorithm.hash();
        running.update(&input);
        running.finish(output);
        true
    })
}

/// `random(view, offset, length, callback)`: fills bytes of a view; gives, or calls `callback` with,
/// whether it was done.
fn random(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let view = argument(call, 0);
    let (Some(start), Some(length)) = (size(call, 1), size(call, 2)) else {
        return Ok(Value::from(false));
    };
    let end = start.checked_add(length);
    if end.is_none_or(|end| end > rt.byte_length(view).unwrap_or(0)) {
        return Ok(Value::from(false));
    }
    let callback = argument(call, 3);
    if rt.is_function(callback) {
        let Some(host) = Host::current() else {
            return Err(rt.type_error("this thread has no host"));
        };
        let (view, callback) = (view.clone(), callback.clone());
        let mut bytes = zeros(rt, length)?;
        let work = move || getrandom::fill(&mut bytes).is_ok().then_some(bytes);
        host.run_in_pool(work, move |rt, bytes: Option<Vec<u8>>| {
            let is_done = bytes.is_some_and(|bytes| rt.write_bytes(&view, start, &bytes));
            rt.call(&callback, &Value::UNDEFINED, &[Value::from(is_done)])
                .map(drop)
        })?;
        return Ok(Value::UNDEFINED);
    }
    let mut piece = zeros(rt, length.min(PIECE))?;
    let mut at = 0;
    while at < length {
        let part = piece.len().min(length - at);
        let part = &mut piece[..part];
        if getrandom::fill(part).is_err() || !rt.write_bytes(view, start + at, part) {
            return Ok(Value::from(false));
        }
        at += part.len();
    }
    Ok(Value::from(true))
}

/// `pbkdf2(name, password, salt, iterations, length, callback)`.
fn pbkdf2(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Some(algorithm), Some(length)) = (algorithm(rt, call, 0)?, size(call, 4)) else {
        return Ok(Value::UNDEFINED);
    };
    let (password, salt) = (bytes(rt, call, 1)?, bytes(rt, call, 2)?);
    let iterations = size(call, 3).and_then(|number| u32::try_from(number).ok());
    let output = zeros(rt, length)?;
    compute(rt, argument(call, 5), output, move |output| {
        algorithm.pbkdf2(&password, &salt, iterations.unwrap_or(1), output)
    })
}

/// `hkdf(name, key, salt, info, length, callback)`.
fn hkdf(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Some(algorithm), Some(length)) = (algorithm(rt, call, 0)?, size(call, 4)) else {
        return Ok(Value::UNDEFINED);
    };
    if length > 255 * algorithm.output_length() {
        return Ok(Value::UNDEFINED);
    }
    let (key, salt, info) = (
        bytes(rt, call, 1)?,
        bytes(rt, call, 2)?,
        bytes(rt, call, 3)?,
    );
    let output = zeros(rt, length)?;
    compute(rt, argument(call, 5), output, move |output| {
        algorithm.hkdf(&key, &salt, &info, output)
    })
}

/// The arguments N, r, p and the limit of memory, from an index on.
fn cost(call: &Invocation<'_>, index: usize) -> Result<Cost, Refused> {
    let number = |at: usize| size(call, index + at).map_or(u64::MAX, |number| number as u64);
    Cost::new(number(0), number(1), number(2), number(3))
}

/// `checkScrypt(N, r, p, memory)`: undefined if they can be used, "memory" or "parameters" if not.
fn check_scrypt(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    match cost(call, 0) {
        Ok(_) => Ok(Value::UNDEFINED),
        Err(Refused::Memory) => rt.string_utf8(b"memory"),
        Err(Refused::Parameters) => rt.string_utf8(b"parameters"),
    }
}

/// `scrypt(password, salt, N, r, p, memory, length, callback)`.
fn scrypt(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (Ok(cost), Some(length)) = (cost(call, 2), size(call, 6)) else {
        return Ok(Value::UNDEFINED);
    };
    let (password, salt) = (bytes(rt, call, 0)?, bytes(rt, call, 1)?);
    let output = zeros(rt, length)?;
    compute(rt, argument(call, 7), output, move |output| {
        cost.scrypt(&password, &salt, output)
    })
}

/// `isEqual(view, view)`: in a time that depends on their length only. They are of one length.
fn is_equal(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let (left, right) = (bytes(rt, call, 0)?, bytes(rt, call, 1)?);
    let pairs = left.iter().zip(&right);
    let difference = pairs.fold(0, |all, (left, right)| {
        std::hint::black_box(all | (left ^ right))
    });
    Ok(Value::from(difference == 0 && left.len() == right.len()))
}
