//! Argument checks: raw C arguments in, checked values out.
//!
//! The shims in [`super::exports`] call them, one for each argument of a body. A check returns a
//! type of [`super::checked`], so that no body checks again or reads a pointer. All are `unsafe fn`
//! for one reason, A1: the pointer is what the header requires. A pointer is checked with its
//! length.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the table demands one shape of every check"
)]

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;

use super::callback::Function;
use super::checked::{
    Arguments, Data, Descriptors, ExternalText, Handle, InOut, Memory, OptOut, Out, OutSlice,
    ThreadCalls, Words, WorkCalls, nonzero,
};
use super::status::{NapiResult, Status};
use super::types::{
    NAPI_AUTO_LENGTH, OpaqueId, napi_async_complete_callback, napi_async_context,
    napi_async_execute_callback, napi_finalize, napi_property_descriptor,
    napi_threadsafe_function_call_js, napi_type_tag, napi_value,
};

/// The largest length of a text or array that Node accepts.
const LENGTH_MAX: usize = i32::MAX as usize;
/// The largest number of arguments of a call. V8 takes as many as its stack holds, about 120 000.
const ARGUMENTS_MAX: usize = 1 << 17;
/// The largest number of properties that are defined at once. Node has no limit; V8's objects hold
/// about as many.
const PROPERTIES_MAX: usize = 1 << 24;

fn not_null<T>(pointer: *const T) -> NapiResult {
    if pointer.is_null() {
        return Err(Status::InvalidArg);
    }
    Ok(())
}

// The checks themselves. Safety, for all of them: A1.

/// A value that is passed as it is.
pub(crate) unsafe fn plain<T>(value: T) -> NapiResult<T> {
    Ok(value)
}

/// An argument that no body needs.
pub(crate) unsafe fn ignored<T>(_: T) -> NapiResult {
    Ok(())
}

/// A pointer that is passed through.
pub(crate) unsafe fn data(pointer: *mut c_void) -> NapiResult<Data> {
    Ok(Data(pointer))
}

/// A handle; NULL is refused.
pub(crate) unsafe fn handle(value: napi_value) -> NapiResult<Handle> {
    nonzero(value).ok_or(Status::InvalidArg)
}

/// A handle or NULL.
pub(crate) unsafe fn opt_handle(value: napi_value) -> NapiResult<Option<Handle>> {
    Ok(nonzero(value))
}

/// The arguments of a call; NULL only when there are none. `None` if no stack holds as many, which
/// is an exception where the call is made.
pub(crate) unsafe fn call_arguments<'a>(
    count: usize,
    start: *const napi_value,
) -> NapiResult<Option<&'a [napi_value]>> {
    if count > ARGUMENTS_MAX && !start.is_null() {
        return Ok(None);
    }
    // SAFETY: A1; `count` handles at `start`, passed on.
    unsafe { slice(count, start) }.map(Some)
}

/// An array of plain elements; NULL only when it is empty.
pub(crate) unsafe fn slice<'a, T: Copy>(count: usize, start: *const T) -> NapiResult<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if start.is_null() || count > LENGTH_MAX {
        return Err(Status::InvalidArg);
    }
    // SAFETY: A1; `count` elements at `start`, unchanged for the call; not NULL.
    Ok(unsafe { std::slice::from_raw_parts(start, count) })
}

/// The names and values of properties: two arrays of the same length.
pub(crate) unsafe fn properties<'a>(
    first: *const napi_value,
    second: *const napi_value,
    count: usize,
) -> NapiResult<(&'a [napi_value], &'a [napi_value])> {
    if count > PROPERTIES_MAX {
        return Err(Status::InvalidArg);
    }
    // SAFETY: A1; the caller's contract, passed on.
    let first = unsafe { slice(count, first) }?;
    // SAFETY: A1; the caller's contract, passed on.
    let second = unsafe { slice(count, second) }?;
    Ok((first, second))
}

/// A place for a result; NULL is refused.
pub(crate) unsafe fn out<T>(pointer: *mut T) -> NapiResult<Out<T>> {
    not_null(pointer).map(|()| Out(pointer))
}

/// A place for a result, or NULL.
pub(crate) unsafe fn opt_out<T>(pointer: *mut T) -> NapiResult<OptOut<T>> {
    Ok(OptOut(pointer))
}

/// A buffer of known size to be filled, or NULL.
pub(crate) unsafe fn buffer<'a, T>(start: *mut T, capacity: usize) -> NapiResult<OutSlice<'a, T>> {
    Ok(OutSlice {
        start,
        capacity,
        lifetime: PhantomData,
    })
}

