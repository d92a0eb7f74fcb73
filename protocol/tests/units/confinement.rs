//! What a host must have applied before it may go on.

use hostd_protocol::confinement::*;

const REQUIRED: [&str; 4] = ["limits", "no_new_privs", "seccomp", "self_test"];
const REQUIRED_JAILED: &str = "kernel_settings";
const JAIL: &str = "namespaces";
const LANDLOCK: &str = "landlock";

fn entry(name: &str, required: bool, state: MechanismState) -> Mechanism {
    Mechanism {
        name: name.to_owned(),
        required,
        state,
        errno: None,
        detail: String::new(),
    }
}

fn confinement(policy: PolicyName) -> Confinement {
    Confinement {
        scratch_is_temporary: false,
        client: 1,
        ..Confinement::named(policy)
    }
}

#[test]
fn report_that_leaves_something_out_is_not_enough() {
    let policy = confinement(PolicyName::Default);
    let report = |extra: &[&str]| -> Applied {
        let names = REQUIRED.iter().chain(extra);
        names
            .map(|name| entry(name, true, MechanismState::Applied))
            .collect()
    };
    let whole = report(&[LANDLOCK]);
    assert_eq!(policy.missing(&whole), None);
    for left_out in 0..whole.len() {
        let mut cut = whole.clone();
        let gone = cut.remove(left_out);
        assert_eq!(policy.missing(&cut), Some((gone.name, None)));
    }
    let strict = confinement(PolicyName::Strict);
    assert_eq!(strict.missing(&whole), Some((JAIL.into(), None)));
    let whole = report(&[JAIL, LANDLOCK, "threads", REQUIRED_JAILED]);
    assert_eq!(strict.missing(&whole), None);
    let bare = report(&[JAIL, "threads", REQUIRED_JAILED]);
    assert_eq!(strict.missing(&bare), Some((LANDLOCK.into(), None)));
}

#[test]
fn jail_does_in_place_of_landlock_by_default_only() {
    let report = |names: &[&str]| -> Applied {
        let names = REQUIRED.iter().chain(names);
        names
            .map(|name| entry(name, true, MechanismState::Applied))
            .collect()
    };
    let mut policy = confinement(PolicyName::Default);
    let jail = report(&[JAIL, REQUIRED_JAILED]);
    assert_eq!(policy.missing(&jail), None);
    assert_eq!(
        policy.missing(&report(&[JAIL])),
        Some((REQUIRED_JAILED.into(), None))
    );
    policy.unix = true;
    assert_eq!(policy.missing(&jail), None);
    let without = report(&[LANDLOCK]);
    assert_eq!(policy.missing(&without), Some((JAIL.into(), None)));
    policy.network = true;
    assert_eq!(policy.missing(&jail), Some((LANDLOCK.into(), None)));
}

#[test]
fn entry_that_is_said_to_be_required_counts() {
    let policy = confinement(PolicyName::Default);
    let mut report: Applied = REQUIRED
        .iter()
        .chain([&LANDLOCK])
        .map(|name| entry(name, false, MechanismState::Applied))
        .collect();
    report.push(entry("moat", true, MechanismState::Partial));
    let (name, found) = policy.missing(&report).unwrap();
    assert_eq!((name.as_str(), found.is_some()), ("moat", true));
}
