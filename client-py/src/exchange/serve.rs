//! Serves a request of the host in the middle of a call: it calls a lent Python object, or accesses
//! what `_policy.py` allows.

use std::rc::Rc;
use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::RemoteError;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::value::{ClientKind, ValueReader};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString, PyTuple};

use super::buffers::ExchangeBuffers;
use super::decode::{counting_decoder, read_preamble};
use super::suspended;
use crate::addon::LoadedAddon;
use crate::call::{call, release, unraisable};
use crate::convert::{Decoder, Received, apply, read_changes};
use crate::errors;
use crate::fallible;
use crate::generation::{HostGeneration, Lending};
use crate::names::Names;

/// The result of a request, before it is encoded.
enum Reply<'py> {
    Value(Bound<'py, PyAny>),
    Present(Option<(Bound<'py, PyAny>, Bound<'py, PyString>)>),
    Flag(bool),
    Nothing,
    Thrown(PyErr),
    Refused(RemoteError),
}

/// A request that was read completely.
struct HostRequest<'py> {
    call: CallKind,
    target: Option<Bound<'py, PyAny>>,
    id: u32,
    kind: Option<ClientKind>,
    key: Option<Bound<'py, PyString>>,
    step: u8,
    value: Option<Bound<'py, PyAny>>,
    arguments: Option<Bound<'py, PyTuple>>,
}

/// A request that was served.
pub(crate) struct Served {
    /// The exception that Python code raised, which the reply carries.
    pub(crate) raised: Option<PyErr>,
    /// Whether it was for an object that is lent to the host.
    pub(crate) is_known: bool,
}

/// Serves the request in `buffers` and builds its reply in `reply`. An error is a violation of the
/// protocol.
pub(crate) fn serve(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    header: Header,
    buffers: &ExchangeBuffers,
    reply: &mut ExchangeBuffers,
) -> PyResult<Served> {
    let unknown = |raised| Served {
        raised,
        is_known: false,
    };
    let mut reader = ValueReader::new(&buffers.body, &addon.config.limits);
    read_preamble(py, addon, generation, header.flags, &mut reader)?;
    let mut decoder = Decoder::new(py, addon, generation, reader, Some(&buffers.objects))?;
    let request = match read_all(py, generation, header, &mut decoder) {
        Ok(request) => request,
        Err(error) if errors::is_breach() => return Err(error),
        Err(error) => {
            let unread = decoder.unread_after();
            // This drops the objects that were read, to have memory for the rest.
            drop(decoder);
            if let Some(counted) = unread {
                // The unread rest contains objects as well; the first error is the one to report.
                let rest = count(py, addon, generation, header, buffers, Some(counted));
                if errors::is_breach() {
                    return rest.and(Err(error));
                }
            }
            let thrown = Reply::Thrown(error);
            let written = write(py, addon, generation, (header.number, None), thrown, reply);
            return written.map(unknown);
        }
    };
    let Some(request) = request else {
        let result = unsupported(header.number);
        let written = write(py, addon, generation, (header.number, None), result, reply);
        return written.map(unknown);
    };
    let is_known = request.target.is_some();
    let served = |raised| Served { raised, is_known };
    let Some(received) = decoder.received()? else {
        let result = act(py, addon, request);
        let written = write(py, addon, generation, (header.number, None), result, reply);
        return written.map(served);
    };
    drop(decoder);
    suspended::set_received(Some(Rc::clone(&received)));
    let result = act(py, addon, request);
    suspended::set_received(None);
    let changed = (header.number, Some(&received));
    let written = write(py, addon, generation, changed, result, reply);
    received.release(py);
    written.map(served)
}

/// Applies the write-back of a request, and reads the rest of it.
fn read_all<'py>(
    py: Python<'py>,
    generation: &Arc<HostGeneration>,
    header: Header,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<Option<HostRequest<'py>>> {
    if header.flags.contains(Flags::WRITE_BACK) {
        let changes = read_changes(decoder)?;
        apply(decoder, changes)?;
    }
    read(py, generation, header.number, decoder)
}

