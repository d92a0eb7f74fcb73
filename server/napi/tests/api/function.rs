//! Functions and callbacks.

use std::ptr;

use crate::harness::*;

extern "C" fn describe(env: napi_env, info: napi_callback_info) -> napi_value {
    let (mut count, mut argv, mut this) = (3, [NULL; 3], NULL);
    let status = call!(napi_get_cb_info(
        env,
        info,
        &raw mut count,
        argv.as_mut_ptr(),
        &raw mut this,
        ptr::null_mut()
    ));
    assert_eq!(status, Status::Ok);
    let target = get!(napi_get_new_target(env, info));
    let kinds: Vec<String> = argv
        .iter()
        .map(|arg| get!(napi_typeof(env, *arg)).to_string())
        .collect();
    let global = get!(napi_get_global(env));
    let is_global = get!(napi_strict_equals(env, this, global));
    let text = format!(
        "{count} [{}] this {}{} new {}",
        kinds.join(","),
        get!(napi_typeof(env, this)),
        if is_global { " global" } else { "" },
        target != NULL
    );
    let text = string(env, &text);
    if target == NULL {
        return text;
    }
    assert_eq!(
        call!(napi_set_named_property(env, this, c"text".as_ptr(), text)),
        Status::Ok
    );
    NULL
}

#[test]
fn callback_sees_its_real_count_and_undefined_for_what_was_not_given() {
    with_env(|env| {
        let f = function(env, Some(describe));
        set_global(env, "f", f);
        assert_eq!(
            global_text(env, "f(1, 'a')"),
            "2 [3,4,0] this 6 global new false"
        );
        assert_eq!(
            global_text(env, "f(1, 2, 3, 4)"),
            "4 [3,3,3] this 6 global new false"
        );
        assert_eq!(
            global_text(env, "f.call('s')"),
            "0 [0,0,0] this 6 new false"
        );
        assert_eq!(
            global_text(env, "new f().text"),
            "0 [0,0,0] this 6 new true"
        );
        assert_eq!(global_text(env, "[f.name, f.length]"), "f,0");
    });
}

#[test]
fn callback_info_ends_with_its_call() {
    thread_local! {
        static KEPT: std::cell::Cell<napi_callback_info> =
            const { std::cell::Cell::new(napi_callback_info(0)) };
    }
    extern "C" fn keep(_: napi_env, info: napi_callback_info) -> napi_value {
        KEPT.set(info);
        NULL
    }
    with_env(|env| {
        let f = function(env, Some(keep));
        set_global(env, "f", f);
        assert_eq!(global_text(env, "f()"), "undefined");
        let mut result = NULL;
        for info in [KEPT.get(), napi_callback_info(0), napi_callback_info(12345)] {
            assert_eq!(
                call!(napi_get_new_target(env, info, &raw mut result)),
                Status::InvalidArg
            );
        }
    });
}

/// The two words behind an id, as an addon reads them that looks for its runtime.
fn words_behind(id: usize) -> [usize; 2] {
    // SAFETY: the range of the ids is readable; this is what is tested.
    unsafe { ptr::with_exposed_provenance::<[usize; 2]>(id).read_unaligned() }
}

#[test]
fn infos_environments_and_values_are_readable_addresses() {
    extern "C" fn peek(env: napi_env, info: napi_callback_info) -> napi_value {
        let (mut count, mut argv) = (6, [NULL; 6]);
        let null = ptr::null_mut::<napi_value>();
        call!(napi_get_cb_info(
            env,
            info,
            &raw mut count,
            argv.as_mut_ptr(),
            null,
            null.cast()
        ));
        for id in argv.map(|value| value.0).into_iter().chain([env.0]) {
            assert_eq!(words_behind(id), [0, 0], "{id:#x}");
        }
        // The first word may be a receiver's that another host of this process was asked for.
        assert_eq!(words_behind(info.0)[1], 0);
        argv[0]
    }
    extern "C" fn receiver(env: napi_env, info: napi_callback_info) -> napi_value {
        let (mut this, null) = (NULL, ptr::null_mut::<napi_value>());
        call!(napi_get_cb_info(
            env,
            info,
            null.cast(),
            null,
            &raw mut this,
            null.cast()
        ));
        let [_, second] = words_behind(info.0);
        assert_eq!(second, 0);
        this
    }
    with_env(|env| {
        let peek = function(env, Some(peek));
        set_global(env, "peek", peek);
        let receiver = function(env, Some(receiver));
        set_global(env, "receiver", receiver);
        assert_eq!(global_text(env, "peek('a', {}, true, -1, 0.5)"), "a");
        assert_eq!(global_text(env, "receiver.call([1, 2])"), "1,2");
    });
}

#[test]
fn arguments_without_a_count_are_refused() {
    extern "C" fn ask(env: napi_env, info: napi_callback_info) -> napi_value {
        let mut argv = [NULL; 1];
        let null = ptr::null_mut::<napi_value>();
        let status = call!(napi_get_cb_info(
            env,
            info,
            null.cast(),
            argv.as_mut_ptr(),
            null,
            null.cast()
        ));
        assert_eq!(status, Status::InvalidArg);
        string(env, "asked")
    }
    with_env(|env| {
        let f = function(env, Some(ask));
        set_global(env, "f", f);
        assert_eq!(global_text(env, "f()"), "asked");
    });
}

