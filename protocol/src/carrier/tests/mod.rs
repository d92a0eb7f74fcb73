//! One suite for all carriers: each behaves the same.

mod conversation;
mod death;
mod hostile;
mod lanes;
mod pair;

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::*;
use crate::error::{ProtocolError, Result};
use crate::frame::{FrameBuilder, FrameKind, HEADER_BYTES, Header};
use crate::ids::{CallId, Generation, LaneNumber};
use crate::limits::Limits;
use crate::pending::Pending;

use conversation::*;
use death::*;
use hostile::*;
use lanes::*;
use pair::*;

macro_rules! cases {
    ($module:ident: $carrier:ident: $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    super::$case(super::$carrier());
                }
            )*
        }
    };
}

macro_rules! suite {
    ($($module:ident: $carrier:ident;)*) => { $(
        cases! {
            $module: $carrier:
            round_trip
            wait_releases_what_others_need
            frame_larger_than_the_ring_is_streamed
            conversation_nests
            calls_of_many_threads_get_their_own_replies
            bad_frame_from_the_client_is_refused
            bad_frame_from_the_host_is_refused
            truncated_frame_then_death_is_a_disconnection
            half_open_client_does_not_hold_the_host_for_ever
            death_ends_the_wait_for_a_reply
            reply_that_came_before_the_death_is_read
            interrupted_wait_says_so
            last_lane_goes_to_who_waits_first
            cancel_word_is_seen_while_the_host_works
            withdrawn_lane_is_found_while_another_is_served
            notice_never_waits
            ring_wakes_the_host_and_is_not_lost
            client_sees_the_host_at_its_top
            notice_is_heard_when_a_turn_can_be_given
        }
    )* };
}

suite! {
    over_lanes: lane;
    over_a_socket: socket;
}
