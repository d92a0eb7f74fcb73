//! Writes the table down as a program for the kernel: a binary tree over the numbers, because the
//! kernel reads the whole program once for every number when it is installed.

use super::rules::{Half, Rule, Verdict};

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
        Self::branch(code, value, 0, 0)
    }

    const fn branch(code: u16, value: u32, if_true: u8, if_false: u8) -> Self {
        Self {
            code,
            if_true,
            if_false,
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
    let mut program = entrance();
    program.extend(tree(&leaves(table, unknown)));
    program
}

/// Writes the program for a table that is sorted by number, and another for what seems to come from
/// the address `gate`.
pub fn emit_with_gate(table: &[Rule], gate: u64, through: &[Rule]) -> Vec<Instruction> {
    let low = u32::try_from(gate & u64::from(u32::MAX)).unwrap_or(0);
    let high = u32::try_from(gate >> 32).unwrap_or(0);
    let number = Instruction::new(LOAD, AT_NUMBER);
    let mut outside = vec![number];
    outside.extend(tree(&leaves(table, UNKNOWN)));
    let mut program = entrance();
    program.extend([
        Instruction::new(LOAD, AT_ADDRESS),
        Instruction::branch(IF_EQUAL, low, 0, 3),
        Instruction::new(LOAD, AT_ADDRESS + 4),
        Instruction::branch(IF_EQUAL, high, 0, 1),
        Instruction::new(JUMP, length(&outside)),
    ]);
    program.extend(outside);
    program.push(number);
    program.extend(tree(&leaves(through, UNKNOWN)));
    program
}

/// What is foreign is sent to a handler, which ends the process; else the number is loaded.
fn entrance() -> Vec<Instruction> {
    let foreign = Instruction::answer(Verdict::Trap(libc::ENOSYS));
    vec![
        Instruction::new(LOAD, AT_ARCHITECTURE),
        Instruction::branch(IF_EQUAL, ARCHITECTURE, 1, 0),
        foreign,
        Instruction::new(LOAD, AT_NUMBER),
        Instruction::branch(IF_ANY, X32, 0, 1),
        foreign,
    ]
}

/// The table without its gaps: neighbours with the same plain answer are one leaf.
fn leaves(table: &[Rule], unknown: Verdict) -> Vec<Leaf<'_>> {
    let unknown = Answer::Plain(unknown);
    let mut leaves: Vec<Leaf<'_>> = vec![Leaf {
        from: 0,
        answer: unknown,
    }];
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

/// Halves the leaves until one is left.
fn tree(leaves: &[Leaf<'_>]) -> Vec<Instruction> {
    match leaves {
        [] => vec![Instruction::answer(Verdict::Kill)],
        [leaf] => match leaf.answer {
            Answer::Plain(verdict) => vec![Instruction::answer(verdict)],
            Answer::Checked(rule) => checks(rule),
        },
        _ => {
            let (below, above) = leaves.split_at(leaves.len() / 2);
            let from = above.first().map_or(0, |leaf| leaf.from);
            let (below, above) = (tree(below), tree(above));
            let mut program = match u8::try_from(below.len()) {
                Ok(near) => vec![Instruction::branch(IF_AT_LEAST, from, near, 0)],
                Err(_) => vec![
                    Instruction::branch(IF_AT_LEAST, from, 0, 1),
                    Instruction::new(JUMP, length(&below)),
                ],
            };
            program.extend(below);
            program.extend(above);
            program
        }
    }
}

/// The clauses of one rule, one after the other.
fn checks(rule: &Rule) -> Vec<Instruction> {
    let mut program = Vec::new();
    for clause in &rule.clauses {
        let mut body = vec![Instruction::answer(clause.verdict)];
        // Written from the end: a test that fails jumps over what is there already.
        for test in clause.tests.iter().rev() {
            let offset = AT_ARGUMENTS
                + 8 * u32::from(test.argument)
                + if test.half == Half::High { 4 } else { 0 };
            let over = u8::try_from(body.len()).unwrap_or(u8::MAX);
            let mut with = vec![Instruction::new(LOAD, offset)];
            if test.mask != u32::MAX {
                with.push(Instruction::new(AND, test.mask));
            }
            with.push(Instruction::branch(IF_EQUAL, test.value, 0, over));
            with.extend(body);
            body = with;
        }
        program.extend(body);
    }
    program.push(Instruction::answer(rule.otherwise));
    program
}

fn length(program: &[Instruction]) -> u32 {
    u32::try_from(program.len()).unwrap_or(u32::MAX)
}
