//! Names of functions, as a person reads them.

use hostd_symbols::*;

#[test]
fn names_of_each_language_are_readable() {
    assert_eq!(demangle(b"NullPointer"), "NullPointer");
    assert_eq!(
        demangle(b"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"),
        "core::fmt::Formatter::pad"
    );
    assert_eq!(
        demangle(b"_ZNSt6vectorIiSaIiEE9push_backERKi"),
        "std::vector<int, std::allocator<int> >::push_back"
    );
    assert_eq!(demangle(b"_ZZZZ"), "_ZZZZ");
}

#[test]
fn hostile_names_become_one_short_harmless_line() {
    assert_eq!(escape("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
    assert_eq!(escape("\u{202e}"), "\\u{202e}");
    assert!(demangle(&b"x".repeat(100_000)).len() < 300);
    assert!(demangle(&[0xff; 1000]).len() < 300);
    let bomb = [b"_Z1f".as_slice(), &b"PFvS_S_E".repeat(4000)].concat();
    assert!(demangle(&bomb).len() < 300);
}
