//! The conversations of this thread that are suspended while a callback runs: a nested request finds
//! its addon's conversation here and uses the same lane.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hostd_client::Conversation;

use crate::addon::LoadedAddon;
use crate::convert::Received;
use crate::deadline::Deadline;
use crate::generation::HostGeneration;

/// A leased lane and the deadline on it.
pub(super) struct OpenConversation {
    pub(super) lane: Conversation,
    /// The deadline of the innermost call, and so of every call inside it.
    pub(super) deadline: Option<Deadline>,
}

struct Suspended {
    addon: *const LoadedAddon,
    generation: Arc<HostGeneration>,
    /// None while a nested request uses it.
    conversation: Option<OpenConversation>,
    /// The containers of the callback that runs, if it has any.
    received: Option<Rc<Received>>,
}

impl Suspended {
    fn is_of(&self, addon: &Arc<LoadedAddon>) -> bool {
        std::ptr::eq(self.addon, Arc::as_ptr(addon))
    }
}

thread_local! {
    static SUSPENDED: RefCell<Vec<Suspended>> = const { RefCell::new(Vec::new()) };
}

/// The innermost conversation with an addon that no nested request uses.
#[inline]
fn innermost<'a>(
    suspended: &'a mut [Suspended],
    addon: &Arc<LoadedAddon>,
) -> Option<&'a mut Suspended> {
    let mut entries = suspended.iter_mut().rev();
    entries.find(|entry| entry.is_of(addon) && entry.conversation.is_some())
}

/// The generation of this thread's suspended conversation with an addon.
#[inline]
pub(crate) fn generation(addon: &Arc<LoadedAddon>) -> Option<Arc<HostGeneration>> {
    SUSPENDED.with_borrow_mut(|suspended| {
        innermost(suspended, addon).map(|entry| Arc::clone(&entry.generation))
    })
}

/// The containers of the callback that this thread runs for an addon.
pub(super) fn received(addon: &Arc<LoadedAddon>) -> Option<Rc<Received>> {
    SUSPENDED.with_borrow_mut(|suspended| innermost(suspended, addon)?.received.clone())
}

/// Sets the containers of the callback whose conversation was suspended last.
pub(super) fn set_received(received: Option<Rc<Received>>) {
    let former = SUSPENDED.with_borrow_mut(|suspended| {
        let last = suspended.last_mut()?;
        std::mem::replace(&mut last.received, received)
    });
    drop(former);
}

/// Takes this thread's suspended conversation with an addon, for a nested request.
#[inline]
pub(super) fn take(addon: &Arc<LoadedAddon>) -> Option<OpenConversation> {
    SUSPENDED.with_borrow_mut(|suspended| innermost(suspended, addon)?.conversation.take())
}

/// Puts it back after the nested request; without a place for it, it is dropped.
pub(super) fn put_back(addon: &Arc<LoadedAddon>, conversation: OpenConversation) {
    let left_over = SUSPENDED.with_borrow_mut(|suspended| {
        let place = suspended
            .iter_mut()
            .rev()
            .find(|entry| entry.is_of(addon) && entry.conversation.is_none());
        match place {
            Some(entry) => {
                entry.conversation = Some(conversation);
                None
            }
            None => Some(conversation),
        }
    });
    drop(left_over);
}

/// Suspends a conversation while a callback runs.
pub(super) fn suspend(
    addon: &Arc<LoadedAddon>,
    generation: &Arc<HostGeneration>,
    conversation: OpenConversation,
) {
    SUSPENDED.with_borrow_mut(|suspended| {
        suspended.push(Suspended {
            addon: Arc::as_ptr(addon),
            generation: Arc::clone(generation),
            conversation: Some(conversation),
            received: None,
        });
    });
}

/// Takes out the conversation that was suspended last; None if a nested request lost it.
pub(super) fn resume() -> Option<OpenConversation> {
    // The generation is dropped here, after the list is free again.
    let last = SUSPENDED.with_borrow_mut(Vec::pop)?;
    last.conversation
}
