//! Typed arrays and data views.

use hostd_engine::{ElementType, ViewKind};

use crate::{call_js, engine, js, text, thrown_text};

#[test]
fn every_element_type_has_its_class() {
    let rt = engine();
    let buffer = rt.array_buffer(64).unwrap();
    for (number, element) in ElementType::ALL.into_iter().enumerate() {
        let array = rt.typed_array(element, &buffer, 8, 3).unwrap();
        assert_eq!(rt.element_type(&array), Some(element));
        assert_eq!(
            ElementType::from_number(u32::try_from(number).unwrap()),
            Some(element)
        );
        let name = call_js(
            rt,
            "a => a.constructor.name + a.length + a.BYTES_PER_ELEMENT",
            std::slice::from_ref(&array),
        );
        assert_eq!(
            text(rt, &name),
            format!("{}3{}", element.array_name(), element.size())
        );
        let view = rt.view(&array).unwrap();
        assert_eq!(view.kind, ViewKind::TypedArray(element));
        assert_eq!(
            (view.byte_offset, view.byte_length, view.length()),
            (8, 3 * element.size(), 3)
        );
        assert!(rt.strict_equals(&view.buffer, &buffer));
    }
    assert_eq!(ElementType::from_number(12), None);
}

#[test]
fn views_of_detached_buffers_are_empty() {
    let rt = engine();
    let buffer = rt.array_buffer(16).unwrap();
    let array = rt.typed_array(ElementType::Int32, &buffer, 4, 2).unwrap();
    let data_view = rt.data_view(&buffer, 4, 2).unwrap();
    rt.detach(&buffer);
    for value in [array, data_view] {
        let view = rt.view(&value).unwrap();
        assert_eq!((view.byte_offset, view.byte_length), (0, 0));
        assert!(rt.strict_equals(&view.buffer, &buffer));
    }
}

#[test]
fn length_tracking_views_follow_their_buffer() {
    let rt = engine();
    js(
        rt,
        "globalThis.b = new ArrayBuffer(4, {maxByteLength: 16}); globalThis.a = new Uint16Array(b, 2)",
    );
    let array = js(rt, "a");
    assert_eq!(rt.view(&array).unwrap().byte_length, 2);
    js(rt, "b.resize(12)");
    assert_eq!(rt.view(&array).unwrap().byte_length, 10);
    assert_eq!(rt.byte_length(&array), Some(10));
    let data_view = js(rt, "new DataView(b, 4)");
    js(rt, "b.resize(6)");
    assert_eq!(rt.view(&data_view).unwrap().byte_length, 2);
    js(rt, "b.resize(1)");
    assert_eq!(rt.byte_length(&array), Some(0));
}

#[test]
fn data_views_read_and_write() {
    let rt = engine();
    let buffer = rt.array_buffer(8).unwrap();
    let view = rt.data_view(&buffer, 2, 4).unwrap();
    assert!(rt.is_data_view(&view));
    assert!(rt.write_bytes(&view, 0, &[1, 2, 3, 4]));
    assert!(rt.bytes_equal(&buffer, &[0, 0, 1, 2, 3, 4, 0, 0]));
    assert_eq!(
        call_js(rt, "v => v.getUint16(0)", &[view]).as_i32(),
        Some(258)
    );
}

#[test]
fn bad_ranges_throw() {
    let rt = engine();
    let buffer = rt.array_buffer(8).unwrap();
    for (offset, length) in [(1, 1), (0, 3), (16, 0), (usize::MAX, 1), (0, usize::MAX)] {
        let result = rt.typed_array(ElementType::Int32, &buffer, offset, length);
        assert!(
            thrown_text(rt, result).starts_with("RangeError"),
            "{offset} {length}"
        );
    }
    assert!(thrown_text(rt, rt.data_view(&buffer, 9, 0)).starts_with("RangeError"));
    let result = rt.typed_array(ElementType::Int8, &js(rt, "[1, 2]"), 0, 1);
    assert!(thrown_text(rt, result).starts_with("TypeError"));
}

#[test]
fn bytes_of_views_are_their_part() {
    let rt = engine();
    let array = js(rt, "new Uint8Array([1, 2, 3, 4]).subarray(1, 3)");
    assert_eq!(rt.copy_bytes(&array).unwrap().unwrap(), [2, 3]);
    assert!(!rt.write_bytes(&array, 1, &[0, 0]));
}
