//! What passes between the sides of a conversation without a frame, where the host runs on this thread: calls of
//! this side, and callbacks of the host.

use std::mem;

use hostd_protocol::calls::CallKind;
use hostd_protocol::direct::{CallbackState, DirectCall, DirectCallback, DirectState, Scalar};
use hostd_protocol::ids::CallId;

use super::Conversation;
use crate::ClientError;

impl Conversation {
    /// Makes a call that takes no frame, if the host runs on this thread; or goes on with it, once a callback
    /// was answered in place. The host may make a callback, which must be answered first. If it has taken
    /// the call, makes no callback and has not answered, the caller must call [`Self::next`].
    ///
    /// # Errors
    /// The process was forked, or too many requests are open.
    #[inline]
    pub fn call_directly(
        &mut self,
        call: &mut DirectCall,
        callback: &mut DirectCallback,
    ) -> Result<(), ClientError> {
        if !self.instance.is_ours() {
            return Err(ClientError::Forked);
        }
        if call.state == DirectState::Untaken {
            call.request.call = self.pending.ask(call.request.target.kind().number())?.0;
        }
        loop {
            self.lane.call_directly(call, callback);
            // Beyond the limit of open requests, a frame gets the error.
            if !callback.is_asked() || self.take_callback(callback) {
                break;
            }
        }
        if call.state != DirectState::Taken {
            self.pending.unask();
        }
        Ok(())
    }

    /// Opens the request of a callback that the host makes in place; refuses it if that fails.
    #[inline]
    pub(super) fn take_callback(&mut self, callback: &mut DirectCallback) -> bool {
        let (call, number) = (CallId(callback.call), CallKind::Invoke.number());
        if self.pending.asked(call, number).is_err() {
            callback.state = CallbackState::Refused;
            return false;
        }
        self.answers_in_place = true;
        true
    }

    /// Has the host send the callback that it makes in place as a frame; the caller must go on as after
    /// [`Self::answer_in_place`].
    pub fn refuse_in_place(&mut self, callback: &mut DirectCallback) {
        self.answers_in_place = false;
        // Nothing else is open above it.
        let _ = self.pending.answer();
        callback.state = CallbackState::Refused;
    }

    /// Answers a callback that the host makes in place; the caller must go on with the call, or call
    /// [`Self::next`]. False if a frame must reply: other requests were made meanwhile, or the call is
    /// interrupted.
    #[inline]
    pub fn answer_in_place(&mut self, callback: &mut DirectCallback, result: Scalar) -> bool {
        let is_possible = mem::take(&mut self.answers_in_place)
            && self.interrupted.is_none()
            && self.pending.answer().is_ok();
        if is_possible {
            callback.state = CallbackState::Answered(result);
        }
        is_possible
    }
}
