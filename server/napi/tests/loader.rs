//! The loader on small addons, written and compiled here, one per rule of registration, and on
//! files that are no addons. Skipped, saying so, where there is no C compiler.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests are not recognised as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hostd_engine::{FinalizerToken, Runtime, Value};
use hostd_napi::preflight::{Facts, inspect};
use hostd_napi::{
    ApiVersion, Host, HostHooks, HostOptions, LoadError, LoadErrorKind, Origin, OwnedHost,
};
use tempfile::TempDir;

struct Hooks;

impl HostHooks for Hooks {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

fn host() -> OwnedHost {
    let mut options = HostOptions::new(Box::new(Hooks));
    options.stack_bytes = 1 << 20;
    hostd_node::start(options).expect("a host")
}

/// The declarations that the addons below need, in the words of the headers.
const HEADER: &str = r#"
#include <stddef.h>
#include <stdint.h>
typedef struct env_ *napi_env; typedef struct value_ *napi_value;
typedef napi_value (*init_function)(napi_env, napi_value);
typedef struct { int version; unsigned flags; const char *file; init_function init;
                 const char *name; void *data; void *reserved[4]; } napi_module;
extern void napi_module_register(napi_module *);
extern int napi_create_int32(napi_env, int32_t, napi_value *);
extern int napi_create_object(napi_env, napi_value *);
extern int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
extern int napi_throw_error(napi_env, const char *, const char *);
extern int napi_get_node_version(napi_env, const void **);
static napi_value answer(napi_env env, napi_value exports, int number) {
  napi_value value;
  napi_create_int32(env, number, &value);
  napi_set_named_property(env, exports, "answer", value);
  return exports;
}
"#;

/// A folder to compile addons in.
struct Workshop(TempDir);

impl Workshop {
    /// A new one; nothing where there is no compiler.
    fn open() -> Option<Self> {
        match Command::new("cc").arg("--version").output() {
            Ok(_) => Some(Self(TempDir::new().expect("a folder"))),
            Err(error) => {
                println!("SKIPPED: no C compiler to make addons with: {error}");
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn cc(&self, arguments: &[&str]) {
        let output = Command::new("cc")
            .args(arguments)
            .current_dir(self.0.path())
            .output();
        let output = output.expect("the compiler");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Compiles a shared library from C text, with further arguments for the linker.
    fn library(&self, name: &str, source: &str, arguments: &[&str]) -> PathBuf {
        let file = format!("{name}.c");
        fs::write(self.path(&file), format!("{HEADER}\n{source}")).expect("written");
        let mut all = vec!["-shared", "-fPIC", "-o", name, file.as_str()];
        all.extend(arguments);
        self.cc(&all);
        self.path(name)
    }

    fn addon(&self, source: &str) -> PathBuf {
        self.library("addon.node", source, &[])
    }
}

const GOOD: &str = "napi_value napi_register_module_v1(napi_env env, napi_value exports) { return answer(env, exports, 42); }";

/// Loads the addon and answers one expression with its exports as `addon`.
fn loaded(path: &Path, expression: &str) -> String {
    let host = host();
    let addon = host.load(path).expect("it loads");
    answer(*host, addon.exports, expression)
}

fn answer(host: Host, exports: Value, expression: &str) -> String {
    host.set_global("addon", exports).expect("set");
    host.enter(|rt| {
        let value = rt.eval_script(expression, "test.js").expect("no exception");
        rt.utf8(&value).expect("text").as_str().to_owned()
    })
}

/// What reading the file shows: whatever would keep it from loading here.
fn diagnose(path: &Path) -> Result<Facts, LoadError> {
    let facts = inspect(path)?;
    facts.unmet().map_or(Ok(facts), Err)
}

fn refused(path: &Path) -> LoadError {
    host().load(path).expect_err("it is refused")
}

#[test]
fn init_fills_the_exports() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let path = workshop.addon(GOOD);
    let host = host();
    let addon = host.load(&path).expect("it loads");
    assert_eq!(addon.api_version, 8);
    assert_eq!(addon.path, path.canonicalize().expect("its real path"));
    assert_eq!(answer(*host, addon.exports, "addon.answer"), "42");
}

#[test]
fn init_that_returns_null_keeps_the_exports_and_another_value_replaces_them() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let null = workshop.library(
        "null.node",
        "napi_value napi_register_module_v1(napi_env env, napi_value exports) { answer(env, exports, 7); return 0; }",
        &[],
    );
    assert_eq!(loaded(&null, "addon.answer"), "7");
    std::thread::Builder::new()
        .spawn(move || {
            let replaced = workshop.library(
                "replaced.node",
                "napi_value napi_register_module_v1(napi_env env, napi_value exports) { napi_value v; napi_create_int32(env, 9, &v); return v; }",
                &[],
            );
            assert_eq!(loaded(&replaced, "addon + 1"), "10");
        })
        .expect("a thread")
        .join()
        .expect("no panic");
}

#[test]
fn init_that_throws_is_an_error_with_its_text() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let path = workshop.addon(
        "napi_value napi_register_module_v1(napi_env env, napi_value exports) { napi_throw_error(env, \"E_CODE\", \"no licence\"); return 0; }",
    );
    let error = refused(&path);
    assert!(
        error
            .to_string()
            .ends_with("failed to initialise: Error: no licence"),
        "{error}"
    );
}

#[test]
fn declared_versions_are_taken_or_refused() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let declare = |name: &str, version: &str| {
        let source = format!(
            "{GOOD}\nint32_t node_api_module_get_api_version_v1(void) {{ return {version}; }}"
        );
        workshop.library(name, &source, &[])
    };
    let host = host();
    for (name, declared, effective) in [
        ("v3.node", "3", 8),
        ("v9.node", "9", 9),
        ("v10.node", "10", 10),
        ("experimental.node", "2147483647", i32::MAX),
        ("negative.node", "-5", 8),
    ] {
        let addon = host.load(&declare(name, declared)).expect("it loads");
        assert_eq!(addon.api_version, effective, "{name}");
    }
    let error = host
        .load(&declare("v11.node", "11"))
        .expect_err("11 is refused");
    assert!(
        error.to_string().contains("requires Node-API version 11"),
        "{error}"
    );
}

#[test]
fn module_registered_by_a_constructor_loads_twice() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let path = workshop.addon(
        "static int loads;
         static napi_value init(napi_env env, napi_value exports) { return answer(env, exports, ++loads); }
         static napi_module module = { 1, 0, \"x\", init, \"x\" };
         __attribute__((constructor)) static void enroll(void) { napi_module_register(&module); }
         int32_t node_api_module_get_api_version_v1(void) { return 10; }",
    );
    let host = host();
    let first = host.load(&path).expect("it loads");
    // The version symbol is not consulted for such modules.
    assert_eq!(first.api_version, 8);
    // No constructor runs the second time, but the image is the same and so is its memory.
    let second = host.load(&path).expect("it loads again");
    assert_ne!(first.env, second.env);
    assert_eq!(answer(*host, first.exports, "addon.answer"), "1");
    assert_eq!(answer(*host, second.exports, "addon.answer"), "2");
}

#[test]
fn module_registered_without_entry_point_is_refused() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let path = workshop.addon(
        "static napi_module module = { 1, 0, \"x\", 0, \"x\" };
         __attribute__((constructor)) static void enroll(void) { napi_module_register(&module); }",
    );
    let error = refused(&path);
    assert!(matches!(error.kind, LoadErrorKind::NoEntryPoint), "{error}");
}

