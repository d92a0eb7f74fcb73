//! The file for the crash record of a host: the client creates and reads it, the host writes it.

use std::os::fd::OwnedFd;

use hostd_protocol::SealedMapping;
use hostd_protocol::carrier::lane::SegmentError;
use nix::sys::signal::Signal;

use crate::report::Running;

/// The offsets of the fields; a test compares them with those of the host.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"hostdCR4");
pub(super) const HEAD_BYTES: usize = 4096;
pub(super) const MAPS_BYTES: usize = 128 << 10;
pub(super) const STACK_BYTES: usize = 256 << 10;
const CALLS_BYTES: usize = 4096;
const CALLS: usize = HEAD_BYTES + MAPS_BYTES + STACK_BYTES;
const FILE_BYTES: usize = CALLS + CALLS_BYTES;
const STATE: usize = 8;
const LANE: usize = 12;
const SIGNAL: usize = 16;
const CODE: usize = 20;
const ADDRESS: usize = 24;
const JS_THREAD: usize = 36;
const PROGRAM_COUNTER: usize = 40;
const STACK_POINTER: usize = 48;
const FRAME_POINTER: usize = 56;
const MAPS_LENGTH: usize = 64;
const STACK_ADDRESS: usize = 72;
const STACK_LENGTH: usize = 80;
const THREAD_NAME: (usize, usize) = (88, 16);
const NODE_API: (usize, usize) = (104, 64);
const ERROR: usize = 168;
const STATUS_LENGTH: usize = 176;
const CALL_TABLE: usize = 184;
const CALL_NUMBER: usize = 188;
const CALL_ARGUMENTS: usize = 192;
const CALL_PATH: (usize, usize) = (240, 256);
const REGISTERS: usize = 496;
const CALLS_LENGTH: usize = 640;
const STATUS_BYTES: usize = 2048;
const STATUS: usize = HEAD_BYTES - STATUS_BYTES;

/// The registers in the record, in the order in which the host writes them.
pub(super) const REGISTER_NAMES: [&str; 18] = [
    "rip", "rsp", "rbp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
    "r13", "r14", "r15", "eflags",
];

/// From this state on, all fields but the stack are written.
const FACTS: u32 = 2;
const NO_LANE: u32 = u32::MAX;

const SIGSEGV: i32 = Signal::SIGSEGV as i32;
/// The signals with which the kernel reports a fault address.
const WITH_FAULT_ADDRESS: [i32; 4] = [
    SIGSEGV,
    Signal::SIGBUS as i32,
    Signal::SIGILL as i32,
    Signal::SIGFPE as i32,
];

/// The file of one host.
#[derive(Debug)]
pub(crate) struct CrashPage {
    mapping: SealedMapping,
}

/// A crash record, as the host wrote it.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) signal: i32,
    pub(super) code: i32,
    pub(super) address: u64,
    pub(super) is_js_thread: bool,
    pub(super) program_counter: u64,
    pub(super) stack_pointer: u64,
    pub(super) frame_pointer: u64,
    pub(super) thread_name: String,
    pub(super) node_api: String,
    /// The names of recent functions of Node-API, each with a line end.
    pub(super) calls: String,
    /// The last error that the C library reported on the thread.
    pub(super) error: i32,
    pub(super) registers: [u64; REGISTER_NAMES.len()],
    pub(super) call: Called,
    pub(super) status: String,
    pub(super) maps: String,
    pub(super) stack_address: u64,
    pub(super) stack: Vec<u8>,
}

/// The system call of a SIGSYS; the table is 0 for other signals.
#[derive(Debug, Default)]
pub(super) struct Called {
    pub(super) table: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
    pub(super) path: String,
}

impl CrashPage {
    /// Creates the file; returns it and the host's descriptor of it.
    pub(crate) fn create() -> Result<(Self, OwnedFd), SegmentError> {
        let (mapping, file) = SealedMapping::create("napi-hostd-crash", FILE_BYTES)?;
        Ok((Self { mapping }, file))
    }

    /// Reads which lane's call was running, and the record, if one was written.
    pub(super) fn read(&self) -> Option<(Running, Option<Record>)> {
        let head = self.copy(0, HEAD_BYTES)?;
        let head = Head(&head);
        if head.u64(0) != MAGIC {
            return None;
        }
        let running = match head.u32(LANE) {
            NO_LANE => Running::Idle,
            lane => Running::Lane(u16::try_from(lane).ok()?),
        };
        if head.u32(STATE) < FACTS {
            return Some((running, None));
        }
        let status = self.part(STATUS, head.u64(STATUS_LENGTH), STATUS_BYTES);
        let maps = self.part(HEAD_BYTES, head.u64(MAPS_LENGTH), MAPS_BYTES);
        let stack = self.part(HEAD_BYTES + MAPS_BYTES, head.u64(STACK_LENGTH), STACK_BYTES);
        let calls = self.part(CALLS, head.u64(CALLS_LENGTH), CALLS_BYTES);
        let record = Record {
            signal: head.u32(SIGNAL).cast_signed(),
            code: head.u32(CODE).cast_signed(),
            address: head.u64(ADDRESS),
            is_js_thread: head.u32(JS_THREAD) == 1,
            program_counter: head.u64(PROGRAM_COUNTER),
            stack_pointer: head.u64(STACK_POINTER),
            frame_pointer: head.u64(FRAME_POINTER),
            thread_name: head.text(THREAD_NAME),
            node_api: head.text(NODE_API),
            calls: String::from_utf8_lossy(&calls).into_owned(),
            error: head.u32(ERROR).cast_signed(),
            registers: std::array::from_fn(|place| head.u64(REGISTERS + 8 * place)),
            call: Called {
                table: head.u32(CALL_TABLE),
                number: head.u32(CALL_NUMBER),
                arguments: std::array::from_fn(|place| head.u64(CALL_ARGUMENTS + 8 * place)),
                path: head.text(CALL_PATH),
            },
            status: String::from_utf8_lossy(&status).into_owned(),
            maps: String::from_utf8_lossy(&maps).into_owned(),
            stack_address: head.u64(STACK_ADDRESS),
            stack,
        };
        Some((running, Some(record)))
    }

