//! Wire → Python: JavaScript errors and thrown values.

use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ErrorClass;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

use super::decode::Decoder;
use crate::call::call;
use crate::errors;
use crate::fallible::{self, push};
use crate::handle::Handle;
use crate::proxy::opaque;

impl<'py> Decoder<'_, 'py> {
    /// An error that is referred to from inside itself: it is made now, and filled when it is read.
    #[cold]
    pub(super) fn open_error(&mut self, place: usize) -> PyResult<Bound<'py, PyAny>> {
        let open = &self.rare_state().open_errors;
        let Some(&(_, class)) = open.iter().find(|open| open.0 == place) else {
            return Err(errors::violation(
                "a reference to an object that does not exist yet",
            ));
        };
        let error = call(self.names.js_error_of.bind(self.py), (class,))?;
        self.compounds[place] = Some(error.clone());
        Ok(error)
    }

    /// A JavaScript error: an exception instance, not raised.
    pub(super) fn error(
        &mut self,
        id: Option<SlotId>,
        class: ErrorClass,
    ) -> PyResult<Bound<'py, PyAny>> {
        let place = self.compounds.len();
        push(&mut self.compounds, None)?;
        push(&mut self.rare_state().open_errors, (place, class.code()))?;
        self.counted += u32::from(id.is_some());
        let handle = id.map(|id| Handle::new(self.addon, self.generation, id, 0, 1));
        let handle = handle.transpose()?;
        let name = self.value()?;
        let message = self.value()?;
        let code = self.value()?;
        let stack = self.value()?;
        let cause = self.value()?;
        let own = fallible::dict(self.py)?;
        for _ in 0..self.reader.own_fields().map_err(errors::protocol)? {
            let key = self.key()?;
            own.set_item(key, self.value()?)?;
        }
        self.reader.leave();
        self.rare_state().open_errors.pop();
        let made = self.compounds.get(place).cloned().flatten();
        let described = (class.code(), name, message, code, stack, cause, own, made);
        let error = call(self.names.js_error.bind(self.py), described)?;
        if let Some(handle) = handle {
            error.setattr(&self.names.handle_key, opaque::ErrorHandle { handle })?;
        }
        if self.addon.denials.is_pending() {
            let error = PyErr::from_value(error.clone());
            self.addon.annotate(self.py, &error);
        }
        self.compounds[place] = Some(error.clone());
        Ok(error)
    }

    /// A thrown value as the exception to raise. A Python exception that passed through JavaScript is
    /// the same object.
    pub(crate) fn thrown(&self, value: Bound<'py, PyAny>) -> PyResult<PyErr> {
        if value.is_instance_of::<PyBaseException>() {
            let error = PyErr::from_value(value);
            self.addon.annotate(self.py, &error);
            return Ok(error);
        }
        let error = PyErr::from_value(call(self.names.js_thrown.bind(self.py), (value,))?);
        self.addon.annotate(self.py, &error);
        Ok(error)
    }
}
