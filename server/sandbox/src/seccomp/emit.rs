//! Compiles the table to a BPF program: a binary tree over the numbers, because the kernel
//! evaluates the program once for every number when it is installed.
//!
//! The time to install grows with the number of instructions, and every start of a host takes it.
//! So a program is emitted from its end: the targets of a branch exist already, and are shared by
//! all branches to them.

use libc::sock_filter as Instruction;

use super::rule::{Half, Rule, Test, Verdict};

/// The kernel's number of the architecture x86-64.
const ARCHITECTURE: u32 = 0xc000_003e;
/// Set in the numbers of x32, the calls with pointers of 32 bits on the same processor.
const X32: u32 = 0x4000_0000;

/// Load a word of the facts about the call.
const LOAD: u16 = 0x20;
/// Mask it by the value.
const AND: u16 = 0x54;
/// Jump always.
const JUMP: u16 = 0x05;
/// Jump if it equals the value.
const IF_EQUAL: u16 = 0x15;
/// Jump if it is at least the value.
const IF_AT_LEAST: u16 = 0x35;
/// Jump if it has a bit of the value.
const IF_ANY: u16 = 0x45;
/// Return the value.
const RETURN: u16 = 0x06;

/// Offsets of the number, the architecture, the address and the first argument of a call.
const AT_NUMBER: u32 = 0;
const AT_ARCHITECTURE: u32 = 4;
const AT_ADDRESS: u32 = 8;
const AT_ARGUMENTS: u32 = 16;

/// Instructions up to which an answer is shared. A farther one is emitted again: a jump to it would
/// not be shorter.
const SHARE_DISTANCE_MAX: usize = 200;

/// The answer to a number without a rule.
const UNKNOWN: Verdict = Verdict::Errno(libc::ENOSYS);

/// An instruction that is no branch.
const fn plain(code: u16, value: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k: value,
    }
}

const fn value_of(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allow => libc::SECCOMP_RET_ALLOW,
        Verdict::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
        Verdict::Trap(errno) => libc::SECCOMP_RET_TRAP | errno.cast_unsigned(),
        Verdict::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    }
}

/// The answer from this number up to the next leaf's.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    from: u32,
    answer: Answer<'a>,
}

#[derive(Clone, Copy)]
enum Answer<'a> {
    Plain(Verdict),
    Checked(&'a Rule),
}

/// Emits the program for a table that is sorted by number; a number without a rule fails with
/// ENOSYS.
pub fn emit(table: &[Rule]) -> Vec<Instruction> {
    emit_or(table, UNKNOWN)
}

/// Emits the program of a further filter: it allows numbers without a rule, since the strictest of
/// all installed filters decides.
pub fn emit_over(table: &[Rule]) -> Vec<Instruction> {
    emit_or(table, Verdict::Allow)
}

fn emit_or(table: &[Rule], unknown: Verdict) -> Vec<Instruction> {
    let mut writer = Writer::default();
    let numbers = writer.tree(&leaves(table, unknown));
    writer.entrance(numbers);
    writer.program()
}

/// Emits the program for a table that is sorted by number, with another table for calls from the
/// address `gate`.
pub fn emit_with_gate(table: &[Rule], gate: u64, through: &[Rule]) -> Vec<Instruction> {
    let low = u32::try_from(gate & u64::from(u32::MAX)).unwrap_or(0);
    let high = u32::try_from(gate >> 32).unwrap_or(0);
    let mut writer = Writer::default();
    writer.tree(&leaves(through, UNKNOWN));
    let through = writer.load(AT_NUMBER);
    writer.tree(&leaves(table, UNKNOWN));
    let outside = writer.load(AT_NUMBER);
    writer.branch(IF_EQUAL, high, through, outside);
    let same_low = writer.load(AT_ADDRESS + 4);
    writer.branch(IF_EQUAL, low, same_low, outside);
    let address = writer.load(AT_ADDRESS);
    writer.entrance(address);
    writer.program()
}

/// The leaves of the tree: ranges of numbers with the same answer.
fn leaves(table: &[Rule], unknown: Verdict) -> Vec<Leaf<'_>> {
    let unknown = Answer::Plain(unknown);
    let mut leaves: Vec<Leaf<'_>> = Vec::with_capacity(table.len() / 2);
    leaves.push(Leaf {
        from: 0,
        answer: unknown,
    });
    let mut add = |from, answer| {
        let same = match (leaves.last().map(|leaf| leaf.answer), answer) {
            (Some(Answer::Plain(last)), Answer::Plain(next)) => last == next,
            _ => false,
        };
        if leaves.last().is_some_and(|leaf| leaf.from == from) {
            leaves.pop();
        }
        if !same || leaves.is_empty() {
            leaves.push(Leaf { from, answer });
        }
    };
    for (place, rule) in table.iter().enumerate() {
        let answer = if rule.clauses.is_empty() {
            Answer::Plain(rule.otherwise)
        } else {
            Answer::Checked(rule)
        };
        add(rule.number, answer);
        let next = rule.number + 1;
        if table
            .get(place + 1)
            .is_none_or(|after| after.number != next)
        {
            add(next, unknown);
        }
    }
    leaves
}

/// The position of an instruction, counted from the end of the program, so that it stays valid.
type Place = usize;

/// The entry of an emitted part: before the load of the word that it tests, and after the load for
/// code that has loaded the same word.
#[derive(Clone, Copy)]
struct Entry {
    from_anywhere: Place,
    loaded: Option<(u32, Place)>,
}

