//! Properties of the value format, frames and the handshake, for any input.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use hostd_protocol::control::Packet;
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{Flags, FrameBuilder, FrameKind, HEADER_BYTES, Header, read_releases};
use hostd_protocol::handshake::{HELLO_BYTES, Hello};
use hostd_protocol::ids::{CallId, Generation, SlotId};
use hostd_protocol::lent::Release;
use hostd_protocol::limits::Limits;
use hostd_protocol::memory::Region;
use hostd_protocol::message::{self, Description};
use hostd_protocol::value::{ElementKind, ErrorClass, Token, ValueReader, ValueWriter};
use proptest::prelude::*;

/// A value as a tree, to compare what was written with what was read.
#[derive(Clone, Debug)]
enum Value {
    Undefined,
    Null,
    Bool(bool),
    Integer(i64),
    Float(u64),
    BigInt(bool, Vec<u64>),
    Str(String),
    Str16(Vec<u16>),
    Date(u64),
    Hole,
    Own(u32),
    Lent(u32, u8, u32),
    RequestObject(u32),
    Array(Vec<Self>),
    Ints(Vec<i32>),
    Doubles(Vec<u64>),
    Object(Vec<(String, Self)>),
    Map(Vec<(Self, Self)>),
    Set(Vec<Self>),
    Buffer(bool, Vec<u8>),
    SharedBuffer(bool, Region),
    SharedText(Region),
    Error(u32, Box<[Self; 5]>, Vec<(String, Self)>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        Just(Value::Hole),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|n| Value::Integer(n.into())),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Float),
        (any::<bool>(), prop::collection::vec(any::<u64>(), 0..4))
            .prop_map(|(sign, words)| Value::BigInt(sign, words)),
        any::<String>().prop_map(Value::Str),
        prop::collection::vec(any::<u16>(), 0..8).prop_map(Value::Str16),
        any::<u64>().prop_map(Value::Date),
        (1..u32::MAX).prop_map(Value::Own),
        (1..u32::MAX, any::<u8>(), any::<u32>()).prop_map(|(a, b, c)| Value::Lent(a, b, c)),
        any::<u32>().prop_map(Value::RequestObject),
        prop::collection::vec(any::<i32>(), 0..8).prop_map(Value::Ints),
        prop::collection::vec(any::<u64>(), 0..8).prop_map(Value::Doubles),
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..32))
            .prop_map(|(writable, bytes)| Value::Buffer(writable, bytes)),
        (
            any::<bool>(),
            1..u32::MAX,
            any::<u32>(),
            any::<u64>(),
            any::<u64>()
        )
            .prop_map(|(writable, id, file, offset, length)| {
                let id = SlotId::new(id).unwrap();
                Value::SharedBuffer(
                    writable,
                    Region {
                        id,
                        file,
                        offset,
                        length,
                    },
                )
            }),
        (1..u32::MAX, any::<u32>(), any::<u64>(), 0..1_u64 << 20).prop_map(
            |(id, file, offset, length)| {
                let id = SlotId::new(id).unwrap();
                Value::SharedText(Region {
                    id,
                    file,
                    offset,
                    length,
                })
            }
        ),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let pairs = prop::collection::vec((any::<String>(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Set),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            pairs.clone().prop_map(Value::Object),
            (any::<u32>(), prop::array::uniform5(inner), pairs)
                .prop_map(|(id, parts, own)| Value::Error(id, Box::new(parts), own)),
        ]
    })
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap()
}

fn write(w: &mut ValueWriter<'_>, value: &Value) {
    match value {
        Value::Undefined => w.undefined(),
        Value::Null => w.null(),
        Value::Bool(value) => w.boolean(*value),
        Value::Integer(value) => w.integer(*value),
        Value::Float(bits) => w.float(f64::from_bits(*bits)),
        Value::BigInt(negative, words) => w.bigint(*negative, words).unwrap(),
        Value::Str(text) => w.str(text).unwrap(),
        Value::Str16(units) => w.str16(units.iter().copied()).unwrap(),
        Value::Date(bits) => w.date(f64::from_bits(*bits)),
        Value::Hole => w.hole(),
        Value::Own(id) => w.own(SlotId::new(*id).unwrap()),
        Value::Lent(id, kind, class) => w.lent(SlotId::new(*id).unwrap(), *kind, *class),
        Value::RequestObject(index) => w.request_object(*index),
        Value::Array(items) => {
            let open = w.open_array().unwrap();
            for item in items {
                write(w, item);
            }
            w.close(open, count(items));
        }
        Value::Set(items) => {
            let open = w.open_set().unwrap();
            for item in items {
                write(w, item);
            }
            w.close(open, count(items));
        }
        Value::Ints(items) => {
            let open = w.open_array_i32().unwrap();
            for item in items {
                w.push_i32(*item);
            }
            w.close(open, count(items));
        }
        Value::Doubles(items) => {
            let open = w.open_array_f64().unwrap();
            for item in items {
                w.push_f64(f64::from_bits(*item));
            }
            w.close(open, count(items));
        }
        Value::Object(pairs) => {
            let open = w.open_object().unwrap();
            write_pairs(w, pairs);
            w.close(open, count(pairs));
        }
        Value::Map(pairs) => {
            let open = w.open_map().unwrap();
            for (key, value) in pairs {
                write(w, key);
                write(w, value);
            }
            w.close(open, count(pairs));
        }
        Value::Buffer(writable, bytes) => {
            w.buffer(ElementKind::Uint8, None, *writable, bytes)
                .unwrap();
        }
        Value::SharedText(region) => w.shared_text(*region),
        Value::SharedBuffer(writable, region) => {
            w.shared_buffer(ElementKind::Uint8, None, *writable, *region)
                .unwrap();
        }
        Value::Error(id, parts, own) => {
            let mut open = w.open_error(SlotId::new(*id), ErrorClass::Range).unwrap();
            for part in parts.iter() {
                write(w, part);
            }
            w.own_fields(&mut open);
            write_pairs(w, own);
            w.close(open, count(own));
        }
    }
}

