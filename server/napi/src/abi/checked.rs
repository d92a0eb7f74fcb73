//! Checked arguments: values that no body checks again, and out-pointers that are written once.
//!
//! Only [`super::check`] makes them, of what the addon passed. The bodies in `api` read and write
//! an addon's memory by these types only.
#![expect(
    clippy::unnecessary_wraps,
    reason = "a body ends by setting its result, and with that as its own"
)]

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;

use super::callback::{CallJs, Callback, Complete, Execute, Finalize, Function};
pub(crate) use super::data::Data;
use super::status::{NapiResult, Status};
use super::types::{napi_property_descriptor, napi_value};

/// A handle that is not NULL. Resolving it shows whether it is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle(pub(crate) napi_value);

/// A place where one result goes. Setting it consumes it.
#[derive(Debug)]
pub(crate) struct Out<T>(pub(super) *mut T);

impl<T> Out<T> {
    /// Writes the result.
    pub(crate) fn set(self, value: T) -> NapiResult {
        // SAFETY: A2; out-pointers stay writable for the call; not NULL by `out`.
        unsafe { self.0.write(value) };
        Ok(())
    }
}

/// A place where a result goes, or NULL if the addon does not want it.
#[derive(Debug)]
pub(crate) struct OptOut<T>(pub(super) *mut T);

impl<T> OptOut<T> {
    /// Returns whether the place is not NULL.
    pub(crate) fn wanted(&self) -> bool {
        !self.0.is_null()
    }

    /// Writes the result if it is wanted.
    pub(crate) fn set(self, value: T) -> NapiResult {
        self.set_with(|| value);
        Ok(())
    }

    /// The place; NULL is refused. For a result that is required, where other checks come first.
    pub(crate) fn required(self) -> NapiResult<Out<T>> {
        if self.0.is_null() {
            Err(Status::InvalidArg)
        } else {
            Ok(Out(self.0))
        }
    }

    /// Makes and writes the result if it is wanted.
    pub(crate) fn set_with(self, make: impl FnOnce() -> T) {
        if !self.0.is_null() {
            let value = make();
            // SAFETY: A2; out-pointers stay writable for the call; not NULL.
            unsafe { self.0.write(value) };
        }
    }
}

/// A number that is read and then overwritten.
#[derive(Debug)]
pub(crate) struct InOut<T>(pub(super) *mut T);

impl<T: Copy> InOut<T> {
    /// Reads what the addon put there.
    pub(crate) fn get(&self) -> T {
        // SAFETY: A2; in-out pointers are readable for the call; `check` refused NULL.
        unsafe { self.0.read() }
    }

    /// Overwrites it.
    pub(crate) fn set(self, value: T) {
        // SAFETY: A2; in-out pointers stay writable for the call; `check` refused NULL.
        unsafe { self.0.write(value) };
    }
}

/// A buffer of the addon's to be filled.
#[derive(Debug)]
pub(crate) struct OutSlice<'a, T> {
    pub(super) start: *mut T,
    pub(super) capacity: usize,
    pub(super) lifetime: PhantomData<&'a mut [T]>,
}

impl<T: Copy> OutSlice<'_, T> {
    /// Whether there is a buffer at all.
    pub(crate) fn is_null(&self) -> bool {
        self.start.is_null()
    }

    /// How many elements fit.
    pub(crate) fn capacity(&self) -> usize {
        if self.start.is_null() {
            0
        } else {
            self.capacity
        }
    }

    /// Writes one element. Out of bounds is ignored.
    pub(crate) fn put(&mut self, index: usize, value: T) {
        if index < self.capacity() {
            // SAFETY: A2; the buffer has `capacity` elements; index was checked against it.
            let place = unsafe { self.start.add(index) };
            // SAFETY: A2; the buffer is writable for the call.
            unsafe { place.write(value) };
        }
    }

    /// Copies as many elements as fit; returns how many those were.
    pub(crate) fn copy_from(&mut self, from: &[T]) -> usize {
        let count = from.len().min(self.capacity());
        if count > 0 {
            // SAFETY: A2; the buffer has `capacity` elements; count is no more; the source is ours,
            // so they do not overlap.
            unsafe { self.start.copy_from_nonoverlapping(from.as_ptr(), count) };
        }
        count
    }
}

