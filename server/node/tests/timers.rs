//! Timers, immediates, ticks, microtasks and abort signals against Node's: the same scripts, run to
//! their end in both.
//!
//! `NODE` names the Node to compare with; without any the comparisons are skipped and say so.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests are not recognised as tests"
)]

#[expect(dead_code, reason = "other programs of tests use the rest")]
mod harness;

use std::time::{Duration, Instant};

use harness::{eval, node, start};
use hostd_napi::{Host, Origin};

/// One script per part, between lines of `//`; each calls `log` as it goes.
const SCRIPTS: &str = include_str!("timers/scripts.js");

/// What scripts have at hand. `together` starts timers within one millisecond of the timers' clock:
/// their order depends on when each began.
const PRELUDE: &str = "globalThis.lines = []; \
    globalThis.log = (...words) => lines.push(words.join(' ')); \
    const moment = () => process.hrtime.bigint() / 1000000n; \
    globalThis.together = (start) => { \
        for (;;) { \
            const begin = moment(); \
            const timers = start(); \
            if (moment() === begin) return timers; \
            timers.forEach(clearTimeout); \
        } \
    };";

/// Takes turns as a client does: when the host says that one is due.
fn run_to_the_end(host: Host) {
    run_by_turns_of(1000, host);
}

/// The same by turns of so many items, each in an entry of its own.
fn run_by_turns_of(items: usize, host: Host) {
    let end = Instant::now() + Duration::from_secs(20);
    while host.has_pending() || host.is_kept_alive() {
        assert!(Instant::now() < end, "the host stays busy");
        if host.enter(|_| host.turn(items, Duration::from_secs(1))) {
            continue;
        }
        host.tidy();
        if let Some(deadline) = host.next_deadline() {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

fn in_node(script: &str) -> Option<String> {
    let source =
        format!("{PRELUDE} process.on('exit', () => console.log(lines.join('\\n')));{script}");
    node(&source).map(|text| text.trim_end().to_owned())
}

fn in_host(script: &str, items: usize) -> String {
    let script = script.to_owned();
    // A thread has one host.
    let builder = std::thread::Builder::new().name("js".to_owned());
    let thread = builder.spawn(move || {
        let (host, _) = start();
        eval(host, PRELUDE);
        let outcome = eval(host, &format!("{script}\n;0"));
        assert_eq!(outcome, "0", "{script}");
        run_by_turns_of(items, host);
        eval(host, "lines.join('\\n')")
    });
    thread.expect("a thread").join().expect("no panic")
}

#[test]
fn order_is_nodes() {
    let scripts: Vec<&str> = SCRIPTS.split("\n//\n").collect();
    assert!(scripts.len() > 10);
    for script in scripts {
        let Some(expected) = in_node(script) else {
            return;
        };
        // Wherever a turn ends, the next one goes on there.
        for items in [1000, 3, 1] {
            let found = in_host(script, items);
            assert_eq!(found, expected, "turns of {items}: {script}");
        }
    }
}

#[test]
fn error_of_a_timer_is_uncaught_and_the_rest_runs() {
    let (host, log) = start();
    eval(
        host,
        "globalThis.seen = ''; setTimeout(() => { throw new TypeError('no') }, 1); \
         setImmediate(() => { throw 'immediate' }); setImmediate(() => { seen += 'i' }); \
         globalThis.left = 3; \
         const t = setInterval(() => { seen += 't'; if (--left === 0) clearInterval(t) }, 1)",
    );
    run_to_the_end(host);
    let mut told = log.uncaught.take();
    told.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(
        told,
        [
            (Origin::Timer, "TypeError: no".to_owned()),
            (Origin::Timer, "immediate".to_owned())
        ]
    );
    // Whether a timer of 1 ms comes before an immediate of the main script depends on the clock.
    assert_eq!(eval(host, "[...seen].sort().join('')"), "ittt");
}

#[test]
fn deadline_is_that_of_the_next_timer() {
    let (host, _) = start();
    assert!(host.next_deadline().is_none());
    eval(
        host,
        "globalThis.t = setTimeout(() => 0, 60000); setTimeout(() => 0, 30000).unref(); 0",
    );
    let deadline = host.next_deadline().expect("a deadline");
    let left = deadline.saturating_duration_since(Instant::now());
    assert!(left > Duration::from_secs(28) && left <= Duration::from_secs(30));
    assert!(!host.has_pending());
    assert!(host.is_kept_alive());
    eval(host, "clearTimeout(t)");
    assert!(!host.is_kept_alive());
    assert!(host.next_deadline().is_some());
}

#[test]
fn microtasks_that_never_end_do_not_end_the_turn_bounds() {
    let (host, _) = start();
    eval(
        host,
        "globalThis.n = 0; const again = () => { n++; setImmediate(again) }; again()",
    );
    assert!(host.turn(50, Duration::from_secs(5)));
    assert_eq!(eval(host, "n"), "51");
}

#[test]
fn batch_that_was_cut_short_does_not_take_in_what_came_meanwhile() {
    let (host, _) = start();
    eval(
        host,
        "globalThis.seen = ''; setImmediate(() => { seen += 'a'; setImmediate(() => { seen += 'i' }); \
         setTimeout(() => { seen += 't' }, 1) }); setImmediate(() => { seen += 'b' }); ",
    );
    assert!(host.turn(1, Duration::from_secs(5)));
    assert_eq!(eval(host, "seen"), "a");
    std::thread::sleep(Duration::from_millis(5));
    // The budget ends with the batch: the next round begins with the timer that is due by now.
    assert!(host.turn(1, Duration::from_secs(5)));
    assert_eq!(eval(host, "seen"), "ab");
    run_to_the_end(host);
    assert_eq!(eval(host, "seen"), "abti");
}

#[test]
fn turn_that_was_cut_short_goes_on_where_it_stopped() {
    let (host, _) = start();
    eval(
        host,
        "globalThis.seen = ''; setTimeout(() => { seen += 'a'; setImmediate(() => { seen += 'i' }); \
         setTimeout(() => { seen += 't' }, 100) }, 1); setTimeout(() => { seen += 'b' }, 1)",
    );
    std::thread::sleep(Duration::from_millis(5));
    assert!(host.turn(2, Duration::from_secs(5)));
    assert_eq!(eval(host, "seen"), "ab");
    std::thread::sleep(Duration::from_millis(120));
    // A timer is due by now, and would come first in a new round.
    assert!(host.turn(1, Duration::from_secs(5)));
    assert_eq!(eval(host, "seen"), "abi");
    run_to_the_end(host);
    assert_eq!(eval(host, "seen"), "abit");
}
