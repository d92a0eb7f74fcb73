//! The lower bound of what a call costs, for `tests/bench/bench.py`: a thread echoes frames of
//! sixteen bytes over a lane, without engine and interpreter.
//!
//! Reads numbers from standard input, one per line, makes that many round trips, and prints the
//! nanoseconds that one took.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::io;
use std::thread;
use std::time::Instant;

use hostd_protocol::carrier::lane::{self, Segment};
use hostd_protocol::carrier::{HostEnd, Uninterruptible, Wake};
use hostd_protocol::frame::{FrameBuilder, FrameKind};
use hostd_protocol::ids::{CallId, Generation};
use hostd_protocol::limits::Limits;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let (ours, fd) = Segment::create()?;
    let theirs = Segment::open(fd)?;
    // Not joined: it waits for frames until the process ends.
    thread::Builder::new()
        .name("echo".into())
        .spawn(|| echo(lane::host(theirs, Generation(1), Limits::DEFAULT)))?;
    let end = lane::client(ours, Generation(1), Limits::DEFAULT);
    let (mut hint, mut body) = (None, Vec::new());
    let mut builder = FrameBuilder::new(Limits::DEFAULT);
    for line in io::stdin().lines() {
        let times: u32 = line?.trim().parse()?;
        let start = Instant::now();
        for _ in 0..times {
            let mut lane = end.lease(hint, &mut Uninterruptible)?;
            hint = Some(lane.index());
            builder.start(FrameKind::Request, 1);
            lane.send(
                builder.finish(CallId(1), Generation(1))?,
                &mut Uninterruptible,
            )?;
            lane.receive(&mut body, &mut Uninterruptible)?;
        }
        println!("{}", start.elapsed().as_secs_f64() * 1e9 / f64::from(times));
    }
    Ok(())
}

fn echo(mut host: HostEnd) -> Outcome {
    let mut body = Vec::new();
    let mut builder = FrameBuilder::new(Limits::DEFAULT);
    loop {
        let Wake::Lane(lane) = host.wait(None)? else {
            continue;
        };
        host.receive(lane, &mut body)?;
        builder.start(FrameKind::Reply, 1);
        host.send(lane, builder.finish(CallId(1), Generation(1))?)?;
    }
}