/// A byte buffer of known size to be filled, or NULL.
pub(crate) unsafe fn byte_buffer<'a>(
    start: *mut c_char,
    capacity: usize,
) -> NapiResult<OutSlice<'a, u8>> {
    // SAFETY: A1; the caller's contract, passed on.
    unsafe { buffer(start.cast(), capacity) }
}

/// Text with a length, NUL-terminated where that is `NAPI_AUTO_LENGTH`. NULL only when empty.
pub(crate) unsafe fn text<'a>(start: *const c_char, length: usize) -> NapiResult<&'a [u8]> {
    if length == NAPI_AUTO_LENGTH && !start.is_null() {
        // SAFETY: A1; NUL-terminated with NAPI_AUTO_LENGTH; not NULL.
        return Ok(unsafe { CStr::from_ptr(start) }.to_bytes());
    }
    // SAFETY: A1; `length` bytes at `start`, passed on.
    unsafe { slice(length, start.cast()) }
}

/// UTF-16 text with a length in code units, NUL-terminated where that is `NAPI_AUTO_LENGTH`.
pub(crate) unsafe fn text16<'a>(start: *const u16, length: usize) -> NapiResult<&'a [u16]> {
    let mut units = length;
    if length == NAPI_AUTO_LENGTH && !start.is_null() {
        units = 0;
        let mut at = start;
        // SAFETY: A1; NUL-terminated with NAPI_AUTO_LENGTH: nothing behind the NUL is read.
        while unsafe { at.read() } != 0 {
            units += 1;
            // SAFETY: A1; this was not the NUL, so there is a next unit.
            at = unsafe { at.add(1) };
        }
    }
    // SAFETY: A1; `units` code units at `start`, passed on.
    unsafe { slice(units, start) }
}

/// Text of which NULL means the empty one, whatever the length.
pub(crate) unsafe fn opt_text<'a>(start: *const c_char, length: usize) -> NapiResult<&'a [u8]> {
    let length = if start.is_null() { 0 } else { length };
    // SAFETY: A1; the caller's contract, passed on.
    unsafe { text(start, length) }
}

/// Text that may not be NULL, of any length.
pub(crate) unsafe fn some_text<'a>(start: *const c_char, length: usize) -> NapiResult<&'a [u8]> {
    not_null(start)?;
    // SAFETY: A1; the caller's contract, passed on.
    unsafe { text(start, length) }
}

/// A NUL-terminated text; NULL is refused.
pub(crate) unsafe fn name<'a>(start: *const c_char) -> NapiResult<&'a [u8]> {
    // SAFETY: A1; NUL-terminated, passed on.
    unsafe { text(start, NAPI_AUTO_LENGTH) }
}

/// A NUL-terminated text or NULL.
pub(crate) unsafe fn opt_name<'a>(start: *const c_char) -> NapiResult<Option<&'a [u8]>> {
    if start.is_null() {
        return Ok(None);
    }
    // SAFETY: A1; NUL-terminated, passed on.
    unsafe { name(start) }.map(Some)
}

/// Bytes to be copied; NULL only when there are none.
pub(crate) unsafe fn bytes<'a>(count: usize, start: *const c_void) -> NapiResult<&'a [u8]> {
    if count == 0 {
        return Ok(&[]);
    }
    if start.is_null() || isize::try_from(count).is_err() {
        return Err(Status::InvalidArg);
    }
    // SAFETY: A1; `count` bytes at `start`, unchanged for the call; not NULL, fits an isize.
    Ok(unsafe { std::slice::from_raw_parts(start.cast(), count) })
}

/// A property descriptor array; NULL only when it is empty.
pub(crate) unsafe fn descriptors<'a>(
    count: usize,
    start: *const napi_property_descriptor,
) -> NapiResult<Descriptors<'a>> {
    if count > PROPERTIES_MAX || (count > 0 && start.is_null()) {
        return Err(Status::InvalidArg);
    }
    Ok(Descriptors {
        start,
        count,
        lifetime: PhantomData,
    })
}

/// A type tag or NULL.
pub(crate) unsafe fn opt_tag(pointer: *const napi_type_tag) -> NapiResult<Option<napi_type_tag>> {
    // SAFETY: A1; a readable tag, or NULL.
    Ok(unsafe { pointer.as_ref() }.copied())
}

/// A function of the addon's; NULL is refused.
pub(crate) unsafe fn function<T: Function>(function: T::Nullable) -> NapiResult<T> {
    T::new(function).ok_or(Status::InvalidArg)
}

/// A function of the addon's, or NULL.
pub(crate) unsafe fn opt_function<T: Function>(function: T::Nullable) -> NapiResult<Option<T>> {
    Ok(T::new(function))
}

