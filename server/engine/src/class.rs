//! Objects of our classes: their payloads, and brands.
//!
//! A payload is made by [`Runtime::object_of_class`], read by [`Runtime::payload`] and freed by the
//! class's finalizer. A brand says which native constructor made an object, as the brand of a class
//! with private fields does in JavaScript.

use hostd_quickjs as q;

use crate::classes::{Brand, Class, Payload};
use crate::record::{Base, NO_ENTRY, NOT_HELD};
use crate::state::current;
use crate::{JsResult, Runtime, Value};

/// The payload of an object that a native constructor made.
#[repr(C)]
pub(crate) struct InstancePayload {
    pub(crate) base: Base,
    pub(crate) brand: u32,
}

impl Payload for InstancePayload {
    const FIRST: Class = Class::Instance;
}

impl Base {
    /// Queues the tokens of an object that died and clears its weak references.
    fn retire(&self) {
        let Some(record) = self.take() else { return };
        if let Some(weak) = record.weak.take() {
            weak.clear();
        }
        let Some(state) = current() else { return };
        if record.held.get() != NOT_HELD {
            state.nursery.note_death(record.held.get());
        }
        if record.first.get() != NO_ENTRY {
            state.finalizers.borrow_mut().retire(record.first.get());
        }
    }
}

/// The finalizer of the classes with this payload.
pub(crate) unsafe extern "C" fn finalize<P: Payload>(_: *mut q::JSRuntime, value: q::JSValue) {
    let mut class = 0;
    // SAFETY: E4; reading the opaque pointer is allowed in a finalizer.
    let payload = unsafe { q::JS_GetAnyOpaque(value, &raw mut class) }.cast::<P>();
    if !payload.is_null() {
        // SAFETY: E4; the object dies, and this is the only place that frees the box.
        let mut payload = unsafe { Box::from_raw(payload) };
        // SAFETY: E4; the payload begins with its base.
        unsafe { &*(&raw const *payload).cast::<Base>() }.retire();
        payload.retire();
    }
}

impl Runtime {
    /// Makes an object of one of our classes with its payload.
    pub(crate) fn object_of_class<P: Payload>(
        self,
        class: Class,
        prototype: &Value,
        payload: P,
    ) -> JsResult {
        let class = self.state.classes.id(class);
        debug_assert!(self.state.classes.has::<P>(class), "another class' payload");
        // SAFETY: E1, E2; the call borrows live values of this context.
        let raw = unsafe { q::JS_NewObjectProtoClass(self.ctx(), prototype.0, class) };
        let object = self.adopt(raw)?;
        let payload = Box::into_raw(Box::new(payload));
        // SAFETY: E4; the class is one of ours, with this payload type.
        unsafe { q::JS_SetOpaque(object.0, payload.cast()) };
        Ok(object)
    }

    /// The payload of an object of ours that has one of this type.
    #[inline]
    pub(crate) fn payload<P: Payload>(self, value: &Value) -> Option<&P> {
        let mut class = 0;
        // SAFETY: E2; the class tells whether the pointer is ours.
        let payload = unsafe { q::JS_GetAnyOpaque(value.0, &raw mut class) }.cast::<P>();
        if self.state.classes.has::<P>(class) {
            // SAFETY: E4; the borrow of the value keeps the object and its payload alive.
            unsafe { payload.as_ref() }
        } else {
            None
        }
    }

    /// Makes a brand that no other class has.
    pub fn new_brand(self) -> Brand {
        let brand = self.state.brands.get().wrapping_add(1);
        self.state.brands.set(brand);
        Brand(brand)
    }

    /// Returns whether the class with that brand, or a subclass of it, made the object.
    #[inline]
    pub fn has_brand(self, value: &Value, brand: Brand) -> bool {
        self.payload::<InstancePayload>(value)
            .is_some_and(|payload| payload.brand == brand.0)
    }

    /// Makes an object as a native constructor does.
    pub(crate) fn instance(self, prototype: &Value, brand: u32) -> JsResult {
        let payload = InstancePayload {
            base: Base::default(),
            brand,
        };
        self.object_of_class(Class::Instance, prototype, payload)
    }
}
