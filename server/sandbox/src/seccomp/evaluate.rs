//! Interprets a program as the kernel does, so that tests can evaluate it for every number.

use super::emit::{
    AND, AT_ADDRESS, AT_ARCHITECTURE, AT_ARGUMENTS, AT_NUMBER, IF_ANY, IF_AT_LEAST, IF_EQUAL,
    Instruction, JUMP, LOAD, RETURN, RETURN_ALLOW, RETURN_ERRNO, RETURN_KILL, RETURN_TRAP,
};
use super::rules::Verdict;

/// The facts about a call that a program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The architecture whose number it has.
    pub architecture: u32,
    /// Its number.
    pub number: u32,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// The address of the instruction after it.
    pub address: u64,
}

impl Call {
    /// A call of x86-64.
    pub fn new(number: u32, arguments: [u64; 6]) -> Self {
        Self {
            architecture: super::emit::ARCHITECTURE,
            number,
            arguments,
            address: 0,
        }
    }

    fn word(&self, offset: u32) -> Option<u32> {
        match offset {
            AT_NUMBER => Some(self.number),
            AT_ARCHITECTURE => Some(self.architecture),
            _ => {
                let word = match offset.checked_sub(AT_ARGUMENTS) {
                    Some(offset) => *self.arguments.get(offset as usize / 8)?,
                    None if offset >= AT_ADDRESS => self.address,
                    None => return None,
                };
                match offset % 8 {
                    0 => u32::try_from(word & u64::from(u32::MAX)).ok(),
                    4 => u32::try_from(word >> 32).ok(),
                    _ => None,
                }
            }
        }
    }
}

/// The result of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A verdict.
    Verdict(Verdict),
    /// The kernel would reject the program.
    Nonsense,
}

/// Runs the program for one call.
pub fn evaluate(program: &[Instruction], call: &Call) -> Answer {
    run(program, call).map_or(Answer::Nonsense, Answer::Verdict)
}

fn run(program: &[Instruction], call: &Call) -> Option<Verdict> {
    let mut word = 0;
    let mut at = 0;
    loop {
        let instruction = program.get(at)?;
        at += 1;
        let value = instruction.value;
        let holds = match instruction.code {
            LOAD => {
                word = call.word(value)?;
                continue;
            }
            AND => {
                word &= value;
                continue;
            }
            JUMP => {
                at = at.checked_add(value as usize)?;
                continue;
            }
            RETURN => return answer(value),
            IF_EQUAL => word == value,
            IF_AT_LEAST => word >= value,
            IF_ANY => word & value != 0,
            _ => return None,
        };
        at += usize::from(if holds {
            instruction.if_true
        } else {
            instruction.if_false
        });
    }
}

fn answer(value: u32) -> Option<Verdict> {
    let errno = (value & 0xffff).cast_signed();
    match value & 0xffff_0000 {
        RETURN_ALLOW => Some(Verdict::Allow),
        RETURN_ERRNO => Some(Verdict::Errno(errno)),
        RETURN_TRAP => Some(Verdict::Trap(errno)),
        RETURN_KILL => Some(Verdict::Kill),
        _ => None,
    }
}
