//! One rule of the system-call filter, and what it is made from.
//!
//! A rule is a list of clauses, each of which is a list of tests of arguments and a verdict. The
//! first clause whose tests all hold decides.

use syscalls::x86_64::Sysno;

use super::calls::number;

/// What the kernel does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call runs.
    Allow,
    /// The call fails with this error; with 0 it succeeds without effect.
    Errno(i32),
    /// The handler of SIGSYS records the call, and makes it fail with this error.
    Trap(i32),
    /// The process ends with SIGSYS.
    Kill,
}

/// The half of an argument that is compared: the kernel reads most arguments as 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The low 32 bits.
    Low,
    /// The high 32 bits.
    High,
}

/// Holds if the masked half of the argument has this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// The index of the argument.
    pub argument: u8,
    /// The half of it.
    pub half: Half,
    /// The bits that are compared.
    pub mask: u32,
    /// Their value.
    pub value: u32,
}

/// Decides if all its tests hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The tests.
    pub tests: Vec<Test>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Test {
    fn holds(&self, arguments: &[u64; 6]) -> bool {
        let word = arguments.get(usize::from(self.argument)).copied();
        let half = match self.half {
            Half::Low => word.unwrap_or(0) & u64::from(u32::MAX),
            Half::High => word.unwrap_or(0) >> 32,
        };
        half & u64::from(self.mask) == u64::from(self.value)
    }
}

/// How one system call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub number: u32,
    /// The clauses, in the order of their tests.
    pub clauses: Vec<Clause>,
    /// The verdict if no clause decides.
    pub otherwise: Verdict,
}

impl Rule {
    pub(super) fn new(call: Sysno, clauses: Vec<Clause>, otherwise: Verdict) -> Self {
        Self {
            number: number(call),
            clauses,
            otherwise,
        }
    }

    /// A rule without conditions.
    pub(super) fn plain(call: Sysno, verdict: Verdict) -> Self {
        Self::new(call, vec![], verdict)
    }

    /// The verdict for these arguments.
    pub fn verdict(&self, arguments: &[u64; 6]) -> Verdict {
        let holds = |clause: &&Clause| clause.tests.iter().all(|test| test.holds(arguments));
        let decides = self.clauses.iter().find(holds);
        decides.map_or(self.otherwise, |clause| clause.verdict)
    }
}

pub(super) const EPERM: Verdict = Verdict::Errno(libc::EPERM);

pub(super) const fn low(argument: u8, mask: u32, value: u32) -> Test {
    Test {
        argument,
        half: Half::Low,
        mask,
        value,
    }
}

/// The low half of the argument is this number.
pub(super) const fn is(argument: u8, value: u32) -> Test {
    low(argument, u32::MAX, value)
}

/// The argument is a null pointer.
pub(super) const fn is_null(argument: u8) -> [Test; 2] {
    let high = Test {
        argument,
        half: Half::High,
        mask: u32::MAX,
        value: 0,
    };
    [is(argument, 0), high]
}

pub(super) fn clause(tests: impl Into<Vec<Test>>, verdict: Verdict) -> Clause {
    Clause {
        tests: tests.into(),
        verdict,
    }
}

pub(super) fn allow(tests: impl Into<Vec<Test>>) -> Clause {
    clause(tests, Verdict::Allow)
}

pub(super) fn deny(tests: impl Into<Vec<Test>>) -> Clause {
    clause(tests, EPERM)
}

/// Allows the call if the argument is one of these numbers.
pub(super) fn one_of(argument: u8, values: &[u32]) -> Vec<Clause> {
    let allowed = values.iter().map(|&value| allow([is(argument, value)]));
    allowed.collect()
}
