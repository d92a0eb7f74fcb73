//! Callables of the client: called in the middle of a call, nested, and outside of one.

use hostd_protocol::calls::CallKind;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::Limits;
use hostd_protocol::value::ValueWriter;

use crate::peer::Peer;

fn callable(w: &mut ValueWriter<'_>, id: u32) {
    w.lent(SlotId::new(id).unwrap(), 0, 0);
}

#[test]
fn callback_is_called_with_values_and_answers_with_one() {
    let mut peer = Peer::start();
    let id = peer.lend("((f, list) => list.map(x => f(x, 'extra')))");
    let mut seen = Vec::new();
    let answer = peer.call_with(
        id,
        2,
        |w| {
            callable(w, 3);
            let list = w.open_array_i32().unwrap();
            w.push_i32(4);
            w.push_i32(5);
            w.close(list, 2);
        },
        &mut |_, asked, w| {
            assert_eq!((asked.call, asked.target), (CallKind::Invoke, 3));
            seen.push(asked.values.clone());
            w.int32(seen.len().try_into().unwrap());
            FrameKind::Reply
        },
    );
    assert_eq!(answer.unwrap(), "i32[1, 2]");
    assert_eq!(seen, [["4", "\"extra\""], ["5", "\"extra\""]]);
}

#[test]
fn callback_calls_the_host_again_on_the_same_lane() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => f() + 1)");
    let mut depth = 0;
    let answer = recurse(&mut peer, id, &mut depth);
    assert_eq!(answer.unwrap(), "21");
}

/// A call whose callback makes the same call, twenty deep.
fn recurse(peer: &mut Peer, id: u32, depth: &mut i32) -> Result<String, String> {
    peer.call_with(id, 1, |w| callable(w, 3), &mut |peer, _, w| {
        *depth += 1;
        if *depth < 21 {
            let inner = recurse(peer, id, depth).unwrap();
            w.int32(inner.parse().unwrap());
        } else {
            w.int32(0);
        }
        FrameKind::Reply
    })
}

/// Calls itself in its callback until somebody stops it.
fn dive(peer: &mut Peer, id: u32) -> Result<String, String> {
    peer.call_with(id, 1, |w| callable(w, 3), &mut |peer, _, w| {
        let text = dive(peer, id).unwrap_or_else(|error| error);
        w.str(&text).unwrap();
        FrameKind::Reply
    })
}

#[test]
fn nesting_past_the_limit_is_an_error_that_says_so() {
    let mut peer = Peer::with(Limits {
        nested_requests: 6,
        ..Limits::DEFAULT
    });
    let id = peer.lend("(f => { try { return f() } catch (e) { return String(e) } })");
    let text = dive(&mut peer, id).unwrap();
    assert!(text.contains("nested"), "{text}");
}

#[test]
fn one_callable_is_one_function() {
    let mut peer = Peer::start();
    let id = peer.lend("((f, g) => [f === g, typeof f, f.x, (f.x = 1, g.x), f])");
    let text = peer
        .call(id, 2, |w| {
            callable(w, 3);
            callable(w, 3);
        })
        .unwrap();
    assert_eq!(text, "[true, \"function\", undefined, 1, own(3)]");
}

#[test]
fn callable_is_only_ever_called() {
    let mut peer = Peer::start();
    // Every one of these would travel as a callback, and the script's peer refuses those.
    let id = peer.lend(
        "(f => [f.__globals__, f.__class__, f.gi_frame, Object.keys(f), 'x' in f, delete f.y])",
    );
    let text = peer.call(id, 1, |w| callable(w, 3)).unwrap();
    assert_eq!(text, "[undefined, undefined, undefined, [], false, true]");
    let id = peer.lend("(f => new f())");
    let error = peer.call(id, 1, |w| callable(w, 3)).unwrap_err();
    assert!(error.contains("error(Type"), "{error}");
}

#[test]
fn callback_that_outlives_its_call_explains_itself() {
    let mut peer = Peer::start();
    let keep = peer.lend("(f => { globalThis.kept = f })");
    peer.call(keep, 1, |w| callable(w, 3)).unwrap();
    // Inside another call it works.
    let mut asked = 0;
    let call = peer.lend("(() => kept())");
    let answer = peer.call_with(call, 0, |_| (), &mut |_, _, w| {
        asked += 1;
        w.str("late").unwrap();
        FrameKind::Reply
    });
    assert_eq!((answer.unwrap().as_str(), asked), ("\"late\"", 1));
}

