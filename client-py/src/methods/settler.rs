//! Methods of the object that settles a promise in the host when an awaitable is done.

use hostd_protocol::calls::CallKind;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::errors;
use crate::exchange::{Request, Settler};

#[pymethods]
impl Settler {
    /// Fulfils the promise, or rejects it with an exception.
    #[pyo3(signature = (value, rejected = false))]
    fn __call__(&self, value: &Bound<'_, PyAny>, rejected: bool) -> PyResult<()> {
        if !self.addon.is_current(&self.generation) {
            return Ok(());
        }
        let mut is_lent = true;
        let settled = self.addon.request(
            value.py(),
            Request::at(CallKind::Settle, &self.generation),
            |encoder| {
                // The id is counted as sent, so that it is not used for another object meanwhile.
                is_lent = encoder.lend_again(self.lending)?;
                if !is_lent {
                    return Err(errors::raised::<PyTypeError>(
                        "the addon released the promise",
                    ));
                }
                encoder.out.put_u32(self.lending.id.get());
                encoder.out.put_u8(if rejected { 2 } else { 1 });
                encoder.named(value, "result of the awaitable")
            },
            |_| Ok(()),
        );
        if is_lent { settled } else { Ok(()) }
    }
}