    /// A part whose length the host wrote.
    fn part(&self, offset: usize, stated: u64, most: usize) -> Vec<u8> {
        let length = usize::try_from(stated).unwrap_or(most).min(most);
        self.copy(offset, length).unwrap_or_default()
    }

    fn copy(&self, offset: usize, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.mapping.read(offset, &mut bytes).then_some(bytes)
    }
}

impl Record {
    /// The address whose access failed; none for a signal that was sent.
    pub(super) fn fault_address(&self) -> Option<u64> {
        (self.code > 0 && WITH_FAULT_ADDRESS.contains(&self.signal)).then_some(self.address)
    }

    /// Whether the fault address is where the stack would have grown.
    ///
    /// Close to the stack pointer no other access fails: the kernel extends a stack up to its limit.
    pub(super) fn overflowed(&self) -> bool {
        const BELOW: u64 = 64 << 10;
        const ABOVE: u64 = 4096;
        let lowest = self.stack_pointer.saturating_sub(BELOW);
        self.fault_address().is_some_and(|address| {
            self.signal == SIGSEGV
                && (lowest..self.stack_pointer.saturating_add(ABOVE)).contains(&address)
        })
    }

    /// The word of the stack at an address, if the record contains it.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.stack_address)?).ok()?;
        let bytes = self.stack.get(offset..)?.first_chunk::<8>()?;
        Some(u64::from_ne_bytes(*bytes))
    }
}

/// The first part of the file. What is beyond it reads as zero.
struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        let found = self.0.get(offset..).and_then(<[u8]>::first_chunk);
        found.copied().unwrap_or([0; N])
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(offset))
    }

    fn u64(&self, offset: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(offset))
    }

    fn text(&self, (offset, length): (usize, usize)) -> String {
        let field = self.0.get(offset..offset + length).unwrap_or_default();
        let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use hostd_sandbox::crash::{FILE_BYTES as THEIRS, Layout, NO_LANE as NONE};
    use rustix::fs::ftruncate;
    use rustix::io::{Errno, pwrite};

    use super::*;

    fn write(theirs: &OwnedFd, offset: usize, bytes: &[u8]) {
        assert_eq!(pwrite(theirs, bytes, offset as u64), Ok(bytes.len()));
    }

    /// A page with a record about a signal, and the host's descriptor of it.
    pub(crate) fn page_with(lane: u32, signal: i32) -> (CrashPage, OwnedFd) {
        let (page, theirs) = CrashPage::create().unwrap();
        write(&theirs, 0, &MAGIC.to_ne_bytes());
        write(&theirs, STATE, &FACTS.to_ne_bytes());
        write(&theirs, LANE, &lane.to_ne_bytes());
        write(&theirs, SIGNAL, &signal.to_ne_bytes());
        (page, theirs)
    }

    #[test]
    fn layout_is_the_hosts() {
        let layout = Layout::CURRENT;
        assert_eq!(layout.magic, MAGIC);
        assert_eq!(
            layout.fields,
            [
                0,
                STATE,
                LANE,
                SIGNAL,
                CODE,
                ADDRESS,
                32,
                JS_THREAD,
                PROGRAM_COUNTER,
                STACK_POINTER,
                FRAME_POINTER,
                MAPS_LENGTH,
                STACK_ADDRESS,
                STACK_LENGTH,
                THREAD_NAME.0,
                NODE_API.0,
                ERROR,
                STATUS_LENGTH,
                CALL_TABLE,
                CALL_NUMBER,
                CALL_ARGUMENTS,
                CALL_PATH.0,
                REGISTERS,
                CALLS_LENGTH
            ]
        );
        assert_eq!(layout.status, (STATUS, STATUS_BYTES));
        assert_eq!(layout.maps, (HEAD_BYTES, MAPS_BYTES));
        assert_eq!(layout.stack, (HEAD_BYTES + MAPS_BYTES, STACK_BYTES));
        assert_eq!(layout.calls, (CALLS, CALLS_BYTES));
        assert_eq!((THEIRS, NONE), (FILE_BYTES, NO_LANE));
    }

    #[test]
    fn page_without_a_record_is_none() {
        let (page, _theirs) = CrashPage::create().unwrap();
        assert!(page.read().is_none());
    }

    #[test]
    fn file_cannot_be_resized_by_the_host() {
        let (_page, theirs) = CrashPage::create().unwrap();
        assert_eq!(ftruncate(&theirs, 0), Err(Errno::PERM));
        assert_eq!(ftruncate(&theirs, 1 << 30), Err(Errno::PERM));
    }

    #[test]
    fn lengths_beyond_the_file_are_cut() {
        let (page, theirs) = CrashPage::create().unwrap();
        write(&theirs, 0, &[0xff; HEAD_BYTES]);
        write(&theirs, 0, &MAGIC.to_ne_bytes());
        write(&theirs, LANE, &7_u32.to_ne_bytes());
        let (running, record) = page.read().unwrap();
        let record = record.unwrap();
        assert_eq!(running, Running::Lane(7));
        assert_eq!(record.maps.len(), MAPS_BYTES);
        assert_eq!(record.stack.len(), STACK_BYTES);
        assert_eq!(record.calls.len(), CALLS_BYTES);
        assert_eq!(record.word(u64::MAX), Some(0));
        assert_eq!(record.word(0), None);
    }
}
