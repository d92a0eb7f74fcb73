//! Array buffers over an addon's memory: the one unsafe call behind external buffers.

use hostd_engine::{FinalizerToken, JsResult, Runtime};

use super::checked::Memory;

/// Makes an array buffer over the memory. The token is queued when the memory is no longer used, at
/// once if this fails.
pub(crate) fn array_buffer(rt: Runtime, memory: Memory, token: FinalizerToken) -> JsResult {
    // SAFETY: A6; the memory is handed over until the finalizer, which the token stands for.
    unsafe { rt.external_array_buffer(memory.data.word(), memory.length, token) }
}
