//! Serves a request of the host in the middle of a call: it calls a lent Python object, or accesses
//! what `_policy.py` allows.

use std::rc::Rc;
use std::sync::Arc;

use hostd_protocol::calls::{self, CallKind, RequestOf, TypedCall};
use hostd_protocol::error::RemoteError;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::ids::SlotId;
use hostd_protocol::parts::{AnyValue, Part, Put};
use hostd_protocol::value::{ClientKind, IteratorStep, ValueReader};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

use super::buffers::ExchangeBuffers;
use super::decode::{counting_decoder, read_preamble};
use super::suspended;
use crate::addon::LoadedAddon;
use crate::call::{call, release, unraisable};
use crate::convert::{
    Attribute, ClientSide, Decoder, Named, Received, Undefined, apply, read_changes,
};
use crate::errors;
use crate::fallible;
use crate::generation::{HostGeneration, Lending, LentObject};
use crate::names::Names;
use crate::profile::{Activity, Measure};
use crate::wait::CallWait;

/// The result of a request, before it is encoded.
enum Reply<'py> {
    Value(Bound<'py, PyAny>),
    Property(Option<(Bound<'py, PyAny>, Bound<'py, PyString>)>),
    Flag(bool),
    Nothing,
    Thrown(PyErr),
    Refused(RemoteError),
}

/// A result that is written as the part `P`.
trait Answers<'py, P> {
    fn answer(self) -> Reply<'py>;
}

impl<'py> Answers<'py, AnyValue> for Bound<'py, PyAny> {
    #[inline]
    fn answer(self) -> Reply<'py> {
        Reply::Value(self)
    }
}

impl<'py> Answers<'py, (bool, AnyValue)> for Option<(Bound<'py, PyAny>, Bound<'py, PyString>)> {
    fn answer(self) -> Reply<'py> {
        Reply::Property(self)
    }
}

impl<'py> Answers<'py, bool> for bool {
    fn answer(self) -> Reply<'py> {
        Reply::Flag(self)
    }
}

impl<'py> Answers<'py, ()> for () {
    fn answer(self) -> Reply<'py> {
        Reply::Nothing
    }
}

/// The reply to a call.
#[inline]
fn answer<'py, C: TypedCall>(_: C, result: PyResult<impl Answers<'py, C::Reply>>) -> Reply<'py> {
    result.map_or_else(Reply::Thrown, Answers::answer)
}

/// A request that was read completely.
struct HostRequest<'py> {
    target: Option<LentObject>,
    id: SlotId,
    access: Access<'py>,
}

