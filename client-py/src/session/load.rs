//! What is said to a host that was just started: which addon, and the user's first words.

use std::sync::Arc;

use hostd_client::{ClientError, Conversation};
use hostd_protocol::calls::CallKind;
use hostd_protocol::error::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::message::{self, LoadRequest};
use hostd_protocol::value::{HostKind, Token, ValueReader};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefMethods;

use super::Session;
use crate::call::call;
use crate::errors;
use crate::idle::{self, Deadline, Waiting};
use crate::request::take_back;
use crate::world::World;

impl Session {
    /// Lets `on_start` say what is to be said before anybody else speaks to the new host.
    pub(super) fn first_words(
        self: &Arc<Self>,
        conversation: &Conversation,
    ) -> Result<(), ClientError> {
        let told = Python::attach(|py| {
            let addon = self.addon.get().and_then(|addon| addon.bind(py).upgrade());
            match (&self.on_start, addon) {
                (Some(on_start), Some(addon)) => call(on_start.bind(py), (addon,)).map(drop),
                _ => Ok(()),
            }
        });
        if let Err(error) = told {
            self.fail(error);
            return Err(ClientError::Closed);
        }
        if let Some(world) = self.world.load_full()
            && world.generation == conversation.generation()
        {
            world.expect_proof();
        }
        Ok(())
    }

    /// Asks a host that was just started to load the addon. Runs in the thread that wanted it.
    pub(super) fn load(
        self: &Arc<Self>,
        conversation: &mut Conversation,
    ) -> Result<(), ClientError> {
        let nudge = {
            let owner = self.owner.clone();
            Box::new(move |waiting| owner.releases_wait(waiting))
        };
        let world = Arc::new(World::new(conversation.generation(), self.limits, nudge));
        let mut builder = FrameBuilder::new(self.limits);
        builder.start(FrameKind::Request, CallKind::Load.number());
        let request = LoadRequest {
            path: std::os::unix::ffi::OsStrExt::as_bytes(self.path.as_os_str()).to_vec(),
        };
        message::write(&mut builder.body(), &request)?;
        conversation.send(&mut builder)?;
        let mut body = Vec::new();
        let limit = Deadline::after(self.start_timeout);
        let deadline = Python::attach(idle::deadline).unwrap_or_default();
        let mut patience = Waiting::until(idle::nearer(limit, deadline));
        let header = match conversation.next(&mut body, &mut patience) {
            Ok(header) => header,
            Err(error) => {
                match patience.reason.take() {
                    Some(idle::Reason::Signal(signal)) => self.fail(signal),
                    Some(idle::Reason::Deadline(after)) => {
                        let error = errors::load_timeout(&self.label, after);
                        Python::attach(|py| self.annotate(py, &error));
                        self.fail(error);
                    }
                    None => {}
                }
                return Err(error);
            }
        };
        let loaded = Python::attach(|py| {
            let mut reader = ValueReader::new(&body, &self.limits);
            take_back(py, self, &world, header.flags, &mut reader)?;
            match header.kind {
                FrameKind::Reply => self.loaded(py, &world, &mut reader),
                FrameKind::Failure => {
                    let failure = self.load_failure(py, &world, reader);
                    self.annotate(py, &failure);
                    Err(failure)
                }
                _ => Err(errors::violation(
                    "a request before it had loaded the addon",
                )),
            }
        });
        match loaded {
            Ok(()) => {
                conversation.loaded();
                self.enter_world(world);
                Ok(())
            }
            Err(error) => {
                let report = ClientError::Remote(hostd_protocol::error::RemoteError::Load {
                    message: error.to_string(),
                    detail: String::new(),
                });
                self.fail(error);
                Err(report)
            }
        }
    }

    fn load_failure(
        self: &Arc<Self>,
        py: Python<'_>,
        world: &Arc<World>,
        mut reader: ValueReader<'_>,
    ) -> PyErr {
        match Failure::read(&mut reader) {
            Ok(Failure::Remote(error)) => errors::remote(error, self.path.to_str()),
            Ok(Failure::Thrown) => {
                let thrown = crate::convert::Decoder::new(py, self, world, reader, &[])
                    .and_then(|mut decoder| decoder.thrown());
                match thrown {
                    Ok(thrown) => errors::thrown_at_load(py, self.path.to_str(), &thrown),
                    Err(error) => error,
                }
            }
            Err(error) => errors::protocol(error),
        }
    }

    /// Reads what the addon exports, and binds functions and classes by name.
    fn loaded(
        self: &Arc<Self>,
        py: Python<'_>,
        world: &Arc<World>,
        reader: &mut ValueReader<'_>,
    ) -> PyResult<()> {
        let Token::Lent { id, kind, .. } = reader.next().map_err(errors::protocol)? else {
            return Err(errors::violation("exports that are not an object"));
        };
        let kind = HostKind::from_code(kind).unwrap_or(HostKind::Object);
        // Set once: the world is new.
        let _ = world.exports.set((id, kind));
        let count = reader.take_count(6).map_err(errors::protocol)?;
        let mut bound = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let name = match reader.next().map_err(errors::protocol)? {
                Token::Str(name) => Some(name.to_owned()),
                // A name that is no text in Python's sense is read live.
                Token::Str16(_) => None,
                _ => return Err(errors::violation("an export without a name")),
            };
            if !reader.take_bool().map_err(errors::protocol)? {
                continue;
            }
            let Token::Lent { id, kind, class } = reader.next().map_err(errors::protocol)? else {
                return Err(errors::violation(
                    "an export that is neither a function nor a class",
                ));
            };
            let class_kind = match HostKind::from_code(kind) {
                Some(HostKind::Function) => false,
                Some(HostKind::Class) => true,
                _ => {
                    return Err(errors::violation(
                        "an export that is neither a function nor a class",
                    ));
                }
            };
            let _ = class;
            bound.extend(name.map(|name| (name, class_kind, id)));
        }
        // Whether the exports can be called is said by their kind as well.
        let _ = reader.take_bool().map_err(errors::protocol)?;
        reader.finish().map_err(errors::protocol)?;
        self.bind(py, world, bound)
    }
}
