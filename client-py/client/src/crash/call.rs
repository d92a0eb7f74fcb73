//! The system call for which the seccomp filter ended a host.

use hostd_symbols::escape;
use syscalls::{x86, x86_64};

use super::page::Record;
use crate::report::ForbiddenCall;

/// The kernel's numbers of its system call tables (`AUDIT_ARCH_*`).
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
/// Set in numbers of the x32 table, whose other bits are those of x86-64.
const X32: u32 = 0x4000_0000;

/// The system call in the record, if there is one.
pub(super) fn forbidden(record: &Record) -> Option<ForbiddenCall> {
    let call = &record.call;
    let (table, known) = match call.table {
        0 => return None,
        X86_64 if call.number & X32 != 0 => ("x32", name_of(call.number & !X32)),
        X86_64 => ("x86-64", name_of(call.number)),
        I386 => (
            "32-bit x86",
            x86::Sysno::new(call.number as usize).map(|known| known.name()),
        ),
        _ => ("unknown", None),
    };
    let name = known.map_or_else(|| format!("call {}", call.number), ToOwned::to_owned);
    Some(ForbiddenCall {
        name,
        table,
        arguments: call.arguments,
        path: (!call.path.is_empty()).then(|| escape(&call.path)),
    })
}

fn name_of(number: u32) -> Option<&'static str> {
    x86_64::Sysno::new(number as usize).map(|known| known.name())
}

#[cfg(test)]
mod tests {
    use super::super::page::Called;
    use super::*;

    fn of(table: u32, number: u32) -> Option<ForbiddenCall> {
        let call = Called {
            table,
            number,
            ..Called::default()
        };
        forbidden(&Record {
            call,
            ..Record::default()
        })
    }

    #[test]
    fn number_is_named_by_its_own_table() {
        let named = |table, number| of(table, number).map(|call| (call.name, call.table));
        assert_eq!(named(I386, 20), Some(("getpid".into(), "32-bit x86")));
        assert_eq!(named(X86_64, X32 | 0x27), Some(("getpid".into(), "x32")));
        assert_eq!(named(X86_64, 101), Some(("ptrace".into(), "x86-64")));
        assert_eq!(named(7, 39), Some(("call 39".into(), "unknown")));
        assert_eq!(
            named(I386, u32::MAX),
            Some((format!("call {}", u32::MAX), "32-bit x86"))
        );
        assert_eq!(named(0, 39), None);
    }
}
