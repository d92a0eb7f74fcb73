//! The counts of lent objects, whatever the order in which messages of several lanes are read.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;

use hostd_protocol::ids::SlotId;
use hostd_protocol::lent::{Lent, Received, Release};
use proptest::prelude::*;

const LANES: usize = 3;
const OBJECTS: usize = 3;

/// What one side does next, on a lane.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The owner sends an object.
    Send { lane: usize, object: usize },
    /// The owner finds that the frame it has just written can't be sent.
    Unsend { object: usize },
    /// The borrower reads what comes next on a lane.
    Read { lane: usize },
    /// The borrower sends one of the objects it holds back.
    Return { lane: usize, held: usize },
    /// The borrower finds that the frame it has just written can't be sent.
    Unreturn { held: usize },
    /// The borrower's proxy dies; its release goes by a lane.
    Drop { lane: usize, held: usize },
    /// The owner reads what comes next on a lane.
    Hear { lane: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let lane = 0..LANES;
    let object = 0..OBJECTS;
    let held = 0..OBJECTS;
    prop_oneof![
        (lane.clone(), object.clone()).prop_map(|(lane, object)| Step::Send { lane, object }),
        object.prop_map(|object| Step::Unsend { object }),
        lane.clone().prop_map(|lane| Step::Read { lane }),
        (lane.clone(), held.clone()).prop_map(|(lane, held)| Step::Return { lane, held }),
        held.clone().prop_map(|held| Step::Unreturn { held }),
        (lane.clone(), held).prop_map(|(lane, held)| Step::Drop { lane, held }),
        lane.prop_map(|lane| Step::Hear { lane }),
    ]
}

/// A message of the borrower's. What was meant is kept beside the id, to be compared.
enum Message {
    Own(SlotId, usize),
    Release(Release),
}

/// Both ends, and what is under way between them.
struct World {
    lent: Lent<usize>,
    ids: [Option<SlotId>; OBJECTS],
    received: Received,
    held: Vec<(SlotId, usize)>,
    out: [VecDeque<(SlotId, usize)>; LANES],
    back: [VecDeque<Message>; LANES],
}

impl World {
    fn new() -> Self {
        Self {
            lent: Lent::new(8),
            ids: [None; OBJECTS],
            received: Received::new(8),
            held: Vec::new(),
            out: Default::default(),
            back: Default::default(),
        }
    }

    fn send(&mut self, object: usize) -> SlotId {
        if let Some(id) = self.ids[object] {
            self.lent.again(id).unwrap();
            return id;
        }
        let id = self.lent.lend(object).unwrap();
        self.ids[object] = Some(id);
        id
    }

    fn forget(&mut self, gone: Option<usize>) {
        if let Some(object) = gone {
            self.ids[object] = None;
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send { lane, object } => {
                let id = self.send(object);
                self.out[lane].push_back((id, object));
            }
            Step::Unsend { object } => {
                let id = self.send(object);
                let gone = self.lent.unsend(id);
                self.forget(gone);
            }
            Step::Read { lane } => {
                if let Some((id, object)) = self.out[lane].pop_front() {
                    self.received.receive(id).unwrap();
                    if !self.held.contains(&(id, object)) {
                        assert!(self.held.iter().all(|held| held.0 != id), "another tenant");
                        self.held.push((id, object));
                    }
                }
            }
            Step::Return { lane, held } => {
                if let Some(&(id, object)) = self.held.get(held) {
                    self.received.send_back(id).unwrap();
                    self.back[lane].push_back(Message::Own(id, object));
                }
            }
            Step::Unreturn { held } => {
                if let Some(&(id, _)) = self.held.get(held) {
                    self.received.send_back(id).unwrap();
                    self.received.unsend_back(id);
                }
            }
            Step::Drop { lane, held } => {
                if held < self.held.len() {
                    let (id, _) = self.held.swap_remove(held);
                    let release = self.received.forget(id).unwrap();
                    self.back[lane].push_back(Message::Release(release));
                }
            }
            Step::Hear { lane } => self.hear(lane),
        }
        for &(id, object) in &self.held {
            assert_eq!(self.lent.get(id), Some(&object), "held, but gone");
        }
    }

    fn hear(&mut self, lane: usize) {
        match self.back[lane].pop_front() {
            Some(Message::Own(id, object)) => {
                assert_eq!(self.lent.get(id), Some(&object), "on its way, but gone");
                let gone = self.lent.came_back(id).unwrap();
                self.forget(gone);
            }
            Some(Message::Release(release)) => {
                let gone = self.lent.release(release).unwrap();
                self.forget(gone);
            }
            None => {}
        }
    }

    /// Everything arrives, and everything is dropped.
    fn settle(&mut self) {
        for lane in 0..LANES {
            while !self.out[lane].is_empty() {
                self.step(Step::Read { lane });
            }
        }
        while !self.held.is_empty() {
            self.step(Step::Drop { lane: 0, held: 0 });
        }
        for lane in (0..LANES).rev() {
            while !self.back[lane].is_empty() {
                self.hear(lane);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_on_its_way_back_stays_and_in_the_end_nothing_does(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
        prop_assert!(world.lent.is_empty());
        prop_assert!(world.received.is_empty());
    }

    #[test]
    fn any_release_is_taken_or_refused(
        steps in prop::collection::vec((1..5_u32, any::<u64>(), any::<u64>(), any::<bool>()), 0..20),
    ) {
        let mut lent = Lent::new(4);
        let _ = lent.lend(0);
        for (id, received, returned, own) in steps {
            let id = SlotId::new(id).unwrap();
            let small = |n: u64| n >> (n % 64);
            let (received, returned) = (small(received), small(returned));
            let _ = if own { lent.came_back(id) } else { lent.release(Release { id, received, returned }) };
        }
        prop_assert!(lent.len() <= 1);
    }
}
