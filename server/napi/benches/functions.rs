//! Nanoseconds per call of single Node-API functions, as an addon sees them: medians of nine rounds.
#![expect(unsafe_code, reason = "the functions measured are C's")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot start has nothing to say"
)]
#![expect(clippy::print_stdout, reason = "the result")]

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::time::Duration;

use hostd_engine::{FinalizerToken, Runtime, Value};
use hostd_napi::abi::exports::js_native_api::{
    napi_call_function, napi_close_handle_scope, napi_create_array_with_length,
    napi_create_arraybuffer, napi_create_double, napi_create_external, napi_create_function,
    napi_create_int32, napi_create_object, napi_create_reference, napi_create_string_utf8,
    napi_define_class, napi_delete_reference, napi_get_cb_info, napi_get_element,
    napi_get_named_property, napi_get_reference_value, napi_get_undefined, napi_get_value_double,
    napi_get_value_int32, napi_get_value_string_utf8, napi_new_instance, napi_open_handle_scope,
    napi_reference_ref, napi_reference_unref, napi_set_element, napi_set_named_property,
    napi_unwrap, napi_wrap,
};
use hostd_napi::abi::types::{
    napi_callback_info, napi_env, napi_handle_scope, napi_ref, napi_value,
};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};

const ROUNDS: usize = 9;
const CALLS: u32 = 200_000;
const BATCH: u32 = 100;

struct Silent;

