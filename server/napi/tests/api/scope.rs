//! Handle scopes.

use crate::harness::*;

#[test]
fn handle_ends_with_its_scope() {
    with_env(|env| {
        let scope = get!(napi_open_handle_scope(env));
        let value = number(env, 1.5);
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        let mut kind = 0;
        assert_eq!(
            call!(napi_typeof(env, value, &raw mut kind)),
            Status::InvalidArg
        );
        let other = number(env, 2.5);
        assert_ne!(other, value);
        assert_eq!(
            call!(napi_typeof(env, value, &raw mut kind)),
            Status::InvalidArg
        );
    });
}

#[test]
fn handle_of_an_integer_never_ends() {
    with_env(|env| {
        for expected in [0, 7, -1, i32::MIN, i32::MAX] {
            let scope = get!(napi_open_handle_scope(env));
            let value = number(env, f64::from(expected));
            assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
            number(env, 2.5);
            assert_eq!(get!(napi_get_value_int32(env, value)), expected);
            let real: f64 = get!(napi_get_value_double(env, value));
            assert!((real - f64::from(expected)).abs() < f64::EPSILON);
        }
    });
}

#[test]
fn scopes_close_in_order_with_and_without_handles_in_them() {
    with_env(|env| {
        let outer = get!(napi_open_handle_scope(env));
        let kept = number(env, 1.5);
        for _ in 0..100 {
            let empty = get!(napi_open_handle_scope(env));
            assert_eq!(
                call!(napi_close_handle_scope(env, outer)),
                Status::HandleScopeMismatch
            );
            assert_eq!(call!(napi_close_handle_scope(env, empty)), Status::Ok);
            assert_eq!(
                call!(napi_close_handle_scope(env, empty)),
                Status::InvalidArg
            );
            let full = get!(napi_open_handle_scope(env));
            number(env, 2.5);
            assert_eq!(call!(napi_close_handle_scope(env, full)), Status::Ok);
        }
        let real: f64 = get!(napi_get_value_double(env, kept));
        assert!((real - 1.5).abs() < f64::EPSILON);
        assert_eq!(call!(napi_close_handle_scope(env, outer)), Status::Ok);
    });
}

#[test]
fn one_handle_escapes_once() {
    with_env(|env| {
        let scope = get!(napi_open_escapable_handle_scope(env));
        let inner = string(env, "escaped");
        let outer = get!(napi_escape_handle(env, scope, inner));
        let mut again = NULL;
        assert_eq!(
            call!(napi_escape_handle(env, scope, inner, &raw mut again)),
            Status::EscapeCalledTwice
        );
        assert_eq!(
            call!(napi_escape_handle(env, scope, NULL, &raw mut again)),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_close_escapable_handle_scope(env, scope)),
            Status::Ok
        );
        assert_eq!(text(env, outer), "escaped");
        let mut kind = 0;
        assert_eq!(
            call!(napi_typeof(env, inner, &raw mut kind)),
            Status::InvalidArg
        );
        assert_eq!(
            call!(napi_close_escapable_handle_scope(env, scope)),
            Status::HandleScopeMismatch
        );
    });
}

#[test]
fn constants_escape_too() {
    with_env(|env| {
        let scope = get!(napi_open_escapable_handle_scope(env));
        let yes = get!(napi_get_boolean(env, true));
        let outer = get!(napi_escape_handle(env, scope, yes));
        assert_eq!(
            call!(napi_close_escapable_handle_scope(env, scope)),
            Status::Ok
        );
        assert!(get!(napi_get_value_bool(env, outer)));
    });
}

#[test]
fn closing_without_an_open_scope_is_a_mismatch_and_not_recorded() {
    with_env(|env| {
        let scope = get!(napi_open_handle_scope(env));
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        assert_eq!(
            call!(napi_close_handle_scope(env, scope)),
            Status::HandleScopeMismatch
        );
        assert_eq!(last_error(env), (Status::Ok, None));
        let outer = get!(napi_open_handle_scope(env));
        let inner = get!(napi_open_handle_scope(env));
        assert_eq!(
            call!(napi_close_handle_scope(env, outer)),
            Status::HandleScopeMismatch
        );
        assert_eq!(
            call!(napi_close_handle_scope(env, napi_handle_scope(5))),
            Status::InvalidArg
        );
        assert_eq!(call!(napi_close_handle_scope(env, inner)), Status::Ok);
        assert_eq!(call!(napi_close_handle_scope(env, outer)), Status::Ok);
    });
}

#[test]
fn scope_left_open_by_a_callback_is_closed_for_it() {
    extern "C" fn leaves(env: napi_env, _: napi_callback_info) -> napi_value {
        get!(napi_open_handle_scope(env));
        string(env, "result")
    }
    with_env(|env| {
        let scope = get!(napi_open_handle_scope(env));
        let f = function(env, Some(leaves));
        set_global(env, "f", f);
        assert_eq!(global_text(env, "f()"), "result");
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
    });
}

#[test]
fn many_handles_in_many_scopes_do_not_mix() {
    with_env(|env| {
        for round in 0..50u32 {
            let scope = get!(napi_open_handle_scope(env));
            let values: Vec<napi_value> = (0..1000)
                .map(|index| number(env, f64::from(round * 1000 + index) + 0.5))
                .collect();
            for (value, index) in values.iter().zip(0..) {
                let read = get!(napi_get_value_double(env, *value));
                assert!((read - f64::from(round * 1000 + index) - 0.5).abs() < f64::EPSILON);
            }
            assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        }
    });
}

#[test]
fn what_the_scope_held_that_was_closed_last_may_be_returned() {
    extern "C" fn at_once(env: napi_env, _: napi_callback_info) -> napi_value {
        let scope = get!(napi_open_handle_scope(env));
        let value = string(env, "returned");
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        value
    }
    extern "C" fn too_late(env: napi_env, info: napi_callback_info) -> napi_value {
        let value = at_once(env, info);
        let scope = get!(napi_open_handle_scope(env));
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        value
    }
    extern "C" fn of_another_call(env: napi_env, _: napi_callback_info) -> napi_value {
        let value = at_once(env, napi_callback_info(0));
        assert_eq!(global_text(env, "atOnce()"), "returned");
        value
    }
    with_env(|env| {
        for (name, function_of) in [
            ("atOnce", at_once as extern "C" fn(_, _) -> _),
            ("tooLate", too_late),
            ("ofAnotherCall", of_another_call),
        ] {
            let function = function(env, Some(function_of));
            set_global(env, name, function);
        }
        assert_eq!(global_text(env, "atOnce()"), "returned");
        assert_eq!(global_text(env, "`${tooLate()}`"), "undefined");
        assert_eq!(global_text(env, "`${ofAnotherCall()}`"), "undefined");
        assert_eq!(
            global_text(env, "`${atOnce()} ${atOnce()}`"),
            "returned returned"
        );
    });
}

#[test]
fn collection_forgets_what_a_closed_scope_held() {
    extern "C" fn collects(env: napi_env, _: napi_callback_info) -> napi_value {
        let scope = get!(napi_open_handle_scope(env));
        let object = get!(napi_create_object(env));
        let reference = get!(napi_create_reference(env, object, 0));
        assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
        assert_eq!(global_text(env, "gc(); ''"), "");
        let found: napi_value = get!(napi_get_reference_value(env, reference));
        assert_eq!(found, NULL);
        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
        NULL
    }
    with_env(|env| {
        let f = function(env, Some(collects));
        set_global(env, "f", f);
        assert_eq!(global_text(env, "`${f()}`"), "undefined");
    });
}
