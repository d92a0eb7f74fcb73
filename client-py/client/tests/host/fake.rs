//! A host without an engine: each script that it is to run is the name of an action.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hostd_protocol::carrier::socket::{self, Connection, Outbox};
use hostd_protocol::carrier::{HostEnd, Wake};
use hostd_protocol::control::{self, ClientMessage, HostMessage, LogLevel};
use hostd_protocol::error::{ProtocolError, RemoteError};
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::{FrameBuilder, FrameKind, Header};
use hostd_protocol::handshake::Hello;
use hostd_protocol::ids::{CallId, LaneNumber};
use hostd_protocol::limits::Limits;
use hostd_protocol::value::{Token, ValueReader};
use rustix::process::{Signal, getpid, kill_process};

use crate::start::start;

/// How this host is to misbehave from the start.
fn manner() -> String {
    std::env::var("FAKE_HOST").unwrap_or_default()
}

pub(crate) fn serve(arguments: &[String]) -> ExitCode {
    let Ok(mut started) = start(arguments) else {
        return ExitCode::from(9);
    };
    if let Some(code) = misbehave_before_the_greeting(&mut started.control) {
        return code;
    }
    let setup = started.greet().unwrap();
    if manner() == "refuse" {
        let message = "it does not feel like it".to_owned();
        let refused = HostMessage::Refused { message };
        control::write_message(&mut started.control, &refused).unwrap();
        return ExitCode::SUCCESS;
    }
    let (mut end, control) = started.ready(&setup, false).unwrap();

    let outbox = Outbox::default();
    let shutdown = Arc::new(AtomicBool::new(false));
    let connection = Connection::of_host(&end, outbox.clone());
    let (waker, told) = (end.waker(), Arc::clone(&shutdown));
    let eavesdropper = control.try_clone().unwrap();
    let carries = thread::Builder::new().spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let _ = runtime.block_on(async {
            let on_message = |message: ClientMessage| {
                if message == ClientMessage::Shutdown && manner() != "stubborn" {
                    told.store(true, Ordering::Release);
                    waker.wake();
                }
            };
            connection
                .run(socket::adopt(control).unwrap(), on_message)
                .await
        });
        waker.disconnect();
    });
    outbox
        .send(&HostMessage::Log {
            level: LogLevel::Info,
            target: "fake".into(),
            message: "ready".into(),
        })
        .unwrap();
    let mut host = Fake {
        end: &mut end,
        setup_limits: setup.limits,
        control: eavesdropper,
    };
    let code = host.run(&shutdown, setup.generation);
    if shutdown.load(Ordering::Acquire) {
        outbox.send(&HostMessage::Goodbye).unwrap();
        outbox.close();
        carries.unwrap().join().unwrap();
    }
    code
}

/// The misbehaviour in place of the handshake; an exit code ends the process.
fn misbehave_before_the_greeting(control: &mut UnixStream) -> Option<ExitCode> {
    match manner().as_str() {
        "die" => {
            eprintln!("no reason to live");
            Some(ExitCode::from(3))
        }
        "silent" => forever(),
        "garbage" => {
            control.write_all(&[0xA5; 4096]).unwrap();
            forever();
        }
        "drip" => {
            let hello = Hello::ours().encode();
            for byte in hello {
                control.write_all(&[byte]).unwrap();
                thread::sleep(Duration::from_millis(40));
            }
            forever();
        }
        "old" => {
            let hello = Hello {
                protocol: 99,
                build: "napi-hostd 99.0".into(),
            };
            control.write_all(&hello.encode()).unwrap();
            forever();
        }
        _ => None,
    }
}

fn forever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

struct Fake<'a> {
    end: &'a mut HostEnd,
    setup_limits: Limits,
    control: UnixStream,
}