/// Latin-1 text that the engine may keep.
pub(crate) unsafe fn external_text<'a>(
    start: *mut c_char,
    length: usize,
) -> NapiResult<ExternalText<'a, u8>> {
    // SAFETY: A1; the caller's contract, passed on.
    let units = unsafe { text(start, length) }?;
    Ok(ExternalText {
        units,
        data: Data(start.cast()),
    })
}

/// UTF-16 text that the engine may keep.
pub(crate) unsafe fn external_text16<'a>(
    start: *mut u16,
    length: usize,
) -> NapiResult<ExternalText<'a, u16>> {
    // SAFETY: A1; the caller's contract, passed on.
    let units = unsafe { text16(start, length) }?;
    Ok(ExternalText {
        units,
        data: Data(start.cast()),
    })
}

/// An array of plain elements that may not be NULL even when it is empty.
pub(crate) unsafe fn some_slice<'a, T: Copy>(count: usize, start: *const T) -> NapiResult<&'a [T]> {
    not_null(start)?;
    // SAFETY: A1; the caller's contract, passed on.
    unsafe { slice(count, start) }
}

/// The argument count and array of a callback. An array without a count is refused.
pub(crate) unsafe fn arguments<'a>(
    count: *mut usize,
    start: *mut napi_value,
) -> NapiResult<Arguments<'a>> {
    if count.is_null() && !start.is_null() {
        return Err(Status::InvalidArg);
    }
    let count = (!count.is_null()).then_some(InOut(count));
    let capacity = count.as_ref().map_or(0, InOut::get);
    // SAFETY: A1; the caller's contract, passed on.
    let values = unsafe { buffer(start, capacity) }?;
    Ok(Arguments { count, values })
}

/// The word count and array of a bigint; a NULL count is refused.
pub(crate) unsafe fn words<'a>(count: *mut usize, start: *mut u64) -> NapiResult<Words<'a>> {
    not_null(count)?;
    let count = InOut(count);
    // SAFETY: A1; the caller's contract, passed on.
    let words = unsafe { buffer(start, count.get()) }?;
    Ok(Words { count, words })
}

/// Memory of the addon's; NULL only when it is empty.
pub(crate) unsafe fn memory(start: *mut c_void, length: usize) -> NapiResult<Memory> {
    if start.is_null() && length > 0 {
        return Err(Status::InvalidArg);
    }
    Ok(Memory {
        data: Data(start),
        length,
    })
}

/// As [`memory`], of a function that takes the length first.
pub(crate) unsafe fn memory_of(length: usize, start: *mut c_void) -> NapiResult<Memory> {
    // SAFETY: A1; the caller's contract, passed on.
    unsafe { memory(start, length) }
}

/// Any opaque id; NULL is refused.
pub(crate) unsafe fn id<T: OpaqueId>(id: T) -> NapiResult<T> {
    if id.word() == 0 {
        Err(Status::InvalidArg)
    } else {
        Ok(id)
    }
}

/// An async context, or NULL for none.
pub(crate) unsafe fn opt_async_context(
    context: napi_async_context,
) -> NapiResult<Option<napi_async_context>> {
    // SAFETY: A1; the caller's contract, passed on.
    Ok(unsafe { id(context) }.ok())
}

/// The name of an async resource and the resource itself; a NULL name is refused.
pub(crate) unsafe fn async_resource(
    resource: napi_value,
    name: napi_value,
) -> NapiResult<(Option<Handle>, Handle)> {
    Ok((nonzero(resource), nonzero(name).ok_or(Status::InvalidArg)?))
}

/// The bounds of a threadsafe function: its queue's limit and its first threads.
pub(crate) unsafe fn queue(limit: usize, threads: usize) -> NapiResult<(usize, usize)> {
    if threads == 0 {
        Err(Status::InvalidArg)
    } else {
        Ok((limit, threads))
    }
}

/// The native half of a threadsafe function.
pub(crate) unsafe fn thread_calls(
    finalize_data: *mut c_void,
    finalize: napi_finalize,
    context: *mut c_void,
    call_js: napi_threadsafe_function_call_js,
) -> NapiResult<ThreadCalls> {
    Ok(ThreadCalls {
        context: Data(context),
        call_js: Function::new(call_js),
        finalize_data: Data(finalize_data),
        finalize: Function::new(finalize),
    })
}

/// The native half of async work; without `execute` it is refused.
pub(crate) unsafe fn work_calls(
    execute: napi_async_execute_callback,
    complete: napi_async_complete_callback,
    data: *mut c_void,
) -> NapiResult<WorkCalls> {
    Ok(WorkCalls {
        execute: Function::new(execute).ok_or(Status::InvalidArg)?,
        complete: Function::new(complete),
        data: Data(data),
    })
}
