//! Functions, classes and objects that live here: get, set, call, construct, describe.

use hostd_protocol::calls::CallKind;
use hostd_protocol::value::ValueWriter;

use crate::peer::{Answer, Peer, id_of};

const COUNTER: &str = "globalThis.Counter = class Counter {
    constructor(n) { this.n = n }
    increment(by = 1) { this.n += by; return this.n }
    get value() { return this.n }
    static of(n) { return new this(n) }
}; Counter";

fn at(out: &mut ValueWriter<'_>, target: u32, key: &str) {
    out.put_u32(target);
    out.str(key).unwrap();
}

fn construct(peer: &mut Peer, class: u32, argument: i32) -> Answer {
    peer.ask(CallKind::Construct, |out| {
        out.put_u32(class);
        out.put_u8(0);
        out.put_u32(1);
        out.int32(argument);
    })
}

#[test]
fn class_is_constructed_and_its_instance_used() {
    let mut peer = Peer::start();
    let class = peer.lend(COUNTER);
    let instance = construct(&mut peer, class, 10).unwrap();
    let id = id_of(&instance);
    let called = peer.ask(CallKind::CallMethod, |out| {
        at(out, id, "increment");
        out.put_u32(1);
        out.int32(5);
    });
    assert_eq!(called.unwrap(), "15");
    assert_eq!(
        peer.ask(CallKind::Get, |out| at(out, id, "value")).unwrap(),
        "15"
    );
    assert_eq!(
        peer.ask(CallKind::Get, |out| at(out, id, "nothing"))
            .unwrap(),
        "absent"
    );
    let is = peer.ask(CallKind::InstanceOf, |out| {
        out.own(hostd_protocol::ids::SlotId::new(id).unwrap());
        out.put_u32(class);
    });
    assert_eq!(is.unwrap(), "true");
    // The class of the instance is the one that the class said of itself.
    let class_of = |text: &str| text.rsplit_once("class ").map(|parts| parts.1.to_owned());
    assert_eq!(
        class_of(&instance),
        class_of(&peer.script("Counter").unwrap())
    );
}

#[test]
fn class_extends_what_its_prototype_inherits_from() {
    let mut peer = Peer::start();
    let base = peer.lend("globalThis.Base = class {}; Base");
    let extends_id = |peer: &mut Peer, class: u32, base: u32| {
        let answer = peer.ask(CallKind::Extends, |out| {
            out.own(hostd_protocol::ids::SlotId::new(class).unwrap());
            out.put_u32(base);
        });
        answer.unwrap_or_else(|error| error)
    };
    let extends = |peer: &mut Peer, source: &str, base: u32| {
        let class = peer.lend(source);
        extends_id(peer, class, base)
    };
    assert_eq!(extends(&mut peer, "Base", base), "true true true");
    assert_eq!(
        extends(
            &mut peer,
            "globalThis.Derived = class extends Base {}; Derived",
            base
        ),
        "true true true"
    );
    assert_eq!(
        extends(&mut peer, "(class extends Derived {})", base),
        "true true true"
    );
    assert_eq!(extends(&mut peer, "Object", base), "true true false");
    assert_eq!(extends(&mut peer, "(() => 1)", base), "false true false");
    assert_eq!(
        extends(&mut peer, "Object.create({})", base),
        "false true false"
    );
    assert_eq!(extends(&mut peer, "Base.bind()", base), "true true false");
    // Traps run; proxies that form a circle end.
    let function = peer.lend("globalThis.F = function () {}; F");
    assert_eq!(extends_id(&mut peer, function, base), "true true false");
    let circle = "const p = new Proxy({}, { getPrototypeOf: () => p }); F.prototype = p; 0";
    let throws =
        "F.prototype = new Proxy({}, { getPrototypeOf() { throw new Error('mine'); } }); 0";
    for (script, wanted) in [(circle, "call stack"), (throws, "mine")] {
        peer.script(script).unwrap();
        let answer = extends_id(&mut peer, function, base);
        assert!(answer.contains(wanted), "{answer}");
    }
}

