//! Round trips of 16 bytes over a lane: between two processes and between two threads, on two CPUs
//! and on one.
//!
//! `cargo run --release -p hostd-shm --example ping`; `NAPI_HOSTD_WAIT=-all` measures without spinning.

#[cfg(not(all(target_os = "linux", not(loom))))]
fn main() {}

#[cfg(all(target_os = "linux", not(loom)))]
fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    linux::main()
}

#[cfg(all(target_os = "linux", not(loom)))]
mod linux {
    #![expect(clippy::print_stdout, reason = "it prints what it measured")]

    use std::error::Error;
    use std::ops::ControlFlow;
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use hostd_shm::{ClientRings, Interest, Segment, SegmentHost};
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

    const FRAME: usize = 16;
    const LARGE: usize = 1 << 20;
    const STOP: u8 = 0xff;

    pub(super) fn main() -> Outcome {
        if std::env::args().nth(1).as_deref() == Some("host") {
            // The segment is inherited in the place of the standard input.
            let fd = std::io::stdin().as_fd().try_clone_to_owned()?;
            return serve(Segment::open(fd)?.into_host());
        }
        let all = sched_getaffinity(None)?;
        println!("{} CPUs, {FRAME} bytes each way", all.count());
        report("two processes", &between_processes()?);
        report("two threads", &between_threads()?);
        println!("a lease taken and given back: {} ns", lease()?.as_nanos());
        pin()?;
        println!("pinned on one CPU");
        report("two processes", &between_processes()?);
        report("two threads", &between_threads()?);
        sched_setaffinity(None, &all)?;
        Ok(())
    }

    fn lease() -> Outcome<Duration> {
        const COUNT: u32 = 1_000_000;
        let client = Segment::create()?.0.into_client();
        let mut hint = None;
        let start = Instant::now();
        for _ in 0..COUNT {
            let lease = client.try_lease(hint).ok_or("no lane is free")?;
            hint = Some(lease.index());
        }
        Ok(start.elapsed() / COUNT)
    }

    fn pin() -> Outcome {
        let all = sched_getaffinity(None)?;
        let first = (0..CpuSet::MAX_CPU)
            .find(|&cpu| all.is_set(cpu))
            .unwrap_or(0);
        let mut one = CpuSet::new();
        one.set(first);
        Ok(sched_setaffinity(None, &one)?)
    }

    /// What one pair of ends was found to take.
    struct Measured {
        /// One round trip after another.
        round_trip: Duration,
        /// One round trip after the client was busy for so many microseconds.
        paused: Vec<(u64, Duration)>,
        /// A large frame there, a small one back.
        large: Duration,
    }

    fn report(what: &str, measured: &Measured) {
        println!("{what}: {} ns", measured.round_trip.as_nanos());
        for (pause, round_trip) in &measured.paused {
            println!("    {} ns after {pause} µs", round_trip.as_nanos());
        }
        println!("    1 MiB there in {:?}", measured.large);
    }

    fn between_processes() -> Outcome<Measured> {
        let (segment, fd) = Segment::create()?;
        let mut host = Command::new(std::env::current_exe()?)
            .arg("host")
            .stdin(Stdio::from(fd))
            .spawn()?;
        let measured = measure(segment);
        host.wait()?;
        measured
    }

    fn between_threads() -> Outcome<Measured> {
        let (segment, fd) = Segment::create()?;
        let host = thread::Builder::new()
            .name("host".into())
            .spawn(move || serve(Segment::open(fd)?.into_host()))?;
        let measured = measure(segment);
        host.join().map_err(|_| "the host thread panicked")??;
        measured
    }

    /// Echoes frames and discards large ones until a frame says to stop.
    fn serve(mut host: SegmentHost) -> Outcome {
        let mut frame = [0; FRAME];
        let mut large = vec![0; LARGE];
        loop {
            for index in host.waiter.wait(None)?.lanes {
                let lane = &mut host.lanes[index.get()];
                lane.read(&mut frame)?;
                match frame[0] {
                    STOP => return Ok(()),
                    1 => {
                        let mut done = 0;
                        while done < LARGE {
                            let read = lane.read(&mut large[done..])?;
                            done += read;
                            if read == 0 {
                                lane.wait(Interest::Data, 0, None)?;
                            }
                        }
                    }
                    _ => {}
                }
                lane.write(&frame)?;
                lane.notify();
            }
        }
    }

    fn measure(segment: Segment) -> Outcome<Measured> {
        let client = segment.into_client();
        let mut lease = client.try_lease(None).ok_or("no lane is free")?;
        let count = 300_000;
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..count {
                round_trip(&mut lease, &[0; FRAME])?;
            }
            fastest = fastest.min(start.elapsed() / count);
        }
        let mut paused = Vec::new();
        for pause in [2, 5, 10, 20, 50] {
            let (count, mut total) = (2_000, Duration::ZERO);
            for _ in 0..count {
                let end = Instant::now() + Duration::from_micros(pause);
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
                let start = Instant::now();
                round_trip(&mut lease, &[0; FRAME])?;
                total += start.elapsed();
            }
            paused.push((pause, total / count));
        }
        let payload = vec![7; LARGE];
        let mut large = Duration::MAX;
        for _ in 0..50 {
            let start = Instant::now();
            lease.write(&[1; FRAME])?;
            write_all(&mut lease, &payload)?;
            read_reply(&mut lease)?;
            large = large.min(start.elapsed());
        }
        lease.write(&[STOP; FRAME])?;
        lease.notify();
        Ok(Measured {
            round_trip: fastest,
            paused,
            large,
        })
    }

    fn round_trip(lane: &mut ClientRings, frame: &[u8; FRAME]) -> Outcome {
        lane.write(frame)?;
        read_reply(lane)
    }

    fn read_reply(lane: &mut ClientRings) -> Outcome {
        let mut reply = [0; FRAME];
        lane.wait(Interest::Data, &mut || ControlFlow::Continue(()))?;
        lane.read(&mut reply)?;
        Ok(())
    }

    fn write_all(lane: &mut ClientRings, mut bytes: &[u8]) -> Outcome {
        while !bytes.is_empty() {
            let written = lane.write(bytes)?;
            bytes = &bytes[written..];
            if written == 0 {
                lane.wait(Interest::Space, &mut || ControlFlow::Continue(()))?;
            }
        }
        Ok(())
    }
}
