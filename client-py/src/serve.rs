//! What the host may ask of Python in the middle of a call: to call what was lent to it, and to
//! look into what `_policy.py` lets it look into.

use std::rc::Rc;
use std::sync::Arc;

use hostd_protocol::calls::CallKind;
use hostd_protocol::error::{Failure, RemoteError};
use hostd_protocol::frame::{Flags, FrameKind, Header};
use hostd_protocol::value::{ClientKind, ValueReader};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyString, PyTuple};

use crate::call::{call, release, unraisable};
use crate::convert::{Decoder, Received, apply, read_changes};
use crate::errors;
use crate::names::Names;
use crate::request::{Ask, take_back};
use crate::session::Session;
use crate::talk::{self, Scratch};
use crate::world::{Lending, World};

/// What a request comes to before it is written down.
enum Answer<'py> {
    Value(Bound<'py, PyAny>),
    Present(Option<(Bound<'py, PyAny>, Bound<'py, PyString>)>),
    Flag(bool),
    Nothing,
    Thrown(PyErr),
    Refused(RemoteError),
}

/// A request that was read completely: nothing of the frame is needed any more.
struct Asked<'py> {
    call: CallKind,
    target: Option<Bound<'py, PyAny>>,
    id: u32,
    kind: Option<ClientKind>,
    key: Option<Bound<'py, PyString>>,
    step: u8,
    value: Option<Bound<'py, PyAny>>,
    arguments: Option<Bound<'py, PyTuple>>,
}

/// Serves a request whose body is in `scratch`, and leaves the frame to send in `answer`. An error
/// is a breach of the protocol; what Python code raises is an answer, and told.
pub(crate) fn serve(
    py: Python<'_>,
    session: &Arc<Session>,
    world: &Arc<World>,
    header: Header,
    scratch: &Scratch,
    answer: &mut Scratch,
) -> PyResult<Option<PyErr>> {
    let mut reader = ValueReader::new(&scratch.body, &session.limits);
    take_back(py, session, world, header.flags, &mut reader)?;
    let mut decoder = Decoder::new(py, session, world, reader, &scratch.brought.compounds)?;
    let mut refused = None;
    if header.flags.contains(Flags::WRITE_BACK) {
        let changes = read_changes(&mut decoder)?;
        refused = apply(py, changes).err();
        if errors::is_breach()
            && let Some(error) = refused
        {
            return Err(error);
        }
    }
    let asked = match CallKind::from_number(header.number) {
        Some(call) => read(py, world, call, &mut decoder)?,
        None => None,
    };
    let Some(asked) = asked else {
        let result = unsupported(header.number);
        return write(py, session, world, (header.number, None), result, answer);
    };
    if let Some(error) = refused {
        let result = Answer::Thrown(error);
        return write(py, session, world, (header.number, None), result, answer);
    }
    let Some(received) = decoder.received()? else {
        let result = act(py, session, asked);
        return write(py, session, world, (header.number, None), result, answer);
    };
    drop(decoder);
    talk::set_received(Some(Rc::clone(&received)));
    let result = act(py, session, asked);
    talk::set_received(None);
    let changed = (header.number, Some(&received));
    let written = write(py, session, world, changed, result, answer);
    received.release(py);
    written
}

/// Reads a request that was refused unread, for the objects in it.
#[cold]
pub(crate) fn count(
    py: Python<'_>,
    session: &Arc<Session>,
    world: &Arc<World>,
    header: Header,
    scratch: &Scratch,
) -> PyResult<()> {
    let mut reader = ValueReader::new(&scratch.body, &session.limits);
    take_back(py, session, world, header.flags, &mut reader)?;
    let mut decoder = Decoder::new(py, session, world, reader, &scratch.brought.compounds)?;
    if header.flags.contains(Flags::WRITE_BACK) {
        read_changes(&mut decoder)?;
    }
    match CallKind::from_number(header.number) {
        Some(call) => read(py, world, call, &mut decoder).map(drop),
        None => Ok(()),
    }
}

