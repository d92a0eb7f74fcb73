//! Which requests are open on a lane, of both sides: a conversation is strictly nested.
//!
//! No I/O: the caller notes here which frames it has sent and received. A reply matches the
//! innermost open request, or the session ends.

use crate::error::{ProtocolError, Result, violation};
use crate::frame::Header;
use crate::ids::CallId;
use crate::limits::{LimitKind, Limits};

/// The open requests of one end of a lane. Reused, so that a call allocates nothing.
#[derive(Debug)]
pub struct Pending {
    next: CallId,
    open: Vec<OpenRequest>,
    limit: u32,
}

/// An open request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Its id, chosen by the requester.
    pub call: CallId,
    /// The number of its call.
    pub number: u16,
    /// The side that sent it.
    pub by: By,
}

/// Which side sent an open request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// This side.
    Us,
    /// The other side.
    Them,
}

impl Pending {
    /// No request is open.
    pub const fn new(limits: &Limits) -> Self {
        Self {
            next: CallId(0),
            open: Vec::new(),
            limit: limits.nested_requests,
        }
    }

    /// Opens a request of ours: the id to send it with.
    #[inline]
    pub fn ask(&mut self, number: u16) -> Result<CallId> {
        if self.open.last().is_some_and(|open| open.by == By::Us) {
            return violation("a request inside one that waits for its reply");
        }
        self.room()?;
        self.next = self.next.next();
        self.open.push(OpenRequest {
            call: self.next,
            number,
            by: By::Us,
        });
        Ok(self.next)
    }

    /// Removes a request of ours that was opened, but of which nothing was sent.
    pub fn unask(&mut self) {
        if self.open.last().is_some_and(|open| open.by == By::Us) {
            self.open.pop();
        }
    }

    /// Opens a request that was received. An error is a violation by the other side.
    #[inline]
    pub fn asked(&mut self, call: CallId, number: u16) -> Result {
        if self.open.last().is_some_and(|open| open.by == By::Them) {
            return violation("a request inside one that is being answered");
        }
        self.room()?;
        self.open.push(OpenRequest {
            call,
            number,
            by: By::Them,
        });
        Ok(())
    }

    /// Closes the innermost request, which a received reply or failure must match.
    #[inline]
    pub fn answered(&mut self, header: &Header) -> Result {
        match self.open.last() {
            Some(open)
                if open.by == By::Us
                    && open.call == header.call
                    && open.number == header.number =>
            {
                self.open.pop();
                Ok(())
            }
            _ => violation("a reply without a request"),
        }
    }

    /// Closes the innermost request, which must be the other side's, to be answered.
    #[inline]
    pub fn answer(&mut self) -> Result<OpenRequest> {
        match self.open.pop_if(|open| open.by == By::Them) {
            Some(open) => Ok(open),
            None => violation("a reply of ours without a request"),
        }
    }

    /// The innermost open request.
    pub fn innermost(&self) -> Option<OpenRequest> {
        self.open.last().copied()
    }

    /// How many requests are open, of both sides together.
    pub const fn depth(&self) -> usize {
        self.open.len()
    }

    /// Clears all open requests: their session has ended.
    pub fn clear(&mut self) {
        self.open.clear();
    }

    #[inline]
    fn room(&self) -> Result {
        if self.open.len() >= self.limit as usize {
            return Err(ProtocolError::beyond(LimitKind::NestedRequests, self.limit));
        }
        Ok(())
    }
}