impl Entry {
    /// The entry for code that has loaded the word at this offset, if it has loaded one.
    fn with(self, word: Option<u32>) -> Place {
        match self.loaded {
            Some((offset, place)) if word == Some(offset) => place,
            _ => self.from_anywhere,
        }
    }
}

/// A program that is emitted backwards.
#[derive(Default)]
struct Writer<'a> {
    /// The last instruction first.
    backwards: Vec<Instruction>,
    /// The last position of each answer.
    answers: Vec<(Verdict, Place)>,
    /// The position of each rule's clauses.
    rules: Vec<(&'a Rule, Place)>,
}

impl<'a> Writer<'a> {
    fn program(mut self) -> Vec<Instruction> {
        self.backwards.reverse();
        self.backwards
    }

    fn push(&mut self, instruction: Instruction) -> Place {
        self.backwards.push(instruction);
        self.backwards.len() - 1
    }

    fn load(&mut self, offset: u32) -> Place {
        self.push(plain(LOAD, offset))
    }

    /// How many instructions what is written next jumps over to get there.
    fn distance(&self, place: Place) -> usize {
        self.backwards.len() - 1 - place
    }

    fn answer(&mut self, verdict: Verdict) -> Place {
        let known = self.answers.iter().position(|(known, _)| *known == verdict);
        match known.map(|at| self.answers[at].1) {
            Some(place) if self.distance(place) < SHARE_DISTANCE_MAX => place,
            _ => {
                let place = self.push(plain(RETURN, value_of(verdict)));
                match known {
                    Some(at) => self.answers[at].1 = place,
                    None => self.answers.push((verdict, place)),
                }
                place
            }
        }
    }

    /// Goes to one of two places.
    fn branch(&mut self, code: u16, value: u32, if_true: Place, if_false: Place) -> Place {
        // The second may need a step that puts the first a step further.
        let if_true = self.within_reach(if_true, 1);
        let if_false = self.within_reach(if_false, 0);
        let reach = |place| u8::try_from(self.distance(place)).unwrap_or(u8::MAX);
        self.push(Instruction {
            code,
            jt: reach(if_true),
            jf: reach(if_false),
            k: value,
        })
    }

    /// The place, or that of a jump to it, if it is too far for a branch.
    fn within_reach(&mut self, place: Place, margin: usize) -> Place {
        let distance = self.distance(place);
        if u8::try_from(distance + margin).is_ok() {
            return place;
        }
        self.push(plain(JUMP, u32::try_from(distance).unwrap_or(u32::MAX)))
    }

    /// Sends calls of other architectures to the handler, which ends the process; else loads the
    /// number.
    fn entrance(&mut self, then: Place) {
        let foreign = self.answer(Verdict::Trap(libc::ENOSYS));
        self.branch(IF_ANY, X32, foreign, then);
        let known = self.load(AT_NUMBER);
        self.branch(IF_EQUAL, ARCHITECTURE, known, foreign);
        self.load(AT_ARCHITECTURE);
    }

    fn tree(&mut self, leaves: &[Leaf<'a>]) -> Place {
        match leaves {
            [] => self.answer(Verdict::Kill),
            [leaf] => match leaf.answer {
                Answer::Plain(verdict) => self.answer(verdict),
                Answer::Checked(rule) => self.checks(rule),
            },
            _ => {
                let (below, above) = leaves.split_at(leaves.len() / 2);
                let from = above.first().map_or(0, |leaf| leaf.from);
                let above = self.tree(above);
                let below = self.tree(below);
                self.branch(IF_AT_LEAST, from, above, below)
            }
        }
    }

    fn checks(&mut self, rule: &'a Rule) -> Place {
        let says_the_same = |(other, _): &&(&Rule, Place)| {
            (&other.clauses, other.otherwise) == (&rule.clauses, rule.otherwise)
        };
        if let Some((_, place)) = self.rules.iter().find(says_the_same) {
            return *place;
        }
        let mut next = Entry {
            from_anywhere: self.answer(rule.otherwise),
            loaded: None,
        };
        for clause in rule.clauses.iter().rev() {
            let mut way = Entry {
                from_anywhere: self.answer(clause.verdict),
                loaded: None,
            };
            for test in clause.tests.iter().rev() {
                way = self.test(test, way, next);
            }
            next = way;
        }
        self.rules.push((rule, next.from_anywhere));
        next.from_anywhere
    }

    fn test(&mut self, test: &Test, holds: Entry, fails: Entry) -> Entry {
        let offset =
            AT_ARGUMENTS + 8 * u32::from(test.argument) + 4 * u32::from(test.half == Half::High);
        let (mask, value) = (test.mask, test.value);
        let is_one_bit = value == mask && mask.is_power_of_two();
        let keeps_the_word = mask == u32::MAX || value == 0 || is_one_bit;
        let word = keeps_the_word.then_some(offset);
        let (holds, fails) = (holds.with(word), fails.with(word));
        let place = if mask == u32::MAX {
            self.branch(IF_EQUAL, value, holds, fails)
        } else if value == 0 {
            self.branch(IF_ANY, mask, fails, holds)
        } else if is_one_bit {
            self.branch(IF_ANY, mask, holds, fails)
        } else {
            self.branch(IF_EQUAL, value, holds, fails);
            self.push(plain(AND, mask))
        };
        Entry {
            from_anywhere: self.load(offset),
            loaded: Some((offset, place)),
        }
    }
}
