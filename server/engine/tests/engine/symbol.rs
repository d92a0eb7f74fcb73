//! Symbols.

use crate::{engine, js, text};
use hostd_engine::Value;

#[test]
fn any_description_works() {
    let rt = engine();
    let description = rt.string_utf16(&[0x61, 0, 0xD800]).unwrap();
    let symbol = rt.symbol(Some(&description)).unwrap();
    let back = rt.symbol_description(&symbol).unwrap();
    assert_eq!(&*rt.utf16(&back).unwrap(), &[0x61, 0, 0xD800]);
    assert!(
        rt.symbol_description(&rt.symbol(None).unwrap())
            .unwrap()
            .is_undefined()
    );
}

#[test]
fn registered_symbols_are_found_again() {
    let rt = engine();
    let symbol = rt.symbol_for("né".as_bytes()).unwrap();
    assert!(rt.strict_equals(&symbol, &js(rt, "Symbol.for('né')")));
    assert_eq!(text(rt, &rt.symbol_key(&symbol).unwrap().unwrap()), "né");
    assert!(rt.symbol_key(&js(rt, "Symbol('x')")).unwrap().is_none());
}

#[test]
fn a_symbol_has_an_identity() {
    let rt = engine();
    let symbol = rt.symbol(None).unwrap();
    assert_eq!(symbol.identity(), symbol.clone().identity());
    assert_ne!(symbol.identity(), rt.symbol(None).unwrap().identity());
    assert_eq!(Value::from(1).identity(), None);
}
