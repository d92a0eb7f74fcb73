//! Array buffers: owned, external and shared ones, and copying in and out.
//!
//! The engine frees foreign memory inside the call that detaches a buffer, so our free function
//! only queues the token. Bytes are copied, never lent (E7): any call of the engine may detach or
//! resize a buffer.

use std::ffi::c_void;

use hostd_quickjs as q;
use hostd_shm::SharedBytes;

use crate::finalizer::queue;
use crate::{FinalizerToken, JsResult, Runtime, Value};

/// The longest buffer that the engine can make.
pub const MAX_BUFFER_LENGTH: usize = i32::MAX as usize;

/// Where the bytes of a buffer or view are, as plain numbers. They are valid until the buffer is
/// detached, resized or dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataPointer {
    /// The address; 0 if the buffer is detached or can have no bytes. An empty part of a buffer has
    /// the address of its offset.
    pub address: usize,
    /// The number of bytes.
    pub length: usize,
}

/// What stands behind a buffer that we made.
enum Backing {
    /// Bytes of ours.
    Owned(Vec<u8>),
    /// Foreign bytes: the token that is queued when they are no longer used, their number, and what keeps
    /// them mapped if they lie in shared memory.
    External(
        FinalizerToken,
        usize,
        #[expect(dead_code, reason = "its drop is what matters")] Option<SharedBytes>,
    ),
}

/// Frees (size 0) or resizes the bytes of a buffer; it may run inside a finalizer (E5).
unsafe extern "C" fn reallocate(
    _: *mut q::JSRuntime,
    opaque: *mut c_void,
    bytes: *mut c_void,
    size: q::size_t,
) -> *mut c_void {
    let backing = opaque.cast::<Backing>();
    if size == 0 {
        // SAFETY: E4; the engine frees a buffer's memory exactly once.
        unsafe { Box::from_raw(backing) }.release();
        return std::ptr::null_mut();
    }
    // SAFETY: E4; the backing lives until it is freed with size 0.
    let backing = unsafe { &mut *backing };
    let size = crate::size(size);
    match backing {
        Backing::Owned(vector) => {
            let more = size.saturating_sub(vector.len());
            if vector.try_reserve_exact(more).is_err() {
                return std::ptr::null_mut();
            }
            vector.resize(size, 0);
            vector.as_mut_ptr().cast()
        }
        Backing::External(token, length, _) => {
            let (token, length) = (*token, *length);
            let mut vector = Vec::new();
            if vector.try_reserve_exact(size).is_err() {
                return std::ptr::null_mut();
            }
            let kept = size.min(length);
            // SAFETY: E4; the foreign memory has `length` bytes until its token is queued.
            vector
                .extend_from_slice(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), kept) });
            vector.resize(size, 0);
            queue(token);
            let start = vector.as_mut_ptr();
            *backing = Backing::Owned(vector);
            start.cast()
        }
    }
}

impl Backing {
    /// Frees our bytes, or gives foreign ones back to their owner.
    fn release(self) {
        if let Backing::External(token, _, _) = self {
            queue(token);
        }
    }
}

impl Runtime {
    /// `new ArrayBuffer(length)`, zeroed. Over [`MAX_BUFFER_LENGTH`] it is a `RangeError`.
    pub fn array_buffer(self, length: usize) -> JsResult {
        self.check_length(length)?;
        // SAFETY: E1; without bytes to copy the engine's own allocation is left zeroed.
        self.adopt(unsafe { q::JS_NewArrayBufferCopy(self.ctx(), std::ptr::null(), length as _) })
            .map_err(|_| self.range_error("Array buffer allocation failed"))
    }

    /// A buffer with a copy of the bytes.
    pub fn array_buffer_copy(self, bytes: &[u8]) -> JsResult {
        self.check_length(bytes.len())?;
        // SAFETY: E1; the engine copies the bytes.
        let raw = unsafe { q::JS_NewArrayBufferCopy(self.ctx(), bytes.as_ptr(), bytes.len() as _) };
        self.adopt(raw)
    }

    /// A buffer that takes over the bytes without copying, unless its bytes are to lie in shared memory.
    pub fn array_buffer_from(self, bytes: Vec<u8>) -> JsResult {
        self.check_length(bytes.len())?;
        let length = bytes.len();
        if self.shares(length) {
            return self.array_buffer_copy(&bytes);
        }
        let mut backing = Box::new(Backing::Owned(bytes));
        let Backing::Owned(vector) = &mut *backing else {
            return self.array_buffer_copy(&[]);
        };
        let start = vector.as_mut_ptr();
        self.adopt_backing(start, length, backing)
    }

