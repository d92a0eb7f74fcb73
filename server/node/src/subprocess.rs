//! Programs that scripts start: with pipes to read and write, or run to their end while the script
//! waits.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::pipe::Pipe;

/// How much is read at once.
pub(crate) const CHUNK: usize = 64 * 1024;
/// The stack of a thread that waits for a program.
const STACK: usize = 256 * 1024;
const ENOMEM: i32 = 12;
const ENOBUFS: i32 = 105;
const ETIMEDOUT: i32 = 110;
const ESRCH: i32 = 3;
const EINVAL: i32 = 22;
const EBADF: i32 = 9;
const EPIPE: i32 = 32;

/// What one of the three standard streams of a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Pipe,
    Ignored,
    /// The standard stream of the host of that number.
    Inherited(i32),
}

/// How to start a program.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) file: String,
    /// Its arguments, its own name first.
    pub(crate) args: Vec<String>,
    pub(crate) folder: Option<String>,
    /// Its environment, as `NAME=value`; none for that of the host.
    pub(crate) environment: Option<Vec<String>>,
    pub(crate) streams: [Stream; 3],
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
    /// Whether it is to lead a process group of its own.
    pub(crate) is_detached: bool,
}

impl Start {
    fn stdio(stream: Stream) -> io::Result<Stdio> {
        fn copy(stream: impl AsFd) -> io::Result<Stdio> {
            Ok(stream.as_fd().try_clone_to_owned()?.into())
        }
        match stream {
            Stream::Pipe => Ok(Stdio::piped()),
            Stream::Ignored => Ok(Stdio::null()),
            Stream::Inherited(0) => copy(io::stdin()),
            Stream::Inherited(1) => copy(io::stdout()),
            Stream::Inherited(2) => copy(io::stderr()),
            Stream::Inherited(_) => Err(io::Error::from_raw_os_error(EBADF)),
        }
    }

    /// Starts it.
    pub(crate) fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.file);
        if let Some((name, rest)) = self.args.split_first() {
            command.arg0(name).args(rest);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(pairs) = &self.environment {
            command.env_clear();
            for pair in pairs {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                command.env(name, value);
            }
        }
        if let Some(user) = self.user {
            command.uid(user);
        }
        if let Some(group) = self.group {
            command.gid(group);
        }
        if self.is_detached {
            command.process_group(0);
        }
        let [input, output, error] = self.streams;
        command
            .stdin(Self::stdio(input)?)
            .stdout(Self::stdio(output)?)
            .stderr(Self::stdio(error)?)
            .spawn()
    }
}

/// The positive number of an error of the system.
pub(crate) fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(EINVAL)
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// Sends a signal to a program that was not waited for, so that the number is still its own.
pub(crate) fn kill(child: &Child, signal: i32) -> Result<(), i32> {
    let pid = pid_of(child).ok_or(ESRCH)?;
    if signal == 0 {
        return Ok(());
    }
    let signal = Signal::from_named_raw(signal).ok_or(EINVAL)?;
    kill_process(pid, signal).map_err(rustix::io::Errno::raw_os_error)
}

/// Waits for the end of a program and leaves its exit status to be read, and its number in use.
pub(crate) fn wait_for_end(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Some(pid) = pid {
        match waitid(WaitId::Pid(pid), options) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}

/// Exit code and number of the signal of a program that has ended.
pub(crate) fn outcome(status: ExitStatus) -> (Option<i32>, Option<i32>) {
    (status.code(), status.signal())
}

/// What bounds a program that a script waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    /// How much it may write to one stream.
    pub(crate) output: usize,
    pub(crate) kill_signal: i32,
}

/// What became of a program that a script waited for.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) pid: u32,
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// What it wrote, where there is a pipe.
    pub(crate) outputs: [Option<Vec<u8>>; 2],
    /// The positive number of the error that ended the wait.
    pub(crate) error: Option<i32>,
}

/// Runs a program to its end, with `input` as its standard input.
pub(crate) fn run(start: &Start, input: &[u8], limits: Limits) -> io::Result<Outcome> {
    let end = limits.timeout.map(|timeout| Instant::now() + timeout);
    let mut child = start.spawn()?;
    let pid = child.id();
    let mut pipes = Pipes::of(&mut child, input)?;
    let ended = watch(pid).inspect_err(|_| {
        // Without the watch it cannot be waited for.
        let _ = child.kill();
        let _ = child.wait();
    })?;
    let error = pipes.exchange(&ended, end, limits.output).err();
    if error.is_some() && kill(&child, limits.kill_signal).is_err() {
        // Not a signal that it can be sent: it must end all the same.
        let _ = child.kill();
    }
    let error = error.or(pipes.broken);
    let outputs = pipes.into_outputs();
    let (code, signal) = outcome(child.wait()?);
    Ok(Outcome {
        pid,
        code,
        signal,
        outputs,
        error,
    })
}

