//! Registers our classes with a new engine.

use hostd_quickjs as q;

use crate::class::{InstancePayload, finalize};
use crate::classes::{COUNT, Classes};
use crate::external::ExternalPayload;
use crate::function::{self, FunctionPayload};
use crate::remote::{self, RemotePayload};
use crate::slots::SlotPayload;

type Finalize = unsafe extern "C" fn(*mut q::JSRuntime, q::JSValue);

/// Registers the classes; `None` without memory.
pub(crate) fn register(rt: *mut q::JSRuntime) -> Option<Classes> {
    let mut ids = [0; COUNT as usize];
    for id in &mut ids {
        // SAFETY: E1; the out-pointer lives on our stack.
        unsafe { q::JS_NewClassID(rt, id) };
    }
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
    Some(Classes::new(ids))
}
