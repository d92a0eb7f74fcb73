//! Loads the addon in a host that was just started: the client calls this in the thread whose call
//! started the host, with the first conversation of that host, before any other call.

use std::sync::Arc;

use hostd_client::{Client, ClientError, Conversation, HostConfig};
use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::error::RemoteError;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::parts::{Part, Put, Record};
use hostd_protocol::value::{HostKind, Token, ValueReader};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

use crate::addon::LoadedAddon;
use crate::call::call;
use crate::config::Loads;
use crate::convert::Decoder;
use crate::convert::pace::{self, Pace};
use crate::deadline::{self, Deadline};
use crate::errors;
use crate::exchange::read_preamble;
use crate::fallible::push;
use crate::generation::HostGeneration;
use crate::names::Names;
use crate::reserve;
use crate::wait::{CallWait, WaitEnd};
use crate::worker;

/// The longest name of an export that is bound at load, in bytes. Longer ones are read when they are
/// used.
const EXPORT_NAME_BYTES_MAX: usize = 16 << 10;

impl LoadedAddon {
    /// Gives the addon its client, which calls [`Self::prepare`] whenever it has started a host.
    /// Called once.
    pub(crate) fn connect(
        self: &Arc<Self>,
        mut options: HostConfig,
        object: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let addon = Arc::downgrade(self);
        options.meanwhile = Some(Box::new(move || {
            let addon = addon.upgrade().ok_or(ClientError::Closed)?;
            // Before any thread calls: a child that is forked during the look-up would deadlock.
            match Python::attach(|py| Names::get(py).map(drop)) {
                Ok(()) => Ok(()),
                Err(error) => {
                    addon.fail(error);
                    Err(ClientError::Closed)
                }
            }
        }));
        let addon = Arc::downgrade(self);
        options.on_start = Some(Box::new(move |conversation: &mut Conversation| {
            let addon = addon.upgrade().ok_or(ClientError::Closed)?;
            addon.prepare(conversation)
        }));
        options.attention = Arc::clone(&self.background.queue.attention);
        options.spawn_thread = worker::spawn_thread;
        let _ = self.client.set(Client::new(options));
        let _ = self.object.set(PyWeakrefReference::new(object)?.unbind());
        Ok(())
    }

    /// Prepares a host that was just started: loads the addon, and calls `on_start`. Runs in the
    /// thread whose call started the host.
    fn prepare(self: &Arc<Self>, conversation: &mut Conversation) -> Result<(), ClientError> {
        self.load(conversation)?;
        let started = Python::attach(|py| match (&self.config.on_start, self.object(py)) {
            (Some(on_start), Some(object)) => call(on_start.bind(py), (object,)).map(drop),
            _ => Ok(()),
        });
        if let Err(error) = started {
            self.fail(error);
            return Err(ClientError::Closed);
        }
        if let Some(generation) = self.current()
            && generation.number == conversation.generation()
        {
            generation.expect_proof();
        }
        Ok(())
    }

    fn load(self: &Arc<Self>, conversation: &mut Conversation) -> Result<(), ClientError> {
        let on_release = {
            let background = Arc::clone(&self.background);
            Box::new(move |count| background.releases_queued(count))
        };
        let limits = self.config.limits;
        let generation = HostGeneration::new(
            (conversation.generation(), conversation.host()),
            limits,
            on_release,
        );
        let generation = Arc::new(generation);
        let mut builder = FrameBuilder::new(limits);
        builder.start(FrameKind::Request, CallKind::Load.number());
        let request: <calls::Load as TypedCall>::Request = (Record(self.config.load_request()),);
        request.put(&mut builder.body())?;
        conversation.send(&mut builder)?;
        let mut body = Vec::new();
        let limit = Deadline::after(self.config.start_timeout);
        let open = Python::attach(deadline::of_blocks).unwrap_or_default();
        let mut wait = CallWait::detached(deadline::nearer(limit, open));
        let header = match conversation.next(&mut body, &mut wait) {
            Ok(header) => header,
            Err(error) => {
                match wait.ended_by.take() {
                    Some(WaitEnd::Signal(signal)) => self.fail(signal),
                    Some(WaitEnd::Deadline(after)) => {
                        let error = errors::load_timeout(self.label(), after);
                        Python::attach(|py| self.annotate(py, &error));
                        self.fail(error);
                    }
                    None => {}
                }
                return Err(error);
            }
        };
        let read = |py: Python<'_>| self.read_load(py, &generation, header, &body, wait.deadline);
        match Python::attach(read) {
            Ok(()) => {
                conversation.loaded();
                let number = generation.number;
                self.enter_generation(generation);
                self.background.generation_is_loaded(number);
                Ok(())
            }
            Err(error) => {
                // A host that violated the protocol ends with this start; a later one is not at
                // fault.
                errors::take_breach();
                let report = ClientError::Remote(RemoteError::Load {
                    message: error.to_string(),
                    detail: String::new(),
                });
                self.fail(error);
                Err(report)
            }
        }
    }

