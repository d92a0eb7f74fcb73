//! What a request is, beside its call and its body.

use std::cell::Cell;
use std::sync::Arc;

use hostd_protocol::calls::CallKind;

use crate::deadline::Deadline;
use crate::generation::HostGeneration;
use crate::profile::{Activity, Measure};
use crate::turns::TurnCondition;

#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The only generation that the request is for, if it is for one.
    pub(crate) home: Option<&'a Arc<HostGeneration>>,
    /// The name of the called export, for messages.
    pub(crate) export: Option<&'a Arc<str>>,
    /// If given, the request is sent only if the JS thread runs nothing; else this is set.
    pub(crate) declined: Option<&'a Cell<bool>>,
    /// Set if the host calls Python before it replies.
    pub(crate) served: Option<&'a Cell<bool>>,
    /// On which condition a turn is taken; without effect on other requests.
    pub(crate) condition: TurnCondition,
    /// A deadline beside those of every call.
    pub(crate) deadline: Option<Deadline>,
    /// What is measured of it, if a profile is made.
    pub(crate) measure: Option<&'a Measure<'a>>,
}

impl<'a> Request<'a> {
    /// A request to the host that runs, or only to the host of this generation.
    pub(crate) const fn to(home: Option<&'a Arc<HostGeneration>>) -> Self {
        Self {
            home,
            export: None,
            declined: None,
            served: None,
            condition: TurnCondition::None,
            deadline: None,
            measure: None,
        }
    }

    /// The thread goes on with something else, if this is measured.
    #[inline]
    pub(super) fn switch(&self, activity: Activity) {
        if let Some(measure) = self.measure {
            measure.switch(activity);
        }
    }

    pub(super) fn export(&self) -> Option<&'a str> {
        self.export.map(|export| &**export)
    }
}

/// Whether a reply shows that the addon works: not if the request is one of this package's own.
pub(super) const fn proves(call: CallKind) -> bool {
    !matches!(
        call,
        CallKind::Turn
            | CallKind::Release
            | CallKind::Stats
            | CallKind::Settle
            | CallKind::Collect
            | CallKind::Profile
    )
}

/// Whether its reply ends the wait for an exception that could report an earlier denial: not if the
/// program only asks for the outcome of a promise, which may be that exception.
pub(super) fn ends_wait_for_exception(call: CallKind) -> bool {
    proves(call) && call != CallKind::Watch
}