impl HostHooks for Silent {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

/// Calls a function whose pointers are locals of the caller.
macro_rules! call {
    ($name:ident($($arg:expr),* $(,)?)) => {
        // SAFETY: the pointers are to locals, the ids are the host's own.
        unsafe { $name($($arg),*) }
    };
}

/// CPU time of this thread, so that other processes do not count.
fn now() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the out-pointer is a local.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Whether a row is asked for: those whose names contain the first argument, or all.
fn is_wanted(name: &str) -> bool {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    filter.is_none_or(|filter| name.contains(&filter))
}

/// Prints the median time of a call; handles are dropped every hundred calls.
fn measure(env: napi_env, name: &str, mut body: impl FnMut()) {
    if !is_wanted(name) {
        return;
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            for _ in 0..CALLS / BATCH {
                let mut scope = napi_handle_scope(0);
                call!(napi_open_handle_scope(env, &raw mut scope));
                for _ in 0..BATCH {
                    body();
                }
                call!(napi_close_handle_scope(env, scope));
            }
            now().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:32} {:8.1} ns", rounds[ROUNDS / 2]);
}

extern "C" fn empty(_: napi_env, _: napi_callback_info) -> napi_value {
    napi_value(0)
}

extern "C" fn add(env: napi_env, info: napi_callback_info) -> napi_value {
    let (mut count, mut argv, null) = (2, [napi_value(0); 2], ptr::null_mut::<napi_value>());
    call!(napi_get_cb_info(
        env,
        info,
        &raw mut count,
        argv.as_mut_ptr(),
        null,
        null.cast()
    ));
    let (mut left, mut right, mut sum) = (0.0, 0.0, napi_value(0));
    call!(napi_get_value_double(env, argv[0], &raw mut left));
    call!(napi_get_value_double(env, argv[1], &raw mut right));
    call!(napi_create_double(env, left + right, &raw mut sum));
    sum
}

extern "C" fn finalize(_: napi_env, data: *mut c_void, _: *mut c_void) {
    black_box(data);
}

extern "C" fn construct(env: napi_env, info: napi_callback_info) -> napi_value {
    let (mut this, null) = (napi_value(0), ptr::null_mut());
    let (count, argv) = (ptr::null_mut(), ptr::null_mut());
    call!(napi_get_cb_info(
        env,
        info,
        count,
        argv,
        &raw mut this,
        ptr::null_mut()
    ));
    call!(napi_wrap(
        env,
        this,
        null,
        Some(finalize),
        null,
        ptr::null_mut()
    ));
    this
}

/// Makes a batch of objects of one kind that have a finalizer.
macro_rules! batch {
    ($name:ident, |$env:ident| $body:block) => {
        extern "C" fn $name($env: napi_env, _: napi_callback_info) -> napi_value {
            for _ in 0..BATCH {
                let mut scope = napi_handle_scope(0);
                call!(napi_open_handle_scope($env, &raw mut scope));
                $body
                call!(napi_close_handle_scope($env, scope));
            }
            napi_value(0)
        }
    };
}

thread_local! {
    static CLASS: Cell<napi_ref> = const { Cell::new(napi_ref(0)) };
    static OBJECT: Cell<napi_ref> = const { Cell::new(napi_ref(0)) };
}

batch!(wraps, |env| {
    let (mut object, null) = (napi_value(0), ptr::null_mut());
    call!(napi_create_object(env, &raw mut object));
    call!(napi_wrap(
        env,
        object,
        null,
        Some(finalize),
        null,
        ptr::null_mut()
    ));
});
batch!(instances, |env| {
    let (mut class, mut object) = (napi_value(0), napi_value(0));
    call!(napi_get_reference_value(env, CLASS.get(), &raw mut class));
    call!(napi_new_instance(
        env,
        class,
        0,
        ptr::null(),
        &raw mut object
    ));
});
batch!(externals, |env| {
    let (mut external, null) = (napi_value(0), ptr::null_mut());
    call!(napi_create_external(
        env,
        null,
        Some(finalize),
        null,
        &raw mut external
    ));
});
batch!(weak_references, |env| {
    let (mut object, mut reference) = (napi_value(0), napi_ref(0));
    call!(napi_create_object(env, &raw mut object));
    call!(napi_create_reference(env, object, 0, &raw mut reference));
    call!(napi_delete_reference(env, reference));
});
batch!(counts, |env| {
    let mut count = 0;
    call!(napi_reference_unref(env, OBJECT.get(), &raw mut count));
    call!(napi_reference_ref(env, OBJECT.get(), &raw mut count));
});

/// Functions that make a hundred objects each, measured from outside so that finalizers run between
/// two calls.
const BATCHES: [(
    &CStr,
    unsafe extern "C" fn(napi_env, napi_callback_info) -> napi_value,
); 5] = [
    (c"create and wrap an object", wraps),
    (c"new instance that is wrapped", instances),
    (c"create_external", externals),
    (c"weak reference to an object", weak_references),
    (c"reference to 0 and back", counts),
];

fn define_batches(env: napi_env, exports: napi_value) {
    let (mut value, null) = (napi_value(0), ptr::null_mut());
    let mut reference = napi_ref(0);
    call!(napi_define_class(
        env,
        c"Class".as_ptr(),
        5,
        Some(construct),
        null,
        0,
        ptr::null(),
        &raw mut value
    ));
    call!(napi_create_reference(env, value, 1, &raw mut reference));
    CLASS.set(reference);
    call!(napi_create_object(env, &raw mut value));
    call!(napi_create_reference(env, value, 1, &raw mut reference));
    OBJECT.set(reference);
    // Another one, or the first one would lose it.
    call!(napi_create_reference(env, value, 1, &raw mut reference));
    for (name, function) in BATCHES {
        call!(napi_create_function(
            env,
            name.as_ptr(),
            name.count_bytes(),
            Some(function),
            null,
            &raw mut value
        ));
        call!(napi_set_named_property(env, exports, name.as_ptr(), value));
    }
}

fn measure_batches(host: Host, exports: &Value) {
    for (name, _) in BATCHES {
        let name = name.to_str().expect("plain text");
        if !is_wanted(name) {
            continue;
        }
        let function = host.runtime().get_named(exports, name).expect("a function");
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = now();
                for _ in 0..CALLS / BATCH {
                    host.enter(|rt| rt.call(&function, &Value::UNDEFINED, &[]))
                        .expect("undefined");
                }
                now().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(CALLS)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name:32} {:8.1} ns", rounds[ROUNDS / 2]);
    }
}

