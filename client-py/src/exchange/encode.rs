//! Writes the frames of an exchange: queued releases, the changes of a callback's arguments, the
//! body.

use std::rc::Rc;
use std::sync::Arc;

use hostd_protocol::frame::FrameKind;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::buffers::ExchangeBuffers;
use crate::addon::LoadedAddon;
use crate::call::{call, method};
use crate::convert::{Encoder, Missing, Received, write_changes};
use crate::errors;
use crate::generation::{HostGeneration, LentObject};
use crate::names::Names;
use crate::proxy::class::Target;
use crate::proxy::{Host, JSClass};

/// The head of a frame: its kind, its number, and the containers of the callback in which it is sent.
pub(super) type FrameHead<'a> = (FrameKind, u16, Option<&'a Rc<Received>>);

/// Writes the body of a frame.
pub(super) type Write<'a, 'py> = dyn FnMut(&mut Encoder<'_, 'py>) -> PyResult<()> + 'a;

impl LoadedAddon {
    /// Builds a frame in `buffers`. Python classes in it that the host does not have yet are defined
    /// there first, and modules of earlier processes loaded; then `write` runs again.
    pub(super) fn encode<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        generation: &Arc<HostGeneration>,
        head: FrameHead<'_>,
        buffers: &mut ExchangeBuffers,
        write: &mut Write<'_, 'py>,
    ) -> PyResult<()> {
        loop {
            let written = self.encode_once(py, generation, head, buffers, write);
            if written.is_err() {
                unsend(py, generation, buffers);
            }
            match buffers.objects.missing.take() {
                Some(Missing::Class(class)) if written.is_err() => {
                    self.define(py, generation, class.bind(py))?;
                }
                Some(Missing::Module(proxy)) if written.is_err() => {
                    self.bind_again(py, generation, proxy.bind(py))?;
                }
                _ => return written,
            }
        }
    }

    /// Makes a class in the host for a result of `js_class`. It is made by `Host.run_script`, which
    /// is a request of its own.
    #[cold]
    fn define(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        class: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let names = Names::get(py)?;
        let addon = Arc::clone(self);
        let host = Bound::new(py, Host { addon })?.into_any();
        let source = names.class_factory.bind(py);
        let factory = method(&host, intern!(py, "run_script"), (source,))?;
        let description = call(names.describe_class.bind(py), (class,))?;
        let made = call(&factory, description.cast_into::<PyTuple>()?)?;
        let made = made.cast::<JSClass>()?.get();
        if generation.js_class(class).is_none() {
            generation.set_js_class(class, made.reference().id_in(self, generation)?);
            // An exported one, which only a hostile host returns, stays as long as its host.
            if let Target::Lent(handle) = &made.target {
                handle.keep();
            }
        }
        Ok(())
    }

    fn encode_once<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        generation: &Arc<HostGeneration>,
        (kind, number, received): FrameHead<'_>,
        buffers: &mut ExchangeBuffers,
        write: &mut Write<'_, 'py>,
    ) -> PyResult<()> {
        buffers.objects.clear();
        buffers.releases.clear();
        buffers.builder.start(kind, number);
        if buffers.weight != 0 {
            buffers.builder.measure(buffers.weight);
        }
        if generation.has_releases() {
            generation.take_releases(py, &mut buffers.releases);
            let releases = buffers.builder.releases(&buffers.releases);
            releases.map_err(errors::protocol)?;
        }
        if let Some(received) = received {
            self.encode_changes(py, generation, (kind, received), buffers)?;
        }
        let body = buffers.builder.body();
        let mut encoder = Encoder::new(py, self, generation, body, &mut buffers.objects)?;
        write(&mut encoder).map_err(|error| encoder.locate(error))
    }

    /// Writes what Python changed in the arguments of a callback, if it changed anything. A request
    /// keeps the changes: its reply can say that the host did not read them.
    #[inline(never)]
    fn encode_changes(
        self: &Arc<Self>,
        py: Python<'_>,
        generation: &Arc<HostGeneration>,
        (kind, received): (FrameKind, &Rc<Received>),
        buffers: &mut ExchangeBuffers,
    ) -> PyResult<()> {
        let changes = received.changes(py)?;
        if changes.is_empty() {
            return Ok(());
        }
        buffers.builder.write_back();
        let by_address = received.by_address()?;
        let body = buffers.builder.body();
        let encoder = Encoder::new(py, self, generation, body, &mut buffers.objects)?;
        let mut encoder = encoder.with_received(&by_address);
        write_changes(&mut encoder, received, &changes).map_err(|error| encoder.locate(error))?;
        // The next block of the frame numbers its own compounds.
        let objects = &mut buffers.objects;
        objects.proxies.append(&mut objects.compounds);
        if kind == FrameKind::Request {
            objects.written_back = Some((Rc::clone(received), changes));
        }
        Ok(())
    }
}

/// The frame in `buffers` was not sent: uncounts what it counted.
#[cold]
pub(super) fn unsend(py: Python<'_>, generation: &HostGeneration, buffers: &mut ExchangeBuffers) {
    let lent = buffers.objects.lent.drain(..);
    LentObject::release_all(py, lent.filter_map(|id| generation.unsend(id)));
    for release in buffers.releases.drain(..) {
        generation.release(release);
    }
}
