//! Begins the record of a host that is about to start.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use hostd_protocol::ids::Generation;

use crate::error::SpawnError;
use crate::options::HostConfig;
use crate::record::{RecordHead, RecordedFile, Recorder, Runs};

/// Begins the record of a host, if it is to be recorded.
pub(crate) fn begin(
    options: &HostConfig,
    generation: Generation,
) -> Result<Option<Recorder>, SpawnError> {
    let Some(record) = &options.record else {
        return Ok(None);
    };
    let head = head(options, generation, record.values);
    Recorder::begin(record, &head, Arc::clone(&options.events)).map(Some)
}

fn head(options: &HostConfig, generation: Generation, values: bool) -> RecordHead {
    let runs = match (&options.library, options.caller) {
        (None, _) => Runs::Isolated,
        (Some(_), None) => Runs::OwnThread,
        (Some(_), Some(_)) => Runs::CallerThread,
    };
    let env = options.env.as_ref().filter(|_| values).map(|env| {
        let bytes = |text: &OsString| text.as_bytes().to_vec();
        let pairs = env.iter();
        pairs
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect()
    });
    RecordHead {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        label: options.label.clone(),
        addon: RecordedFile::of(&options.addon),
        generation: generation.0,
        client: std::process::id(),
        runs,
        limits: options.limits,
        nested_threads: options.nested_threads,
        debug: options.debug,
        confinement: options.confinement.clone().map(Box::new),
        env,
        values,
    }
}
