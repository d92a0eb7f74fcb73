//! Externals.

use std::ptr;

use crate::harness::*;

#[test]
fn external_carries_its_pointer_and_nothing_else() {
    with_env(|env| {
        let data = ptr::without_provenance_mut(77);
        let external = get!(napi_create_external(env, data, None, ptr::null_mut()));
        assert_eq!(get!(napi_get_value_external(env, external)), data);
        set_global(env, "x", external);
        assert_eq!(
            global_text(
                env,
                "'use strict'; let refused = false; try { x.a = 1 } catch { refused = true } \
                 [typeof x, Object.getPrototypeOf(x), JSON.stringify(x), refused]"
            ),
            "object,,{},true"
        );
        let null = get!(napi_create_external(
            env,
            ptr::null_mut(),
            None,
            ptr::null_mut()
        ));
        assert!(get!(napi_get_value_external(env, null)).is_null());
    });
}

#[test]
fn other_values_are_invalid_arg() {
    with_env(|env| {
        let object = get!(napi_create_object(env));
        let mut result = ptr::null_mut();
        assert_eq!(
            call!(napi_get_value_external(env, object, &raw mut result)),
            Status::InvalidArg
        );
    });
}