/// An array of property descriptors, read one at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors<'a> {
    pub(super) start: *const napi_property_descriptor,
    pub(super) count: usize,
    pub(super) lifetime: PhantomData<&'a [napi_property_descriptor]>,
}

/// One property descriptor, its pointers checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor<'a> {
    /// The name as UTF-8, preferred to `key`.
    pub(crate) name: Option<&'a CStr>,
    /// The name as a value.
    pub(crate) key: Option<Handle>,
    pub(crate) method: Option<Callback>,
    pub(crate) getter: Option<Callback>,
    pub(crate) setter: Option<Callback>,
    pub(crate) value: Option<Handle>,
    /// Attribute bits.
    pub(crate) attributes: c_int,
    /// Passed to method, getter and setter.
    pub(crate) data: Data,
}

impl<'a> Descriptors<'a> {
    /// Copies the descriptors out one by one, because an accessor may change the array meanwhile.
    pub(crate) fn iter(self) -> impl Iterator<Item = Descriptor<'a>> {
        (0..self.count).map(move |index| {
            // SAFETY: A1; `count` descriptors at `start`; index is below count.
            let place = unsafe { self.start.add(index) };
            // SAFETY: A1; readable for the call; the struct is `Copy`.
            let raw = unsafe { place.read() };
            let name = if raw.utf8name.is_null() {
                None
            } else {
                // SAFETY: A1; utf8name is NUL-terminated and outlives the call.
                Some(unsafe { CStr::from_ptr(raw.utf8name) })
            };
            Descriptor {
                name,
                key: nonzero(raw.name),
                method: Function::new(raw.method),
                getter: Function::new(raw.getter),
                setter: Function::new(raw.setter),
                value: nonzero(raw.value),
                attributes: raw.attributes,
                data: Data(raw.data),
            }
        })
    }
}

/// The handle, unless it is NULL.
pub(super) fn nonzero(value: napi_value) -> Option<Handle> {
    (value.0 != 0).then_some(Handle(value))
}

/// Text that the engine may keep, with the address that its finalizer gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExternalText<'a, T> {
    /// The text.
    pub(crate) units: &'a [T],
    pub(crate) data: Data,
}

/// The places for the arguments of a callback: how many there are, and where.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    /// Room before, real count after.
    pub(crate) count: Option<InOut<usize>>,
    /// Where they go.
    pub(crate) values: OutSlice<'a, napi_value>,
}

/// A bigint's words to be filled: how many there is room for, and where.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    /// Room before, number needed after.
    pub(crate) count: InOut<usize>,
    /// Where they go, if they are wanted.
    pub(crate) words: OutSlice<'a, u64>,
}

/// Memory of the addon's that JavaScript is to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) data: Data,
    /// How many bytes it has.
    pub(crate) length: usize,
}

impl Memory {
    /// Whether there is no memory at all: at NULL, with no bytes.
    pub(crate) fn is_null(&self) -> bool {
        self.data.0.is_null()
    }
}

/// The native half of a threadsafe function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadCalls {
    /// Passed to every call.
    pub(crate) context: Data,
    /// Called for each item; none for the default.
    pub(crate) call_js: Option<CallJs>,
    /// Passed to the finalizer.
    pub(crate) finalize_data: Data,
    /// Called when the last thread has released it.
    pub(crate) finalize: Option<Finalize>,
}

/// The native half of async work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkCalls {
    /// Runs on a thread of the pool.
    pub(crate) execute: Execute,
    /// Runs on the JavaScript thread afterwards.
    pub(crate) complete: Option<Complete>,
    /// Passed to both.
    pub(crate) data: Data,
}
