//! Scripts.

use crate::{engine, js, text, thrown_text};

#[test]
fn scripts_are_global_sloppy_and_have_a_value() {
    let rt = engine();
    assert_eq!(
        js(rt, "var seen = 5; undeclared = 6; seen + undeclared").as_i32(),
        Some(11)
    );
    assert_eq!(js(rt, "globalThis.seen").as_i32(), Some(5));
    assert_eq!(
        js(rt, "(function () { return this === globalThis })()").as_bool(),
        Some(true)
    );
}

#[test]
fn syntax_errors_are_thrown() {
    let rt = engine();
    assert!(thrown_text(rt, rt.eval_script("let let", "bad.js")).starts_with("SyntaxError"));
}

#[test]
fn sources_may_hold_nul_and_any_text() {
    let rt = engine();
    assert_eq!(text(rt, &js(rt, "'né\0x'")), "né\0x");
    assert!(rt.eval_script("1", "with\0nul").is_ok());
}