#[test]
fn property_set_that_is_refused_throws() {
    let mut peer = Peer::start();
    let id = peer.lend("globalThis.o = Object.freeze({f() {}}); o");
    let set = |out: &mut ValueWriter<'_>| {
        at(out, id, "x");
        out.int32(1);
    };
    assert!(
        peer.ask(CallKind::Set, set)
            .unwrap_err()
            .contains("error(Type")
    );
    let id = peer.lend("globalThis.p = {f() {}}; p");
    let set = |out: &mut ValueWriter<'_>| {
        at(out, id, "x");
        out.int32(1);
    };
    peer.ask(CallKind::Set, set).unwrap();
    assert_eq!(peer.script("p.x").unwrap(), "1");
    assert_eq!(
        peer.ask(CallKind::Has, |out| at(out, id, "x")).unwrap(),
        "true"
    );
    assert_eq!(
        peer.ask(CallKind::Delete, |out| at(out, id, "x")).unwrap(),
        "true"
    );
    assert_eq!(
        peer.ask(CallKind::Has, |out| at(out, id, "x")).unwrap(),
        "false"
    );
}

#[test]
fn description_names_methods_and_accessors() {
    let mut peer = Peer::start();
    let class = peer.lend(COUNTER);
    let instance = id_of(&construct(&mut peer, class, 1).unwrap());
    let described = peer.ask(CallKind::Describe, |out| {
        out.put_u8(0);
        out.put_u32(instance);
    });
    let text = described.unwrap();
    assert!(text.contains("name: \"Counter\""), "{text}");
    assert!(text.contains("methods: [\"increment\"]"), "{text}");
    assert!(text.contains("accessors: [\"value\"]"), "{text}");
    let described = peer.ask(CallKind::Describe, |out| {
        out.put_u8(0);
        out.put_u32(class);
    });
    let text = described.unwrap();
    assert!(
        text.contains("kind: 1") && text.contains("\"of\""),
        "{text}"
    );
    assert!(text.contains("length: 1"), "{text}");
}

#[test]
fn keys_are_listed_in_both_modes() {
    let mut peer = Peer::start();
    let class = peer.lend(COUNTER);
    let instance = id_of(&construct(&mut peer, class, 1).unwrap());
    let keys = |mode: u8| {
        move |out: &mut ValueWriter<'_>| {
            out.put_u32(instance);
            out.put_u8(mode);
        }
    };
    assert_eq!(peer.ask(CallKind::Keys, keys(0)).unwrap(), "[\"n\"]");
    let all = peer.ask(CallKind::Keys, keys(1)).unwrap();
    assert_eq!(all, "[\"n\", \"constructor\", \"increment\", \"value\"]");
}

#[test]
fn iterator_is_followed_to_its_end() {
    let mut peer = Peer::start();
    let id = peer.lend("(function* () { yield 1; yield 'b' })()");
    let iterator = peer.ask(CallKind::Iterate, |out| out.put_u32(id)).unwrap();
    let iterator = id_of(&iterator);
    let mut next = || {
        peer.ask(CallKind::Next, |out| out.put_u32(iterator))
            .unwrap()
    };
    assert_eq!([next(), next(), next()], ["1", "\"b\"", "done"]);
    let plain = peer.lend("({f() {}})");
    let error = peer
        .ask(CallKind::Iterate, |out| out.put_u32(plain))
        .unwrap_err();
    assert!(error.contains("not iterable"), "{error}");
}

#[test]
fn coercion_follows_javascript() {
    let mut peer = Peer::start();
    let id = peer.lend("({toString() { return 'text' }, valueOf() { return 4 }})");
    let text = peer.ask(CallKind::Coerce, |out| out.put_u32(id));
    assert_eq!(text.unwrap(), "\"text\"");
    let symbol = peer.lend("Symbol('s')");
    let text = peer.ask(CallKind::Coerce, |out| out.put_u32(symbol));
    assert_eq!(text.unwrap(), "\"Symbol(s)\"");
}
