//! Reads the notices of a host: requests for turns, settled promises, unhandled exceptions.

use std::sync::Arc;

use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::control::LogLevel;
use hostd_protocol::frame::Header;
use hostd_protocol::parts::Part;
use hostd_protocol::value::ValueReader;
use pyo3::prelude::*;

use crate::addon::LoadedAddon;
use crate::convert::Decoder;
use crate::exchange::read_preamble;
use crate::flood;
use crate::generation::HostGeneration;
use crate::output;
use crate::settlements;

pub(crate) fn read(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    header: Header,
    body: &[u8],
) -> PyResult<()> {
    let Some(generation) = generation_of(addon, header, body) else {
        return Ok(());
    };
    let read = read_for(py, addon, &generation, header, body);
    if read.is_err() {
        addon.end_if_broken(&generation);
    }
    read
}

/// The generation of a notice. The notice of one that is being loaded is kept for it.
fn generation_of(addon: &LoadedAddon, header: Header, body: &[u8]) -> Option<Arc<HostGeneration>> {
    let number = header.generation;
    match addon.current() {
        Some(current) if current.number == number => return Some(current),
        // The host was replaced.
        Some(current) if current.number.0 > number.0 => return None,
        _ => {}
    }
    if !addon.background.preload.keep(header, body) {
        let text = "dropped a notification of the host: too many came before the addon was loaded";
        output::log(LogLevel::Warn, addon.label(), text, None);
    }
    // The load may have ended before the notice was kept, and then has not seen it.
    if addon
        .current()
        .is_some_and(|current| current.number == number)
    {
        addon.background.generation_is_loaded(number);
    }
    None
}

fn read_for(
    py: Python<'_>,
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    header: Header,
    body: &[u8],
) -> PyResult<()> {
    let mut reader = ValueReader::new(body, &addon.config.limits);
    read_preamble(py, addon, generation, header.flags, &mut reader)?;
    let begun = match CallKind::from_number(header.number) {
        Some(CallKind::WakeUp) => {
            addon.background.turns.request_turn();
            return Ok(());
        }
        Some(CallKind::Settled | CallKind::Uncaught) => flood::thread_time(),
        _ => return Ok(()),
    };
    let mut decoder = Decoder::new(py, addon, generation, reader, None)?;
    let mut is_useful = false;
    let done = if header.number == CallKind::Settled.number() {
        let mut settled = Vec::new();
        let read = <calls::Settled as TypedCall>::Request::read(&mut decoder)
            .and_then(|(count,)| settlements::read(&mut decoder, count, &mut settled))
            .and_then(|()| decoder.finish());
        let settled = settlements::settle(py, &addon.denials, generation, settled);
        is_useful = !matches!(settled, Ok(false));
        settled.and(read)
    } else {
        let (error, origin) = <calls::Uncaught as TypedCall>::Request::read(&mut decoder)?;
        decoder.finish()?;
        let error = decoder.thrown(error)?;
        output::uncaught(py, addon.label(), error, &origin)
    };
    if is_useful {
        addon.background.notices.refund(flood::NOTICE);
    } else {
        let taken = flood::thread_time().saturating_sub(begun);
        addon.charge(generation.number, taken);
    }
    done
}
