//! Our classes of engine objects, their payloads, and brands.
//!
//! A payload is made by [`Runtime::object_of_class`], read by [`Runtime::payload`] and freed by the
//! class's finalizer. A brand says which native constructor made an object, as the brand of a class
//! with private fields does in JavaScript.

use rquickjs_sys as q;

use crate::external::ExternalPayload;
use crate::function::{self, FunctionPayload};
use crate::remote::{self, RemotePayload};
use crate::runtime::current;
use crate::slot::Base;
use crate::{JsResult, Runtime, Value};

/// The brand of a native class: its constructor gives it to the objects that it makes, and its
/// methods require it of `this`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Brand(pub(crate) u32);

/// The ids of our classes, which follow one another.
pub(crate) struct Classes {
    first: q::JSClassID,
}

const COUNT: u32 = 6;

impl Classes {
    pub(crate) fn function(&self) -> q::JSClassID {
        self.first
    }

    pub(crate) fn instance(&self) -> q::JSClassID {
        self.first + 1
    }

    pub(crate) fn external(&self) -> q::JSClassID {
        self.first + 2
    }

    pub(crate) fn slot(&self) -> q::JSClassID {
        self.first + 3
    }

    pub(crate) fn remote_object(&self) -> q::JSClassID {
        self.first + 4
    }

    pub(crate) fn remote_function(&self) -> q::JSClassID {
        self.first + 5
    }

    /// Returns whether objects of the class have a payload of ours (E4).
    #[inline]
    pub(crate) fn is_own(&self, class: q::JSClassID) -> bool {
        class.wrapping_sub(self.first) < COUNT
    }

    #[inline]
    pub(crate) fn is_remote(&self, class: q::JSClassID) -> bool {
        class == self.remote_object() || class == self.remote_function()
    }

    /// Registers the classes; `None` without memory.
    pub(crate) fn register(rt: *mut q::JSRuntime) -> Option<Classes> {
        let mut ids = [0; COUNT as usize];
        for id in &mut ids {
            // SAFETY: E1; the out-pointer lives on our stack.
            unsafe { q::JS_NewClassID(rt, id) };
        }
        let classes = Classes { first: ids[0] };
        let exotic = |methods: &'static q::JSClassExoticMethods| std::ptr::from_ref(methods);
        let plain = std::ptr::null();
        let function_call: q::JSClassCall = Some(function::call_hook);
        let definitions = [
            (
                c"NativeFunction",
                finalize::<FunctionPayload> as Finalize,
                function_call,
                exotic(&function::EXOTIC_METHODS),
            ),
            (c"Object", finalize::<InstancePayload>, None, plain),
            (c"External", finalize::<ExternalPayload>, None, plain),
            (c"Slot", finalize::<SlotPayload>, None, plain),
            (
                c"RemoteObject",
                finalize::<RemotePayload>,
                None,
                exotic(&remote::EXOTIC_METHODS),
            ),
            (
                c"RemoteFunction",
                finalize::<RemotePayload>,
                Some(remote::call_hook as _),
                exotic(&remote::EXOTIC_METHODS),
            ),
        ];
        for (id, (name, finalizer, call, exotic)) in ids.into_iter().zip(definitions) {
            let definition = q::JSClassDef {
                class_name: name.as_ptr(),
                finalizer: Some(finalizer),
                gc_mark: None,
                call,
                exotic: exotic.cast_mut(),
            };
            // SAFETY: E1; the engine copies the definition, and only reads the table of exotic
            // methods, which is static.
            if unsafe { q::JS_NewClass(rt, id, &raw const definition) } < 0 {
                return None;
            }
        }
        Some(classes)
    }
}

type Finalize = unsafe extern "C" fn(*mut q::JSRuntime, q::JSValue);

/// The data of an object of one of our classes. It begins with its `Base` (E4).
pub(crate) trait Payload {
    /// Returns whether objects of the class have this type of payload.
    fn belongs_to(classes: &Classes, class: q::JSClassID) -> bool;

    /// Runs when the object dies, after its `Base` was retired. It may not call the engine (E5).
    fn retire(&mut self) {}
}

/// The payload of an object that a native constructor made.
#[repr(C)]
pub(crate) struct InstancePayload {
    pub(crate) base: Base,
    pub(crate) brand: u32,
}

/// The payload of a value in a map of slots.
#[repr(C)]
pub(crate) struct SlotPayload {
    pub(crate) base: Base,
    /// The address of the object whose slot it is.
    pub(crate) address: usize,
    /// The number of the map that it is in.
    pub(crate) map: u32,
}

impl Payload for InstancePayload {
    #[inline]
    fn belongs_to(classes: &Classes, class: q::JSClassID) -> bool {
        class == classes.instance()
    }
}

impl Payload for SlotPayload {
    #[inline]
    fn belongs_to(classes: &Classes, class: q::JSClassID) -> bool {
        class == classes.slot()
    }

    fn retire(&mut self) {
        if let Some(state) = current() {
            state.slots.remove(self);
        }
    }
}

unsafe extern "C" fn finalize<P: Payload>(_: *mut q::JSRuntime, value: q::JSValue) {
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
        class: q::JSClassID,
        prototype: &Value,
        payload: P,
    ) -> JsResult {
        debug_assert!(
            P::belongs_to(&self.state.classes, class),
            "another class' payload"
        );
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
        if P::belongs_to(&self.state.classes, class) {
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
        self.object_of_class(self.state.classes.instance(), prototype, payload)
    }
}