#[expect(clippy::too_many_lines, reason = "a list of what is measured")]
extern "C" fn init(env: napi_env, exports: napi_value) -> napi_value {
    let mut value = napi_value(0);
    let out = &raw mut value;
    let (mut int, mut object, mut array, mut text) =
        (napi_value(0), napi_value(0), napi_value(0), napi_value(0));
    call!(napi_create_int32(env, 7, &raw mut int));
    call!(napi_create_object(env, &raw mut object));
    call!(napi_create_array_with_length(env, 1000, &raw mut array));
    call!(napi_create_string_utf8(
        env,
        c"hello world".as_ptr(),
        11,
        &raw mut text
    ));

    measure(env, "open and close scope", || {
        let mut scope = napi_handle_scope(0);
        call!(napi_open_handle_scope(env, &raw mut scope));
        call!(napi_close_handle_scope(env, scope));
    });
    measure(env, "create_int32", || {
        black_box(call!(napi_create_int32(env, 5, out)));
    });
    let mut number = 0;
    measure(env, "get_value_int32", || {
        black_box(call!(napi_get_value_int32(env, int, &raw mut number)));
    });
    measure(env, "create_object", || {
        black_box(call!(napi_create_object(env, out)));
    });
    measure(env, "create_string_utf8 (11)", || {
        black_box(call!(napi_create_string_utf8(
            env,
            c"hello world".as_ptr(),
            11,
            out
        )));
    });
    let (mut buffer, mut length) = ([0u8; 64], 0);
    measure(env, "get_value_string_utf8 (11)", || {
        let target = buffer.as_mut_ptr().cast();
        black_box(call!(napi_get_value_string_utf8(
            env,
            text,
            target,
            64,
            &raw mut length
        )));
    });
    measure(env, "set_named_property", || {
        black_box(call!(napi_set_named_property(
            env,
            object,
            c"name".as_ptr(),
            int
        )));
    });
    measure(env, "get_named_property", || {
        black_box(call!(napi_get_named_property(
            env,
            object,
            c"name".as_ptr(),
            out
        )));
    });
    measure(env, "set_element", || {
        black_box(call!(napi_set_element(env, array, 5, int)));
    });
    measure(env, "get_element", || {
        black_box(call!(napi_get_element(env, array, 5, out)));
    });
    measure(env, "create and delete reference", || {
        let mut reference = napi_ref(0);
        call!(napi_create_reference(env, object, 1, &raw mut reference));
        call!(napi_delete_reference(env, reference));
    });
    measure(env, "create_function", || {
        black_box(call!(napi_create_function(
            env,
            c"f".as_ptr(),
            1,
            Some(empty),
            ptr::null_mut(),
            out
        )));
    });
    let (mut this, mut function) = (napi_value(0), napi_value(0));
    call!(napi_get_undefined(env, &raw mut this));
    let name = c"empty".as_ptr();
    let null = ptr::null_mut();
    call!(napi_create_function(
        env,
        name,
        5,
        Some(empty),
        null,
        &raw mut function
    ));
    measure(env, "call_function of an empty one", || {
        black_box(call!(napi_call_function(
            env,
            this,
            function,
            0,
            ptr::null(),
            out
        )));
    });
    measure(env, "create_buffer array 4 KiB", || {
        black_box(call!(napi_create_arraybuffer(
            env,
            4096,
            ptr::null_mut(),
            out
        )));
    });
    let wrapped = object;
    call!(napi_wrap(env, wrapped, null, None, null, ptr::null_mut()));
    let mut data = ptr::null_mut();
    measure(env, "unwrap a plain object", || {
        black_box(call!(napi_unwrap(env, wrapped, &raw mut data)));
    });
    call!(napi_create_function(
        env,
        c"add".as_ptr(),
        3,
        Some(add),
        null,
        &raw mut function
    ));
    call!(napi_set_named_property(
        env,
        exports,
        c"add".as_ptr(),
        function
    ));
    define_batches(env, exports);
    exports
}

/// Builds an addon whose init is ours.
fn shim() -> std::path::PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("bench-{}.node", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/addons/shim.c");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-DVERSION=8", "-o"])
        .args([&path, &source])
        .status()
        .expect("a C compiler");
    assert!(status.success());
    path
}

fn main() {
    let path = shim();
    // SAFETY: the shim has no constructors.
    let library = unsafe { libloading::os::unix::Library::new(&path) }.expect("the shim");
    // SAFETY: the shim declares it so.
    let set_init = unsafe {
        library.get::<unsafe extern "C" fn(extern "C" fn(napi_env, napi_value) -> napi_value)>(
            b"set_init\0",
        )
    }
    .expect("set_init");
    // SAFETY: the shim keeps the pointer of a function that is never unloaded.
    unsafe { set_init(init) };
    let host = hostd_node::start(HostOptions::new(Box::new(Silent))).expect("a host");
    let exports = host.load(&path).expect("the shim").exports;
    let rt = host.runtime();
    let add = rt.get_named(&exports, "add").expect("add");
    let args = [Value::from(1), Value::from(2)];
    let start = now();
    for _ in 0..CALLS {
        black_box(
            host.enter(|rt| rt.call(&add, &Value::UNDEFINED, &args))
                .expect("a sum"),
        );
    }
    let each = now().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(CALLS);
    println!("{:32} {each:8.1} ns", "enter and add(1, 2)");
    measure_batches(*host, &exports);
}