fn unsupported<'py>(number: u16) -> Answer<'py> {
    Answer::Refused(RemoteError::Unsupported(format!(
        "unknown call number {number}: client and host are of different versions"
    )))
}

fn read<'py>(
    py: Python<'py>,
    world: &Arc<World>,
    call: CallKind,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<Option<Asked<'py>>> {
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
    let lent = world.lent(py, id);
    let mut asked = Asked {
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
        asked.key = match key.cast_into::<PyString>() {
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
        CallKind::RemoteSet => asked.value = Some(decoder.value()?),
        CallKind::RemoteStep => {
            asked.step = decoder.reader.take_u8().map_err(errors::protocol)?;
            asked.value = Some(decoder.value()?);
        }
        CallKind::Invoke | CallKind::RemoteConstruct => {
            // A Python callable has no use for `this`.
            if call == CallKind::Invoke && decoder.reader.take_bool().map_err(errors::protocol)? {
                decoder.value()?;
            }
            asked.arguments = Some(read_arguments(py, decoder)?);
        }
        _ => {}
    }
    decoder.finish()?;
    Ok(Some(asked))
}

fn read_arguments<'py>(
    py: Python<'py>,
    decoder: &mut Decoder<'_, 'py>,
) -> PyResult<Bound<'py, PyTuple>> {
    let count = decoder.reader.take_count(1).map_err(errors::protocol)?;
    // What most callbacks are called with needs no list beside the tuple.
    match count {
        0 => Ok(PyTuple::empty(py)),
        1 => PyTuple::new(py, [decoder.argument(0)?]),
        2 => PyTuple::new(py, [decoder.argument(0)?, decoder.argument(1)?]),
        _ => {
            let read: PyResult<Vec<_>> = (0..count).map(|place| decoder.argument(place)).collect();
            PyTuple::new(py, read?)
        }
    }
}

fn act<'py>(py: Python<'py>, session: &Arc<Session>, asked: Asked<'py>) -> Answer<'py> {
    let Some(target) = asked.target else {
        return Answer::Refused(RemoteError::Stale(asked.id));
    };
    if asked.call == CallKind::Invoke
        && let Some(arguments) = asked.arguments
    {
        return invoke(&target, asked.kind, arguments);
    }
    if asked.call == CallKind::RemoteConstruct {
        return Answer::Thrown(PyTypeError::new_err(
            "a Python callable cannot be constructed; call it without `new`",
        ));
    }
    if asked.call == CallKind::RemoteStep {
        return step(py, session, &target, asked.kind, (asked.step, asked.value));
    }
    if !may_look(asked.kind) {
        // No name is looked up in a function, an awaitable or an exception.
        return match asked.call {
            CallKind::RemoteGet => Answer::Present(None),
            CallKind::RemoteHas => Answer::Flag(false),
            CallKind::RemoteDelete => Answer::Flag(true),
            CallKind::RemoteKeys => Answer::Value(PyList::empty(py).into_any()),
            _ => Answer::Thrown(PyTypeError::new_err(
                "this Python object does not allow setting attributes",
            )),
        };
    }
    let names = match Names::get(py) {
        Ok(names) => names,
        Err(error) => return Answer::Thrown(error),
    };
    let public = session.public;
    let looked = match (asked.call, asked.key) {
        (CallKind::RemoteKeys, _) => {
            call(names.remote_keys.bind(py), (target, public)).map(Answer::Value)
        }
        // Symbols and the like name nothing in Python.
        (CallKind::RemoteGet, None) => Ok(Answer::Present(None)),
        (CallKind::RemoteHas, None) => Ok(Answer::Flag(false)),
        (CallKind::RemoteDelete, None) => Ok(Answer::Flag(true)),
        (_, None) => Err(PyTypeError::new_err(
            "a key of a Python object must be a string",
        )),
        (CallKind::RemoteGet, Some(key)) => call(names.remote_get.bind(py), (target, &key, public))
            .map(|found| Answer::Present((!found.is(&names.absent)).then_some((found, key)))),
        (CallKind::RemoteHas, Some(key)) => call(names.remote_has.bind(py), (target, key, public))
            .and_then(|found| Ok(Answer::Flag(found.is_truthy()?))),
        (CallKind::RemoteDelete, Some(key)) => {
            call(names.remote_delete.bind(py), (target, key, public))
                .and_then(|done| Ok(Answer::Flag(done.is_truthy()?)))
        }
        (_, Some(key)) => match asked.value {
            Some(item) => call(names.remote_set.bind(py), (target, key, item, public))
                .map(|_| Answer::Nothing),
            None => Ok(Answer::Nothing),
        },
    };
    looked.unwrap_or_else(Answer::Thrown)
}

