//! Versions, file names and registration.

use std::ffi::{CStr, c_void};
use std::path::Path;

use crate::harness::*;

#[test]
fn versions_are_those_of_node_22() {
    with_env(|env| {
        assert_eq!(get!(napi_get_version(env)), 10);
        let version = get!(napi_get_node_version(env));
        // SAFETY: the function gave the address of a record that lives as long as the host.
        let version = unsafe { &*version };
        assert_eq!(version.major, 22);
        // SAFETY: a static C string.
        assert_eq!(unsafe { CStr::from_ptr(version.release) }, c"node");
    });
}

#[test]
fn file_name_is_a_url() {
    with_env(|env| {
        let name = get!(node_api_get_module_file_name(env));
        // SAFETY: the function gave a C string that lives as long as the environment.
        let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap();
        assert!(
            name.starts_with("file:///") && name.contains("/shim-8-"),
            "{name}"
        );
    });
}

#[test]
fn module_that_registers_itself_is_loaded_each_time_anew() {
    let name = format!("legacy-{}.node", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    compile("legacy.c", &[], &path);
    let bench = bench();
    let rt = bench.host.runtime();
    for loads in 1..=2 {
        let loaded = bench.host.load(&path).unwrap();
        assert_eq!(loaded.api_version, 8);
        let count = rt.get_named(&loaded.exports, "loads").unwrap();
        assert_eq!(
            count.as_i32(),
            Some(loads),
            "the image is the same, init runs again"
        );
    }
}

#[test]
fn loop_of_libuv_is_the_same_every_time() {
    with_env(|env| {
        let first: *mut c_void = get!(napi_get_uv_event_loop(env));
        assert!(!first.is_null());
        assert_eq!(first, get!(napi_get_uv_event_loop(env)));
        assert_eq!(
            call!(napi_get_uv_event_loop(env, std::ptr::null_mut())),
            Status::InvalidArg
        );
    });
}
