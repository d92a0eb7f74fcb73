//! Externals: opaque native data as an object without prototype or properties.

use hostd_quickjs as q;

use crate::classes::{Class, Payload};
use crate::record::Base;
use crate::{JsResult, Runtime, Value};

#[repr(C)]
pub(crate) struct ExternalPayload {
    base: Base,
    words: [usize; 3],
}

impl Payload for ExternalPayload {
    const FIRST: Class = Class::External;
}

impl Runtime {
    /// Makes an external. Finalizers, tags and weak references attach to it as to any object.
    pub fn external(self, words: [usize; 3]) -> JsResult {
        let payload = ExternalPayload {
            base: Base::default(),
            words,
        };
        let external = self.object_of_class(Class::External, &Value::NULL, payload)?;
        // SAFETY: E1, E2; the object is live and was just made by us.
        self.answer(unsafe { q::JS_PreventExtensions(self.ctx(), external.0) })?;
        Ok(external)
    }

    /// Returns whether it is an external.
    #[inline]
    pub fn is_external(self, value: &Value) -> bool {
        value.is_object() && self.state.classes.has::<ExternalPayload>(value.class_id())
    }

    /// The data of an external; `None` for other values.
    #[inline]
    pub fn external_words(self, value: &Value) -> Option<[usize; 3]> {
        self.payload::<ExternalPayload>(value)
            .map(|payload| payload.words)
    }
}