    /// A buffer over foreign memory. The token is queued when the buffer dies or is detached, or at
    /// once if this fails.
    ///
    /// # Safety
    ///
    /// `length` bytes at `address` must stay readable and writable until the token has been taken
    /// from the queue. The address may be 0 only if the length is.
    pub unsafe fn external_array_buffer(
        self,
        address: usize,
        length: usize,
        token: FinalizerToken,
    ) -> JsResult {
        if let Err(thrown) = self.check_length(length) {
            queue(token);
            return Err(thrown);
        }
        let start = if length == 0 {
            // For null the engine would allocate and not call our free function.
            std::ptr::NonNull::dangling().as_ptr()
        } else {
            std::ptr::with_exposed_provenance_mut(address)
        };
        self.adopt_backing(
            start,
            length,
            Box::new(Backing::External(token, length, None)),
        )
    }

    /// A buffer over bytes in shared memory. The token is queued when they are no longer used, or at
    /// once if this fails.
    pub fn shared_memory_buffer(self, shared: SharedBytes, token: FinalizerToken) -> JsResult {
        let length = shared.len();
        if let Err(thrown) = self.check_length(length) {
            queue(token);
            return Err(thrown);
        }
        let start = std::ptr::with_exposed_provenance_mut(shared.address());
        self.adopt_backing(
            start,
            length,
            Box::new(Backing::External(token, length, Some(shared))),
        )
    }

    fn adopt_backing(self, start: *mut u8, length: usize, backing: Box<Backing>) -> JsResult {
        self.count_foreign(length as u64);
        let opaque = Box::into_raw(backing);
        // SAFETY: E1, E4; start has length bytes, which the backing keeps until it is freed.
        let raw = unsafe {
            q::JS_NewArrayBuffer(
                self.ctx(),
                start,
                length as _,
                0,
                Some(reallocate),
                opaque.cast(),
                false,
            )
        };
        self.adopt(raw).inspect_err(|_| {
            // SAFETY: E4; the engine refused and keeps no pointer to it.
            unsafe { Box::from_raw(opaque) }.release();
        })
    }

    fn check_length(self, length: usize) -> JsResult<()> {
        if length <= MAX_BUFFER_LENGTH {
            return Ok(());
        }
        let message = format!(
            "Array buffer of {length} bytes: this host holds at most {MAX_BUFFER_LENGTH} in one \
             (2 GiB - 1); split it"
        );
        Err(self.range_error(&message))
    }

    /// `new SharedArrayBuffer(length)`.
    pub fn shared_array_buffer(self, length: usize) -> JsResult {
        self.check_length(length)?;
        #[expect(clippy::cast_precision_loss, reason = "checked to be below 2^31")]
        let length = Value::from(length as f64);
        self.construct_native(&self.intrinsics().shared_array_buffer, &[length])
    }

    /// Returns whether it is an `ArrayBuffer` (not a shared one).
    #[inline]
    pub fn is_array_buffer(self, value: &Value) -> bool {
        // SAFETY: E2; it returns false for other values.
        unsafe { q::JS_IsArrayBuffer(value.0) }
    }

    /// Returns whether it is a `SharedArrayBuffer`.
    #[inline]
    pub fn is_shared_array_buffer(self, value: &Value) -> bool {
        value.is_object() && value.class_id() == self.intrinsics().shared_array_buffer_class
    }

    /// Detaches an array buffer. No effect on other values and on one that is detached.
    pub fn detach(self, buffer: &Value) {
        self.count_mutation();
        // SAFETY: E1, E2; the engine ignores all that is not an array buffer.
        unsafe { q::JS_DetachArrayBuffer(self.ctx(), buffer.0) };
    }

    /// Returns whether an array buffer is detached; false for other values.
    pub fn is_detached(self, buffer: &Value) -> bool {
        self.is_array_buffer(buffer) && self.raw_buffer(buffer).is_none()
    }

    /// The bytes of a buffer; `None` if it is detached or not a buffer.
    #[inline]
    fn raw_buffer(self, buffer: &Value) -> Option<(*mut u8, usize)> {
        if !self.is_array_buffer(buffer) && !self.is_shared_array_buffer(buffer) {
            return None;
        }
        let mut length = 0;
        // SAFETY: E1, E2; the out-pointer lives on our stack.
        let start = unsafe { q::JS_GetArrayBuffer(self.ctx(), &raw mut length, buffer.0) };
        if start.is_null() {
            drop(self.pending());
            return None;
        }
        Some((start, crate::size(length)))
    }

    /// The bytes of a buffer or view, null and 0 if it is detached; `None` for other values.
    #[inline]
    pub(crate) fn raw_bytes(self, value: &Value) -> Option<(*mut u8, usize)> {
        if self.is_array_buffer(value) || self.is_shared_array_buffer(value) {
            return Some(self.raw_buffer(value).unwrap_or((std::ptr::null_mut(), 0)));
        }
        let view = self.view(value)?;
        let Some((start, length)) = self.raw_buffer(&view.buffer) else {
            return Some((std::ptr::null_mut(), 0));
        };
        let fits = view
            .byte_offset
            .checked_add(view.byte_length)
            .is_some_and(|end| end <= length);
        if !fits {
            return Some((start, 0));
        }
        // SAFETY: E7; the offset is within the buffer's bytes.
        Some((unsafe { start.add(view.byte_offset) }, view.byte_length))
    }

