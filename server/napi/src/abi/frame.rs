//! Callback frames: what a `napi_callback_info` stands for.
//!
//! A frame is on the Rust stack of the call that it describes, and in the host's chain for as long.
//! `napi_get_cb_info` looks it up there and makes handles of the arguments, not earlier.

use std::cell::Cell;
use std::ptr;

use hostd_engine::{Invocation, Value};

use super::address::{INFOS, INFOS_LEN, STEP};
use super::callback::Callback;
use super::data::Data;
use super::types::{napi_callback_info, napi_env, napi_value};

/// One callback in flight.
#[derive(Debug)]
pub(crate) struct Frame {
    callee: *const Value,
    this: *const Value,
    args: *const Value,
    count: usize,
    new_target: *const Value,
    data: Data,
    info: napi_callback_info,
    outer: *const Frame,
}

impl Frame {
    /// The receiver, as it was given.
    pub(crate) fn this(&self) -> &Value {
        // SAFETY: A3; valid while the frame is pushed.
        unsafe { &*self.this }
    }

    /// The arguments.
    pub(crate) fn args(&self) -> &[Value] {
        if self.count == 0 {
            return &[];
        }
        // SAFETY: A3; `count` values, valid while the frame is pushed; not empty.
        unsafe { std::slice::from_raw_parts(self.args, self.count) }
    }

    /// `new.target`, if the call is a construction.
    pub(crate) fn new_target(&self) -> Option<&Value> {
        // SAFETY: A3; null or valid while the frame is pushed.
        unsafe { self.new_target.as_ref() }
    }

    /// The data pointer that the function was made with.
    pub(crate) fn data(&self) -> Data {
        self.data
    }
}

/// The chain of a thread's frames, innermost first.
#[derive(Debug)]
pub(crate) struct Frames {
    top: Cell<*const Frame>,
    /// How far the last info is from the first.
    offset: Cell<usize>,
}

/// Takes a frame off the chain when the callback ends, however it ends.
struct Pop<'a> {
    frames: &'a Frames,
    outer: *const Frame,
}

impl Drop for Pop<'_> {
    fn drop(&mut self) {
        self.frames.top.set(self.outer);
    }
}

impl Frames {
    /// An empty chain.
    pub(crate) fn new() -> Self {
        Self {
            top: Cell::new(ptr::null()),
            offset: Cell::new(0),
        }
    }

    /// Calls the addon's function whose words an engine function carries.
    ///
    /// `invocation.words` are those that [`words`] made.
    #[inline]
    pub(crate) fn call(&self, env: napi_env, invocation: &Invocation<'_>) -> napi_value {
        // SAFETY: A9; only functions with our tags come here.
        let callback = unsafe { Callback::from_word(invocation.words[0]) };
        let offset = (self.offset.get() + STEP) % INFOS_LEN;
        self.offset.set(offset);
        let info = napi_callback_info(INFOS + offset);
        let frame = Frame {
            callee: invocation.callee,
            this: invocation.this,
            args: invocation.args.as_ptr(),
            count: invocation.args.len(),
            new_target: invocation.new_target.map_or(ptr::null(), ptr::from_ref),
            data: Data::from_word(invocation.words[1]),
            info,
            outer: self.top.get(),
        };
        let _pop = Pop {
            frames: self,
            outer: self.top.replace(&raw const frame),
        };
        callback.call(env, info)
    }

    /// The function that was called last, of those in flight.
    pub(crate) fn innermost(&self) -> Option<Value> {
        // SAFETY: A3; the frame is pushed, so it lives on the stack below us.
        let frame = unsafe { self.top.get().as_ref() }?;
        // SAFETY: A3; valid while the frame is pushed.
        Some(unsafe { (*frame.callee).clone() })
    }

    /// Reads the frame of a callback in flight; `None` if the id is of no such frame.
    pub(crate) fn read<R>(
        &self,
        info: napi_callback_info,
        read: impl FnOnce(&Frame) -> R,
    ) -> Option<R> {
        let mut at = self.top.get();
        // SAFETY: A3; every frame of the chain is pushed, so it lives on the stack below us.
        while let Some(frame) = unsafe { at.as_ref() } {
            if frame.info == info {
                return Some(read(frame));
            }
            at = frame.outer;
        }
        None
    }
}

/// The words of an engine function that calls back into an addon: callback, data, environment.
pub(crate) fn words(callback: Callback, data: Data, env: napi_env) -> [usize; 3] {
    [callback.word(), data.word(), env.0]
}
