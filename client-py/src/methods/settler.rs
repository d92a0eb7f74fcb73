//! Methods of the object that settles a promise in the host when an awaitable is done.

use hostd_protocol::calls;
use hostd_protocol::parts::{LentAgain, PromiseOutcome, Put};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::convert::{Encoder, Named};
use crate::errors;
use crate::exchange::{Request, Settler};
use crate::generation::Lending;

#[pymethods]
impl Settler {
    /// Has a function called on the thread of the session, if that is a thread of the program. Whether it
    /// is.
    fn _defer(&self, function: &Bound<'_, PyAny>) -> bool {
        self.addon.background.defer(function)
    }

    /// Fulfils the promise, or rejects it with an exception.
    #[pyo3(signature = (value, rejected = false))]
    fn __call__(&self, value: &Bound<'_, PyAny>, rejected: bool) -> PyResult<()> {
        let py = value.py();
        if !self.addon.is_current(&self.generation) {
            return Ok(());
        }
        let value = Named(value, "result of the awaitable");
        let outcome: PromiseOutcome<(), _> = if rejected {
            PromiseOutcome::Rejected(value)
        } else {
            PromiseOutcome::Fulfilled(value)
        };
        let request = Request::to(Some(&self.generation));
        let body = (self.lending, outcome);
        let settled = self.addon.request(py, calls::Settle, request, &body);
        let is_current = self.addon.is_current(&self.generation);
        if is_current && !self.generation.is_lent(self.lending) {
            return Ok(());
        }
        settled
    }
}

impl Put<LentAgain, Encoder<'_, '_>> for Lending {
    fn put(&self, body: &mut Encoder<'_, '_>) -> PyResult<()> {
        // The id is counted as sent, so that it is not used for another object meanwhile.
        if !body.lend_again(*self)? {
            return Err(errors::raised::<PyTypeError>(
                "the addon released the promise",
            ));
        }
        body.out.put_u32(self.id.get());
        Ok(())
    }
}
