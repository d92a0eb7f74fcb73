//! The filter for system calls, asked about every number.
//!
//! What it answers stands in `golden/`: the whole table of the default policy, and for each option
//! the lines that it changes. A new line there is a decision; `UPDATE_GOLDEN=1` writes the files
//! anew, for a person to read the difference.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test are not recognised as one"
)]

mod evaluate;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use hostd_sandbox::advice::{Filter, filter};
use hostd_sandbox::seccomp::{
    Allowed, Half, Rule, Test, Verdict, after_loading, emit, emit_over, emit_with_gate, name_of,
    table,
};
use libc::sock_filter;

use evaluate::{Answer, Call, evaluate};

/// Beyond any number that the kernel has given.
const NUMBERS: u32 = 1024;
const PID: u32 = 4711;
const X32: u32 = 0x4000_0000;
const I386: u32 = 0x4000_0003;

fn default() -> Allowed {
    Allowed {
        pid: PID,
        truncate: true,
        signals: true,
        ..Allowed::default()
    }
}

fn variants() -> Vec<(&'static str, Allowed)> {
    let base = default();
    vec![
        (
            "network",
            Allowed {
                network: true,
                ..base
            },
        ),
        (
            "subprocess",
            Allowed {
                subprocess: true,
                ..base
            },
        ),
        (
            "watch",
            Allowed {
                watch: true,
                ..base
            },
        ),
        (
            "strict",
            Allowed {
                jailed: true,
                tightens: true,
                ..base
            },
        ),
        (
            "unix",
            Allowed {
                jailed: true,
                unix: true,
                ..base
            },
        ),
        (
            "landlock_1",
            Allowed {
                truncate: false,
                signals: false,
                ..base
            },
        ),
        (
            "diagnose",
            Allowed {
                diagnose: true,
                ..base
            },
        ),
    ]
}

/// Arguments that each clause of a rule takes, and those that just miss it.
fn interesting(rule: &Rule) -> Vec<[u64; 6]> {
    let mut found = vec![[0; 6], [u64::MAX; 6]];
    for clause in &rule.clauses {
        for rest in [0, u64::MAX] {
            let mut taken = [rest; 6];
            for test in &clause.tests {
                let shift = if test.half == Half::High { 32 } else { 0 };
                let word = &mut taken[usize::from(test.argument)];
                *word &= !(u64::from(test.mask) << shift);
                *word |= u64::from(test.value) << shift;
            }
            found.push(taken);
            for argument in 0..6 {
                for bit in 0..64 {
                    let mut missed = taken;
                    missed[argument] ^= 1 << bit;
                    found.push(missed);
                }
            }
        }
    }
    found
}

fn answer(program: &[sock_filter], number: u32, arguments: [u64; 6]) -> Verdict {
    match evaluate(program, &Call::new(number, arguments)) {
        Answer::Verdict(verdict) => verdict,
        Answer::Nonsense => panic!("the program is broken at call {number}"),
    }
}

fn text(rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        let name = name_of(rule.number).unwrap();
        write!(text, "{} {name}:", rule.number).unwrap();
        for clause in &rule.clauses {
            let tests: Vec<String> = clause.tests.iter().map(text_of_test).collect();
            let verdict = text_of_verdict(clause.verdict);
            write!(text, " {verdict} if {};", tests.join(" and ")).unwrap();
        }
        writeln!(text, " {}", text_of_verdict(rule.otherwise)).unwrap();
    }
    text
}

fn text_of_test(test: &Test) -> String {
    let half = if test.half == Half::High { ".high" } else { "" };
    let mask = match test.mask {
        u32::MAX => String::new(),
        mask => format!("&{mask:#x}"),
    };
    format!("a{}{half}{mask}=={:#x}", test.argument, test.value)
}

fn text_of_verdict(verdict: Verdict) -> String {
    let name = |errno| match errno {
        libc::EPERM => "EPERM",
        libc::EACCES => "EACCES",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTTY => "ENOTTY",
        libc::EINVAL => "EINVAL",
        0 => "no effect (succeeds)",
        _ => "another error",
    };
    match verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Errno(errno) => name(errno).to_owned(),
        Verdict::Trap(0) => "allow (noted if it fails)".to_owned(),
        Verdict::Trap(errno) => format!("{} (noted)", name(errno)),
        Verdict::Kill => "KILL".to_owned(),
    }
}

/// Compares with a file, or writes it.
fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(
        expected,
        found,
        "{} differs; see the top of this test",
        path.display()
    );
}

#[test]
fn table_is_the_one_in_the_repository() {
    let whole = text(&table(&default()));
    compare("default", &whole);
    compare("after_loading", &text(&after_loading(false)));
    let lines: BTreeSet<&str> = whole.lines().collect();
    for (name, allowed) in variants() {
        let changed: Vec<String> = text(&table(&allowed))
            .lines()
            .filter(|line| !lines.contains(line))
            .map(|line| format!("{line}\n"))
            .collect();
        compare(name, &changed.concat());
    }
}

