//! Every kind of value, out of JavaScript and back into it.

use hostd_protocol::limits::Limits;
use hostd_protocol::value::{ElementKind, ValueWriter};

use crate::peer::Peer;

/// What a script's value is on the wire.
fn out(peer: &mut Peer, source: &str) -> String {
    peer.script(source)
        .unwrap_or_else(|error| format!("failed: {error}"))
}

#[test]
fn scalars_keep_their_type() {
    let mut peer = Peer::start();
    for (source, expected) in [
        ("undefined", "undefined"),
        ("null", "null"),
        ("true", "true"),
        ("7", "7"),
        ("-0", "-0.0f"),
        ("NaN", "NaNf"),
        ("-Infinity", "-inff"),
        ("1.5", "1.5f"),
        ("2 ** 31", "2147483648L"),
        ("2 ** 53 - 1", "9007199254740991L"),
        ("2 ** 53", "9007199254740992.0f"),
        ("-(2n ** 64n)", "-0x0_1n"),
        ("0n", "0xn"),
        ("'h\\u00e9\\u{1f600}'", "\"hé😀\""),
        ("'a\\ud800b'", "utf16[61, d800, 62]"),
        ("'a\\0b'", "\"a\\0b\""),
        ("new Date(1e12)", "date(1000000000000)"),
    ] {
        assert_eq!(out(&mut peer, source), expected, "{source}");
    }
}

#[test]
fn containers_cross_by_value() {
    let mut peer = Peer::start();
    for (source, expected) in [
        ("[1, 2, 3]", "i32[1, 2, 3]"),
        ("[1, 2.5, -0]", "f64[1.0, 2.5, -0.0]"),
        ("[1, 'a']", "[1, \"a\"]"),
        ("[1.5, null]", "[1.5f, null]"),
        ("[]", "[]"),
        ("[1, , 'x']", "[1, hole, \"x\"]"),
        ("[undefined]", "[undefined]"),
        ("({})", "{}"),
        ("({b: 1, a: {c: [true]}})", "{b: 1, a: {c: [true]}}"),
        ("({2: 'x', 1: 'y'})", "{1: \"y\", 2: \"x\"}"),
        ("Object.assign(Object.create(null), {a: 1})", "{a: 1}"),
        ("({'a\\ud800': 1})", "{utf16[61, d800]: 1}"),
        ("({['__proto__']: 1})", "{__proto__: 1}"),
        ("new Map([[1, 'a'], [{}, 2]])", "map(1 => \"a\", {} => 2)"),
        ("new Set([1, 'a'])", "set(1, \"a\")"),
    ] {
        assert_eq!(out(&mut peer, source), expected, "{source}");
    }
}

#[test]
fn aliases_and_cycles_are_references() {
    let mut peer = Peer::start();
    assert_eq!(out(&mut peer, "var a = {}; [a, a]"), "[{}, ref(1)]");
    assert_eq!(
        out(&mut peer, "var c = {n: 1}; c.me = c; c"),
        "{n: 1, me: ref(0)}"
    );
    assert_eq!(
        out(&mut peer, "var m = new Map(); m.set('m', m); m"),
        "map(m => ref(0))"
    );
    let many = "var x = []; for (let i = 0; i < 40; i++) x.push([]); x.push(x[0], x[39]); x";
    assert!(out(&mut peer, many).ends_with("ref(1), ref(40)]"));
}

#[test]
fn behaviour_crosses_by_reference() {
    let mut peer = Peer::start();
    for source in [
        "({f() {}})",
        "({get x() { throw 1 }})",
        "({[Symbol('s')]: 1})",
        "new (class A {})",
        "Object.assign([1], {extra: 1})",
        "new (class L extends Array {})",
        "new (class M extends Map {})",
        "new Proxy({}, {})",
        "/x/",
        "new WeakMap()",
        "new Date(NaN)",
        "new Date(8.64e15)",
        "new Number(1)",
    ] {
        let text = out(&mut peer, source);
        assert!(
            text.starts_with("lent(") && text.contains("Object"),
            "{source}: {text}"
        );
    }
    assert!(out(&mut peer, "(function f() {})").contains("Function"));
    assert!(out(&mut peer, "(class C {})").contains("Class class"));
    assert!(out(&mut peer, "Map").contains("Class class"));
    assert!(out(&mut peer, "new Promise(() => {})").contains("Promise"));
    assert!(out(&mut peer, "Symbol('x')").contains("Symbol"));
}