    /// Where the bytes of a buffer or view are; `None` for other values. Counts as a change,
    /// because the caller may write to the address.
    #[inline]
    pub fn data_pointer(self, value: &Value) -> Option<DataPointer> {
        let (start, length) = self.raw_bytes(value)?;
        self.count_mutation();
        let address = if length == 0 {
            self.empty_address(value)
        } else {
            start.expose_provenance()
        };
        Some(DataPointer { address, length })
    }

    /// The address of a buffer or view without bytes.
    #[cold]
    fn empty_address(self, value: &Value) -> usize {
        let (buffer, offset) = match self.view(value) {
            Some(view) => (view.buffer, view.byte_offset),
            None => (value.clone(), 0),
        };
        match self.raw_buffer(&buffer) {
            Some((start, length)) if length > 0 || self.is_resizable(&buffer) => {
                start.expose_provenance().saturating_add(offset)
            }
            _ => 0,
        }
    }

    /// Returns whether the length of a buffer may change.
    fn is_resizable(self, buffer: &Value) -> bool {
        let intrinsics = self.intrinsics();
        let getter = if self.is_shared_array_buffer(buffer) {
            &intrinsics.shared_array_buffer_growable
        } else {
            &intrinsics.array_buffer_resizable
        };
        self.call_native(getter, buffer, &[])
            .is_ok_and(|answer| answer.as_bool() == Some(true))
    }

    /// The number of bytes of a buffer or view, 0 if detached; `None` for other values.
    pub fn byte_length(self, value: &Value) -> Option<usize> {
        self.raw_bytes(value).map(|(_, length)| length)
    }

    /// Copies bytes of a buffer or view from `offset` on; false if it is not one or has not that
    /// many.
    pub fn read_bytes(self, value: &Value, offset: usize, into: &mut [u8]) -> bool {
        let Some(start) = self.range(value, offset, into.len()) else {
            return false;
        };
        // SAFETY: E7; `range` checked the length, and `into` is no engine memory.
        unsafe { start.copy_to(into.as_mut_ptr(), into.len()) };
        true
    }

    /// Copies bytes into a buffer or view from `offset` on; false if it is not one or has not that
    /// many.
    pub fn write_bytes(self, value: &Value, offset: usize, from: &[u8]) -> bool {
        let Some(start) = self.range(value, offset, from.len()) else {
            return false;
        };
        self.count_mutation();
        // SAFETY: E7; `range` checked the length, and `from` is no engine memory.
        unsafe { start.copy_from(from.as_ptr(), from.len()) };
        true
    }

    /// Copies the bytes of one buffer or view to another one, as many as both have.
    pub fn copy_between(self, from: &Value, to: &Value) {
        let (Some((from, length)), Some((to, room))) = (self.raw_bytes(from), self.raw_bytes(to))
        else {
            return;
        };
        self.count_mutation();
        if length.min(room) > 0 {
            // SAFETY: E7; both have that many bytes, which may overlap.
            unsafe { from.copy_to(to, length.min(room)) };
        }
    }

    /// A copy of the bytes of a buffer or view; `None` for other values.
    pub fn copy_bytes(self, value: &Value) -> JsResult<Option<Vec<u8>>> {
        let Some((start, length)) = self.raw_bytes(value) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        // Where this succeeds, no code of the engine's has run.
        self.reserve(&mut bytes, length)?;
        if length > 0 {
            // SAFETY: E7; the room was reserved, and the start is still valid.
            unsafe { start.copy_to(bytes.as_mut_ptr(), length) };
            // SAFETY: E7; the bytes were written above.
            unsafe { bytes.set_len(length) };
        }
        Ok(Some(bytes))
    }

    /// Copies the first `length` bytes of a buffer or view to shared memory; false if it has fewer.
    pub(crate) fn copy_to_shared(self, value: &Value, length: usize, target: &SharedBytes) -> bool {
        let Some((start, all)) = self.raw_bytes(value) else {
            return false;
        };
        // SAFETY: E7; copied at once, without a call into the engine.
        length <= all && target.write(0, unsafe { std::slice::from_raw_parts(start, length) })
    }

    /// Returns whether the bytes of a buffer or view are exactly these.
    pub fn bytes_equal(self, value: &Value, bytes: &[u8]) -> bool {
        self.raw_bytes(value).is_some_and(|(start, length)| {
            length == bytes.len()
                && (length == 0
                    // SAFETY: E7; compared at once, without a call into the engine.
                    || unsafe { std::slice::from_raw_parts(start, length) } == bytes)
        })
    }

    fn range(self, value: &Value, offset: usize, count: usize) -> Option<*mut u8> {
        let (start, length) = self.raw_bytes(value)?;
        if offset.checked_add(count)? > length {
            return None;
        }
        if start.is_null() {
            return Some(std::ptr::NonNull::dangling().as_ptr());
        }
        // SAFETY: E7; the offset is within the bytes.
        Some(unsafe { start.add(offset) })
    }
}