#[test]
fn program_answers_every_number_as_the_table_says() {
    for (name, allowed) in variants().into_iter().chain([("default", default())]) {
        let table = table(&allowed);
        let program = emit(&table);
        assert!(program.len() < 4096, "the kernel takes no more");
        let mut rules = table.iter().peekable();
        for number in 0..NUMBERS {
            match rules.next_if(|rule| rule.number == number) {
                None => {
                    let unknown = Verdict::Errno(libc::ENOSYS);
                    assert_eq!(answer(&program, number, [0; 6]), unknown, "{name} {number}");
                    assert_eq!(answer(&program, number, [u64::MAX; 6]), unknown);
                }
                Some(rule) => {
                    for arguments in interesting(rule) {
                        let found = answer(&program, number, arguments);
                        assert_eq!(
                            found,
                            rule.verdict(&arguments),
                            "{name} {rule:?} {arguments:x?}"
                        );
                    }
                }
            }
        }
        assert!(rules.next().is_none(), "{name}: a number is out of order");
    }
}

#[test]
fn second_program_takes_away_what_its_table_says_and_nothing_else() {
    for diagnose in [false, true] {
        let rules = after_loading(diagnose);
        let program = emit_over(&rules);
        for number in 0..NUMBERS {
            let rule = rules.iter().find(|rule| rule.number == number);
            let arguments = rule.map_or_else(|| vec![[0; 6], [u64::MAX; 6]], interesting);
            for arguments in arguments {
                let expected = rule.map_or(Verdict::Allow, |rule| rule.verdict(&arguments));
                assert_eq!(answer(&program, number, arguments), expected, "{number}");
            }
        }
    }
    let program = emit_over(&after_loading(false));
    let (run, private) = (5, 2);
    let map = u32::try_from(libc::SYS_mmap).unwrap();
    let eperm = Verdict::Errno(libc::EPERM);
    assert_eq!(answer(&program, map, [0, 1, run, private, 3, 0]), eperm);
    assert_eq!(
        answer(&program, map, [0, 1, 3, private, 3, 0]),
        Verdict::Allow
    );
}

#[test]
fn foreign_tables_of_numbers_are_never_served() {
    let program = emit(&table(&default()));
    for number in 0..NUMBERS {
        assert_eq!(
            answer(&program, number | X32, [0; 6]),
            Verdict::Trap(libc::ENOSYS)
        );
        let call = Call {
            architecture: I386,
            number,
            arguments: [0; 6],
            address: 0,
        };
        assert_eq!(
            evaluate(&program, &call),
            Answer::Verdict(Verdict::Trap(libc::ENOSYS))
        );
    }
    assert_eq!(
        answer(&program, u32::MAX, [0; 6]),
        Verdict::Trap(libc::ENOSYS)
    );
}

#[test]
fn gate_is_one_address_and_leads_to_the_same_rules() {
    let gate = 0x7fff_1234_5678;
    let noted = table(&Allowed {
        diagnose: true,
        ..default()
    });
    let through = table(&default());
    let program = emit_with_gate(&noted, gate, &through);
    let plain = emit(&through);
    for number in 0..NUMBERS {
        for arguments in [[0; 6], [u64::MAX; 6]] {
            let from = |address| {
                let call = Call {
                    address,
                    ..Call::new(number, arguments)
                };
                evaluate(&program, &call)
            };
            let expected = Answer::Verdict(answer(&plain, number, arguments));
            assert_eq!(from(gate), expected, "{number}");
            let outside = emit(&noted);
            let expected = Answer::Verdict(answer(&outside, number, arguments));
            for address in [0, gate + 1, gate ^ 1 << 40, gate & 0xffff_ffff] {
                assert_eq!(from(address), expected, "{number}");
            }
        }
    }
}