    fn read_load(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        header: Header,
        body: &[u8],
        deadline: Option<Deadline>,
    ) -> PyResult<()> {
        let mut reader = ValueReader::new(body, &self.config.limits);
        read_preamble(py, self, generation, header.flags, &mut reader)?;
        match header.kind {
            FrameKind::Reply => self.read_exports(py, generation, &mut reader, deadline),
            FrameKind::Failure => {
                let failure = self.load_failure(py, generation, reader);
                self.annotate(py, &failure);
                Err(failure)
            }
            _ => Err(errors::violation(
                "a request before it had loaded the addon",
            )),
        }
    }

    fn load_failure(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        mut reader: ValueReader<'_>,
    ) -> PyErr {
        match Failure::read(&mut reader) {
            Ok(Failure::Remote(error)) => errors::remote(error, self.config.path.to_str()),
            Ok(Failure::Thrown) => Decoder::new(py, self, generation, reader, None)
                .and_then(|mut decoder| {
                    let value = decoder.value()?;
                    let thrown = decoder.thrown(value)?;
                    let path = self.config.path.to_str();
                    let module = match self.config.loads {
                        Loads::Addon => None,
                        Loads::Module { .. } | Loads::Nothing { .. } => Some(self.label().as_ref()),
                    };
                    Ok(errors::thrown_at_load(path, module, &thrown))
                })
                .unwrap_or_else(|error| error),
            Err(error) => errors::protocol(error),
        }
    }

    /// Reads the exports, and binds functions and classes by name.
    fn read_exports(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        reader: &mut ValueReader<'_>,
        deadline: Option<Deadline>,
    ) -> PyResult<()> {
        let mut pace = Pace::default();
        let (exports, count) =
            <calls::Load as TypedCall>::Reply::read(reader).map_err(errors::protocol)?;
        let Token::Lent { id, kind, .. } = exports else {
            return Err(errors::violation("exports that are not an object"));
        };
        let kind = HostKind::from_code(kind).unwrap_or(HostKind::Object);
        let _ = generation.exports.set((id, kind));
        let mut bound = Vec::new();
        for position in 0..count as usize {
            if pace::is_due(position) {
                pace.pause(py, &self.config, deadline)?;
            }
            reserve::check()?;
            let (name, export) = calls::NamedExport::read(reader).map_err(errors::protocol)?;
            let name = match name {
                Token::Str(name) if name.len() <= EXPORT_NAME_BYTES_MAX => Some(Arc::from(name)),
                // Long names, and those with lone surrogates, are read when they are used.
                Token::Str(_) | Token::Str16(_) => None,
                _ => return Err(errors::violation("an export without a name")),
            };
            let (id, class_kind) = match export {
                Token::Lent { id, kind, .. } if kind == HostKind::Function.code() => (id, false),
                Token::Lent { id, kind, .. } if kind == HostKind::Class.code() => (id, true),
                _ => {
                    return Err(errors::violation(
                        "an export that is neither a function nor a class",
                    ));
                }
            };
            if let Some(name) = name {
                push(&mut bound, (name, class_kind, id))?;
            }
        }
        reader.finish().map_err(errors::protocol)?;
        self.bind(py, generation, bound, &mut || {
            pace.pause(py, &self.config, deadline)
        })
    }
}
