//! Symbols.

use crate::harness::*;

#[test]
fn symbols_are_unique_and_registered_ones_are_not() {
    with_env(|env| {
        let description = string(env, "what");
        let first = get!(napi_create_symbol(env, description));
        let second = get!(napi_create_symbol(env, description));
        assert!(!get!(napi_strict_equals(env, first, second)));
        set_global(env, "s", first);
        assert_eq!(global_text(env, "s.description"), "what");
        let bare = get!(napi_create_symbol(env, NULL));
        set_global(env, "s", bare);
        assert_eq!(global_text(env, "s.description"), "undefined");
        let registered = get!(node_api_symbol_for(env, c"app".as_ptr(), NAPI_AUTO_LENGTH));
        set_global(env, "s", registered);
        assert_eq!(global_text(env, "s === Symbol.for('app')"), "true");
    });
}

#[test]
fn description_that_is_no_string_is_string_expected() {
    with_env(|env| {
        let description = number(env, 1.0);
        let mut result = NULL;
        assert_eq!(
            call!(napi_create_symbol(env, description, &raw mut result)),
            Status::StringExpected
        );
    });
}