/// The read end of a pipe that is closed when the program ends.
fn watch(pid: u32) -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    thread::Builder::new()
        .name("napi-wait".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            wait_for_end(pid);
            drop(writer);
        })?;
    Ok(reader)
}

/// The ends of the pipes to a program that the host holds.
struct Pipes<'a> {
    input: Option<(File, &'a [u8])>,
    /// The error of a program that did not read its input.
    broken: Option<i32>,
    /// What was read, and the end where there is more to come.
    outputs: [Option<(Option<File>, Vec<u8>)>; 2],
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        fn open(end: impl Into<OwnedFd>) -> io::Result<File> {
            let end = File::from(end.into());
            fcntl_setfl(&end, OFlags::NONBLOCK)?;
            Ok(end)
        }
        let stdin = child.stdin.take().map(open).transpose()?;
        let stdout = child.stdout.take().map(open).transpose()?;
        let stderr = child.stderr.take().map(open).transpose()?;
        Ok(Self {
            broken: None,
            input: stdin
                .filter(|_| !input.is_empty())
                .map(|pipe| (pipe, input)),
            outputs: [stdout, stderr].map(|pipe| pipe.map(|pipe| (Some(pipe), Vec::new()))),
        })
    }

    /// Reads and writes until the program has ended and its pipes are closed.
    fn exchange(
        &mut self,
        ended: &PipeReader,
        end: Option<Instant>,
        limit: usize,
    ) -> Result<(), i32> {
        let mut is_over = false;
        let mut chunk = vec![0; CHUNK];
        loop {
            let is_open = self
                .outputs
                .iter()
                .flatten()
                .any(|(pipe, _)| pipe.is_some());
            if is_over && !is_open {
                return Ok(());
            }
            self.wait(ended, is_over, end)?;
            if !is_over {
                is_over = is_readable(ended.as_fd());
                if is_over && self.input.take().is_some() {
                    self.broken = Some(EPIPE);
                }
            }
            self.write();
            for output in self.outputs.iter_mut().flatten() {
                read(output, &mut chunk, limit)?;
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Err(ETIMEDOUT);
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&self, ended: &PipeReader, is_over: bool, end: Option<Instant>) -> Result<(), i32> {
        let mut polled = Vec::new();
        if !is_over {
            polled.push(PollFd::new(ended, PollFlags::IN));
        }
        if let Some((pipe, _)) = &self.input {
            polled.push(PollFd::new(pipe, PollFlags::OUT));
        }
        for (pipe, _) in self.outputs.iter().flatten() {
            polled.extend(pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.raw_os_error()),
        }
    }

    fn write(&mut self) {
        let Some((pipe, rest)) = &mut self.input else {
            return;
        };
        match pipe.write(rest) {
            Ok(count) => *rest = &rest[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => {
                self.broken = Some(number(&error));
                *rest = &[];
            }
        }
        if rest.is_empty() {
            self.input = None;
        }
    }

    fn into_outputs(self) -> [Option<Vec<u8>>; 2] {
        self.outputs.map(|output| output.map(|(_, bytes)| bytes))
    }
}

fn is_readable(end: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(end, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

/// Reads once what is there.
fn read(
    (pipe, bytes): &mut (Option<File>, Vec<u8>),
    chunk: &mut [u8],
    limit: usize,
) -> Result<(), i32> {
    let Some(end) = pipe else { return Ok(()) };
    match end.read(chunk) {
        Ok(0) => *pipe = None,
        Ok(count) => {
            bytes.try_reserve(count).map_err(|_| ENOMEM)?;
            bytes.extend_from_slice(&chunk[..count]);
            if bytes.len() > limit {
                return Err(ENOBUFS);
            }
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_) => *pipe = None,
    }
    Ok(())
}

/// A program that runs beside the script.
#[derive(Debug)]
pub(crate) struct Program {
    /// None once it has ended.
    pub(crate) child: Option<Child>,
    pub(crate) pipes: [Option<Arc<Pipe>>; 3],
}

impl Program {
    /// Whether nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.child.is_none() && self.pipes.iter().all(Option::is_none)
    }
}

/// The programs that run beside the script, by number.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) by_number: HashMap<usize, Program>,
    /// Numbers given so far: none is given twice.
    pub(crate) given: usize,
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_number.keys()).finish()
    }
}