#[test]
fn buffers_carry_bytes_and_identity() {
    let mut peer = Peer::start();
    assert_eq!(out(&mut peer, "Buffer.from([1, 2])"), "lent Buffer[1, 2]");
    assert_eq!(
        out(&mut peer, "new Uint16Array([258])"),
        "lent Uint16[2, 1]"
    );
    assert_eq!(
        out(&mut peer, "new ArrayBuffer(2)"),
        "lent ArrayBuffer[0, 0]"
    );
    assert_eq!(
        out(&mut peer, "new DataView(new ArrayBuffer(3), 1)"),
        "lent DataView[0, 0]"
    );
    assert_eq!(
        out(&mut peer, "new BigInt64Array(1)"),
        "lent BigInt64[0, 0, 0, 0, 0, 0, 0, 0]"
    );
    assert_eq!(
        out(&mut peer, "new SharedArrayBuffer(1)"),
        "lent SharedArrayBuffer[0]"
    );
    assert_eq!(
        out(&mut peer, "new Uint8Array([9,8,7]).subarray(1)"),
        "lent Uint8[8, 7]"
    );
    let identity = peer.lend("(b => b)");
    let same = peer.lend("globalThis.kept = new Uint8Array([5, 6]); (x => x === kept && x[0])");
    let kept = peer.ask(hostd_protocol::calls::CallKind::RunScript, |w| {
        w.str("kept").unwrap();
    });
    assert_eq!(kept.unwrap(), "lent Uint8[5, 6]");
    // The third object that was lent is the kept array; its new bytes arrive in it.
    let id = hostd_protocol::ids::SlotId::new(same + 1);
    let changed = peer.call(same, 1, |w| {
        w.buffer(ElementKind::Uint8, id, true, &[9, 6]).unwrap();
    });
    assert_eq!(changed.unwrap(), "9");
    let fresh = peer.call(identity, 1, |w| {
        w.buffer(ElementKind::Float64, None, false, &1.5_f64.to_le_bytes())
            .unwrap();
    });
    assert_eq!(fresh.unwrap(), "lent Float64[0, 0, 0, 0, 0, 0, 248, 63]");
}

type Write<'a> = &'a dyn Fn(&mut ValueWriter<'_>);

#[test]
fn values_come_back_as_they_went() {
    let mut peer = Peer::start();
    let identity = peer.lend("(x => x)");
    let cases: [(Write<'_>, &str); 12] = [
        (&|w| w.undefined(), "undefined"),
        (&|w| w.float(-0.0), "-0.0f"),
        (&|w| w.integer(1 << 40), "1099511627776L"),
        (&|w| w.float(3.0), "3"),
        (&|w| w.bigint(true, &[5, 0, 1]).unwrap(), "-0x5_0_1n"),
        (
            &|w| w.str16([0xdc00_u16].into_iter()).unwrap(),
            "utf16[dc00]",
        ),
        (&|w| w.date(-1.0), "date(-1)"),
        (&nested_object, "{__proto__: {a: 1}, b: [1, hole]}"),
        (&cyclic_array, "[ref(0), \"x\"]"),
        (&cyclic_map, "map(ref(0) => set(ref(0)))"),
        (&packed, "[i32[1, -2], f64[0.5]]"),
        (&aliased, "[{}, ref(1)]"),
    ];
    for (write, expected) in cases {
        assert_eq!(peer.call(identity, 1, write).unwrap(), expected);
    }
}

fn nested_object(w: &mut ValueWriter<'_>) {
    let open = w.open_object().unwrap();
    w.str("__proto__").unwrap();
    let inner = w.open_object().unwrap();
    w.str("a").unwrap();
    w.int32(1);
    w.close(inner, 1);
    w.str("b").unwrap();
    let list = w.open_array().unwrap();
    w.int32(1);
    w.hole();
    w.close(list, 2);
    w.close(open, 2);
}

fn cyclic_array(w: &mut ValueWriter<'_>) {
    let open = w.open_array().unwrap();
    w.reference(0);
    w.str("x").unwrap();
    w.close(open, 2);
}

fn cyclic_map(w: &mut ValueWriter<'_>) {
    let open = w.open_map().unwrap();
    w.reference(0);
    let set = w.open_set().unwrap();
    w.reference(0);
    w.close(set, 1);
    w.close(open, 1);
}

fn packed(w: &mut ValueWriter<'_>) {
    let open = w.open_array().unwrap();
    let ints = w.open_array_i32().unwrap();
    w.push_i32(1);
    w.push_i32(-2);
    w.close(ints, 2);
    let doubles = w.open_array_f64().unwrap();
    w.push_f64(0.5);
    w.close(doubles, 1);
    w.close(open, 2);
}

fn aliased(w: &mut ValueWriter<'_>) {
    let open = w.open_array().unwrap();
    let object = w.open_object().unwrap();
    w.close(object, 0);
    w.reference(1);
    w.close(open, 2);
}

#[test]
fn proto_key_is_defined_and_never_set() {
    let mut peer = Peer::start();
    let ask = peer.lend("(o => [Object.hasOwn(o, '__proto__'), o.a === undefined])");
    assert_eq!(peer.call(ask, 1, nested_object).unwrap(), "[true, true]");
}

#[test]
fn too_deep_a_result_is_an_error_that_says_so() {
    let mut peer = Peer::start();
    let deep = |n| format!("var d = 0; for (let i = 0; i < {n}; i++) d = [d]; d");
    assert!(peer.script(&deep(63)).is_ok());
    let error = peer.script(&deep(65)).unwrap_err();
    assert!(
        error.contains("Limit") && error.contains("levels of nesting"),
        "{error}"
    );
    // A million levels neither overflow the stack nor end the session.
    assert!(
        peer.script(&deep(1_000_000))
            .unwrap_err()
            .contains("levels of nesting")
    );
    assert_eq!(peer.script("1").unwrap(), "1");
}

#[test]
fn too_large_a_result_is_an_error_that_says_so() {
    let mut peer = Peer::with(Limits {
        frame_bytes: 1 << 20,
        ..Limits::DEFAULT
    });
    let error = peer.script("'x'.repeat(2 ** 20)").unwrap_err();
    assert!(error.contains("bytes in one message"), "{error}");
    let error = peer
        .script("throw new Error('x'.repeat(2 ** 20))")
        .unwrap_err();
    assert!(error.contains("bytes in one message"), "{error}");
    assert_eq!(peer.script("'x'.repeat(2 ** 19).length").unwrap(), "524288");
}
