//! Calls a function of an addon from Rust, and says what a call takes.
//!
//! `cargo run -p hostd-client --example call -- path/to/napi-hostd path/to/addon.node add 1 2`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::error::Error;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use hostd_client::{
    Client, ClientError, Conversation, ExitReport, HostConfig, HostEvents, OutputStream,
    Uninterruptible,
};
use hostd_protocol::calls::{self, CallKind, TypedCall};
use hostd_protocol::control::LogLevel;
use hostd_protocol::error::ProtocolError;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::Limits;
use hostd_protocol::message::LoadRequest;
use hostd_protocol::parts::{Arguments, Part, Put, Record};
use hostd_protocol::value::{Token, ValueReader, ValueWriter};

const LIMITS: Limits = Limits::DEFAULT;

struct Terminal;

impl HostEvents for Terminal {
    fn output(&self, _: OutputStream, bytes: &[u8]) {
        print!("{}", String::from_utf8_lossy(bytes).escape_debug());
    }

    fn log(&self, level: LogLevel, target: &str, message: &str) {
        eprintln!("{level:?} {target}: {message}");
    }

    fn died(&self, report: &ExitReport) {
        eprintln!("{report}");
    }

    fn notice(&self, _: Header, _: &[u8]) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let (Some(binary), Some(addon), Some(name)) = (words.next(), words.next(), words.next()) else {
        return Err("usage: call <napi-hostd> <addon.node> <function> [integer...]".into());
    };
    let numbers = words
        .map(|word| word.to_string_lossy().parse())
        .collect::<Result<Vec<i32>, _>>()?;
    let name = name.to_string_lossy().into_owned();

    let found = Arc::new(Mutex::new(None));
    let path = PathBuf::from(addon);
    let mut options = HostConfig::new(binary.into(), path.clone(), Arc::new(Terminal));
    let export = Arc::clone(&found);
    options.on_start = Some(Box::new(move |conversation| {
        if let (Ok(mut export), loaded) = (export.lock(), load(conversation, &path, &name)?) {
            *export = loaded;
        }
        Ok(())
    }));
    let start = Instant::now();
    let client = Client::new(options);
    drop(client.conversation(&mut Uninterruptible)?);
    println!("started and loaded in {:?}", start.elapsed());
    let function = found
        .lock()
        .ok()
        .and_then(|found| *found)
        .ok_or("no such exported function")?;

    let mut frame = FrameBuilder::new(LIMITS);
    let mut body = Vec::new();
    let mut call = || -> Result<Header, ClientError> {
        frame.start(FrameKind::Request, CallKind::Call.number());
        let request = (function, None::<&str>, Numbers(&numbers));
        Put::<<calls::Call as TypedCall>::Request, _>::put(&request, &mut frame.body())?;
        let mut conversation = client.conversation(&mut Uninterruptible)?;
        conversation.send_while(&mut frame, &mut Uninterruptible)?;
        conversation.next(&mut body, &mut Uninterruptible)
    };
    let header = call()?;
    for _ in 0..3 {
        let start = Instant::now();
        for _ in 0..100_000 {
            call()?;
        }
        println!("{:?} per call", start.elapsed() / 100_000);
    }
    let mut reader = ValueReader::new(&body, &LIMITS);
    if header.kind == FrameKind::Failure {
        println!("{:?}", Failure::read(&mut reader)?);
    }
    println!("{:?}", reader.next()?);
    Ok(())
}

/// Loads the addon and finds an exported function.
fn load(
    conversation: &mut Conversation,
    path: &std::path::Path,
    name: &str,
) -> Result<Option<SlotId>, ClientError> {
    let mut frame = FrameBuilder::new(LIMITS);
    frame.start(FrameKind::Request, CallKind::Load.number());
    let path = path.as_os_str().as_bytes().to_vec();
    let request: <calls::Load as TypedCall>::Request = (Record(LoadRequest::Addon { path }),);
    request.put(&mut frame.body())?;
    conversation.send_while(&mut frame, &mut Uninterruptible)?;
    let mut body = Vec::new();
    let header = conversation.next(&mut body, &mut Uninterruptible)?;
    let mut reader = ValueReader::new(&body, &LIMITS);
    if header.kind == FrameKind::Failure {
        return match Failure::read(&mut reader)? {
            Failure::Remote(error) => Err(error.into()),
            Failure::Thrown => Ok(None),
        };
    }
    let (_, count) = <calls::Load as TypedCall>::Reply::read(&mut reader)?;
    let mut found = None;
    for _ in 0..count {
        if let (Token::Str(export), Token::Lent { id, .. }) = calls::NamedExport::read(&mut reader)?
            && export == name
        {
            found = Some(id);
        }
    }
    Ok(found)
}

/// Arguments that are numbers.
struct Numbers<'a>(&'a [i32]);

impl Put<Arguments, ValueWriter<'_>> for Numbers<'_> {
    fn put(&self, body: &mut ValueWriter<'_>) -> Result<(), ProtocolError> {
        body.put_u32(u32::try_from(self.0.len()).unwrap_or(0));
        self.0.iter().for_each(|number| body.int32(*number));
        Ok(())
    }
}
