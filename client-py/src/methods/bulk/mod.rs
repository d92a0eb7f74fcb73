//! Many calls in one message: `napi_python.bulk`.

mod rows;

use std::sync::Arc;

use hostd_protocol::bulk::{RowFailure, RowOperation};
use hostd_protocol::calls;
use hostd_protocol::parts::{AnyValue, Part, Put};
use hostd_protocol::value::HostKind;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use self::rows::WrittenRows;
use super::requests::bound;
use crate::adopt::adopt_for_constructor;
use crate::convert::{Decoder, Encoder, Named};
use crate::errors;
use crate::exchange::Request;
use crate::fallible;
use crate::proxy::{Addon, JSClass, JSFunction, Reference, class, function, reference_of};

/// The results of the first rows, and the places of the rows without a result with their exceptions.
type Done<'py> = (Bound<'py, PyList>, Bound<'py, PyList>);

/// Does the same with each row, until one fails if `stops`: a function or a class is called with it, or with
/// the items of it if `spreads`; or the property with this name is read. Rows at the end may be left out; one
/// at least is done. A row that cannot be converted is one that fails.
#[pyfunction]
pub(crate) fn _call_rows<'py>(
    py: Python<'py>,
    target: &Bound<'py, PyAny>,
    rows: &Bound<'py, PyTuple>,
    spreads: bool,
    stops: bool,
) -> PyResult<Done<'py>> {
    if let Ok(name) = target.cast::<PyString>() {
        let Some(first) = rows.iter_borrowed().next() else {
            return Err(errors::raised::<PyTypeError>("there are no rows"));
        };
        for row in rows.iter_borrowed() {
            object(&row)?;
        }
        let first = first.to_owned();
        let subject = Subject::of(object(&first)?, None, RowOperation::Get(name));
        let (results, failures) = subject.call_rows(py, rows, false, stops)?;
        for (place, value) in results.iter().enumerate() {
            if value.is_instance_of::<JSFunction>() {
                let owner = rows.get_item(place)?;
                let value = bound(&owner, object(&owner)?, value, name)?;
                results.set_item(place, value)?;
            }
        }
        return Ok((results, failures));
    }
    if let Ok(class) = target.cast::<JSClass>() {
        let class = class.get();
        let name = match &class.target {
            class::Target::Exported(export) => Some(&export.name),
            class::Target::Lent(_) => None,
        };
        let reference = class.reference();
        return Subject::constructs(py, reference, name)?.call_rows(py, rows, spreads, stops);
    }
    if let Ok(addon) = target.cast::<Addon>() {
        let addon = &addon.get().addon;
        let (exports, label) = (Reference::Exports(addon), Some(addon.label()));
        let subject = match exports.exports_kind() {
            Some(HostKind::Function) => {
                Subject::of(exports, label, RowOperation::Call(exports, None))
            }
            Some(HostKind::Class) => Subject::constructs(py, exports, label)?,
            _ => return Err(not_callable(target)),
        };
        return subject.call_rows(py, rows, spreads, stops);
    }
    let Ok(function) = target.cast::<JSFunction>() else {
        return Err(not_callable(target));
    };
    let subject = match &function.get().target {
        function::Target::Exported(export) => {
            let (function, this) = (
                Reference::Exported(export),
                Reference::Exports(&export.addon),
            );
            let operation = RowOperation::Call(function, Some(This::Object(this)));
            Subject::of(function, Some(&export.name), operation)
        }
        function::Target::Lent(handle) => {
            let function = Reference::Lent(handle);
            Subject::of(function, None, RowOperation::Call(function, None))
        }
        function::Target::Method {
            object,
            name,
            label,
            ..
        } => {
            let object = Reference::Lent(&object.get().handle);
            let operation = RowOperation::CallMethod(object, name.bind(py));
            Subject::of(object, Some(label), operation)
        }
        function::Target::Bound { function, this, .. } => {
            let function = function.get().reference(py)?;
            let this = This::Any(Named(this.bind(py), "this"));
            Subject::of(function, None, RowOperation::Call(function, Some(this)))
        }
    };
    subject.call_rows(py, rows, spreads, stops)
}

fn not_callable(target: &Bound<'_, PyAny>) -> PyErr {
    let kind = target.get_type();
    errors::raised::<PyTypeError>(format!(
        "bulk() needs a function or a class of an addon, not {kind}"
    ))
}