/// Whether an object was lent as something to look into.
const fn may_look(kind: Option<ClientKind>) -> bool {
    matches!(
        kind,
        Some(ClientKind::Exposed | ClientKind::Mapping | ClientKind::Sequence)
    )
}

fn invoke<'py>(
    target: &Bound<'py, PyAny>,
    kind: Option<ClientKind>,
    arguments: Bound<'py, PyTuple>,
) -> Answer<'py> {
    if kind != Some(ClientKind::Callable) {
        return Answer::Thrown(PyTypeError::new_err("this Python object is not a function"));
    }
    match call(target, arguments) {
        Ok(value) => Answer::Value(value),
        Err(error) => Answer::Thrown(error),
    }
}

/// The step of an iterator that all of them can take.
const NEXT: u8 = 0;

/// One step of an iterator: `_iterate.py` takes it.
fn step<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    target: &Bound<'py, PyAny>,
    kind: Option<ClientKind>,
    (step, value): (u8, Option<Bound<'py, PyAny>>),
) -> Answer<'py> {
    // Only a generator can do more than go on.
    let is_async = match (kind, step) {
        (Some(ClientKind::Iterator), NEXT) | (Some(ClientKind::Generator), _) => false,
        (Some(ClientKind::AsyncIterator), NEXT) | (Some(ClientKind::AsyncGenerator), _) => true,
        _ => {
            return Answer::Thrown(PyTypeError::new_err(
                "this Python iterator has no such method: only generators have return and throw",
            ));
        }
    };
    let stepped = Names::get(py).and_then(|names| {
        if is_async {
            let task = (target, step, value, session.number);
            call(names.async_step.bind(py), task)
        } else {
            call(names.step.bind(py), (target, step, value))
        }
    });
    match stepped {
        Ok(value) => Answer::Value(value),
        Err(error) => Answer::Thrown(error),
    }
}

