//! Errors in both directions.

use hostd_protocol::calls::CallKind;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::{ErrorClass, ValueWriter};

use crate::peer::Peer;

#[test]
fn thrown_error_carries_its_parts() {
    let mut peer = Peer::start();
    let source = "class Mine extends TypeError { get name() { return 'Never' } }
        throw Object.assign(new Mine('m', {cause: 7}), {code: 'E', extra: [1]})";
    assert_eq!(
        peer.script(source).unwrap_err(),
        "thrown lent error(Type undefined \"m\" code=\"E\" cause=7 {extra: i32[1]})"
    );
    assert_eq!(
        peer.script("throw new URIError('u')").unwrap_err(),
        "thrown lent error(Uri \"URIError\" \"u\" code=undefined cause=undefined {})"
    );
    assert_eq!(peer.script("throw 'text'").unwrap_err(), "thrown \"text\"");
    assert_eq!(
        peer.script("throw undefined").unwrap_err(),
        "thrown undefined"
    );
}

#[test]
fn error_keeps_its_identity() {
    let mut peer = Peer::start();
    peer.script("var kept = new RangeError('r')").unwrap();
    peer.script("kept").unwrap();
    let same = peer.lend("(e => e === kept)");
    let id = SlotId::new(same - 1).unwrap();
    assert_eq!(peer.call(same, 1, |w| w.own(id)).unwrap(), "true");
}

/// An exception of the client with an id of its own.
fn exception(w: &mut ValueWriter<'_>, id: u32, message: &str) {
    let mut open = w.open_error(SlotId::new(id), ErrorClass::Range).unwrap();
    w.str("ValueError").unwrap();
    w.str(message).unwrap();
    w.undefined();
    w.undefined();
    w.undefined();
    w.own_fields(&mut open);
    w.close(open, 0);
}

#[test]
fn exception_of_a_callback_comes_back_as_itself() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => { try { f() } catch (e) { globalThis.seen = `${e}`; throw e } })");
    let answer = peer.call_with(
        id,
        1,
        |w| w.lent(SlotId::new(1).unwrap(), 0, 0),
        &mut |_, asked, w| {
            assert_eq!(asked.call, CallKind::Invoke);
            Failure::write_thrown(w);
            exception(w, 5, "from Python");
            FrameKind::Failure
        },
    );
    assert_eq!(answer.unwrap_err(), "thrown own(5)");
    assert_eq!(peer.script("seen").unwrap(), "\"ValueError: from Python\"");
}

#[test]
fn exception_passed_as_a_value_is_an_error_object() {
    let mut peer = Peer::start();
    let id = peer.lend("(e => [e instanceof RangeError, e.name, e.message, e])");
    let text = peer.call(id, 1, |w| exception(w, 9, "m")).unwrap();
    assert_eq!(text, "[true, \"ValueError\", \"m\", own(9)]");
}

#[test]
fn hostile_error_objects_run_no_code() {
    let mut peer = Peer::start();
    let source = "var ran = 0; var e = new Error('m');
        Object.defineProperty(e, 'name', {get() { ran++; throw 1 }});
        Object.defineProperty(e, 'code', {get() { ran++; return 2 }}); throw e";
    let error = peer.script(source).unwrap_err();
    assert!(
        error.starts_with("thrown lent error(Error undefined \"m\""),
        "{error}"
    );
    assert_eq!(peer.script("ran").unwrap(), "0");
}