/// An object of a host among the rows.
fn object<'a>(row: &'a Bound<'_, PyAny>) -> PyResult<Reference<'a>> {
    reference_of(row)?.ok_or_else(|| {
        let kind = row.get_type();
        errors::raised::<PyTypeError>(format!(
            "bulk() reads attributes of objects of an addon, not of {kind}"
        ))
    })
}

/// What a function is called with as `this`.
enum This<'a, 'py> {
    Object(Reference<'a>),
    Any(Named<'a, 'py>),
}

impl<'py> Put<AnyValue, Encoder<'_, 'py>> for This<'_, 'py> {
    fn put(&self, body: &mut Encoder<'_, 'py>) -> PyResult<()> {
        match self {
            Self::Object(object) => Put::<AnyValue, _>::put(object, body),
            Self::Any(value) => value.put(body),
        }
    }
}

type Operation<'a, 'py> = RowOperation<Reference<'a>, This<'a, 'py>, &'a Bound<'py, PyString>>;

/// What is done with each row, and of which host.
struct Subject<'a, 'py> {
    object: Reference<'a>,
    /// The name of the called export, for messages.
    export: Option<&'a Arc<str>>,
    operation: Operation<'a, 'py>,
}

impl<'a, 'py> Subject<'a, 'py> {
    fn of(
        object: Reference<'a>,
        export: Option<&'a Arc<str>>,
        operation: Operation<'a, 'py>,
    ) -> Self {
        Self {
            object,
            export,
            operation,
        }
    }

    fn constructs(
        py: Python<'py>,
        class: Reference<'a>,
        export: Option<&'a Arc<str>>,
    ) -> PyResult<Self> {
        let defers = adopt_for_constructor(class.addon(), py)?;
        Ok(Self::of(
            class,
            export,
            RowOperation::Construct(class, defers),
        ))
    }

    fn call_rows(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyTuple>,
        spreads: bool,
        stops: bool,
    ) -> PyResult<Done<'py>> {
        let mut written = WrittenRows::new(rows, spreads)?;
        let addon = self.object.addon();
        let request = Request {
            export: self.export,
            ..Request::to(self.object.home())
        };
        loop {
            let body = (&self.operation, stops, &written);
            let done = addon.request_and(
                py,
                calls::Bulk,
                request,
                &body,
                |decoder, (results, count)| self.read(decoder, (results, count), &written, stops),
            );
            match (done, written.refused.take()) {
                (Err(error), Some(0)) => {
                    let (results, failures) = (fallible::list(py)?, fallible::list(py)?);
                    failures.append((0, error.into_value(py)))?;
                    if !stops {
                        results.append(py.None())?;
                    }
                    return Ok((results, failures));
                }
                // The rows before it can be written.
                (Err(_), Some(row)) => written.most = row,
                (done, _) => return done,
            }
        }
    }

    fn read(
        &self,
        decoder: &mut Decoder<'_, 'py>,
        (results, count): (Bound<'py, PyAny>, u32),
        written: &WrittenRows<'_, 'py>,
        stops: bool,
    ) -> PyResult<Done<'py>> {
        let py = decoder.py;
        let failures = fallible::list(py)?;
        let mut end = 0;
        for _ in 0..count {
            let (place, is_thrown, reason) = RowFailure::read(decoder)?;
            let place = place as usize;
            if place < end || place >= written.count.get() {
                return Err(decoder.unexpected("a failure of a row that there is not"));
            }
            end = place + 1;
            let error = match &self.operation {
                _ if is_thrown => decoder.thrown(reason)?,
                RowOperation::Get(name) => {
                    errors::no_attribute(&written.rows.get_item(place)?, name)
                }
                _ => return Err(decoder.unexpected("a property of a row that is called")),
            };
            failures.append((place, error.into_value(py)))?;
        }
        let Ok(results) = results.cast_into_exact::<PyList>() else {
            return Err(decoder.unexpected("results of rows that are not a list"));
        };
        let is_stopped = stops && count > 0;
        let done = results.len() + usize::from(is_stopped);
        let is_last = !is_stopped || (count == 1 && end == done);
        if done == 0 || done > written.count.get() || end > done || !is_last {
            return Err(decoder.unexpected("another number of results than of rows"));
        }
        Ok((results, failures))
    }
}
