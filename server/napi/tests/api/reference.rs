//! References.

use crate::harness::*;

fn value_kind(env: napi_env, reference: napi_ref) -> Option<i32> {
    // The handle holds the value too, so it must not outlive the question.
    let scope = get!(napi_open_handle_scope(env));
    let value = get!(napi_get_reference_value(env, reference));
    let kind = (value != NULL).then(|| get!(napi_typeof(env, value)));
    assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
    kind
}

/// Makes a reference to a fresh value of which nothing else is left.
fn reference_to(env: napi_env, source: &str, count: u32) -> napi_ref {
    let scope = get!(napi_open_handle_scope(env));
    let value = eval(env, source);
    let reference = get!(napi_create_reference(env, value, count));
    assert_eq!(call!(napi_close_handle_scope(env, scope)), Status::Ok);
    reference
}

#[test]
fn strong_reference_keeps_and_weak_one_does_not() {
    with_env(|env| {
        for source in ["({})", "(() => 1)", "Symbol('s')", "new Proxy({}, {})"] {
            let strong = reference_to(env, source, 1);
            assert!(value_kind(env, strong).is_some(), "{source}");
            let weak = reference_to(env, source, 0);
            assert!(
                value_kind(env, weak).is_some(),
                "until a collection: {source}"
            );
            eval(env, "gc()");
            assert_eq!(value_kind(env, weak), None, "{source}");
            assert_eq!(get!(napi_reference_ref(env, weak)), 0, "gone is no failure");
            assert_eq!(get!(napi_reference_unref(env, strong)), 0);
            eval(env, "gc()");
            assert_eq!(value_kind(env, strong), None, "{source}");
            assert_eq!(call!(napi_delete_reference(env, strong)), Status::Ok);
            assert_eq!(call!(napi_delete_reference(env, weak)), Status::Ok);
        }
    });
}

#[test]
fn reference_that_was_counted_down_to_0_is_counted_up_in_a_later_call() {
    let bench = bench();
    thread_local! {
        static KEPT: std::cell::Cell<napi_ref> = const { std::cell::Cell::new(napi_ref(0)) };
    }
    extern "C" fn count_up(env: napi_env, _: napi_callback_info) -> napi_value {
        number(env, f64::from(get!(napi_reference_ref(env, KEPT.get()))))
    }
    let exports = bench.load(8, |env, _| {
        let reference = reference_to(env, "({})", 1);
        assert_eq!(get!(napi_reference_unref(env, reference)), 0);
        KEPT.set(reference);
        function(env, Some(count_up))
    });
    let count_up = exports.unwrap();
    let count = || {
        let count = bench
            .host
            .enter(|rt| rt.call(&count_up, &hostd_engine::Value::UNDEFINED, &[]))
            .unwrap();
        count.as_i32()
    };
    assert_eq!(count(), Some(1));
    assert_eq!(count(), Some(2));
}

#[test]
fn counts_go_up_and_down_and_not_below_0() {
    with_env(|env| {
        let object = get!(napi_create_object(env));
        let reference = get!(napi_create_reference(env, object, 0));
        assert_eq!(get!(napi_reference_ref(env, reference)), 1);
        assert_eq!(get!(napi_reference_ref(env, reference)), 2);
        assert_eq!(get!(napi_reference_unref(env, reference)), 1);
        assert_eq!(get!(napi_reference_unref(env, reference)), 0);
        let mut count = 9;
        assert_eq!(
            call!(napi_reference_unref(env, reference, &raw mut count)),
            Status::GenericFailure
        );
        assert_eq!(count, 9);
        assert_eq!(
            value_kind(env, reference),
            Some(6),
            "the handle still holds it"
        );
    });
}

#[test]
fn primitives_have_references_from_version_10_on() {
    with_env(|env| {
        let text = string(env, "text");
        let mut reference = napi_ref(0);
        assert_eq!(
            call!(napi_create_reference(env, text, 1, &raw mut reference)),
            Status::InvalidArg
        );
    });
}

#[test]
fn reference_to_a_primitive_drops_it_at_0() {
    bench().run(10, |env| {
        let reference = reference_to(env, "'text'", 1);
        assert_eq!(value_kind(env, reference), Some(4));
        assert_eq!(get!(napi_reference_unref(env, reference)), 0);
        assert_eq!(value_kind(env, reference), None);
        assert_eq!(get!(napi_reference_ref(env, reference)), 0);
    });
}

#[test]
fn deleted_and_made_up_references_are_invalid_arg() {
    with_env(|env| {
        let object = get!(napi_create_object(env));
        let reference = get!(napi_create_reference(env, object, 1));
        assert_eq!(call!(napi_delete_reference(env, reference)), Status::Ok);
        let (mut value, mut count) = (NULL, 0);
        for wrong in [
            reference,
            napi_ref(0),
            napi_ref(1),
            napi_ref(0x7fff_1234_5678),
        ] {
            assert_eq!(call!(napi_delete_reference(env, wrong)), Status::InvalidArg);
            assert_eq!(
                call!(napi_get_reference_value(env, wrong, &raw mut value)),
                Status::InvalidArg
            );
            assert_eq!(
                call!(napi_reference_ref(env, wrong, &raw mut count)),
                Status::InvalidArg
            );
        }
    });
}
