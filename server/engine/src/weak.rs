//! Weak references that are read without a look-up: [`Runtime::weak`] makes one to any value.
//!
//! One cell per object holds its address; the finalizer of the object's slot clears it. Between the
//! moment an object's count reaches zero and the death of its slot only finalizers run, which
//! read no weak reference (E5), so an address in a cell is that of a living object.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::record::{Record, WeakCell};
use crate::{JsResult, Runtime, Value};

/// A weak reference to an object or symbol, or a strong one to a value that never dies: a primitive
/// or a registered symbol.
#[derive(Clone)]
pub struct Weak(Target);

#[derive(Clone)]
enum Target {
    Cell(Rc<WeakCell>),
    Strong(Value),
}

impl Weak {
    fn of(record: &Record, value: &Value) -> Weak {
        let cell = record.weak.take().unwrap_or_else(|| {
            Rc::new(WeakCell {
                value: Cell::new(value.0),
            })
        });
        record.weak.set(Some(Rc::clone(&cell)));
        Weak(Target::Cell(cell))
    }

    /// The value, if it lives.
    #[inline]
    pub fn get(&self) -> Option<Value> {
        match &self.0 {
            Target::Cell(cell) => {
                let raw = cell.value.get();
                let target = Value::lent(&raw);
                (!target.is_undefined()).then(|| target.clone())
            }
            Target::Strong(value) => Some(value.clone()),
        }
    }

    /// Returns whether the value lives.
    pub fn is_alive(&self) -> bool {
        self.get().is_some()
    }
}

impl fmt::Debug for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weak")
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Makes a weak reference.
    pub fn weak(self, value: &Value) -> JsResult<Weak> {
        self.weak_with(value, |_| false)
    }

    /// [`weak`](Self::weak) that delays the death, as [`hold`](Self::hold) does.
    pub fn late_weak(self, value: &Value) -> JsResult<Weak> {
        self.weak_with(value, |record| self.add_hold(record, value))
    }

    #[inline]
    fn weak_with(self, value: &Value, hold: impl FnOnce(&Record) -> bool) -> JsResult<Weak> {
        let never_dies =
            value.identity().is_none() || (value.is_symbol() && self.symbol_key(value)?.is_some());
        if never_dies {
            return Ok(Weak(Target::Strong(value.clone())));
        }
        let (weak, is_new) =
            self.with_new_record(value, |record| (Weak::of(record, value), hold(record)))?;
        self.release_for_new_hold(is_new);
        Ok(weak)
    }
}