/// Counts the objects in a request that is refused, of which some may have been counted.
#[cold]
pub(crate) fn count(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    header: Header,
    buffers: &ExchangeBuffers,
    counted: Option<u32>,
) -> PyResult<()> {
    let mut decoder = counting_decoder(py, addon, generation, header, buffers, counted)?;
    read(py, generation, header.number, &mut decoder).map(drop)
}

fn unsupported<'py>(number: u16) -> Reply<'py> {
    Reply::Refused(RemoteError::Unsupported(format!(
        "unknown call number {number}: client and host are of different versions"
    )))
}

/// Reads a request; None if its number is unknown.
fn read<'py>(
    py: Python<'py>,
    generation: &Arc<HostGeneration>,
    number: u16,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<Option<HostRequest<'py>>> {
    let Some(call) = CallKind::from_number(number) else {
        return Ok(None);
    };
    let has_key = match call {
        CallKind::Invoke
        | CallKind::RemoteKeys
        | CallKind::RemoteConstruct
        | CallKind::RemoteStep => false,
        CallKind::RemoteGet
        | CallKind::RemoteSet
        | CallKind::RemoteHas
        | CallKind::RemoteDelete => true,
        _ => return Ok(None),
    };
    let id = decoder.reader.take_id().map_err(errors::protocol)?;
    let lent = generation.lent(py, id);
    let mut request = HostRequest {
        call,
        id: id.get(),
        kind: lent.as_ref().map(|lent| lent.kind),
        target: lent.map(|lent| lent.object.into_bound(py)),
        key: None,
        step: 0,
        value: None,
        arguments: None,
    };
    if has_key {
        let key = decoder.value()?;
        // An index arrives as a number.
        request.key = match key.cast_into::<PyString>() {
            Ok(name) => Some(name),
            Err(other) => {
                let other = other.into_inner();
                if other.is_instance_of::<PyInt>() {
                    Some(other.str()?)
                } else {
                    None
                }
            }
        };
    }
    match call {
        CallKind::RemoteSet => request.value = Some(decoder.value()?),
        CallKind::RemoteStep => {
            request.step = decoder.reader.take_u8().map_err(errors::protocol)?;
            request.value = Some(decoder.value()?);
        }
        CallKind::Invoke | CallKind::RemoteConstruct => {
            // Python callables have no `this`.
            if call == CallKind::Invoke && decoder.reader.take_bool().map_err(errors::protocol)? {
                decoder.value()?;
            }
            request.arguments = Some(read_arguments(py, decoder)?);
        }
        _ => {}
    }
    decoder.finish()?;
    Ok(Some(request))
}

fn read_arguments<'py>(
    py: Python<'py>,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<Bound<'py, PyTuple>> {
    let count = decoder.reader.take_count(1).map_err(errors::protocol)?;
    // Few arguments, as most callbacks have, need no list beside the tuple.
    match count {
        0 => Ok(PyTuple::empty(py)),
        1 => fallible::tuple_of(py, [decoder.argument(0)?]),
        2 => fallible::tuple_of(py, [decoder.argument(0)?, decoder.argument(1)?]),
        _ => {
            let arguments = fallible::list(py)?;
            for place in 0..count {
                arguments.append(decoder.argument(place)?)?;
            }
            fallible::tuple(&arguments)
        }
    }
}

