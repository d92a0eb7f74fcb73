//! The delayed death of objects that are observed.

use std::time::{Duration, Instant};

use hostd_engine::{FinalizerToken, JsResult, Runtime, Value};

use crate::{engine, js};

fn dead(rt: Runtime) -> usize {
    let mut tokens = Vec::new();
    rt.take_finalized(&mut tokens);
    tokens.len()
}

fn observe(rt: Runtime, value: &Value) {
    let attached = rt.attach_late_finalizer(value, FinalizerToken::default());
    assert!(attached.is_ok());
}

/// Sources of objects of which nothing else is left when they are dropped.
const SOURCES: [&str; 4] = ["({})", "Symbol('s')", "new Proxy({}, {})", "[() => 1][0]"];

/// Makes an observed object that only refers to itself.
fn lose_cycle(rt: Runtime) -> JsResult<()> {
    let name = rt.key_utf8(b"next")?;
    let cycle = rt.object()?;
    rt.set_strict(&cycle, &name, cycle.clone())?;
    observe(rt, &cycle);
    Ok(())
}

#[test]
fn an_observed_object_outlives_its_last_reference_until_a_collection() {
    let rt = engine();
    for source in SOURCES {
        let value = js(rt, source);
        observe(rt, &value);
        let weak = rt.late_weak(&value).unwrap();
        drop(value);
        assert!(weak.get().is_some(), "{source}");
        assert_eq!(dead(rt), 0, "{source}");
        rt.gc();
        assert!(!weak.is_alive(), "{source}");
        assert_eq!(dead(rt), 1, "{source}");
    }
}

#[test]
fn an_object_that_is_used_again_is_held_on() {
    let rt = engine();
    let value = rt.object().unwrap();
    let weak = rt.late_weak(&value).unwrap();
    drop(value);
    let start = Instant::now();
    rt.note_activity();
    rt.age(start);
    rt.age(start + Duration::from_secs(31));
    let again = weak.get().unwrap();
    rt.age(start + Duration::from_secs(62));
    drop(again);
    rt.note_activity();
    rt.age(start + Duration::from_secs(93));
    rt.age(start + Duration::from_secs(124));
    assert!(weak.is_alive(), "found unreferenced just now");
    rt.age(start + Duration::from_secs(155));
    assert!(!weak.is_alive());
}

#[test]
fn an_idle_thread_releases_unreferenced_objects_and_then_sleeps() {
    let rt = engine();
    assert_eq!(rt.age_timeout(), None, "nothing is held");
    let (kept, dropped) = (rt.object().unwrap(), rt.object().unwrap());
    observe(rt, &kept);
    observe(rt, &dropped);
    drop(dropped);
    rt.note_activity();
    assert!(rt.age_timeout().unwrap() < Duration::from_secs(1));
    let start = Instant::now();
    rt.age(start);
    assert!(rt.age_timeout().unwrap() > Duration::from_secs(20));
    rt.age(start + Duration::from_secs(29));
    rt.age(start + Duration::from_secs(31));
    assert_eq!(dead(rt), 0);
    rt.age(start + Duration::from_secs(62));
    assert_eq!(dead(rt), 1);
    assert_eq!(rt.age_timeout(), None, "what is held is in use");
    drop(kept);
    assert_eq!(dead(rt), 0);
}

#[test]
fn cycles_and_chains_of_observed_objects_are_collected() {
    let rt = engine();
    lose_cycle(rt).unwrap();
    let name = rt.key_utf8(b"next").unwrap();
    let mut last = Value::NULL;
    for _ in 0..100 {
        let object = rt.object().unwrap();
        rt.set_strict(&object, &name, last).unwrap();
        observe(rt, &object);
        last = object;
    }
    drop(last);
    rt.gc();
    assert_eq!(dead(rt), 101);
}

#[test]
fn cycles_in_an_idle_thread_are_collected() {
    let rt = engine();
    lose_cycle(rt).unwrap();
    let start = Instant::now();
    rt.note_activity();
    rt.age(start);
    rt.note_activity();
    rt.age(start + Duration::from_secs(31));
    assert_eq!(dead(rt), 0, "something happened meanwhile");
    rt.age(start + Duration::from_secs(62));
    assert_eq!(dead(rt), 1);
}

/// Makes many objects and drops them; the most that were alive at a time.
fn most_alive(rt: Runtime, make: impl Fn() -> usize) -> usize {
    rt.gc();
    dead(rt);
    let (mut total, mut freed, mut most) = (0, 0, 0);
    while total < 120_000 {
        total += make();
        freed += dead(rt);
        most = most.max(total - freed);
    }
    most
}

#[test]
fn many_observed_objects_are_released_oldest_first() {
    let rt = engine();
    let most = most_alive(rt, || {
        observe(rt, &rt.object().unwrap());
        1
    });
    assert!((1000..1100).contains(&most), "{most}");
}

#[test]
fn many_cycles_and_chains_do_not_pile_up() {
    let rt = engine();
    let name = rt.key_utf8(b"next").unwrap();
    let most = most_alive(rt, || {
        let object = rt.object().unwrap();
        rt.set_strict(&object, &name, object.clone()).unwrap();
        observe(rt, &object);
        1
    });
    assert!(most < 100_000, "{most}");
    let most = most_alive(rt, || {
        let mut last = Value::NULL;
        for _ in 0..100 {
            let object = rt.object().unwrap();
            rt.set_strict(&object, &name, last.clone()).unwrap();
            observe(rt, &object);
            last = object;
        }
        100
    });
    assert!(most < 100_000, "{most}");
}

#[test]
fn objects_in_use_are_held_once_and_found_when_they_are_dropped() {
    let rt = engine();
    let objects: Vec<Value> = (0..20_000).map(|_| rt.object().unwrap()).collect();
    for object in objects.iter().chain(&objects) {
        observe(rt, object);
    }
    rt.gc();
    assert_eq!(dead(rt), 0);
    drop(objects);
    rt.gc();
    assert_eq!(dead(rt), 40_000);
}

#[test]
fn much_memory_shortens_the_delay() {
    let rt = engine();
    let value = rt.object().unwrap();
    let weak = rt.late_weak(&value).unwrap();
    drop(value);
    for _ in 0..4 {
        let buffer = rt.array_buffer_from(vec![0; 32 << 20]).unwrap();
        rt.hold(&buffer).unwrap();
    }
    assert!(!weak.is_alive());
    let value = rt.object().unwrap();
    let weak = rt.late_weak(&value).unwrap();
    drop(value);
    let start = Instant::now();
    drop(rt.array_buffer_from(vec![0; 32 << 20]).unwrap());
    rt.age(start);
    rt.age(start + Duration::from_secs(2));
    assert!(!weak.is_alive());
}

#[test]
fn slots_of_many_objects_are_distinct() {
    let rt = engine();
    let objects: Vec<Value> = (0..1000).map(|_| rt.object().unwrap()).collect();
    for round in 0..2 {
        for (number, object) in objects.iter().enumerate() {
            let data = hostd_engine::SlotData {
                wrap: Some(number as u64 + round),
                ..Default::default()
            };
            rt.set_slot(object, data).unwrap();
        }
        for (number, object) in objects.iter().enumerate() {
            let wrap = rt.slot(object).and_then(|slot| slot.wrap);
            assert_eq!(wrap, Some(number as u64 + round));
        }
        let fresh: Vec<Value> = (0..1000).map(|_| rt.object().unwrap()).collect();
        assert!(fresh.iter().all(|object| rt.slot(object).is_none()));
    }
}
