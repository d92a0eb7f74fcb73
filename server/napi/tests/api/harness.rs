//! An environment for a test: a host on the test's thread, and a shim addon whose init is the test.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostd_engine::{FinalizerToken, Runtime, Value};
pub(crate) use hostd_napi::abi::status::Status;
pub(crate) use hostd_napi::abi::types::*;
use hostd_napi::{Host, HostHooks, HostOptions, Origin, OwnedHost};

/// Calls a function under test, gives its status.
macro_rules! call {
    ($name:ident($($arg:expr),* $(,)?)) => {
        // SAFETY: the arguments are the test's own locals, or wrong on purpose where the function
        // must notice.
        unsafe { $crate::harness::names::$name($($arg),*) }
    };
}

/// Calls a function that must succeed, gives what it wrote to its last argument.
macro_rules! get {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        let mut result = $crate::harness::zeroed();
        assert_eq!(call!($name($($arg,)* &raw mut result)), $crate::harness::Status::Ok);
        result
    }};
}

/// All functions under test by name.
pub(crate) mod names {
    pub(crate) use hostd_napi::abi::exports::js_native_api::*;
    pub(crate) use hostd_napi::abi::exports::node_api::*;
}

/// A value of which all bits are zero, to be overwritten.
pub(crate) fn zeroed<T: Zero>() -> T {
    T::ZERO
}

/// What results start as.
pub(crate) trait Zero {
    const ZERO: Self;
}

macro_rules! zero {
    ($($ty:ty = $zero:expr;)*) => {$(
        impl Zero for $ty {
            const ZERO: Self = $zero;
        }
    )*};
}

zero! {
    bool = false; i32 = 0; u32 = 0; i64 = 0; u64 = 0; usize = 0; f64 = 0.0;
    napi_value = napi_value(0); napi_ref = napi_ref(0); napi_handle_scope = napi_handle_scope(0);
    napi_escapable_handle_scope = napi_escapable_handle_scope(0);
    napi_threadsafe_function = napi_threadsafe_function(0);
    napi_async_work = napi_async_work(0); napi_async_context = napi_async_context(0);
    napi_callback_scope = napi_callback_scope(0);
    *mut c_void = ptr::null_mut(); *const c_char = ptr::null();
    *const napi_extended_error_info = ptr::null(); *const napi_node_version = ptr::null();
}

/// What the host recorded its embedder.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) uncaught: RefCell<Vec<(Origin, String)>>,
}

struct Hooks(Rc<Recorded>);

impl HostHooks for Hooks {
    fn uncaught(&self, rt: Runtime, error: &Value, origin: Origin) {
        let text = rt
            .utf8(error)
            .map_or_else(|_| "?".to_owned(), |text| (*text).to_owned());
        self.0.uncaught.borrow_mut().push((origin, text));
    }

    fn exit_requested(&self, _: i32) {}

    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

type Body = Box<dyn FnOnce(napi_env, napi_value) -> napi_value>;

thread_local! {
    static BODY: RefCell<Option<Body>> = const { RefCell::new(None) };
    static DONE: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn init(env: napi_env, exports: napi_value) -> napi_value {
    let body = BODY.take();
    // A panic may not pass through the addon; the test notices that it was not done.
    let body = std::panic::AssertUnwindSafe(move || body.map(|body| body(env, exports)));
    match std::panic::catch_unwind(body) {
        Ok(Some(value)) => {
            DONE.set(true);
            value
        }
        _ => napi_value(0),
    }
}

/// A test's host and what it recorded.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) recorded: Rc<Recorded>,
    _owner: OwnedHost,
}

/// Makes this thread's host.
pub(crate) fn bench() -> Bench {
    bench_with_requests(Arc::new(|| {}))
}

/// Makes this thread's host, with a bell.
pub(crate) fn bench_with_requests(ring: Arc<dyn Fn() + Send + Sync>) -> Bench {
    bench_of(|options| options.request_turn = ring)
}

/// Makes this thread's host, with other options.
pub(crate) fn bench_of(change: impl FnOnce(&mut HostOptions)) -> Bench {
    let recorded = Rc::new(Recorded::default());
    let mut options = HostOptions::new(Box::new(Hooks(Rc::clone(&recorded))));
    options.stack_bytes = 1024 * 1024;
    change(&mut options);
    let owner = hostd_node::start(options).unwrap();
    Bench {
        host: *owner,
        recorded,
        _owner: owner,
    }
}

impl Bench {
    /// Loads the shim as an addon of that version with this init function; gives its exports.
    pub(crate) fn load(
        &self,
        version: i32,
        body: impl FnOnce(napi_env, napi_value) -> napi_value + 'static,
    ) -> Result<Value, String> {
        let path = shim(version);
        BODY.set(Some(Box::new(body)));
        DONE.set(false);
        let loaded = self.host.load(&path).map_err(|error| error.to_string())?;
        assert!(DONE.get(), "the body of the test failed, see above");
        Ok(loaded.exports)
    }

    /// Runs `body` as the init function of an addon of that version.
    pub(crate) fn run(&self, version: i32, body: impl FnOnce(napi_env) + 'static) {
        let body = move |env, _| {
            body(env);
            napi_value(0)
        };
        self.load(version, body).unwrap();
    }
}

impl Bench {
    /// Evaluates a script from outside of any addon; gives its value as text.
    pub(crate) fn script(&self, source: &str) -> String {
        self.host
            .enter(|rt| match rt.eval_script(source, "test.js") {
                Ok(value) => (*rt.utf8(&value).unwrap()).to_owned(),
                Err(thrown) => format!("throws {thrown:?}"),
            })
    }