#[test]
fn thrown_exception_wins_over_the_returned_value() {
    extern "C" fn both(env: napi_env, _: napi_callback_info) -> napi_value {
        assert_eq!(
            call!(napi_throw_range_error(
                env,
                c"CODE".as_ptr(),
                c"thrown".as_ptr()
            )),
            Status::Ok
        );
        string(env, "returned")
    }
    with_env(|env| {
        let f = function(env, Some(both));
        set_global(env, "f", f);
        assert_eq!(
            global_text(env, "try { f() } catch (e) { `${e} ${e.code}` }"),
            "RangeError: thrown CODE"
        );
        let undefined = get!(napi_get_undefined(env));
        let mut result = NULL;
        assert_eq!(
            call!(napi_call_function(
                env,
                undefined,
                f,
                0,
                ptr::null(),
                &raw mut result
            )),
            Status::PendingException
        );
        assert_eq!(take_exception(env), "RangeError: thrown");
    });
}

#[test]
fn call_passes_this_and_any_number_of_arguments() {
    with_env(|env| {
        let f = eval(
            env,
            "(function (...args) { return [this.x, ...args].join() })",
        );
        let this = eval(env, "({ x: 'this' })");
        let args: Vec<napi_value> = (0..20).map(|value| number(env, f64::from(value))).collect();
        let result = get!(napi_call_function(env, this, f, 2, args.as_ptr()));
        assert_eq!(text(env, result), "this,0,1");
        let result = get!(napi_call_function(env, this, f, 20, args.as_ptr()));
        assert_eq!(text(env, result).split(',').count(), 21);
        assert_eq!(
            call!(napi_call_function(
                env,
                this,
                f,
                0,
                ptr::null(),
                ptr::null_mut()
            )),
            Status::Ok
        );
    });
}

#[test]
fn bad_calls_are_invalid_arg() {
    with_env(|env| {
        let (object, f) = (get!(napi_create_object(env)), eval(env, "(() => 1)"));
        let mut result = NULL;
        let mut calls = |this, function, argv: *const napi_value, count| {
            call!(napi_call_function(
                env,
                this,
                function,
                count,
                argv,
                &raw mut result
            ))
        };
        assert_eq!(calls(object, object, ptr::null(), 0), Status::InvalidArg);
        assert_eq!(calls(NULL, f, ptr::null(), 0), Status::InvalidArg);
        assert_eq!(calls(object, f, ptr::null(), 1), Status::InvalidArg);
        assert_eq!(calls(object, f, [NULL].as_ptr(), 1), Status::InvalidArg);
        assert_eq!(
            calls(object, f, [napi_value(1 << 40)].as_ptr(), 1),
            Status::InvalidArg
        );
        let mut made = NULL;
        let status = call!(napi_create_function(
            env,
            ptr::null(),
            NAPI_AUTO_LENGTH,
            None,
            ptr::null_mut(),
            &raw mut made
        ));
        assert_eq!(status, Status::InvalidArg);
    });
}

#[test]
fn function_without_a_name_has_the_empty_one() {
    with_env(|env| {
        let f = get!(napi_create_function(
            env,
            ptr::null(),
            NAPI_AUTO_LENGTH,
            Some(describe),
            ptr::null_mut()
        ));
        set_global(env, "f", f);
        assert_eq!(global_text(env, "JSON.stringify(f.name)"), "\"\"");
    });
}

#[test]
fn new_instance_constructs_and_its_failure_is_pending() {
    with_env(|env| {
        let class = eval(env, "Map");
        let map = get!(napi_new_instance(env, class, 0, ptr::null()));
        assert!(get!(napi_instanceof(env, map, class)));
        let arrow = eval(env, "(() => 1)");
        let mut result = NULL;
        assert_eq!(
            call!(napi_new_instance(
                env,
                arrow,
                0,
                ptr::null(),
                &raw mut result
            )),
            Status::PendingException
        );
        assert!(take_exception(env).starts_with("TypeError"));
        assert_eq!(
            call!(napi_new_instance(env, map, 0, ptr::null(), &raw mut result)),
            Status::InvalidArg
        );
    });
}

#[test]
fn endless_native_recursion_is_a_range_error() {
    extern "C" fn again(env: napi_env, info: napi_callback_info) -> napi_value {
        let (mut count, mut argv) = (1, [NULL; 1]);
        let null = ptr::null_mut::<napi_value>();
        let status = call!(napi_get_cb_info(
            env,
            info,
            &raw mut count,
            argv.as_mut_ptr(),
            null,
            null.cast()
        ));
        assert_eq!(status, Status::Ok);
        let this = get!(napi_get_undefined(env));
        let mut result = NULL;
        // The exception stays pending and goes to the caller.
        call!(napi_call_function(
            env,
            this,
            argv[0],
            1,
            argv.as_ptr(),
            &raw mut result
        ));
        result
    }
    with_env(|env| {
        let f = function(env, Some(again));
        set_global(env, "f", f);
        assert_eq!(
            global_text(env, "try { f(f) } catch (e) { String(e) }"),
            "RangeError: Maximum call stack size exceeded"
        );
    });
}
