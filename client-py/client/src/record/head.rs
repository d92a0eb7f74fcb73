//! What a record says of the host besides its frames: how it was started, and how it ended.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hostd_protocol::confinement::Confinement;
use hostd_protocol::limits::Limits;
use hostd_protocol::message;
use hostd_protocol::value::{ValueReader, ValueWriter};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::report::{ExitReport, Running, StackFrame};

/// How many bytes of a file its checksum is of.
const HASHED_BYTES: u64 = 16 << 20;
/// How many frames of the stack are stored.
const FRAMES_MAX: usize = 64;

/// Where a host ran its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runs {
    /// In a process of its own.
    Isolated,
    /// In the process of the client, on a thread of its own.
    OwnThread,
    /// In the process of the client, on the thread that loaded the addon.
    CallerThread,
}

/// A file as it was when the record was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Its path.
    pub path: Vec<u8>,
    /// Its bytes.
    pub bytes: u64,
    /// FNV-1a of its first 16 MiB.
    pub hash: u64,
}

/// How the host was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordHead {
    /// The version of this package.
    pub version: String,
    /// The addon's name in messages.
    pub label: String,
    /// The addon, or what stands for the package.
    pub addon: RecordedFile,
    /// The generation of the host.
    pub generation: u32,
    /// The process that recorded.
    pub client: u32,
    /// Where the session ran.
    pub runs: Runs,
    /// The limits of both sides.
    pub limits: Limits,
    /// Whether other lanes were served while a callback ran.
    pub nested_threads: bool,
    /// Whether misuse of Node-API was reported.
    pub debug: bool,
    /// The sandbox, if it had one.
    pub confinement: Option<Box<Confinement>>,
    /// The environment, if it was not that of the client. Only in records with values.
    pub env: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Whether the bodies of frames are stored.
    pub values: bool,
}

/// One frame of the stack of a host that crashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFrame {
    /// The name of the file that the code is from.
    pub module: Option<String>,
    /// The function.
    pub symbol: Option<String>,
}

/// How a host ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordEnd {
    /// The stable name of the cause.
    pub cause: String,
    /// What happened, in words.
    pub text: String,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The name of that signal.
    pub signal_name: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The lane whose call was running.
    pub lane: Option<u16>,
    /// The Node-API function that was running.
    pub node_api: Option<String>,
    /// The stack of the thread that failed, innermost frame first.
    pub frames: Vec<RecordedFrame>,
    /// Whether it was told to end and did.
    pub expected: bool,
}

impl RecordedFile {
    /// A file as it is now; one that cannot be read has no bytes.
    pub fn of(path: &Path) -> Self {
        let (bytes, hash) = hash_of(path).unwrap_or_default();
        Self {
            path: path.as_os_str().as_bytes().to_vec(),
            bytes,
            hash,
        }
    }
}

fn hash_of(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok((0, 0));
    }
    let mut reader = file.take(HASHED_BYTES);
    let mut piece = vec![0; 64 << 10];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    loop {
        let count = reader.read(&mut piece)?;
        if count == 0 {
            return Ok((meta.len(), hash));
        }
        for byte in &piece[..count] {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl From<&StackFrame> for RecordedFrame {
    fn from(frame: &StackFrame) -> Self {
        Self {
            module: frame.module.clone(),
            symbol: frame.symbol.clone(),
        }
    }
}

impl From<&ExitReport> for RecordEnd {
    fn from(report: &ExitReport) -> Self {
        let frames = report.backtrace.iter().flatten().take(FRAMES_MAX);
        Self {
            cause: report.cause.code().to_owned(),
            text: if report.expected {
                "the host process ended when it was told to".to_owned()
            } else {
                report.to_string()
            },
            signal: report.signal,
            signal_name: report.signal_name(),
            exit_code: report.exit_code,
            lane: match report.running {
                Running::Lane(lane) => Some(lane),
                Running::Unknown | Running::Idle => None,
            },
            node_api: report.node_api.clone(),
            frames: frames.map(RecordedFrame::from).collect(),
            expected: report.expected,
        }
    }
}

impl RecordEnd {
    /// Whether the host ended by a fault of its own or was killed, and not because it was told to.
    pub fn is_crash(&self) -> bool {
        !self.expected && self.cause != "restart"
    }

    /// The innermost place that is the addon's or has a name: by this two crashes are told apart.
    ///
    /// `addon` is the name of the addon's file.
    pub fn place(&self, addon: &str) -> Option<String> {
        let is_addon = |frame: &&RecordedFrame| frame.module.as_deref() == Some(addon);
        let is_file = |frame: &&RecordedFrame| {
            let module = frame.module.as_deref().unwrap_or_default();
            Path::new(module).extension() == Some("node".as_ref())
        };
        let frames = || self.frames.iter();
        let found = frames()
            .find(is_addon)
            .or_else(|| frames().find(is_file))
            .or_else(|| frames().find(|frame| frame.symbol.is_some()))?;
        let module = found.module.as_deref().unwrap_or("?");
        Some(match &found.symbol {
            Some(symbol) => format!("{module}!{symbol}"),
            None => module.to_owned(),
        })
    }

    /// Whether two ends are the same crash, or both are none: signal, exit code and place.
    pub fn is_same(&self, other: &Self, addon: &str) -> bool {
        if !self.is_crash() || !other.is_crash() {
            return self.is_crash() == other.is_crash();
        }
        (self.signal, self.exit_code) == (other.signal, other.exit_code)
            && self.place(addon) == other.place(addon)
    }
}

/// A message of a record as bytes; none if it is too large.
pub(super) fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut body = ValueWriter::new(&mut bytes, &Limits::DEFAULT);
    message::write(&mut body, message).ok()?;
    Some(bytes)
}

/// The message in these bytes.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut body = ValueReader::new(bytes, &Limits::DEFAULT);
    message::read(&mut body).ok()
}
