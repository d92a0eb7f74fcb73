//! Reads the frames of a host: the blocks before a body, failures, and what is only read for the
//! objects in it.

use std::sync::Arc;

use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, Header, read_denials, read_releases, read_times};
use hostd_protocol::value::ValueReader;
use pyo3::prelude::*;

use super::buffers::ExchangeBuffers;
use crate::addon::LoadedAddon;
use crate::convert::{Decoder, read_changes};
use crate::errors;
use crate::generation::{HostGeneration, LentObject};

/// Reads the blocks before a body: released Python objects, which are dropped here, where no lock is
/// held, and denials of the sandbox.
pub(crate) fn read_preamble(
    py: Python<'_>,
    addon: &LoadedAddon,
    generation: &HostGeneration,
    flags: Flags,
    reader: &mut ValueReader<'_>,
) -> PyResult<()> {
    read_times(flags, reader).map_err(errors::protocol)?;
    let read = read_releases(flags, reader, |release| {
        LentObject::release_all(py, generation.released(release)?);
        Ok(())
    });
    read.map_err(errors::protocol)?;
    if flags.contains(Flags::DENIALS) {
        let denials = read_denials(flags, reader).map_err(errors::protocol)?;
        addon.denied(py, &denials);
    }
    Ok(())
}

/// Skips the blocks before a body.
fn skip_preamble(flags: Flags, reader: &mut ValueReader<'_>) -> PyResult<()> {
    read_times(flags, reader).map_err(errors::protocol)?;
    read_releases(flags, reader, |_| Ok(())).map_err(errors::protocol)?;
    read_denials(flags, reader)
        .map(drop)
        .map_err(errors::protocol)
}

/// A decoder that only counts the objects in a message. `counted` of them were counted before;
/// without it, nothing of the message was read.
#[cold]
pub(super) fn counting_decoder<'a, 'py>(
    py: Python<'py>,
    addon: &'a Arc<LoadedAddon>,
    generation: &'a Arc<HostGeneration>,
    header: Header,
    buffers: &'a ExchangeBuffers,
    counted: Option<u32>,
) -> PyResult<Decoder<'a, 'py>> {
    let mut reader = ValueReader::new(&buffers.body, &addon.config.limits);
    if counted.is_none() {
        read_preamble(py, addon, generation, header.flags, &mut reader)?;
    } else {
        skip_preamble(header.flags, &mut reader)?;
    }
    let decoder = Decoder::new(py, addon, generation, reader, Some(&buffers.objects))?;
    let mut decoder = decoder.count_after(counted.unwrap_or(0));
    if header.flags.contains(Flags::WRITE_BACK) {
        read_changes(&mut decoder)?;
    }
    Ok(decoder)
}

/// Uncounts what a request lent, if its reply says that the host has not read it.
#[cold]
pub(super) fn uncount_unread(
    generation: &HostGeneration,
    header: Header,
    buffers: &ExchangeBuffers,
) {
    if header.flags.contains(Flags::UNREAD) {
        for id in &buffers.objects.sent {
            drop(generation.unsend(*id));
        }
        if let Some((received, _)) = &buffers.objects.written_back {
            received.unsettle();
        }
    }
}

#[cold]
pub(super) fn failure(decoder: &mut Decoder<'_, '_>) -> PyErr {
    match Failure::read(&mut decoder.reader) {
        Ok(Failure::Thrown) => {
            let thrown = decoder.value().and_then(|value| decoder.thrown(value));
            thrown.unwrap_or_else(|error| error)
        }
        Ok(Failure::Remote(error)) => errors::remote(error, None),
        Err(error) => errors::protocol(error),
    }
}
