//! The path to a value that can't be converted: "argument 2, key 'when'". It is collected from the
//! inside out while the error is passed up, so it costs nothing without an error.

use std::fmt;

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;

use crate::call::method;
use crate::errors;

/// The number of steps that are shown at each end of a longer path.
const SHOWN_STEPS: usize = 8;
/// The number of characters of a key that are shown.
const SHOWN_KEY: usize = 80;

pub(super) enum Step {
    /// An argument, counted from 1.
    Argument(usize),
    /// An item of a sequence, counted from 0.
    Item(usize),
    /// The repr of a key of a mapping, or of the name of a field.
    Key(String),
    /// The repr of the name of a keyword argument.
    Keyword(String),
    /// A value that has a name of its own.
    Named(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(number) => write!(f, "argument {number}"),
            Self::Item(number) => write!(f, "item {number}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Keyword(name) => write!(f, "keyword argument {name}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl Step {
    /// A step to the value of a key.
    pub(super) fn key(key: &Bound<'_, PyAny>) -> Self {
        Self::Key(shown(key))
    }
}

/// A key as an error shows it.
pub(super) fn shown(key: &Bound<'_, PyAny>) -> String {
    key.repr().map_or_else(
        |_| "?".to_owned(),
        |text| text.to_string_lossy().chars().take(SHOWN_KEY).collect(),
    )
}

/// The path to the value that could not be converted. Empty until a conversion fails.
#[derive(Default)]
pub(super) struct Place(Option<Box<Found>>);

#[derive(Default)]
struct Found {
    /// The innermost step first.
    steps: Vec<Step>,
    /// Why the value was refused; None if Python code raised.
    refusal: Option<String>,
}

impl Place {
    /// The error for a value that has no conversion.
    #[cold]
    pub(super) fn refuse(&mut self, why: &str) -> PyErr {
        self.found().refusal = Some(why.to_owned());
        errors::raised::<PyTypeError>(why)
    }

    #[cold]
    pub(super) fn inside(&mut self, step: Step, error: PyErr) -> PyErr {
        self.found().steps.push(step);
        error
    }

    /// Turns the last step into one to a keyword argument.
    #[cold]
    pub(super) fn keyword(&mut self, error: PyErr) -> PyErr {
        let steps = &mut self.found().steps;
        if let Some(Step::Key(name)) = steps.pop_if(|step| matches!(step, Step::Key(_))) {
            steps.push(Step::Keyword(name));
        }
        error
    }

    /// Adds the path to the error: to the message of a refusal, as a note to any other exception.
    #[cold]
    pub(super) fn locate(&mut self, py: Python<'_>, error: PyErr) -> PyErr {
        let Some(found) = self.0.take() else {
            return error;
        };
        let path = found.path();
        if path.is_empty() {
            return error;
        }
        if let Some(why) = found.refusal {
            return errors::raised::<PyTypeError>(format!("{path}: {why}"));
        }
        if error.is_instance_of::<PyException>(py) {
            let note = format!("while converting {path}");
            // An exception that takes no note is raised without it.
            let _ = method(error.value(py).as_any(), intern!(py, "add_note"), (note,));
        }
        error
    }

    fn found(&mut self) -> &mut Found {
        self.0.get_or_insert_default()
    }
}

impl Found {
    fn path(&self) -> String {
        let left_out = self.steps.len().saturating_sub(2 * SHOWN_STEPS);
        let mut steps: Vec<String> = self.steps.iter().rev().map(Step::to_string).collect();
        if left_out > 0 {
            steps.splice(SHOWN_STEPS..SHOWN_STEPS + left_out, ["…".to_owned()]);
        }
        steps.join(", ")
    }
}
