//! Maps and sets.

use crate::{engine, js, text, thrown_text};
use hostd_engine::Value;

#[test]
fn map_entries_come_in_order() {
    let rt = engine();
    let map = js(rt, "new Map([['a', 1], [NaN, 2], [{}, 3]])");
    assert!(rt.is_map(&map));
    let items = rt.map_items(&map).unwrap();
    assert_eq!(items.len(), 6);
    assert_eq!(text(rt, &items[0]), "a");
    let values = items.iter().skip(1).step_by(2);
    assert_eq!(
        values
            .map(|value| value.as_i32().unwrap())
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[test]
fn set_values_come_in_order() {
    let rt = engine();
    let set = js(rt, "new Set([3, 1, 3, 2])");
    assert!(rt.is_set(&set));
    let values = rt.set_values(&set).unwrap();
    assert_eq!(
        values
            .iter()
            .map(|value| value.as_i32().unwrap())
            .collect::<Vec<_>>(),
        [3, 1, 2]
    );
    assert!(rt.set_values(&js(rt, "new Set()")).unwrap().is_empty());
}

#[test]
fn maps_and_sets_are_built() {
    let rt = engine();
    let entries = vec![
        (Value::from(1), Value::from(2)),
        (Value::from(1), Value::from(3)),
    ];
    let map = rt.map(entries).unwrap();
    assert_eq!(rt.map_items(&map).unwrap()[1].as_i32(), Some(3));
    let set = rt.set_of(vec![Value::from(1), Value::from(1)]).unwrap();
    assert_eq!(rt.set_values(&set).unwrap().len(), 1);
}

#[test]
fn foreign_code_cannot_interfere() {
    let rt = engine();
    let map = js(
        rt,
        "Map.prototype.forEach = () => { throw 1 }; Object.defineProperty(Array.prototype, 0, {set() { throw 2 }, configurable: true});
         globalThis.Map = null; new Set().add(1); class M extends (new Map0().constructor) {}"
            .replace("new Map0().constructor", "Object")
            .as_str(),
    );
    drop(map);
    let map = rt.map(vec![(Value::from(1), Value::from(2))]).unwrap();
    assert_eq!(rt.map_items(&map).unwrap().len(), 2);
}

#[test]
fn other_objects_are_refused() {
    let rt = engine();
    assert!(thrown_text(rt, rt.map_items(&js(rt, "({})"))).starts_with("TypeError"));
    assert!(thrown_text(rt, rt.set_values(&js(rt, "new Map()"))).starts_with("TypeError"));
}