fn write_pairs(w: &mut ValueWriter<'_>, pairs: &[(String, Value)]) {
    for (key, value) in pairs {
        w.str(key).unwrap();
        write(w, value);
    }
}

fn read(r: &mut ValueReader<'_>) -> Value {
    match r.next().unwrap() {
        Token::Undefined => Value::Undefined,
        Token::Null => Value::Null,
        Token::Bool(value) => Value::Bool(value),
        Token::Int32(value) => Value::Integer(value.into()),
        Token::Int64(value) => Value::Integer(value),
        Token::Float(value) => Value::Float(value.to_bits()),
        Token::BigInt { negative, words } => Value::BigInt(negative, words.iter().collect()),
        Token::Str(text) => Value::Str(text.into()),
        Token::Str16(units) => Value::Str16(units.iter().collect()),
        Token::Date(value) => Value::Date(value.to_bits()),
        Token::Hole => Value::Hole,
        Token::Own(id) => Value::Own(id.get()),
        Token::Lent { id, kind, class } => Value::Lent(id.get(), kind, class),
        Token::RequestObject(index) => Value::RequestObject(index),
        Token::Ref(index) => panic!("a reference to {index} that was not written"),
        Token::ArrayI32 { items, .. } => Value::Ints(items.iter().collect()),
        Token::ArrayF64 { items, .. } => Value::Doubles(items.iter().map(f64::to_bits).collect()),
        Token::Buffer {
            element,
            id,
            writable,
            bytes,
            ..
        } => {
            assert_eq!((element, id), (ElementKind::Uint8, None));
            Value::Buffer(writable, bytes.to_vec())
        }
        Token::SharedText(region) => Value::SharedText(region),
        Token::SharedBuffer {
            element,
            id,
            writable,
            region,
            ..
        } => {
            assert_eq!((element, id), (ElementKind::Uint8, None));
            Value::SharedBuffer(writable, region)
        }
        Token::Array { count, .. } => {
            let items = (0..count).map(|_| read(r)).collect();
            r.leave();
            Value::Array(items)
        }
        Token::Set { count, .. } => {
            let items = (0..count).map(|_| read(r)).collect();
            r.leave();
            Value::Set(items)
        }
        Token::Map { count, .. } => {
            let items = (0..count).map(|_| (read(r), read(r))).collect();
            r.leave();
            Value::Map(items)
        }
        Token::Object { count, .. } => {
            let pairs = read_pairs(r, count);
            r.leave();
            Value::Object(pairs)
        }
        Token::Error { id, class, .. } => {
            assert_eq!(class, ErrorClass::Range);
            let parts = std::array::from_fn(|_| read(r));
            let count = r.own_fields().unwrap();
            let own = read_pairs(r, count);
            r.leave();
            Value::Error(SlotId::wire(id), Box::new(parts), own)
        }
    }
}

fn read_pairs(r: &mut ValueReader<'_>, count: u32) -> Vec<(String, Value)> {
    let key = |r: &mut ValueReader<'_>| match r.next().unwrap() {
        Token::Str(key) => key.to_owned(),
        other => panic!("{other:?} is no key"),
    };
    (0..count).map(|_| (key(r), read(r))).collect()
}