fn write<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    world: &Arc<World>,
    (number, received): (u16, Option<&Rc<Received>>),
    result: Answer<'py>,
    answer: &mut Scratch,
) -> PyResult<Option<PyErr>> {
    let thrown = match result {
        Answer::Thrown(error) => error,
        Answer::Refused(error) => {
            refuse(py, session, world, number, &error, answer)?;
            return Ok(None);
        }
        good => {
            let what = if number == CallKind::RemoteStep.number() {
                "item of the iterator"
            } else {
                "result of the callback"
            };
            let written = session.write(
                py,
                world,
                (FrameKind::Reply, number, received),
                answer,
                &mut |encoder| match &good {
                    Answer::Value(value) => encoder.named(value, what),
                    Answer::Present(Some((value, key))) => {
                        encoder.out.put_u8(1);
                        encoder.attribute(value, key)
                    }
                    Answer::Present(None) => {
                        encoder.out.put_u8(0);
                        encoder.out.undefined();
                        Ok(())
                    }
                    Answer::Flag(flag) => {
                        encoder.out.put_u8(u8::from(*flag));
                        Ok(())
                    }
                    Answer::Nothing | Answer::Thrown(_) | Answer::Refused(_) => Ok(()),
                },
            );
            if let Answer::Value(value) | Answer::Present(Some((value, _))) = good {
                release(value);
            }
            match written {
                Ok(()) => return Ok(None),
                Err(error) => error,
            }
        }
    };
    // With its traceback, which before 3.12 is kept beside the exception.
    let thrown = thrown.into_value(py).into_bound(py);
    let mut fail = |received: Option<&Rc<Received>>| {
        session.write(
            py,
            world,
            (FrameKind::Failure, number, received),
            answer,
            &mut |encoder| {
                Failure::write_thrown(&mut encoder.out);
                encoder.exception(&thrown)
            },
        )
    };
    let mut written = fail(received);
    if written.is_err() && received.is_some() {
        // The exception is told without the changes, which may be what can't be sent.
        written = fail(None);
    }
    match written {
        Ok(()) => {}
        Err(error) => {
            let text = format!("cannot send the exception to the addon: {error}");
            refuse(py, session, world, number, &RemoteError::Host(text), answer)?;
        }
    }
    Ok(Some(PyErr::from_value(thrown.into_any())))
}

fn refuse(
    py: Python<'_>,
    session: &Arc<Session>,
    world: &Arc<World>,
    number: u16,
    error: &RemoteError,
    answer: &mut Scratch,
) -> PyResult<()> {
    session.write(
        py,
        world,
        (FrameKind::Failure, number, None),
        answer,
        &mut |encoder| Failure::write(&mut encoder.out, error).map_err(errors::protocol),
    )
}

/// Sees to it that promises in the host are settled when these awaitables are.
pub(crate) fn watch_awaitables(
    py: Python<'_>,
    session: &Arc<Session>,
    world: &Arc<World>,
    call: CallKind,
    awaitables: &mut Vec<(Lending, Py<PyAny>)>,
) {
    // In these a thread of ours waits, on nobody's behalf.
    let of_itself = matches!(call, CallKind::Turn | CallKind::Settle);
    for (lending, awaitable) in awaitables.drain(..) {
        let settler = Settler {
            session: Arc::clone(session),
            world: Arc::clone(world),
            lending,
        };
        let watched = Bound::new(py, settler).and_then(|settler| {
            let settle_later = py.import("napi_python._aio")?.getattr("settle_later")?;
            let task = (awaitable, settler, session.number, of_itself);
            crate::call::call(&settle_later, task)
        });
        if let Err(error) = watched {
            unraisable(py, error);
        }
    }
}

/// Settles one promise in the host.
#[pyclass(frozen, name = "_Settler", module = "napi_python._native")]
#[derive(Debug)]
pub(crate) struct Settler {
    session: Arc<Session>,
    world: Arc<World>,
    lending: Lending,
}

#[pymethods]
impl Settler {
    /// Fulfils the promise, or rejects it with an exception.
    #[pyo3(signature = (value, rejected = false))]
    fn __call__(&self, value: &Bound<'_, PyAny>, rejected: bool) -> PyResult<()> {
        if !self.session.is_current(&self.world) {
            return Ok(());
        }
        let mut is_lent = true;
        let settled = self.session.request(
            value.py(),
            Ask::at(CallKind::Settle, &self.world),
            |encoder| {
                // The id is counted as sent, or it could come to mean something else on its way.
                is_lent = encoder.lend_again(self.lending)?;
                if !is_lent {
                    return Err(PyTypeError::new_err("the addon released the promise"));
                }
                encoder.out.put_u32(self.lending.id.get());
                encoder.out.put_u8(if rejected { 2 } else { 1 });
                encoder.named(value, "result of the awaitable")
            },
            |_| Ok(()),
        );
        if is_lent { settled } else { Ok(()) }
    }
}
