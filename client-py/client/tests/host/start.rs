//! How a host of the tests starts: its arguments, the handshake with the handover, its end of the
//! carrier. The example `hostile-hostd` includes this file as well.

use std::error::Error;
use std::os::unix::net::UnixStream;

use hostd_protocol::carrier::{HostEnd, lane, socket};
use hostd_protocol::control::{self, ClientMessage, HostMessage, Setup};
use hostd_protocol::handover::{Handover, Role};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A host that has its control socket and ends with its client.
pub(crate) struct Started {
    pub(crate) control: UnixStream,
    pub(crate) handover: Handover,
}

/// Takes the control socket.
pub(crate) fn start(arguments: &[String]) -> Result<Started> {
    let parent = arguments.iter().position(|word| word == "--parent");
    let parent = parent.and_then(|at| arguments.get(at + 1));
    let parent = parent.ok_or("this host is started by a client of the tests only")?;
    let alone = hostd_sandbox::single_threaded()?;
    hostd_sandbox::die_with_parent(parent.parse()?)?;
    hostd_sandbox::reset_signals(&alone)?;
    hostd_sandbox::core_file::forbid()?;
    let control = hostd_sandbox::take_control_socket(&alone)?;
    Ok(Started {
        control: control.into(),
        handover: Handover::default(),
    })
}

impl Started {
    /// Does the handshake and returns what the client sends then.
    pub(crate) fn greet(&mut self) -> Result<Setup> {
        self.handover = Handover::accept(&mut self.control)?;
        let ClientMessage::Setup(setup) = control::read_message(&mut self.control)? else {
            return Err("the client sent no setup".into());
        };
        Ok(setup)
    }

    /// Tells the client that this host is ready, and whether it uses the memory for large buffers; returns
    /// the end of the carrier and the socket.
    pub(crate) fn ready(
        mut self,
        setup: &Setup,
        shares_memory: bool,
    ) -> Result<(HostEnd, UnixStream)> {
        let end = match self.handover.take(Role::Lanes) {
            Some(memory) => {
                let segment = lane::Segment::open(memory)?;
                lane::host(segment, setup.generation, setup.limits)
            }
            None => socket::host(setup.generation, setup.limits),
        };
        let ready = HostMessage::Ready {
            shares_memory,
            pid: std::process::id(),
            stack_bytes: 8 << 20,
        };
        control::write_message(&mut self.control, &ready)?;
        Ok((end, self.control))
    }
}