/// Reads values until there is nothing left or an error; says what stopped it.
fn read_over(bytes: &[u8], limits: &Limits) -> Result<(), ProtocolError> {
    let mut reader = ValueReader::new(bytes, limits);
    while reader.remaining() > 0 {
        reader.walk(|_| ())?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn values_are_read_as_written(values in prop::collection::vec(value(), 0..4)) {
        let mut bytes = Vec::new();
        let mut writer = ValueWriter::new(&mut bytes, &Limits::DEFAULT);
        for value in &values {
            write(&mut writer, value);
        }
        let compounds = writer.compounds();
        let mut reader = ValueReader::new(&bytes, &Limits::DEFAULT);
        let read: Vec<_> = values.iter().map(|_| read(&mut reader)).collect();
        reader.finish().unwrap();
        prop_assert_eq!(format!("{values:?}"), format!("{read:?}"));
        prop_assert_eq!(reader.compounds(), compounds);
        // Reading over them sees the same compounds and the same end.
        read_over(&bytes, &Limits::DEFAULT).unwrap();
    }

    #[test]
    fn truncated_values_are_refused(value in value(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        write(&mut ValueWriter::new(&mut bytes, &Limits::DEFAULT), &value);
        let mut reader = ValueReader::new(&bytes[..cut.index(bytes.len())], &Limits::DEFAULT);
        prop_assert!(reader.walk(|_| ()).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_over(&bytes, &Limits::DEFAULT);
        let _ = Failure::read(&mut ValueReader::new(&bytes, &Limits::DEFAULT));
        let _ = message::read::<Description>(&mut ValueReader::new(&bytes, &Limits::DEFAULT));
        if let Some((kind, payload)) = bytes.split_first() {
            let _ = Packet::decode(*kind, payload);
        }
    }

    /// Closer to real blocks than any bytes: small tags, small numbers.
    #[test]
    fn likely_bytes_are_read_or_refused(bytes in prop::collection::vec(0_u8..25, 0..200)) {
        let _ = read_over(&bytes, &Limits { depth: 5, values: 20, ..Limits::DEFAULT });
    }

    #[test]
    fn values_over_the_limit_are_refused(extra in 0_u32..3) {
        let limits = Limits { values: 10, ..Limits::DEFAULT };
        let mut bytes = Vec::new();
        let mut writer = ValueWriter::new(&mut bytes, &limits);
        let open = writer.open_array_i32().unwrap();
        for _ in 0..9 + extra {
            writer.push_i32(0);
        }
        writer.close(open, 9 + extra);
        prop_assert_eq!(read_over(&bytes, &limits).is_ok(), extra == 0);
    }

    #[test]
    fn headers_are_read_as_written(
        body_len in 0_u32..=1 << 30,
        number in any::<u16>(),
        call in any::<u32>(),
        generation in any::<u32>(),
    ) {
        let header = Header {
            body_len,
            kind: FrameKind::Failure,
            flags: Flags::RELEASES | Flags::WRITE_BACK,
            number,
            call: CallId(call),
            generation: Generation(generation),
        };
        let read = Header::decode(&header.encode(), Generation(generation), &Limits::DEFAULT);
        prop_assert_eq!(read.unwrap(), header);
    }

    #[test]
    fn any_header_is_read_or_refused(bytes in prop::array::uniform16(any::<u8>())) {
        let bytes: [u8; HEADER_BYTES] = bytes;
        let generation = Generation(u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]));
        if let Ok(header) = Header::decode(&bytes, generation, &Limits::DEFAULT) {
            prop_assert_eq!(header.encode(), bytes);
        }
    }

    #[test]
    fn release_blocks_are_read_as_written(
        entries in prop::collection::vec((1..u32::MAX, any::<u64>(), any::<u64>()), 0..10),
    ) {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(id, received, returned)| Release {
                id: SlotId::new(id).unwrap(),
                received,
                returned,
            })
            .collect();
        let mut builder = FrameBuilder::new(Limits::DEFAULT);
        builder.start(FrameKind::Request, 13);
        builder.releases(&entries).unwrap();
        builder.body().null();
        let frame = builder.finish(CallId(1), Generation(1)).unwrap();
        let header = frame[..HEADER_BYTES].try_into().unwrap();
        let header = Header::decode(header, Generation(1), &Limits::DEFAULT).unwrap();
        prop_assert_eq!(header.body_len as usize, frame.len() - HEADER_BYTES);
        let mut reader = ValueReader::new(&frame[HEADER_BYTES..], &Limits::DEFAULT);
        let mut read = Vec::new();
        read_releases(header.flags, &mut reader, |release| {
            read.push(release);
            Ok(())
        })
        .unwrap();
        prop_assert_eq!(read, entries);
        prop_assert_eq!(reader.next().unwrap(), Token::Null);
        reader.finish().unwrap();
    }

    #[test]
    fn any_hello_is_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), HELLO_BYTES)) {
        for magic in [false, true] {
            if magic {
                bytes[..9].copy_from_slice(b"NAPIHOSTD");
            }
            let bytes: &[u8; HELLO_BYTES] = bytes.as_slice().try_into().unwrap();
            if let Ok(hello) = Hello::decode(bytes) {
                prop_assert!(magic && hello.build.len() <= 64);
                let again = Hello::decode(&hello.encode()).unwrap();
                prop_assert_eq!(again, hello);
            }
        }
    }

    #[test]
    fn failures_are_read_as_written(text in any::<String>(), class in 0..6) {
        let error = match class {
            0 => RemoteError::Load { message: text.clone(), detail: text },
            1 => RemoteError::Unsupported(text),
            2 => RemoteError::Cancelled,
            3 => RemoteError::Limit(text),
            4 => RemoteError::Host(text),
            _ => RemoteError::Stale(7),
        };
        let mut bytes = Vec::new();
        Failure::write(&mut ValueWriter::new(&mut bytes, &Limits::DEFAULT), &error).unwrap();
        let read = Failure::read(&mut ValueReader::new(&bytes, &Limits::DEFAULT)).unwrap();
        prop_assert_eq!(read, Failure::Remote(error));
    }
}