#[test]
fn known_ways_out_are_closed_by_their_arguments() {
    let program = emit(&table(&default()));
    let eperm = Verdict::Errno(libc::EPERM);
    let call = |number: libc::c_long, arguments: &[i64]| {
        let mut all = [0; 6];
        for (place, argument) in arguments.iter().enumerate() {
            all[place] = argument.cast_unsigned();
        }
        answer(&program, u32::try_from(number).unwrap(), all)
    };
    let pid = i64::from(PID);
    let (thread, vm) = (i64::from(libc::CLONE_THREAD), i64::from(libc::CLONE_VM));
    assert_eq!(call(libc::SYS_clone, &[thread | vm]), Verdict::Allow);
    assert_eq!(call(libc::SYS_clone, &[i64::from(libc::SIGCHLD)]), eperm);
    let namespace = i64::from(libc::CLONE_NEWUSER);
    assert_eq!(call(libc::SYS_clone, &[thread | namespace]), eperm);
    // The pid as the kernel reads it, whatever stands above its 32 bits.
    assert_eq!(call(libc::SYS_kill, &[pid | 1 << 40, 9]), Verdict::Allow);
    assert_eq!(call(libc::SYS_kill, &[pid + 1, 9]), eperm);
    assert_eq!(call(libc::SYS_kill, &[-1, 9]), eperm);
    let shared = i64::from(libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    assert_eq!(call(libc::SYS_mmap, &[0, 1, 0, shared]), eperm);
    let validate = i64::from(libc::MAP_SHARED_VALIDATE | libc::MAP_ANONYMOUS);
    assert_eq!(call(libc::SYS_mmap, &[0, 1, 0, validate]), eperm);
    let truncating = i64::from(libc::O_RDONLY | libc::O_TRUNC);
    assert_eq!(call(libc::SYS_openat, &[0, 0, truncating]), eperm);
    // An access mode that no layer below governs.
    assert_eq!(call(libc::SYS_openat, &[0, 0, 3]), eperm);
    let unix = i64::from(libc::AF_UNIX);
    let stream = i64::from(libc::SOCK_STREAM | libc::SOCK_CLOEXEC);
    assert_eq!(call(libc::SYS_socketpair, &[unix, stream]), Verdict::Allow);
    let datagram = i64::from(libc::SOCK_DGRAM);
    assert_eq!(call(libc::SYS_socketpair, &[unix, datagram]), eperm);
    // An address above 4 GiB is no null pointer.
    assert_eq!(call(libc::SYS_sendto, &[3, 0, 0, 0, 1 << 32]), eperm);
    assert_eq!(
        call(libc::SYS_prctl, &[i64::from(libc::PR_SET_PDEATHSIG)]),
        eperm
    );
    assert_eq!(
        call(libc::SYS_prctl, &[i64::from(libc::PR_SET_DUMPABLE)]),
        eperm
    );
    assert_eq!(call(libc::SYS_prlimit64, &[0, 0, 1 << 32]), eperm);
    let tiocsti = Verdict::Errno(libc::ENOTTY);
    assert_eq!(call(libc::SYS_ioctl, &[0, 0x5412]), tiocsti);
    assert_eq!(call(libc::SYS_ioctl, &[0, 0x5412 | 1 << 32]), tiocsti);
}

/// Options of a sandbox, and what the filter is made for with each.
fn with(option: &str, base: Allowed) -> Allowed {
    match option {
        "network=True" => Allowed {
            network: true,
            ..base
        },
        "unix=[...]" => Allowed { unix: true, ..base },
        "subprocess=True" => Allowed {
            subprocess: true,
            ..base
        },
        "watch=True" => Allowed {
            watch: true,
            ..base
        },
        "policy=\"strict\"" => Allowed {
            jailed: true,
            ..base
        },
        "exec_memory=True" => base,
        other => panic!("there is no option {other}"),
    }
}

#[test]
fn advice_names_an_option_that_allows_the_call_wherever_there_is_one() {
    let succeeds = |verdict| matches!(verdict, Verdict::Allow | Verdict::Errno(0));
    let options = [
        "network=True",
        "unix=[...]",
        "subprocess=True",
        "watch=True",
        "policy=\"strict\"",
    ];
    let mut given = BTreeSet::new();
    for jailed in [false, true] {
        let base = Allowed {
            pid: std::process::id(),
            truncate: true,
            jailed,
            ..Allowed::default()
        };
        let program = emit(&table(&base));
        let opened = options.map(|option| (option, emit(&table(&with(option, base)))));
        let later = emit_over(&after_loading(false));
        let tables = options.map(|option| table(&with(option, base)));
        for rule in table(&base) {
            // What an option allows depends on arguments that its own rule names.
            let rules = tables
                .iter()
                .flatten()
                .filter(|other| other.number == rule.number);
            let arguments: BTreeSet<_> = rules.chain([&rule]).flat_map(interesting).collect();
            for arguments in arguments {
                let by = |program: &[sock_filter]| answer(program, rule.number, arguments);
                let advised = filter(rule.number, &arguments, jailed);
                let what = format!("{} {arguments:x?}: {advised:?}", rule.number);
                match advised {
                    Filter::Allows => {
                        assert!(succeeds(by(&program)) && succeeds(by(&later)), "{what}");
                    }
                    Filter::AllowsWith("exec_memory=True") => {
                        assert!(succeeds(by(&program)) && !succeeds(by(&later)), "{what}");
                        given.insert("exec_memory=True");
                    }
                    Filter::AllowsWith(option) => {
                        let found = opened.iter().find(|(name, _)| *name == option).unwrap();
                        assert!(!succeeds(by(&program)) && succeeds(by(&found.1)), "{what}");
                        given.insert(option);
                    }
                    Filter::Denies => {
                        let all = opened.iter().map(|(_, program)| program);
                        assert!(
                            !all.chain([&program]).any(|one| succeeds(by(one))),
                            "{what}"
                        );
                    }
                }
            }
        }
    }
    let every: BTreeSet<&str> = options.into_iter().chain(["exec_memory=True"]).collect();
    assert_eq!(given, every);
}
