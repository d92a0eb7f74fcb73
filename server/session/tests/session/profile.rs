//! Calls that the client has measured.

use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::value::ValueWriter;

use crate::peer::Peer;

fn callable(w: &mut ValueWriter<'_>, id: u32) {
    w.lent(SlotId::new(id).unwrap(), 0, 0);
}

const LOOP: &str = "for (let i = 0, s = 0; i < 1e5; i++) s += i; 0";

#[test]
fn measured_call_is_answered_with_its_times() {
    let mut peer = Peer::start();
    peer.script(LOOP).unwrap();
    assert!(peer.times.is_empty());
    peer.weight = 3;
    peer.script(LOOP).unwrap();
    peer.script("throw 1").unwrap_err();
    peer.weight = 0;
    peer.script(LOOP).unwrap();
    let [script, failure] = peer.times[..] else {
        panic!("{:?}", peer.times);
    };
    assert!(script.engine > 10 * script.marshalling, "{script:?}");
    assert!(
        script.engine > 10 * failure.engine,
        "{script:?} {failure:?}"
    );
    assert_eq!(
        (script.addon, script.functions, script.collection),
        (0, 0, 0)
    );
    assert!(script.overhead > 0);
}

#[test]
fn callback_is_no_part_of_the_time_of_its_call() {
    let mut peer = Peer::start();
    let function = peer.lend("(f => { f(); return 1 })");
    peer.weight = 1;
    let answer = peer.call_with(function, 1, |w| callable(w, 3), &mut |peer, _, out| {
        peer.weight = 0;
        std::thread::sleep(std::time::Duration::from_millis(20));
        out.null();
        FrameKind::Reply
    });
    answer.unwrap();
    let [times] = peer.times[..] else {
        panic!("{:?}", peer.times);
    };
    assert!(times.busy() < 15_000_000, "{times:?}");
}

#[test]
fn collected_figures_are_given_once() {
    let mut peer = Peer::start();
    assert_eq!(peer.ask(CallKind::Profile, |_| ()).unwrap(), "");
    peer.weight = 1;
    peer.script(LOOP).unwrap();
    peer.weight = 0;
    assert_eq!(peer.ask(CallKind::Profile, |_| ()).unwrap(), "");
}

#[test]
fn measured_answer_of_the_client_ends_the_session() {
    let mut peer = Peer::start();
    let function = peer.lend("(f => { f(); return 1 })");
    let _ = peer.call_with(function, 1, |w| callable(w, 3), &mut |peer, _, out| {
        peer.weight = 1;
        out.null();
        FrameKind::Reply
    });
    assert!(peer.ended().contains("a measured answer of the client"));
}