#[test]
fn dead_function_is_released_with_a_later_frame() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => 0)");
    for _ in 0..3 {
        peer.call(id, 1, |w| callable(w, 8)).unwrap();
    }
    peer.script("0").unwrap();
    peer.script("0").unwrap();
    let times: u64 = peer
        .released
        .iter()
        .filter(|entry| entry.0 == 8)
        .map(|entry| entry.1)
        .sum();
    assert_eq!(times, 3, "{:?}", peer.released);
}

#[test]
fn idle_host_releases_by_a_notice() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => 0)");
    peer.call(id, 1, |w| callable(w, 8)).unwrap();
    let (call, _) = peer.notice();
    assert_eq!(call, CallKind::Released);
    assert_eq!(peer.released, [(8, 1, 0)]);
}

#[test]
fn object_that_was_sent_back_says_so_when_it_is_released() {
    let mut peer = Peer::start();
    let id = peer.lend("(f => [f, f])");
    let answer = peer.call(id, 1, |w| callable(w, 8)).unwrap();
    assert_eq!(answer, "[own(8), own(8)]");
    peer.script("0").unwrap();
    assert_eq!(peer.released, [(8, 1, 2)]);
}

#[test]
fn object_whose_answer_cannot_be_sent_was_not_sent_back() {
    let mut peer = Peer::start();
    let id =
        peer.lend("(f => { let d = [f, 1]; for (let i = 0; i < 70; i++) d = [f, d]; return d; })");
    assert!(peer.call(id, 1, |w| callable(w, 8)).is_err());
    peer.script("0").unwrap();
    assert_eq!(peer.released, [(8, 1, 0)]);
}

#[test]
fn call_that_was_given_up_behind_a_callback_is_refused_unread() {
    let mut peer = Peer::start();
    let touch = peer.lend("(f => { globalThis.touched = f })");
    let call = peer.lend("(f => f())");
    let mut refused = None;
    let answer = peer.call_with(call, 1, |w| callable(w, 3), &mut |peer, _, w| {
        refused = Some(peer.withdraw(touch, |w| callable(w, 9)));
        w.str("went on").unwrap();
        FrameKind::Reply
    });
    assert_eq!(answer.unwrap(), "\"went on\"");
    assert_eq!(refused.unwrap(), (true, "Cancelled".to_owned()));
    assert_eq!(peer.script("typeof touched").unwrap(), "\"undefined\"");
    peer.script("0").unwrap();
    // What the refused call lent was never received.
    assert!(
        peer.released.iter().all(|entry| entry.0 != 9),
        "{:?}",
        peer.released
    );
}

/// Calls a script with a callable of this form.
fn call_with_form(peer: &mut Peer, script: &str, form: u32) -> Result<String, String> {
    let id = peer.lend(script);
    let put = |w: &mut ValueWriter<'_>| w.lent(SlotId::new(3).unwrap(), 0, form);
    peer.call_with(id, 1, put, &mut |_, asked, w| {
        match asked.call {
            CallKind::Invoke => w.int32(asked.values.len().try_into().unwrap()),
            CallKind::RemoteGet => {
                w.put_u8(1);
                w.int32(2);
            }
            other => panic!("{other:?}"),
        }
        FrameKind::Reply
    })
}

#[test]
fn form_of_a_callable_is_its_kind_and_whether_it_gets_this() {
    let mut peer = Peer::start();
    let look = "(f => [f.constructor.name, f.length, f.call({}, 1, 2)].join())";
    for (form, expected) in [
        (0, "Function,2,2"),
        (1, "GeneratorFunction,2,2"),
        (2, "AsyncFunction,2,2"),
        (3, "AsyncGeneratorFunction,2,2"),
        (0x100, "Function,2,3"),
        (0x103, "AsyncGeneratorFunction,2,3"),
    ] {
        let answer = call_with_form(&mut peer, look, form);
        assert_eq!(answer.unwrap(), format!("{expected:?}"), "{form}");
    }
    for form in [4, 0xff, 0x104, 0x200, u32::MAX] {
        let answer = call_with_form(&mut peer, look, form).unwrap_err();
        let expected = format!("unknown form of callable {form}");
        assert!(answer.contains(&expected), "{answer}");
    }
    assert!(call_with_form(&mut peer, look, 0).is_ok());
}
