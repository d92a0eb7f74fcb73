//! The handshake with a host, in a process or in this one: its settings, and the wait until it is ready.

use hostd_protocol::carrier::socket::{self, ControlStream};
use hostd_protocol::confinement::{Applied, Bounds, Confinement};
use hostd_protocol::control::{ClientMessage, HostMessage, Setup};
use hostd_protocol::error::ProtocolError;
use hostd_protocol::ids::Generation;

use crate::attest::attest;
use crate::error::SpawnError;
use crate::options::HostConfig;

/// The settings of a session.
pub(crate) fn setup(
    options: &HostConfig,
    generation: Generation,
    core_folder: Option<Vec<u8>>,
    confinement: Option<Box<Confinement>>,
) -> Setup {
    Setup {
        generation,
        limits: options.limits,
        label: options.label.clone(),
        log: options.log,
        nested_threads: options.nested_threads,
        debug: options.debug,
        keeps_calls: options.debug || options.record.is_some(),
        core_folder,
        profile: options.profile,
        confinement,
    }
}

/// Shakes hands with the host and waits until it is ready.
pub(crate) async fn greet(
    control: std::os::unix::net::UnixStream,
    options: &HostConfig,
    setup: Setup,
    pid: u32,
) -> Result<(ControlStream, Applied, Option<Bounds>, bool), SpawnError> {
    let handshake = |source| SpawnError::Handshake {
        binary: options.binary.clone(),
        source,
    };
    let mut control = socket::adopt(control).map_err(handshake)?;
    let stream = &mut control;
    let hello = socket::read_hello(stream).await.map_err(handshake)?;
    hello.check().map_err(handshake)?;
    let confinement = setup.confinement.clone();
    let mut attested = None;
    let mut limited = None;
    let setup = ClientMessage::Setup(setup);
    socket::write_message(stream, &setup)
        .await
        .map_err(handshake)?;
    loop {
        match socket::read_message(stream).await.map_err(handshake)? {
            HostMessage::Confined { applied, bounds } => {
                let Some(confinement) = &confinement else {
                    let what = "a sandbox report although no sandbox was requested";
                    return Err(handshake(ProtocolError::violation(what)));
                };
                attested = Some(attest(options, confinement, pid, applied)?);
                limited = bounds;
            }
            // Without a report, a required mechanism counts as missing.
            HostMessage::Ready { shares_memory, .. } => {
                let applied = match (attested, &confinement) {
                    (None, Some(confinement)) => attest(options, confinement, pid, Vec::new())?,
                    (applied, _) => applied.unwrap_or_default(),
                };
                return Ok((control, applied, limited, shares_memory));
            }
            HostMessage::Refused { message } => return Err(SpawnError::Refused(message)),
            HostMessage::Log {
                level,
                target,
                message,
            } => {
                options.events.log(level, &target, &message);
            }
            HostMessage::Goodbye => return Err(handshake(ProtocolError::Disconnected)),
        }
    }
}