fn act<'py>(py: Python<'py>, addon: &Arc<LoadedAddon>, request: HostRequest<'py>) -> Reply<'py> {
    let Some(target) = request.target else {
        return Reply::Refused(RemoteError::Stale(request.id));
    };
    if request.call == CallKind::Invoke
        && let Some(arguments) = request.arguments
    {
        return invoke(&target, request.kind, arguments);
    }
    if request.call == CallKind::RemoteConstruct {
        return Reply::Thrown(errors::raised::<PyTypeError>(
            "a Python callable cannot be constructed; call it without `new`",
        ));
    }
    if request.call == CallKind::RemoteStep {
        return step(
            py,
            addon,
            &target,
            request.kind,
            (request.step, request.value),
        );
    }
    if !has_properties(request.kind) {
        // Functions, awaitables and exceptions have no properties for JavaScript.
        return match request.call {
            CallKind::RemoteGet => Reply::Present(None),
            CallKind::RemoteHas => Reply::Flag(false),
            CallKind::RemoteDelete => Reply::Flag(true),
            CallKind::RemoteKeys => match fallible::list(py) {
                Ok(list) => Reply::Value(list.into_any()),
                Err(error) => Reply::Thrown(error),
            },
            _ => Reply::Thrown(errors::raised::<PyTypeError>(
                "this Python object does not allow setting attributes",
            )),
        };
    }
    let names = match Names::get(py) {
        Ok(names) => names,
        Err(error) => return Reply::Thrown(error),
    };
    let public = addon.config.public;
    let looked = match (request.call, request.key) {
        (CallKind::RemoteKeys, _) => {
            call(names.remote_keys.bind(py), (target, public)).map(Reply::Value)
        }
        // A symbol is no name of a Python attribute.
        (CallKind::RemoteGet, None) => Ok(Reply::Present(None)),
        (CallKind::RemoteHas, None) => Ok(Reply::Flag(false)),
        (CallKind::RemoteDelete, None) => Ok(Reply::Flag(true)),
        (_, None) => Err(errors::raised::<PyTypeError>(
            "a key of a Python object must be a string",
        )),
        (CallKind::RemoteGet, Some(key)) => call(names.remote_get.bind(py), (target, &key, public))
            .map(|found| Reply::Present((!found.is(&names.absent)).then_some((found, key)))),
        (CallKind::RemoteHas, Some(key)) => call(names.remote_has.bind(py), (target, key, public))
            .and_then(|found| Ok(Reply::Flag(found.is_truthy()?))),
        (CallKind::RemoteDelete, Some(key)) => {
            call(names.remote_delete.bind(py), (target, key, public))
                .and_then(|done| Ok(Reply::Flag(done.is_truthy()?)))
        }
        (_, Some(key)) => match request.value {
            Some(item) => {
                call(names.remote_set.bind(py), (target, key, item, public)).map(|_| Reply::Nothing)
            }
            None => Ok(Reply::Nothing),
        },
    };
    looked.unwrap_or_else(Reply::Thrown)
}

/// Whether the properties of an object may be accessed.
const fn has_properties(kind: Option<ClientKind>) -> bool {
    matches!(
        kind,
        Some(ClientKind::Exposed | ClientKind::Mapping | ClientKind::Sequence)
    )
}

fn invoke<'py>(
    target: &Bound<'py, PyAny>,
    kind: Option<ClientKind>,
    arguments: Bound<'py, PyTuple>,
) -> Reply<'py> {
    if kind != Some(ClientKind::Callable) {
        return Reply::Thrown(errors::raised::<PyTypeError>(
            "this Python object is not a function",
        ));
    }
    match call(target, arguments) {
        Ok(value) => Reply::Value(value),
        Err(error) => Reply::Thrown(error),
    }
}

/// The step that every iterator can take.
const NEXT: u8 = 0;

/// One step of an iterator: `_iterate.py` takes it.
fn step<'py>(
    py: Python<'py>,
    addon: &Arc<LoadedAddon>,
    target: &Bound<'py, PyAny>,
    kind: Option<ClientKind>,
    (step, value): (u8, Option<Bound<'py, PyAny>>),
) -> Reply<'py> {
    // Only a generator has other steps.
    let is_async = match (kind, step) {
        (Some(ClientKind::Iterator), NEXT) | (Some(ClientKind::Generator), _) => false,
        (Some(ClientKind::AsyncIterator), NEXT) | (Some(ClientKind::AsyncGenerator), _) => true,
        _ => {
            return Reply::Thrown(errors::raised::<PyTypeError>(
                "this Python iterator has no such method: only generators have return and throw",
            ));
        }
    };
    let stepped = Names::get(py).and_then(|names| {
        if is_async {
            let task = (target, step, value, addon.number);
            call(names.async_step.bind(py), task)
        } else {
            call(names.step.bind(py), (target, step, value))
        }
    });
    match stepped {
        Ok(value) => Reply::Value(value),
        Err(error) => Reply::Thrown(error),
    }
}

