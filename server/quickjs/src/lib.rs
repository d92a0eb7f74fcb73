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

/// An own property that is enumerable data, as `data_properties.h` lays it out.
#[repr(C)]
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "as the bindings")]
pub struct JSDataProperty {
    /// The value, of which the list has a count.
    pub value: JSValue,
    /// The code units of the key, which has a count too; null if they have 16 bits.
    pub text: *const u8,
    /// How many they are.
    pub length: u32,
    /// The key.
    pub atom: JSAtom,
}

/// An exception is pending.
pub const JS_DATA_EXCEPTION: i32 = -1;
/// Not all properties are data, or none of them is enumerable.
pub const JS_DATA_NONE: i32 = 0;
/// All properties are data, and the list has those that are enumerable.
pub const JS_DATA_LISTED: i32 = 1;

#[expect(unsafe_code, reason = "unsafe island 2: the engine's C interface")]
unsafe extern "C" {
    /// The value that is current for promises: their reactions keep it, and it is current again
    /// while they run. The caller owns the count.
    pub fn JS_GetContinuationData(rt: *mut JSRuntime) -> JSValue;
    /// Makes it the current one; the count goes to the engine.
    pub fn JS_SetContinuationData(rt: *mut JSRuntime, data: JSValue);
    /// Has `run` called for each collection that an allocation begins; it calls `JS_RunGC`.
    pub fn JS_SetCollectionHook(
        rt: *mut JSRuntime,
        run: Option<unsafe extern "C" fn(rt: *mut JSRuntime)>,
    );
    /// Lists the own properties of an ordinary object if all are data and no key is an integer;
    /// returns one of the constants above, or another number where other functions have to tell.
    /// Runs no JavaScript.
    pub fn JS_GetDataProperties(
        ctx: *mut JSContext,
        list: *mut *mut JSDataProperty,
        length: *mut u32,
        object: JSValue,
    ) -> i32;
    /// Frees such a list and releases its counts.
    pub fn JS_FreeDataProperties(ctx: *mut JSContext, list: *mut JSDataProperty, length: u32);
    /// Whether it is an array all of whose own properties are elements, without holes; false also
    /// where that is not quickly seen.
    pub fn JS_IsDenseArray(object: JSValue) -> bool;
    /// An element of an array that has it in its list of elements; the caller owns the count. Else
    /// `JS_UNINITIALIZED`. Runs no JavaScript.
    pub fn JS_GetDenseElement(object: JSValue, index: u32) -> JSValue;
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
