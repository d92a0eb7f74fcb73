//! The table of calls.

use hostd_protocol::calls::*;

/// All rows. One may be added at the end of its group, none may change; 22 and 38 were in use.
const GOLDEN: &[(u16, &str)] = &[
    (1, "Load"),
    (2, "Call"),
    (3, "Construct"),
    (4, "CallMethod"),
    (5, "Get"),
    (6, "Set"),
    (7, "Delete"),
    (8, "Has"),
    (9, "Keys"),
    (10, "Describe"),
    (11, "RunScript"),
    (12, "Turn"),
    (13, "Release"),
    (14, "Stats"),
    (15, "Watch"),
    (16, "Iterate"),
    (17, "Next"),
    (18, "Coerce"),
    (19, "NewObject"),
    (20, "InstanceOf"),
    (21, "Settle"),
    (23, "CloseIterator"),
    (24, "IterateAsync"),
    (25, "Collect"),
    (26, "Follow"),
    (27, "RunStep"),
    (28, "LoadMore"),
    (29, "Extends"),
    (30, "Bulk"),
    (31, "Profile"),
    (32, "Invoke"),
    (33, "RemoteGet"),
    (34, "RemoteSet"),
    (35, "RemoteHas"),
    (36, "RemoteKeys"),
    (37, "RemoteDelete"),
    (39, "RemoteStep"),
    (64, "WakeUp"),
    (65, "Settled"),
    (66, "Uncaught"),
    (67, "Released"),
];

#[test]
fn call_numbers_are_never_given_to_another_call() {
    let rows: Vec<_> = CallKind::ALL
        .iter()
        .map(|call| (call.number(), call.name()))
        .collect();
    assert_eq!(rows, GOLDEN);
}

#[test]
fn call_number_of_no_call_is_none() {
    for number in 0..=u16::MAX {
        let known = GOLDEN.iter().any(|row| row.0 == number);
        assert_eq!(CallKind::from_number(number).is_some(), known, "{number}");
    }
}
