//! What is written is read again; what is not written by us is refused.

use hostd_protocol::error::ProtocolError;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::*;

/// What an array begins with, and what other compounds with a count begin with.
const ARRAY: u8 = 11;
const COUNTED: [u8; 5] = [ARRAY, 12, 14, 15, 16];

fn block(write: impl FnOnce(&mut ValueWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut ValueWriter::new(&mut out, &Limits::DEFAULT));
    out
}

#[test]
fn scalars_are_read_as_written() {
    let bytes = block(|w| {
        w.undefined();
        w.null();
        w.boolean(true);
        w.integer(-5);
        w.integer((1 << 53) - 1);
        w.float(-0.0);
        w.str("žluť").unwrap();
        w.str16([0xD800, 0x61].into_iter()).unwrap();
        w.bigint(true, &[1, 2]).unwrap();
        w.date(1.5);
    });
    let mut r = ValueReader::new(&bytes, &Limits::DEFAULT);
    assert_eq!(r.next().unwrap(), Token::Undefined);
    assert_eq!(r.next().unwrap(), Token::Null);
    assert_eq!(r.next().unwrap(), Token::Bool(true));
    assert_eq!(r.next().unwrap(), Token::Int32(-5));
    assert_eq!(r.next().unwrap(), Token::Int64((1 << 53) - 1));
    assert!(matches!(r.next().unwrap(), Token::Float(f) if f.to_bits() == (-0.0_f64).to_bits()));
    assert_eq!(r.next().unwrap(), Token::Str("žluť"));
    assert!(
        matches!(r.next().unwrap(), Token::Str16(u) if u.iter().collect::<Vec<_>>() == [0xD800, 0x61])
    );
    assert!(matches!(
        r.next().unwrap(),
        Token::BigInt { negative: true, words } if words.iter().collect::<Vec<_>>() == [1, 2]
    ));
    assert_eq!(r.next().unwrap(), Token::Date(1.5));
    r.finish().unwrap();
}

#[test]
fn compounds_are_numbered_in_the_order_of_their_tags() {
    let bytes = block(|w| {
        let outer = w.open_array().unwrap();
        let inner = w.open_object().unwrap();
        w.str("k").unwrap();
        w.reference(outer.index());
        w.close(inner, 1);
        w.buffer(ElementKind::Uint8, None, true, b"xy").unwrap();
        w.reference(inner.index());
        w.close(outer, 3);
    });
    let mut r = ValueReader::new(&bytes, &Limits::DEFAULT);
    assert_eq!(r.next().unwrap(), Token::Array { index: 0, count: 3 });
    assert_eq!(r.next().unwrap(), Token::Object { index: 1, count: 1 });
    assert_eq!(r.key().unwrap(), Token::Str("k"));
    assert_eq!(r.next().unwrap(), Token::Ref(0));
    r.leave();
    assert!(matches!(
        r.next().unwrap(),
        Token::Buffer {
            index: 2,
            bytes: b"xy",
            ..
        }
    ));
    assert_eq!(r.next().unwrap(), Token::Ref(1));
    r.leave();
    r.finish().unwrap();
}

#[test]
fn rewound_array_leaves_no_trace() {
    let bytes = block(|w| {
        let packed = w.open_array_i32().unwrap();
        w.push_i32(1);
        w.rewind(packed);
        let array = w.open_array().unwrap();
        assert_eq!(array.index(), 0);
        w.int32(1);
        w.null();
        w.close(array, 2);
    });
    let mut r = ValueReader::new(&bytes, &Limits::DEFAULT);
    r.walk(|_| ()).unwrap();
    r.finish().unwrap();
}

#[test]
fn counts_beyond_the_message_are_refused_before_allocation() {
    for tag in COUNTED {
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        let error = ValueReader::new(&bytes, &Limits::DEFAULT)
            .next()
            .unwrap_err();
        assert!(matches!(error, ProtocolError::Malformed { .. }), "{error}");
    }
}

#[test]
fn nesting_past_the_limit_is_refused_on_both_sides() {
    let limits = Limits {
        depth: 3,
        ..Limits::DEFAULT
    };
    let mut out = Vec::new();
    let mut w = ValueWriter::new(&mut out, &limits);
    for _ in 0..3 {
        let _ = w.open_array().unwrap();
    }
    assert!(matches!(w.open_array(), Err(ProtocolError::Limit { .. })));
    let bytes = [[ARRAY, 1, 0, 0, 0]; 5].concat();
    let mut r = ValueReader::new(&bytes, &limits);
    assert!(matches!(r.walk(|_| ()), Err(ProtocolError::Limit { .. })));
}

#[test]
fn kind_of_value_that_does_not_exist_is_refused() {
    for code in 0..=u8::MAX {
        let bytes = [[code].as_slice(), &[1; 64]].concat();
        let known = code <= 25;
        let result = ValueReader::new(&bytes, &Limits::DEFAULT).next();
        let unknown = matches!(
            result,
            Err(ProtocolError::Malformed {
                what: "an unknown kind of value",
                ..
            })
        );
        assert_eq!(known, !unknown, "{code}");
    }
}

#[test]
fn a_pause_is_due_once_in_each_run_of_items() {
    let items = PAUSE_VALUES as usize;
    let due: Vec<usize> = (0..3 * items).filter(|&at| is_pause_due(at)).collect();
    assert_eq!(due, [items - 1, 2 * items - 1, 3 * items - 1]);
}
