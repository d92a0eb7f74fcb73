//! Writes the table down as a program for the kernel: a binary tree over the numbers, because the
//! kernel reads the whole program once for every number when it is installed.
//!
//! Installing takes the longer the more instructions there are, and every start of a host pays for
//! it. So a program is written from its end, where the answers are: what a branch leads to is there
//! already, and is written once for all that lead to it.

use super::rules::{Half, Rule, Test, Verdict};

/// The name of x86-64 with a table of 64 bits, as the kernel says it.
pub(super) const ARCHITECTURE: u32 = 0xc000_003e;
/// Set in numbers of the x32 table, which the same processor understands.
pub(super) const X32: u32 = 0x4000_0000;

/// Load a word of what the kernel says about the call.
pub(super) const LOAD: u16 = 0x20;
/// Keep these bits of it.
pub(super) const AND: u16 = 0x54;
/// Jump always.
pub(super) const JUMP: u16 = 0x05;
/// Jump if it is this.
pub(super) const IF_EQUAL: u16 = 0x15;
/// Jump if it is at least this.
pub(super) const IF_AT_LEAST: u16 = 0x35;
/// Jump if one of these bits is set.
pub(super) const IF_ANY: u16 = 0x45;
/// End with this answer.
pub(super) const RETURN: u16 = 0x06;

/// Where the kernel puts the number, the architecture, where the call came from, and the first
/// argument.
pub(super) const AT_NUMBER: u32 = 0;
pub(super) const AT_ARCHITECTURE: u32 = 4;
pub(super) const AT_ADDRESS: u32 = 8;
pub(super) const AT_ARGUMENTS: u32 = 16;

pub(super) const RETURN_ALLOW: u32 = 0x7fff_0000;
pub(super) const RETURN_ERRNO: u32 = 0x0005_0000;
pub(super) const RETURN_TRAP: u32 = 0x0003_0000;
pub(super) const RETURN_KILL: u32 = 0x8000_0000;

/// An answer that is further away is written once more: a step that leads there is no shorter.
const NEAR: usize = 200;

/// The answer to a number that nobody knows.
const UNKNOWN: Verdict = Verdict::Errno(libc::ENOSYS);

/// One instruction, laid out as the kernel reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) value: u32,
}

impl Instruction {
    const fn new(code: u16, value: u32) -> Self {
        Self {
            code,
            if_true: 0,
            if_false: 0,
            value,
        }
    }

    const fn answer(verdict: Verdict) -> Self {
        let value = match verdict {
            Verdict::Allow => RETURN_ALLOW,
            Verdict::Errno(errno) => RETURN_ERRNO | errno.cast_unsigned(),
            Verdict::Trap(errno) => RETURN_TRAP | errno.cast_unsigned(),
            Verdict::Kill => RETURN_KILL,
        };
        Self::new(RETURN, value)
    }
}

/// From this number up to the next leaf's, this is the answer.
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

/// Writes the program for a table that is sorted by number; of a number without a rule, nobody
/// knows.
pub fn emit(table: &[Rule]) -> Vec<Instruction> {
    emit_or(table, UNKNOWN)
}

/// Writes the program for a table that only takes away: a number without a rule is left to the
/// filters that are there already, the strictest of which decides.
pub fn emit_over(table: &[Rule]) -> Vec<Instruction> {
    emit_or(table, Verdict::Allow)
}

fn emit_or(table: &[Rule], unknown: Verdict) -> Vec<Instruction> {
    let mut writer = Writer::default();
    let numbers = writer.tree(&leaves(table, unknown));
    writer.entrance(numbers);
    writer.program()
}

/// Writes the program for a table that is sorted by number, and another for what seems to come from
/// the address `gate`.
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

/// The table without its gaps: neighbours with the same plain answer are one leaf.
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

/// Where an instruction is, counted from the end of the program, so that it stays there.
type Place = usize;

/// The way into something that is written: with what it looks at yet to be loaded, and past that
/// for who has loaded it.
#[derive(Clone, Copy)]
struct Way {
    from_anywhere: Place,
    loaded: Option<(u32, Place)>,
}

impl Way {
    /// The way for who has loaded the word at this offset, if any is known to be.
    fn with(self, word: Option<u32>) -> Place {
        match self.loaded {
            Some((offset, place)) if word == Some(offset) => place,
            _ => self.from_anywhere,
        }
    }
}

/// A program that is written backwards.
#[derive(Default)]
struct Writer<'a> {
    /// The last instruction first.
    backwards: Vec<Instruction>,
    /// Where each answer was written last.
    answers: Vec<(Verdict, Place)>,
    /// Where the clauses of each rule were written.
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
        self.push(Instruction::new(LOAD, offset))
    }

    /// How many instructions what is written next jumps over to get there.
    fn distance(&self, place: Place) -> usize {
        self.backwards.len() - 1 - place
    }

    fn answer(&mut self, verdict: Verdict) -> Place {
        let known = self.answers.iter().position(|(known, _)| *known == verdict);
        match known.map(|at| self.answers[at].1) {
            Some(place) if self.distance(place) < NEAR => place,
            _ => {
                let place = self.push(Instruction::answer(verdict));
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
            if_true: reach(if_true),
            if_false: reach(if_false),
            value,
        })
    }

    /// The place itself, or a step that leads there, if it is too far for a branch.
    fn within_reach(&mut self, place: Place, margin: usize) -> Place {
        let distance = self.distance(place);
        if u8::try_from(distance + margin).is_ok() {
            return place;
        }
        self.push(Instruction::new(
            JUMP,
            u32::try_from(distance).unwrap_or(u32::MAX),
        ))
    }

    /// What is foreign is sent to a handler, which ends the process; else the number is loaded.
    fn entrance(&mut self, then: Place) {
        let foreign = self.answer(Verdict::Trap(libc::ENOSYS));
        self.branch(IF_ANY, X32, foreign, then);
        let known = self.load(AT_NUMBER);
        self.branch(IF_EQUAL, ARCHITECTURE, known, foreign);
        self.load(AT_ARCHITECTURE);
    }

    /// Halves the leaves until one is left.
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

    /// The clauses of one rule, one after the other.
    fn checks(&mut self, rule: &'a Rule) -> Place {
        let says_the_same = |(other, _): &&(&Rule, Place)| {
            (&other.clauses, other.otherwise) == (&rule.clauses, rule.otherwise)
        };
        if let Some((_, place)) = self.rules.iter().find(says_the_same) {
            return *place;
        }
        let mut next = Way {
            from_anywhere: self.answer(rule.otherwise),
            loaded: None,
        };
        for clause in rule.clauses.iter().rev() {
            let mut way = Way {
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

    /// One test, and where it leads if it holds and if it does not.
    fn test(&mut self, test: &Test, holds: Way, fails: Way) -> Way {
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
            self.push(Instruction::new(AND, mask))
        };
        Way {
            from_anywhere: self.load(offset),
            loaded: Some((offset, place)),
        }
    }
}