#[test]
fn library_that_is_no_addon_did_not_register() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let error = refused(&workshop.addon("int harmless(void) { return 1; }"));
    assert!(
        error
            .to_string()
            .starts_with("Module did not self-register: '"),
        "{error}"
    );
}

#[test]
fn v8_libuv_and_unknown_functions_are_refused_before_any_code_runs() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    // A constructor that ends the process shows that nothing was run.
    let trap =
        "#include <stdlib.h>\n__attribute__((constructor)) static void run(void) { abort(); }\n";
    let using = |name: &str, symbol: &str| {
        let source = format!(
            "{trap}extern int {symbol}(void); int use(void) {{ return {symbol}(); }}\n{GOOD}"
        );
        workshop.library(name, &source, &[])
    };
    let error = refused(&using("v8.node", "_ZN2v87Isolate10GetCurrentEv"));
    assert!(
        error.to_string().contains("(_ZN2v87Isolate10GetCurrentEv)"),
        "{error}"
    );
    assert!(matches!(error.kind, LoadErrorKind::NeedsV8(_)));
    let error = diagnose(&using(
        "node.node",
        "_ZN4node19GetCurrentEventLoopEPN2v87IsolateE",
    ))
    .expect_err("it is refused");
    assert!(matches!(error.kind, LoadErrorKind::NeedsV8(_)), "{error:?}");
    let error =
        diagnose(&using("newer_uv.node", "uv_invent_something")).expect_err("it is refused");
    assert!(
        matches!(error.kind, LoadErrorKind::UnknownLibuv(_)),
        "{error:?}"
    );
    let facts = diagnose(&using("uv.node", "uv_default_loop"));
    assert!(facts.is_ok_and(|facts| facts.of_libuv.is_some()));
    let error = diagnose(&using("new.node", "napi_invent_something")).expect_err("it is refused");
    assert!(
        matches!(error.kind, LoadErrorKind::UnknownFunction(_)),
        "{error:?}"
    );
    let error =
        diagnose(&using("newer.node", "node_api_invent_something")).expect_err("it is refused");
    assert!(
        matches!(error.kind, LoadErrorKind::UnknownFunction(_)),
        "{error:?}"
    );
}

