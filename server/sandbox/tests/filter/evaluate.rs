//! Interprets a program as the kernel does, so that it can be evaluated for every number.

use hostd_sandbox::seccomp::Verdict;
use libc::sock_filter;

const ARCHITECTURE: u32 = 0xc000_003e;
// Operations, and the offsets of the facts about a call, as the kernel has them.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY: u16 = 0x45;
const RETURN: u16 = 0x06;
const AT_NUMBER: u32 = 0;
const AT_ARCHITECTURE: u32 = 4;
const AT_ADDRESS: u32 = 8;
const AT_ARGUMENTS: u32 = 16;

/// The facts about a call that a program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The architecture whose number it has.
    pub(crate) architecture: u32,
    /// Its number.
    pub(crate) number: u32,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
    /// The address of the instruction after it.
    pub(crate) address: u64,
}

impl Call {
    /// A call of x86-64.
    pub(crate) fn new(number: u32, arguments: [u64; 6]) -> Self {
        Self {
            architecture: ARCHITECTURE,
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
pub(crate) enum Answer {
    /// A verdict.
    Verdict(Verdict),
    /// The kernel would reject the program.
    Nonsense,
}

/// Runs the program for one call.
pub(crate) fn evaluate(program: &[sock_filter], call: &Call) -> Answer {
    run(program, call).map_or(Answer::Nonsense, Answer::Verdict)
}

fn run(program: &[sock_filter], call: &Call) -> Option<Verdict> {
    let mut word = 0;
    let mut at = 0;
    loop {
        let instruction = program.get(at)?;
        at += 1;
        let value = instruction.k;
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
            instruction.jt
        } else {
            instruction.jf
        });
    }
}

fn answer(value: u32) -> Option<Verdict> {
    let errno = (value & 0xffff).cast_signed();
    match value & 0xffff_0000 {
        libc::SECCOMP_RET_ALLOW => Some(Verdict::Allow),
        libc::SECCOMP_RET_ERRNO => Some(Verdict::Errno(errno)),
        libc::SECCOMP_RET_TRAP => Some(Verdict::Trap(errno)),
        libc::SECCOMP_RET_KILL_PROCESS => Some(Verdict::Kill),
        _ => None,
    }
}
