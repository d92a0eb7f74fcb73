//! What Node-API needs of the Node around it: event loop, listeners of `process`, `Buffer`.

use std::any::Any;
use std::time::Instant;

use hostd_engine::{JsResult, Runtime, Thrown, Value};

use super::{Budget, Host, Origin};

/// The Node around Node-API. `hostd-node` implements it; it is given to [`Host::new`].
///
/// All methods are called on the host's thread. [`Host::node`] gives it back to native functions of
/// the globals, which find their own type by `Any`.
pub trait NodeRuntime: Any {
    /// Runs next ticks, then microtasks, then reports unhandled rejections.
    fn settle(&self, host: Host) -> Settled;

    /// Whether ticks or rejections wait for [`settle`](Self::settle).
    fn is_unsettled(&self) -> bool;

    /// Whether ticks wait for the next item of a turn, because one threw.
    fn holds_ticks(&self) -> bool;

    /// Runs the phases of the event loop until nothing is due or the budget is spent.
    fn turn(&self, host: Host, budget: &mut Budget);

    /// Runs the immediates; called within a turn by libuv's loop.
    fn run_immediates(&self, host: Host, budget: &mut Budget);

    /// Whether a timer or an immediate is due.
    fn is_due(&self) -> bool;

    /// When the next timer is due.
    fn deadline(&self) -> Option<Instant>;

    /// Whether a referenced timer or an immediate keeps the loop alive.
    fn is_kept_alive(&self) -> bool;

    /// Emits an uncaught error to the listeners of `process`; false if there is none.
    fn uncaught(&self, rt: Runtime, thrown: &Thrown, origin: Origin) -> bool;

    /// `Buffer.prototype`, once `Buffer` was evaluated.
    fn buffer_prototype(&self) -> Option<&Value>;

    /// Evaluates `Buffer`, after which its prototype is known.
    fn load_buffer(&self, rt: Runtime) -> JsResult<()>;
}

/// How far [`NodeRuntime::settle`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing of it is left.
    Done,
    /// Microtasks queued further ticks, which run first.
    Again,
    /// A tick threw: the rest waits for the next item of a turn.
    Held,
}