#[test]
fn description_has_versions_and_libraries() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let source = format!(
        "{GOOD}\nextern int napi_create_bigint_int64(napi_env, int64_t, napi_value *);\n\
         extern void *uv_default_loop(void); extern int atexit(void (*)(void));\n\
         void *use(napi_env env) {{ napi_value v; napi_create_bigint_int64(env, 1, &v); \
         return uv_default_loop(); }}"
    );
    let path = workshop.library("described.node", &source, &["-lm", "-Wl,--no-as-needed"]);
    let facts = inspect(&path).expect("it is an addon");
    let functions = facts.node_api();
    assert_eq!(
        functions.get("napi_create_bigint_int64"),
        Some(&Some(ApiVersion::Stable(6)))
    );
    assert_eq!(
        functions.get("napi_create_int32"),
        Some(&Some(ApiVersion::Stable(1)))
    );
    assert_eq!(facts.libuv(), ["uv_default_loop"]);
    assert!(!facts.declares_version());
    let libraries = facts.libraries();
    let libc = libraries.iter().find(|library| library.name == "libc.so.6");
    let file = libc.and_then(|libc| libc.file.clone());
    assert!(file.is_some_and(|file| file.is_file()), "{libraries:?}");
}

#[test]
fn weak_imports_and_companions_may_use_any_name() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let weak = format!(
        "extern int napi_invent(void) __attribute__((weak)); int use(void) {{ return napi_invent ? napi_invent() : 0; }}\n{GOOD}"
    );
    diagnose(&workshop.library("weak.node", &weak, &[])).expect("weak names may be missing");
    workshop.library(
        "libcompanion.so",
        "int napi_of_ours(void) { return 1; }",
        &[],
    );
    let source = format!(
        "extern int napi_of_ours(void); int use(void) {{ return napi_of_ours(); }}\n{GOOD}"
    );
    let link = ["-L.", "-lcompanion", "-Wl,-rpath,$ORIGIN"];
    let path = workshop.library("with.node", &source, &link);
    diagnose(&path).expect("the companion has the name");
    assert_eq!(loaded(&path, "addon.answer"), "42");
}

#[test]
fn companion_is_found_beside_the_real_file_through_a_link() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.library("libbeside.so", "int beside(void) { return 5; }", &[]);
    let source = "extern int beside(void);
        napi_value napi_register_module_v1(napi_env env, napi_value exports) { return answer(env, exports, beside()); }";
    let real = workshop.library(
        "real.node",
        source,
        &["-L.", "-lbeside", "-Wl,-rpath,$ORIGIN"],
    );
    let elsewhere = TempDir::new().expect("a folder");
    let link = elsewhere.path().join("link.node");
    std::os::unix::fs::symlink(real, &link).expect("a link");
    assert_eq!(loaded(&link, "addon.answer"), "5");
}

#[test]
fn missing_library_is_named_with_the_library_that_needs_it() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.library("libabsent.so", "int absent(void) { return 1; }", &[]);
    let uses = "extern int absent(void); int middle(void) { return absent(); }";
    workshop.library(
        "libmiddle.so",
        uses,
        &["-L.", "-labsent", "-Wl,-rpath,$ORIGIN"],
    );
    let direct = workshop.library(
        "direct.node",
        &format!("{uses}\n{GOOD}"),
        &["-L.", "-labsent"],
    );
    let source = format!("extern int middle(void); int use(void) {{ return middle(); }}\n{GOOD}");
    let link = [
        "-L.",
        "-lmiddle",
        "-Wl,-rpath,$ORIGIN",
        "-Wl,--allow-shlib-undefined",
    ];
    let indirect = workshop.library("indirect.node", &source, &link);
    fs::remove_file(workshop.path("libabsent.so")).expect("removed");

    let error = refused(&direct).to_string();
    assert!(
        error.contains("needs the library libabsent.so, which was not found"),
        "{error}"
    );
    let error = diagnose(&indirect).expect_err("it misses one").to_string();
    assert!(
        error.contains("libabsent.so (through libmiddle.so)"),
        "{error}"
    );
}

