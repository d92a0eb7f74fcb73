//! What a request is, beside its arguments.

use std::cell::Cell;
use std::sync::Arc;

use hostd_protocol::calls::CallKind;

use crate::deadline::Deadline;
use crate::generation::HostGeneration;
use crate::turns::TurnCondition;

/// One request to a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) call: CallKind,
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
}

impl<'a> Request<'a> {
    /// A request to the host that runs.
    pub(crate) const fn of(call: CallKind) -> Self {
        Self {
            call,
            home: None,
            export: None,
            declined: None,
            served: None,
            condition: TurnCondition::None,
            deadline: None,
        }
    }

    /// A request to the host of this generation.
    pub(crate) const fn at(call: CallKind, home: &'a Arc<HostGeneration>) -> Self {
        Self {
            home: Some(home),
            ..Self::of(call)
        }
    }

    /// A turn of this generation's host, if its JS thread runs nothing and the condition is met.
    pub(crate) const fn turn(
        home: &'a Arc<HostGeneration>,
        (declined, served): (&'a Cell<bool>, &'a Cell<bool>),
        condition: TurnCondition,
    ) -> Self {
        Self {
            declined: Some(declined),
            served: Some(served),
            condition,
            ..Self::at(CallKind::Turn, home)
        }
    }

    /// Whether a reply shows that the addon works: not if the request is one of this package's own.
    pub(super) const fn proves(&self) -> bool {
        !matches!(
            self.call,
            CallKind::Turn
                | CallKind::Release
                | CallKind::Stats
                | CallKind::Settle
                | CallKind::Collect
        )
    }

    /// Whether its reply ends the wait for an exception that could report an earlier denial: not if
    /// the program only asks for the outcome of a promise, which may be that exception.
    pub(super) fn ends_wait_for_exception(&self) -> bool {
        self.proves() && self.call != CallKind::Watch
    }

    /// The name of the called export.
    pub(super) fn export(&self) -> Option<&'a str> {
        self.export.map(|export| &**export)
    }
}