fn write<'py>(
    py: Python<'py>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    (number, received): (u16, Option<&Rc<Received>>),
    result: Reply<'py>,
    reply: &mut ExchangeBuffers,
) -> PyResult<Option<PyErr>> {
    let thrown = match result {
        Reply::Thrown(error) => error,
        Reply::Refused(error) => {
            refuse(py, addon, generation, number, &error, reply)?;
            return Ok(None);
        }
        good => {
            let what = if number == CallKind::RemoteStep.number() {
                "item of the iterator"
            } else {
                "result of the callback"
            };
            let written = addon.encode(
                py,
                generation,
                (FrameKind::Reply, number, received),
                reply,
                &mut |encoder| match &good {
                    Reply::Value(value) => encoder.named(value, what),
                    Reply::Present(Some((value, key))) => {
                        encoder.out.put_u8(1);
                        encoder.attribute(value, key)
                    }
                    Reply::Present(None) => {
                        encoder.out.put_u8(0);
                        encoder.out.undefined();
                        Ok(())
                    }
                    Reply::Flag(flag) => {
                        encoder.out.put_u8(u8::from(*flag));
                        Ok(())
                    }
                    Reply::Nothing | Reply::Thrown(_) | Reply::Refused(_) => Ok(()),
                },
            );
            if let Reply::Value(value) | Reply::Present(Some((value, _))) = good {
                release(value);
            }
            match written {
                Ok(()) => return Ok(None),
                Err(error) => error,
            }
        }
    };
    // `into_value` adds the traceback, which Python before 3.12 keeps beside the exception.
    let thrown = thrown.into_value(py).into_bound(py);
    let mut fail = |received: Option<&Rc<Received>>| {
        addon.encode(
            py,
            generation,
            (FrameKind::Failure, number, received),
            reply,
            &mut |encoder| {
                Failure::write_thrown(&mut encoder.out);
                encoder.exception(&thrown)
            },
        )
    };
    let mut written = fail(received);
    if written.is_err() && received.is_some() {
        // The changes may be what can't be sent, so the exception is sent without them.
        written = fail(None);
    }
    match written {
        Ok(()) => {}
        Err(error) => {
            let text = format!("cannot send the exception to the addon: {error}");
            refuse(
                py,
                addon,
                generation,
                number,
                &RemoteError::Host(text),
                reply,
            )?;
        }
    }
    Ok(Some(PyErr::from_value(thrown.into_any())))
}

fn refuse(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    number: u16,
    error: &RemoteError,
    reply: &mut ExchangeBuffers,
) -> PyResult<()> {
    addon.encode(
        py,
        generation,
        (FrameKind::Failure, number, None),
        reply,
        &mut |encoder| Failure::write(&mut encoder.out, error).map_err(errors::protocol),
    )
}

/// Has the promises in the host settled when these awaitables are done.
pub(crate) fn settle_awaitables(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    kind: CallKind,
    awaitables: &mut Vec<(Lending, Py<PyAny>)>,
) {
    // In these requests no thread of the program waits for the awaitable.
    let of_itself = matches!(kind, CallKind::Turn | CallKind::Settle);
    for (lending, awaitable) in awaitables.drain(..) {
        let settler = Settler {
            addon: Arc::clone(addon),
            generation: Arc::clone(generation),
            lending,
        };
        let started = Bound::new(py, settler).and_then(|settler| {
            let settle_later = fallible::import(py, "napi_python._aio", "settle_later")?;
            let task = (awaitable, settler, addon.number, of_itself);
            call(&settle_later, task)
        });
        if let Err(error) = started {
            unraisable(py, error);
        }
    }
}

/// Settles one promise in the host.
#[pyclass(frozen, name = "_Settler", module = "napi_python._native")]
#[derive(Debug)]
pub(crate) struct Settler {
    pub(crate) addon: Arc<LoadedAddon>,
    pub(crate) generation: Arc<HostGeneration>,
    pub(crate) lending: Lending,
}
