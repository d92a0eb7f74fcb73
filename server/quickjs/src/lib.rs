//! The C interface of QuickJS-ng, compiled by the build script from published sources with few
//! changes, which `changes.rs` lists.
//!
//! The bindings are those of the crate that carries the sources.

#[cfg(test)]
mod changes;

#[expect(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    unsafe_code,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc,
    reason = "generated code of another crate"
)]
mod bindings {
    use ::core::ptr;

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;

#[expect(unsafe_code, reason = "unsafe island 2: the engine's C interface")]
unsafe extern "C" {
    /// The value that is current for promises: their reactions keep it, and it is current again
    /// while they run. The caller owns the count.
    pub fn JS_GetContinuationData(rt: *mut JSRuntime) -> JSValue;
    /// Makes it the current one; the count goes to the engine.
    pub fn JS_SetContinuationData(rt: *mut JSRuntime, data: JSValue);
}

#[cfg(test)]
mod tests {
    use super::changes::apply;

    #[test]
    fn source_of_another_version_is_refused() {
        let error = apply("int main(void) { return 0; }\n").unwrap_err();
        assert!(error.contains("is there 0 times, not 1"), "{error}");
    }
}