/// What is requested of an object. A key is None for a symbol.
enum Access<'py> {
    Call(Bound<'py, PyTuple>),
    Get(Option<Bound<'py, PyString>>),
    Set(Option<Bound<'py, PyString>>, Bound<'py, PyAny>),
    Has(Option<Bound<'py, PyString>>),
    Keys,
    Delete(Option<Bound<'py, PyString>>),
    Step(u8, Bound<'py, PyAny>),
}

/// A request that was served.
pub(crate) struct Served {
    /// The exception that Python code raised, which the reply carries.
    pub(crate) raised: Option<PyErr>,
    /// Whether it was for an object that is lent to the host.
    pub(crate) is_known: bool,
}

/// A callback that has run: its reply, and the wait for what comes after that.
pub(crate) struct Replied<'a> {
    pub(super) served: PyResult<Served>,
    pub(super) reply: Box<ExchangeBuffers>,
    pub(super) wait: CallWait<'a>,
}

/// Serves the request in `buffers` and builds its reply in `reply`. An error is a violation of the
/// protocol.
pub(crate) fn serve(
    py: Python<'_>,
    (addon, measure): (&Arc<LoadedAddon>, Option<&Measure<'_>>),
    generation: &Arc<HostGeneration>,
    header: Header,
    buffers: &ExchangeBuffers,
    reply: &mut ExchangeBuffers,
) -> PyResult<Served> {
    if header.flags.contains(Flags::MEASURED) {
        return Err(errors::violation("a request that it measured itself"));
    }
    let switch = |activity| {
        if let Some(measure) = measure {
            measure.switch(activity);
        }
    };
    let act = |request| {
        switch(Activity::Callback);
        let result = act(py, addon, request);
        switch(Activity::Marshalling);
        result
    };
    let unknown = |raised| Served {
        raised,
        is_known: false,
    };
    let mut reader = ValueReader::new(&buffers.body, &addon.config.limits);
    read_preamble(py, addon, generation, header.flags, &mut reader)?;
    let mut decoder = Decoder::new(py, addon, generation, reader, Some(&buffers.objects))?;
    let request = match read_all(header, &mut decoder) {
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
        let result = act(request);
        let written = write(py, addon, generation, (header.number, None), result, reply);
        return written.map(served);
    };
    drop(decoder);
    suspended::set_received(Some(Rc::clone(&received)));
    let result = act(request);
    suspended::set_received(None);
    let changed = (header.number, Some(&received));
    let written = write(py, addon, generation, changed, result, reply);
    received.release(py);
    written.map(served)
}

/// Builds the reply to a callback without compounds that has run.
pub(super) fn reply_to_callback(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    result: PyResult<Bound<'_, PyAny>>,
    reply: &mut ExchangeBuffers,
) -> PyResult<Served> {
    let result = answer(calls::Invoke, result);
    let number = CallKind::Invoke.number();
    let written = write(py, addon, generation, (number, None), result, reply);
    written.map(|raised| Served {
        raised,
        is_known: true,
    })
}

/// Applies the write-back of a request, and reads the rest of it.
fn read_all<'py>(
    header: Header,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<Option<HostRequest<'py>>> {
    decoder.take_back()?;
    if header.flags.contains(Flags::WRITE_BACK) {
        let changes = read_changes(decoder)?;
        apply(decoder, changes)?;
    }
    read(header.number, decoder)
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
    read(header.number, &mut decoder).map(drop)
}

fn unsupported<'py>(number: u16) -> Reply<'py> {
    Reply::Refused(RemoteError::Unsupported(format!(
        "unknown call number {number}: client and host are of different versions"
    )))
}

/// Reads a request; None if its number is unknown.
fn read<'py>(number: u16, decoder: &mut Decoder<'_, 'py>) -> PyResult<Option<HostRequest<'py>>> {
    let (target, access) = match CallKind::from_number(number) {
        Some(CallKind::Invoke) => {
            let (target, arguments) = request_of(calls::Invoke, decoder)?;
            (target, Access::Call(arguments))
        }
        Some(CallKind::RemoteGet) => {
            let (target, key) = request_of(calls::RemoteGet, decoder)?;
            (target, Access::Get(key))
        }
        Some(CallKind::RemoteSet) => {
            let (target, key, value) = request_of(calls::RemoteSet, decoder)?;
            (target, Access::Set(key, value))
        }
        Some(CallKind::RemoteHas) => {
            let (target, key) = request_of(calls::RemoteHas, decoder)?;
            (target, Access::Has(key))
        }
        Some(CallKind::RemoteKeys) => {
            let (target,) = request_of(calls::RemoteKeys, decoder)?;
            (target, Access::Keys)
        }
        Some(CallKind::RemoteDelete) => {
            let (target, key) = request_of(calls::RemoteDelete, decoder)?;
            (target, Access::Delete(key))
        }
        Some(CallKind::RemoteStep) => {
            let (target, step, value) = request_of(calls::RemoteStep, decoder)?;
            (target, Access::Step(step, value))
        }
        _ => return Ok(None),
    };
    decoder.finish()?;
    let (id, target) = target;
    Ok(Some(HostRequest { target, id, access }))
}

#[inline]
fn request_of<'py, C: TypedCall>(
    _: C,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<RequestOf<C, ClientSide<'py>>> {
    C::Request::read(decoder)
}

fn act<'py>(py: Python<'py>, addon: &Arc<LoadedAddon>, request: HostRequest<'py>) -> Reply<'py> {
    let Some(LentObject { object, kind, .. }) = request.target else {
        return Reply::Refused(RemoteError::Stale(request.id.get()));
    };
    let target = object.into_bound(py);
    let access = match request.access {
        Access::Call(arguments) => {
            return answer(calls::Invoke, invoke(&target, kind, arguments));
        }
        Access::Step(which, value) => {
            let stepped = step(py, addon, &target, kind, (which, value));
            return answer(calls::RemoteStep, stepped);
        }
        access => access,
    };
    let names = match Names::get(py) {
        Ok(names) => names,
        Err(error) => return Reply::Thrown(error),
    };
    let public = addon.config.public;
    // Functions, awaitables and exceptions have no properties for JavaScript, and a symbol is no name
    // of a Python attribute.
    let has_properties = has_properties(kind);
    match access {
        Access::Get(key) => answer(
            calls::RemoteGet,
            match key {
                Some(key) if kind == ClientKind::Callable && key == "length" => {
                    call(names.length_of.bind(py), (target,)).map(|length| Some((length, key)))
                }
                Some(key) if has_properties => {
                    call(names.remote_get.bind(py), (target, &key, public))
                        .map(|found| (!found.is(&names.absent)).then_some((found, key)))
                }
                _ => Ok(None),
            },
        ),
        Access::Has(key) => answer(
            calls::RemoteHas,
            match key.filter(|_| has_properties) {
                Some(key) => call(names.remote_has.bind(py), (target, key, public))
                    .and_then(|found| found.is_truthy()),
                None => Ok(false),
            },
        ),
        Access::Delete(key) => answer(
            calls::RemoteDelete,
            match key.filter(|_| has_properties) {
                Some(key) => call(names.remote_delete.bind(py), (target, key, public))
                    .and_then(|done| done.is_truthy()),
                None => Ok(true),
            },
        ),
        Access::Set(key, item) => answer(
            calls::RemoteSet,
            match key {
                _ if !has_properties => Err(errors::raised::<PyTypeError>(
                    "this Python object does not allow setting attributes",
                )),
                None => Err(errors::raised::<PyTypeError>(
                    "a key of a Python object must be a string",
                )),
                Some(key) => call(names.remote_set.bind(py), (target, key, item, public)).map(drop),
            },
        ),
        _ => answer(
            calls::RemoteKeys,
            if has_properties {
                call(names.remote_keys.bind(py), (target, public))
            } else {
                fallible::list(py).map(Bound::into_any)
            },
        ),
    }
}

/// Whether the properties of an object may be accessed.
const fn has_properties(kind: ClientKind) -> bool {
    matches!(
        kind,
        ClientKind::Exposed | ClientKind::Mapping | ClientKind::Sequence
    )
}

fn invoke<'py>(
    target: &Bound<'py, PyAny>,
    kind: ClientKind,
    arguments: Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    if kind != ClientKind::Callable {
        return Err(errors::raised::<PyTypeError>(
            "this Python object is not a function",
        ));
    }
    call(target, arguments)
}

/// One step of an iterator: `_iterate.py` or `_iterate_async.py` takes it.
fn step<'py>(
    py: Python<'py>,
    addon: &Arc<LoadedAddon>,
    target: &Bound<'py, PyAny>,
    kind: ClientKind,
    (step, value): (u8, Bound<'py, PyAny>),
) -> PyResult<Bound<'py, PyAny>> {
    // Only a generator has other steps.
    const NEXT: u8 = IteratorStep::Next.code();
    let is_async = match (kind, step) {
        (ClientKind::Iterator, NEXT) | (ClientKind::Generator, _) => false,
        (ClientKind::AsyncIterator, NEXT) | (ClientKind::AsyncGenerator, _) => true,
        _ => {
            return Err(errors::raised::<PyTypeError>(
                "this Python iterator has no such method: only generators have return and throw",
            ));
        }
    };
    if is_async {
        static ASYNC_STEP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let async_step = ASYNC_STEP.import(py, "napi_python._iterate_async", "async_step")?;
        call(async_step, (target, step, value, addon.number))
    } else {
        let step_of = Names::get(py)?.step.bind(py);
        call(step_of, (target, step, value))
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
                    Reply::Value(value) => Put::<AnyValue, _>::put(&Named(value, what), encoder),
                    Reply::Property(Some((value, key))) => {
                        Put::<(bool, AnyValue), _>::put(&(true, Attribute(value, key)), encoder)
                    }
                    Reply::Property(None) => {
                        Put::<(bool, AnyValue), _>::put(&(false, Undefined), encoder)
                    }
                    Reply::Flag(flag) => Put::<bool, _>::put(flag, encoder),
                    Reply::Nothing | Reply::Thrown(_) | Reply::Refused(_) => Ok(()),
                },
            );
            if let Reply::Value(value) | Reply::Property(Some((value, _))) = good {
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
pub(crate) struct Settler {
    pub(crate) addon: Arc<LoadedAddon>,
    pub(crate) generation: Arc<HostGeneration>,
    pub(crate) lending: Lending,
}