impl Fake<'_> {
    fn run(
        &mut self,
        shutdown: &AtomicBool,
        generation: hostd_protocol::ids::Generation,
    ) -> ExitCode {
        let mut body = Vec::new();
        let mut frame = FrameBuilder::new(self.setup_limits);
        while !shutdown.load(Ordering::Acquire) {
            let lane = match self.end.wait(None) {
                Ok(Wake::Lane(lane)) => lane,
                Ok(_) => continue,
                Err(_) => return ExitCode::from(7),
            };
            let header = self.end.receive(lane, &mut body).unwrap();
            let script = script(&body, &self.setup_limits);
            match self.act(lane, header, &script, &mut frame) {
                Ok(None) => {}
                Ok(Some(code)) => return code,
                Err(_) => return ExitCode::from(6),
            }
            let bytes = frame.finish(header.call, generation).unwrap();
            self.end.send(lane, bytes).unwrap();
        }
        ExitCode::SUCCESS
    }

    /// Performs the action and writes the reply to `frame`; an exit code ends the process instead.
    fn act(
        &mut self,
        lane: LaneNumber,
        header: Header,
        script: &str,
        frame: &mut FrameBuilder,
    ) -> Result<Option<ExitCode>, ProtocolError> {
        let (deed, rest) = script.split_once(' ').unwrap_or((script, ""));
        frame.start(FrameKind::Reply, header.number);
        match deed {
            "echo" => frame.body().str(rest)?,
            "pid" => frame.body().integer(std::process::id().into()),
            "die" => {
                let number = rest.parse().unwrap();
                kill_process(getpid(), Signal::from_named_raw(number).unwrap()).unwrap();
                forever();
            }
            "exit" => return Ok(Some(ExitCode::from(rest.parse::<u8>().unwrap()))),
            "hang" => forever(),
            "slow" => {
                thread::sleep(Duration::from_millis(rest.parse().unwrap()));
                frame.body().null();
            }
            "heed" => {
                self.heed(lane);
                frame.start(FrameKind::Failure, header.number);
                Failure::write(&mut frame.body(), &RemoteError::Cancelled)?;
            }
            "heed-then-call" => {
                self.heed(lane);
                let answer = self.call_back(lane, header, frame)?;
                assert_eq!(
                    answer,
                    FrameKind::Failure,
                    "a cancelled call may not call back"
                );
                frame.start(FrameKind::Reply, header.number);
                frame.body().null();
            }
            "call" => {
                let answer = self.call_back(lane, header, frame)?;
                frame.start(FrameKind::Reply, header.number);
                frame.body().boolean(answer == FrameKind::Reply);
            }
            "call-forever" => loop {
                self.call_back(lane, header, frame)?;
            },
            "trickle" => self.trickle(lane, header, frame, (1000, Duration::from_millis(5)))?,
            // Each wait for a piece is shorter than the time between two checks.
            "trickle-header" => {
                self.trickle(lane, header, frame, (1, Duration::from_millis(99)))?;
            }
            "garbage" => {
                self.end.send(lane, &[0xA5; 64])?;
                forever();
            }
            "half" => {
                frame.body().str(&"x".repeat(1000))?;
                let bytes = frame.finish(header.call, header.generation)?;
                let half = bytes.len() / 2;
                self.end.send(lane, &bytes[..half])?;
                forever();
            }
            "wrong-id" => {
                frame.body().null();
                let bytes = frame.finish(CallId(header.call.0 + 7), header.generation)?;
                self.end.send(lane, bytes)?;
                forever();
            }
            "print" => {
                print!("{}", "o".repeat(rest.parse().unwrap()));
                std::io::stdout().flush().unwrap();
                eprint!("{}!", "e".repeat(rest.parse().unwrap()));
                frame.body().null();
            }
            "notice" => {
                frame.start(FrameKind::Notice, 64);
                frame.body().str(rest)?;
                assert!(
                    self.end
                        .try_notice(frame.finish(CallId(0), header.generation)?)?
                );
                frame.start(FrameKind::Reply, header.number);
                frame.body().null();
            }
            "hang-up" => {
                self.control.shutdown(std::net::Shutdown::Both).unwrap();
                forever();
            }
            "leave-child" => {
                #[expect(clippy::zombie_processes, reason = "this process ends first")]
                // It inherits the pipes and keeps them open.
                let child = Command::new("sleep").arg("30").spawn().unwrap();
                println!("child {}", child.id());
                kill_process(getpid(), Signal::ABORT).unwrap();
                forever();
            }
            _ => {
                frame.start(FrameKind::Failure, header.number);
                let error = RemoteError::Unsupported(format!("no such deed: {deed}"));
                Failure::write(&mut frame.body(), &error)?;
            }
        }
        Ok(None)
    }

    /// Answers with the beginning of a frame, and then byte by byte.
    fn trickle(
        &mut self,
        lane: LaneNumber,
        header: Header,
        frame: &mut FrameBuilder,
        (beginning, pause): (usize, Duration),
    ) -> Result<(), ProtocolError> {
        frame.body().str(&"x".repeat(10_000))?;
        let bytes = frame.finish(header.call, header.generation)?;
        let (beginning, rest) = bytes.split_at(beginning);
        self.end.send(lane, beginning)?;
        for byte in rest.chunks(1) {
            thread::sleep(pause);
            self.end.send(lane, byte)?;
        }
        forever();
    }

    /// Waits until the call is cancelled.
    fn heed(&mut self, lane: LaneNumber) {
        let flag = self.end.cancel_flag(lane);
        while flag.get() == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn call_back(
        &mut self,
        lane: LaneNumber,
        header: Header,
        frame: &mut FrameBuilder,
    ) -> Result<FrameKind, ProtocolError> {
        frame.start(FrameKind::Request, 32);
        frame.body().str(&"x".repeat(1 << 20))?;
        let bytes = frame.finish(CallId(77), header.generation)?;
        self.end.send(lane, bytes)?;
        let mut body = Vec::new();
        loop {
            let answer = self.end.receive(lane, &mut body)?;
            if answer.kind != FrameKind::Request {
                assert_eq!((answer.number, answer.call), (32, CallId(77)));
                return Ok(answer.kind);
            }
            // A call inside the callback.
            frame.start(FrameKind::Reply, answer.number);
            frame.body().str(&script(&body, &self.setup_limits))?;
            let bytes = frame.finish(answer.call, answer.generation)?;
            self.end.send(lane, bytes)?;
        }
    }
}

fn script(body: &[u8], limits: &Limits) -> String {
    match ValueReader::new(body, limits).next() {
        Ok(Token::Str(script)) => script.to_owned(),
        _ => String::new(),
    }
}