    /// Takes turns until nothing keeps the host busy, as Node's loop does.
    pub(crate) fn run_to_the_end(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.host.has_pending() || self.host.is_kept_alive() {
            assert!(Instant::now() < end, "the host stays busy");
            if !self.host.turn(1000, Duration::from_secs(1)) {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

/// Runs `body` as the init function of a version-8 addon.
pub(crate) fn with_env(body: impl FnOnce(napi_env) + 'static) {
    bench().run(8, body);
}

type SetInit = unsafe extern "C" fn(extern "C" fn(napi_env, napi_value) -> napi_value);

/// Builds the shim for a version, once per process and version.
fn shim(version: i32) -> PathBuf {
    static BUILT: Mutex<Vec<(i32, PathBuf)>> = Mutex::new(Vec::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, path)) = built.iter().find(|(other, _)| *other == version) {
        return path.clone();
    }
    let name = format!("shim-{version}-{}.node", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    compile("shim.c", &[&format!("-DVERSION={version}")], &path);
    // SAFETY: the shim has no constructors.
    let library = unsafe { libloading::Library::new(&path) }.unwrap();
    // SAFETY: the shim declares it so.
    let set_init = unsafe { library.get::<SetInit>(b"set_init\0") }.unwrap();
    // SAFETY: the shim keeps the pointer of a function that is never unloaded.
    unsafe { set_init(init) };
    let _open_for_ever = libloading::os::unix::Library::from(library).into_raw();
    built.push((version, path.clone()));
    path
}

/// Compiles an addon of `tests/addons`.
pub(crate) fn compile(source: &str, flags: &[&str], path: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/addons")
        .join(source);
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(path)
        .arg(source);
    let output = command
        .args(flags)
        .output()
        .expect("a C compiler is needed for these tests");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Starts a thread of the addon's.
pub(crate) fn spawn<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let builder = std::thread::Builder::new().name("addon".to_owned());
    builder.spawn(body).unwrap()
}

/// Makes a string.
pub(crate) fn string(env: napi_env, text: &str) -> napi_value {
    get!(napi_create_string_utf8(
        env,
        text.as_ptr().cast(),
        text.len()
    ))
}

/// Makes a number.
pub(crate) fn number(env: napi_env, value: f64) -> napi_value {
    get!(napi_create_double(env, value))
}

/// Evaluates a script.
pub(crate) fn eval(env: napi_env, source: &str) -> napi_value {
    let source = string(env, source);
    get!(napi_run_script(env, source))
}

/// Reads a string.
pub(crate) fn text(env: napi_env, value: napi_value) -> String {
    let length = get!(napi_get_value_string_utf8(env, value, ptr::null_mut(), 0));
    let mut bytes = vec![0u8; length + 1];
    let size = bytes.len();
    let copied = get!(napi_get_value_string_utf8(
        env,
        value,
        bytes.as_mut_ptr().cast(),
        size
    ));
    bytes.truncate(copied);
    String::from_utf8(bytes).unwrap()
}

/// Reads a value as JavaScript's `String` does.
pub(crate) fn show(env: napi_env, value: napi_value) -> String {
    let value = get!(napi_coerce_to_string(env, value));
    text(env, value)
}

/// `JSON.stringify`.
pub(crate) fn json(env: napi_env, value: napi_value) -> String {
    let stringify = eval(env, "JSON.stringify");
    let this = get!(napi_get_undefined(env));
    let argv = [value];
    text(
        env,
        get!(napi_call_function(env, this, stringify, 1, argv.as_ptr())),
    )
}

/// Sets a global variable.
pub(crate) fn set_global(env: napi_env, name: &str, value: napi_value) {
    let global = get!(napi_get_global(env));
    let name = CString::new(name).unwrap();
    assert_eq!(
        call!(napi_set_named_property(env, global, name.as_ptr(), value)),
        Status::Ok
    );
}

/// Reads an element and shows it.
pub(crate) fn global_text(env: napi_env, source: &str) -> String {
    let value = eval(env, source);
    show(env, value)
}

/// Takes the pending exception and shows it.
pub(crate) fn take_exception(env: napi_env) -> String {
    assert!(
        get!(napi_is_exception_pending(env)),
        "no exception is pending"
    );
    let exception = get!(napi_get_and_clear_last_exception(env));
    show(env, exception)
}

/// The last-error record: status and message.
pub(crate) fn last_error(env: napi_env) -> (Status, Option<String>) {
    let info = get!(napi_get_last_error_info(env));
    // SAFETY: the function gave the address of a live record.
    let info = unsafe { &*info };
    let message = (!info.error_message.is_null()).then(|| {
        // SAFETY: a message stays in place until the next failure.
        unsafe { std::ffi::CStr::from_ptr(info.error_message) }
            .to_str()
            .unwrap()
            .to_owned()
    });
    (info.error_code, message)
}

/// Makes a function of a callback.
pub(crate) fn function(env: napi_env, callback: napi_callback) -> napi_value {
    let name = c"f";
    get!(napi_create_function(
        env,
        name.as_ptr(),
        NAPI_AUTO_LENGTH,
        callback,
        ptr::null_mut()
    ))
}

/// A property descriptor without anything but its name.
pub(crate) fn descriptor(name: &'static std::ffi::CStr) -> napi_property_descriptor {
    napi_property_descriptor {
        utf8name: name.as_ptr(),
        name: napi_value(0),
        method: None,
        getter: None,
        setter: None,
        value: napi_value(0),
        attributes: 0,
        data: ptr::null_mut(),
    }
}

/// NULL.
pub(crate) const NULL: napi_value = napi_value(0);
