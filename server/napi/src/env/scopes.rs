//! Handle scopes: heights of the handle stack to fall back to.
//!
//! Scopes nest. Each callback starts with a floor: scopes below it belong to its callers and cannot
//! be closed from it, and those it leaves open are closed for it.

use super::slots::{IdKind, pack};
use crate::abi::types::napi_value;

/// An open scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    id: usize,
    /// The height to fall back to.
    pub(crate) height: usize,
    /// The slot below the scope where an escaping handle goes; none in plain scopes.
    pub(crate) escape: Option<napi_value>,
    /// Whether something escaped.
    pub(crate) escaped: bool,
}

/// Why a scope could not be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// No scope is open here.
    NoneOpen,
    /// The id is of a scope that is closed, or of none.
    Stale,
    /// The scope is open, but not the innermost one.
    NotInnermost,
}

/// The open scopes of a thread.
#[derive(Debug, Default)]
pub(crate) struct ScopeStack {
    scopes: Vec<Scope>,
    floor: usize,
    serial: u32,
}

impl ScopeStack {
    /// Opens a scope; gives its id.
    #[inline]
    pub(crate) fn open(&mut self, height: usize, escape: Option<napi_value>) -> usize {
        self.serial = self.serial.wrapping_add(1);
        let depth = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX - 1);
        let id = pack(IdKind::Scope, self.serial, depth);
        self.scopes.push(Scope {
            id,
            height,
            escape,
            escaped: false,
        });
        id
    }

    /// Opens a plain scope if there is room.
    #[inline]
    pub(crate) fn fast_open(&mut self, height: usize) -> Option<usize> {
        (self.scopes.len() < self.scopes.capacity()).then(|| self.open(height, None))
    }

    /// Closes the innermost scope if it is this one, a plain one, and nothing ends with it.
    #[inline]
    pub(crate) fn fast_close(&mut self, id: usize, height: usize) -> Option<()> {
        let scope = self.scopes.last()?;
        let plain = scope.id == id && scope.escape.is_none() && scope.height == height;
        (plain && self.scopes.len() > self.floor).then(|| {
            self.scopes.pop();
        })
    }

    /// Closes the innermost scope, which must be this one.
    #[inline]
    pub(crate) fn close(&mut self, id: usize, escapable: bool) -> Result<Scope, Mismatch> {
        match self.scopes.last() {
            Some(&scope)
                if scope.id == id
                    && scope.escape.is_some() == escapable
                    && self.scopes.len() > self.floor =>
            {
                self.scopes.pop();
                Ok(scope)
            }
            _ => Err(self.mismatch(id, escapable)),
        }
    }

    /// Why it cannot be closed.
    #[cold]
    fn mismatch(&self, id: usize, escapable: bool) -> Mismatch {
        if self.scopes.len() <= self.floor {
            Mismatch::NoneOpen
        } else if self.position(id, escapable).is_some() {
            Mismatch::NotInnermost
        } else {
            Mismatch::Stale
        }
    }

    /// The open escapable scope with this id.
    pub(crate) fn escapable(&mut self, id: usize) -> Option<&mut Scope> {
        let position = self.position(id, true)?;
        self.scopes.get_mut(position)
    }

    fn position(&self, id: usize, escapable: bool) -> Option<usize> {
        let open = self.scopes.get(self.floor..)?;
        let position = open
            .iter()
            .rposition(|scope| scope.id == id && scope.escape.is_some() == escapable)?;
        Some(self.floor + position)
    }

    /// Starts a callback: gives the floor to come back to.
    #[inline]
    pub(crate) fn enter(&mut self) -> usize {
        std::mem::replace(&mut self.floor, self.scopes.len())
    }

    /// Ends a callback: closes the scopes that it left open and returns their number.
    #[inline]
    pub(crate) fn leave(&mut self, outer_floor: usize) -> usize {
        let left_open = self.scopes.len() - self.floor.min(self.scopes.len());
        self.scopes.truncate(self.floor);
        self.floor = outer_floor;
        left_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_close_from_the_inside_out_and_once() {
        let mut stack = ScopeStack::default();
        assert_eq!(stack.close(1, false).unwrap_err(), Mismatch::NoneOpen);
        let outer = stack.open(5, None);
        let inner = stack.open(6, None);
        assert_eq!(
            stack.close(outer, false).unwrap_err(),
            Mismatch::NotInnermost
        );
        assert_eq!(stack.close(inner, false).unwrap().height, 6);
        assert_eq!(stack.close(inner, false).unwrap_err(), Mismatch::Stale);
        assert_eq!(stack.close(outer, false).unwrap().height, 5);
    }

    #[test]
    fn callback_cannot_close_scopes_of_its_caller_and_loses_its_own() {
        let mut stack = ScopeStack::default();
        let outer = stack.open(5, None);
        let floor = stack.enter();
        assert_eq!(stack.close(outer, false).unwrap_err(), Mismatch::NoneOpen);
        stack.open(6, None);
        assert_eq!(stack.close(outer, false).unwrap_err(), Mismatch::Stale);
        assert_eq!(stack.leave(floor), 1);
        assert_eq!(stack.close(outer, false).unwrap().height, 5);
    }

    #[test]
    fn plain_and_escapable_scopes_are_distinguished() {
        let mut stack = ScopeStack::default();
        let plain = stack.open(5, None);
        assert!(stack.escapable(plain).is_none());
        assert_eq!(stack.close(plain, true).unwrap_err(), Mismatch::Stale);
    }
}
