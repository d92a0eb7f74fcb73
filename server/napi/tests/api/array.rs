//! Arrays.

use crate::harness::*;

#[test]
fn length_makes_holes_and_too_much_is_0() {
    with_env(|env| {
        let array = get!(napi_create_array_with_length(env, 5));
        assert_eq!(get!(napi_get_array_length(env, array)), 5);
        assert!(!get!(napi_has_element(env, array, 0)));
        let huge = get!(napi_create_array_with_length(env, 1 << 31));
        assert_eq!(get!(napi_get_array_length(env, huge)), 0);
        let large = get!(napi_create_array_with_length(env, (1 << 31) - 1));
        assert_eq!(get!(napi_get_array_length(env, large)), (1 << 31) - 1);
    });
}

#[test]
fn only_arrays_are_arrays() {
    with_env(|env| {
        let array = get!(napi_create_array(env));
        assert!(get!(napi_is_array(env, array)));
        for source in ["({ length: 1 })", "new Uint8Array(1)", "new Proxy([], {})"] {
            let value = eval(env, source);
            assert!(!get!(napi_is_array(env, value)), "{source}");
            let mut length = 0;
            assert_eq!(
                call!(napi_get_array_length(env, value, &raw mut length)),
                Status::ArrayExpected
            );
        }
    });
}
