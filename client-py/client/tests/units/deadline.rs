//! Deadlines.

use std::time::Duration;

use hostd_client::deadline::{Deadline, nearer};

#[test]
fn the_nearer_deadline_wins_and_a_missing_one_never() {
    let deadline = |seconds| Deadline::after(Duration::from_secs(seconds));
    let after = |one, other| nearer(one, other).map(|found| found.after.as_secs());
    assert_eq!(after(None, None), None);
    assert_eq!(after(deadline(1), None), Some(1));
    assert_eq!(after(None, deadline(2)), Some(2));
    assert_eq!(after(deadline(1), deadline(2)), Some(1));
    assert_eq!(after(deadline(3), deadline(2)), Some(2));
}

#[test]
fn a_timeout_beyond_the_clock_is_no_deadline() {
    assert!(Deadline::after(Duration::MAX).is_none());
}
