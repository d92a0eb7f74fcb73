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
use hostd_protocol::calls::CallKind;
use hostd_protocol::control::LogLevel;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::ids::SlotId;
use hostd_protocol::limits::Limits;
use hostd_protocol::message::{self, LoadRequest};
use hostd_protocol::value::{Token, ValueReader};

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
        let mut writer = frame.body();
        writer.put_u32(function.get());
        writer.put_u8(0);
        writer.put_u32(u32::try_from(numbers.len()).unwrap_or(0));
        for number in &numbers {
            writer.int32(*number);
        }
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
    message::write(
        &mut frame.body(),
        &LoadRequest {
            path: path.as_os_str().as_bytes().to_vec(),
        },
    )?;
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
    reader.skip()?;
    let mut found = None;
    for _ in 0..reader.take_count(6)? {
        let is_it = reader.str()? == name;
        if reader.take_bool()?
            && let Token::Lent { id, .. } = reader.next()?
            && is_it
        {
            found = Some(id);
        }
    }
    Ok(found)
}