#[test]
fn library_too_old_for_the_addon_is_named_with_both_versions() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let versions = |names: &str| fs::write(workshop.path("versions"), names).expect("written");
    versions("SERIES_1.9 { local: *; }; SERIES_1.10 { global: grow; };");
    let source = "int grow(void) { return 1; }";
    let script = ["-Wl,--version-script=versions", "-Wl,-soname,libgrow.so"];
    workshop.library("libgrow.so", source, &script);
    let link = ["-L.", "-lgrow", "-Wl,-rpath,$ORIGIN"];
    let source_of_addon =
        format!("extern int grow(void); int use(void) {{ return grow(); }}\n{GOOD}");
    let path = workshop.library("addon.node", &source_of_addon, &link);
    versions("SERIES_1.8 { local: *; }; SERIES_1.9 { global: grow; };");
    workshop.library("libgrow.so", source, &script);

    let error = refused(&path).to_string();
    assert!(error.contains("needs SERIES_1.10 of libgrow.so"), "{error}");
    assert!(error.contains("(its newest is SERIES_1.9)"), "{error}");
}

#[test]
fn addon_for_the_other_c_library_is_refused() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let (soname, here) = if cfg!(target_env = "musl") {
        ("libc.so.6", "musl")
    } else {
        ("libc.musl-x86_64.so.1", "glibc")
    };
    workshop.library(
        "libother.so",
        "int other(void) { return 1; }",
        &[&format!("-Wl,-soname,{soname}")],
    );
    let source = format!("extern int other(void); int use(void) {{ return other(); }}\n{GOOD}");
    let path = workshop.library("addon.node", &source, &["-L.", "-lother"]);
    let error = refused(&path).to_string();
    assert!(
        error.contains(&format!("this host runs on {here}")),
        "{error}"
    );
}

#[test]
fn what_is_no_shared_library_is_named() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let file = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).expect("written");
        path(name)
    };
    let says = |path: &Path, words: &str| {
        let error = diagnose(path).expect_err("it is refused").to_string();
        assert!(error.contains(words), "{error}");
    };
    says(&path("nothing.node"), "does not exist");
    says(folder.path(), "is a directory");
    says(&file("empty.node", b""), "is an empty file");
    says(&file("text.node", b"#!/bin/sh\nexit\n"), "is a text file");
    says(&file("archive.a", b"!<arch>\n"), "is a static library");
    says(
        &file("random.node", &[0, 1, 2, 3, 255]),
        "a file of an unknown format",
    );
    says(&file("head.node", b"\x7fELF"), "its header is cut off");
    says(
        &file("mac.node", b"\xcf\xfa\xed\xfe\x0c\0\0\x01"),
        "was built for macOS on aarch64",
    );
    says(Path::new("/dev/null"), "is a device");
    says(
        &std::env::current_exe().expect("this program"),
        "is a program",
    );
    says(Path::new("nul\0inside"), "cannot read");
    says(&file("text.node", b"x").join("below"), "cannot read");
    let pipe = path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo")
            .success()
    );
    says(&pipe, "is a named pipe");
    let socket = path("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    says(&socket, "is a socket");
}

#[test]
fn other_processor_is_named() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let path = workshop.addon(GOOD);
    let mut bytes = fs::read(&path).expect("read");
    // `e_machine`: 32-bit ARM is never a host.
    bytes[18..20].copy_from_slice(&40_u16.to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    let error = refused(&path).to_string();
    assert!(
        error.contains("was built for Linux on arm, and this is Linux on "),
        "{error}"
    );
}

#[test]
fn damaged_files_are_errors_and_never_more() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let whole = fs::read(workshop.addon(GOOD)).expect("read");
    let path = workshop.path("damaged.node");
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        // Any answer will do; a panic, a hang or a huge allocation would not.
        let _ = diagnose(&path);
    };
    for length in (0..whole.len()).step_by(whole.len() / 200) {
        check(&whole[..length]);
    }
    // A fixed sequence of pseudo-random changes, most of them where the tables are.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("small")
    };
    for _ in 0..1500 {
        let mut bytes = whole.clone();
        for _ in 0..=random(8) {
            let within = if random(2) == 0 { 4096 } else { whole.len() };
            let at = random(within);
            let byte = [0, 0xff, 0x7f, 0x80, 1][random(5)];
            bytes[at..(at + 1 + random(8)).min(whole.len())].fill(byte);
        }
        check(&bytes);
    }
}
