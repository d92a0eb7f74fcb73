//! What a session is made from, and what it needs of the process around it.

use std::fmt;
use std::sync::Arc;

use hostd_napi::StartError;
use hostd_protocol::carrier::{HostEnd, HostWakePipe};
use hostd_protocol::direct::{
    CallbackState, DirectCallback, DirectReleases, DirectRequest, Scalar,
};
use hostd_protocol::frame::Denial;
use hostd_protocol::ids::Generation;
use hostd_protocol::limits::Limits;
use hostd_protocol::memory::HostMemory;
use hostd_protocol::profile::HostTimes;

/// What a session is made from.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "settings of their own")]
pub struct SessionOptions {
    /// The host's end of the carrier.
    pub end: HostEnd,
    /// The client's wake pipe, which is attached to that end.
    pub wake_pipe: Option<Arc<HostWakePipe>>,
    /// The memory for large buffers; without it, their bytes travel in frames.
    pub memory: Option<HostMemory>,
    /// The generation that every frame carries.
    pub generation: Generation,
    /// The limits that the client stated.
    pub limits: Limits,
    /// How much stack JavaScript and the addon may use on this thread.
    pub stack_bytes: usize,
    /// Whether other lanes are served while the client's answer is waited for.
    pub nested_threads: bool,
    /// Whether the addon's misuse of Node-API and its leaks are reported. Slow.
    pub debug: bool,
    /// Whether the functions of Node-API that ran last are kept for the report of a crash.
    pub keeps_calls: bool,
    /// Whether the client may have calls measured for a profile.
    pub profile: bool,
    /// The process around the session.
    pub hooks: Box<dyn SessionHooks>,
    /// Called from any thread when the JS thread is to be run, where nothing else wakes it.
    pub on_wake: Option<Arc<WakeHook>>,
}

/// See [`SessionOptions::on_wake`].
pub struct WakeHook(pub Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for WakeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeHook")
    }
}

/// The process around a session. All methods are called on the session's thread.
///
/// The defaults are those of a process without a sandbox and without a record of crashes.
pub trait SessionHooks: fmt::Debug {
    /// The addon asked for the end of the process, as by `process.exit`. If this returns, the session
    /// ends instead.
    fn exit(&self, code: i32);

    /// The addon is loaded: what remains of the confinement is applied here. Called once.
    ///
    /// # Errors
    /// Why it cannot be applied; the load fails with it.
    fn addon_loaded(&self) -> Result<(), String> {
        Ok(())
    }

    /// Notes the lane that is served from now on, for the record of a crash; returns the one before.
    fn swap_lane(&self, _lane: u32) -> u32 {
        0
    }

    /// Called while JavaScript runs, at the engine's interval: lets other work of the thread go on where
    /// the thread is the client's.
    fn pause(&self) {}

    /// Takes a call that the client makes without a frame.
    fn take_direct(&self) -> Option<DirectRequest> {
        None
    }

    /// Answers that call, if the client still waits for it in place, with its times if it was measured.
    fn answer_direct(&self, _result: Scalar, _times: Option<&HostTimes>) -> bool {
        false
    }

    /// Releases objects of the client with that answer, which must follow, if the client still waits for it
    /// in place.
    fn release_direct(&self, _releases: DirectReleases) -> bool {
        false
    }

    /// Whether callbacks without a frame are worth a try.
    fn asks_directly(&self) -> bool {
        false
    }

    /// Has the client make a callback without a frame, and waits for it. What became of it: answered,
    /// refused or deferred.
    fn ask_direct(&self, _callback: DirectCallback) -> CallbackState {
        CallbackState::Refused
    }

    /// Takes the system calls that were denied since the last time. Called for each frame: it must
    /// not allocate if there are none.
    fn take_denials(&self) -> Vec<Denial> {
        Vec::new()
    }
}

/// Why a session could not start.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The engine or its bootstrap failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The built-ins are not as they should be, which is a defect of this build.
    #[error("the built-in objects are incomplete: a defect of this build of napi-hostd")]
    Intrinsics,
    /// This thread serves a session already.
    #[error("this thread serves a session already; one thread serves one session")]
    AlreadyServing,
}
