//! `fs` where Node is no measure: what waits, what is hostile, and what is left when a host ends.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests are not recognised as tests"
)]

#[expect(dead_code, reason = "other programs of tests use the rest")]
mod harness;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::eval;
use hostd_engine::{FinalizerToken, Runtime, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

/// How long a test waits for what must come.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Silent;

impl HostHooks for Silent {
    fn uncaught(&self, _: Runtime, _: &Value, _: Origin) {}
    fn exit_requested(&self, _: i32) {}
    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

fn wait(what: &str, mut is_done: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !is_done() {
        assert!(Instant::now() < end, "{what} takes too long");
        thread::yield_now();
    }
}

/// Takes turns until a script's expression is true.
fn turns_until(host: Host, condition: &str) {
    wait(condition, || {
        host.turn(1000, Duration::from_secs(1));
        eval(host, condition) == "true"
    });
}

/// Makes `fs` and a folder known to the scripts of a host.
fn prepare(host: Host, folder: &Path) {
    let module = folder.join("module.cjs");
    fs::write(&module, "module.exports = require('fs')").expect("a module");
    let exports = harness::require(host, module.to_str().expect("UTF-8"));
    host.set_global("fs", exports).expect("a global");
    let folder = folder.to_str().expect("UTF-8");
    eval(host, &format!("globalThis.folder = {folder:?}"));
}

fn fifo(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a fifo");
    path
}

/// How many descriptors of this process are files in a folder.
fn open_files(folder: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").expect("descriptors");
    let links = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.starts_with(folder)).count()
}

#[test]
fn read_of_a_fifo_does_not_block_the_js_thread() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(&folder);
    let (host, _) = harness::start();
    prepare(host, folder.path());
    eval(
        host,
        "globalThis.seen = []; fs.readFile(`${folder}/fifo`, 'utf8', (error, text) => seen.push(text)); \
         fs.stat(folder, () => seen.push('stat')); setTimeout(() => seen.push('timer'), 1); 0",
    );
    turns_until(host, "seen.length === 2");
    assert!(host.is_kept_alive(), "the read keeps the loop alive");
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut fifo| fifo.write_all(b"late"))
        .expect("a reader");
    turns_until(host, "seen.length === 3");
    let seen = eval(host, "seen.sort().join()");
    assert_eq!(seen, "late,stat,timer");
    wait("the end", || {
        host.turn(1000, Duration::from_secs(1));
        !host.is_kept_alive()
    });
}

#[test]
fn end_of_a_host_closes_its_files_and_drops_what_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(&folder);
    let host = hostd_node::start(HostOptions::new(Box::new(Silent))).expect("a host");
    prepare(*host, folder.path());
    let opened = eval(
        *host,
        "fs.writeFileSync(`${folder}/a`, 'x'); fs.openSync(`${folder}/a`); fs.opendirSync(folder); \
         fs.open(`${folder}/fifo`, 'r', () => {}); fs.promises.open(`${folder}/a`); 0",
    );
    assert_eq!(opened, "0");
    assert!(open_files(folder.path()) >= 2);
    drop(host);
    // The thread that still waits for the fifo has its end now, and closes what it opened.
    drop(OpenOptions::new().write(true).open(path).expect("a reader"));
    wait("closing", || open_files(folder.path()) == 0);
}

#[test]
fn descriptors_that_fs_did_not_open_are_out_of_reach() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, _) = harness::start();
    prepare(host, folder.path());
    let mut file = File::create_new(folder.path().join("ours")).expect("a file");
    let number = file.as_raw_fd();
    for call in [
        "closeSync(fd)",
        "fstatSync(fd)",
        "writeSync(fd, 'x')",
        "readSync(fd, Buffer.alloc(1))",
        "writevSync(fd, [Buffer.alloc(1)])",
        "ftruncateSync(fd, 5)",
        "fchmodSync(fd, 0)",
        "readFileSync(fd, 'utf8')",
        "writeFileSync(fd, 'x')",
        "futimesSync(fd, 1, 1)",
        "fsyncSync(fd)",
    ] {
        let code = format!(
            "(() => {{ const fd = {number}; try {{ fs.{call}; return 'done' }} catch ({{ code }}) {{ return code }} }})()"
        );
        assert_eq!(eval(host, &code), "EBADF", "{call}");
    }
    file.write_all(b"still open").expect("an open file");
    file.rewind().expect("an open file");
    let mut text = String::new();
    let mut again = File::open(folder.path().join("ours")).expect("a file");
    again.read_to_string(&mut text).expect("text");
    assert_eq!(text, "still open");
}

#[test]
fn file_stays_open_while_an_operation_uses_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fifo(&folder);
    let (host, log) = harness::start();
    prepare(host, folder.path());
    // Opened for both, the fifo needs no other end.
    eval(
        host,
        "globalThis.seen = []; globalThis.fd = fs.openSync(`${folder}/fifo`, 'r+'); \
         fs.read(fd, Buffer.alloc(4), 0, 4, null, (error, count) => seen.push(error?.code ?? count)); \
         fs.close(fd, (error) => seen.push(error?.code ?? 'closed')); \
         fs.read(fd, Buffer.alloc(4), 0, 4, null, (error) => seen.push(error?.code)); 0",
    );
    turns_until(host, "seen.length === 2");
    assert_eq!(eval(host, "seen.sort().join()"), "EBADF,closed");
    let mut end = OpenOptions::new().write(true).open(path).expect("a reader");
    end.write_all(b"data").expect("a reader");
    turns_until(host, "seen.length === 3");
    assert_eq!(eval(host, "String(seen[2])"), "4");
    wait("closing", || open_files(folder.path()) == 1);
    assert!(log.uncaught.borrow().is_empty());
}

#[test]
fn file_without_end_is_not_read_into_a_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, _) = harness::start();
    prepare(host, folder.path());
    let script = "try { fs.readFileSync('/dev/zero', 'utf8') } catch ({ message }) { message }";
    assert_eq!(eval(host, script), "EFBIG: file too large, read");
}

#[test]
fn binding_survives_hostile_arguments() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, _) = harness::start();
    prepare(host, folder.path());
    let script = r"
        const binding = process.binding('fs');
        const throwing = new Proxy(() => {}, { get() { throw new Error('trap'); } });
        const values = [undefined, null, true, -1, 0.5, NaN, Infinity, -(2 ** 60), 2 ** 31, 2 ** 53, 2n ** 70n, -1n, '\0',
            Symbol('s'), {}, [], [1, throwing], () => {}, throwing, new Uint8Array(3), new Uint8Array(3).buffer, new Date(NaN),
            Object.create(null), new SharedArrayBuffer(1), new DataView(new ArrayBuffer(2)), { length: 2 ** 32 }];
        let [count, state] = [0, 1];
        const next = (limit) => { state = (state * 48271) % 2147483647; return state % limit; };
        for (const [name, call] of Object.entries(binding)) {
            if (typeof call !== 'function' || name === 'StatWatcher') continue;
            for (let round = 0; round < 300; round++) {
                const args = Array.from({ length: next(8) }, () => values[next(values.length)]);
                try {
                    const answer = call(...args);
                    if (answer instanceof Promise) answer.catch(() => {});
                } catch {
                    // As it should be.
                }
                count++;
            }
        }
        count > 5000";
    assert_eq!(eval(host, script), "true");
    wait("the operations", || {
        host.turn(1000, Duration::from_secs(1));
        !host.is_kept_alive()
    });
    assert_eq!(eval(host, "fs.existsSync(folder)"), "true");
}

#[test]
fn watch_keeps_the_host_alive_while_it_is_referenced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, _) = harness::start();
    prepare(host, folder.path());
    let watch = "globalThis.seen = []; \
        globalThis.watcher = fs.watch(folder, (event, name) => seen.push(`${event} ${name}`)); 0";
    eval(host, watch);
    assert!(host.is_kept_alive());
    eval(host, "watcher.unref(); 0");
    assert!(
        !host.is_kept_alive(),
        "what waits for events does not count"
    );
    File::create(folder.path().join("a")).expect("a file");
    turns_until(host, "seen.length === 1");
    assert_eq!(eval(host, "seen.join()"), "rename a");
    eval(host, "watcher.ref(); 0");
    assert!(host.is_kept_alive());
    eval(host, "watcher.close(); 0");
    assert!(!host.is_kept_alive());
    // Again, by another object of the system.
    eval(host, watch);
    fs::remove_file(folder.path().join("a")).expect("a file");
    turns_until(host, "seen.length === 1");
    eval(host, "watcher.close(); 0");
}

#[test]
fn error_in_a_listener_of_a_watch_is_uncaught_and_the_next_event_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, log) = harness::start();
    prepare(host, folder.path());
    eval(
        host,
        "globalThis.count = 0; \
         globalThis.watcher = fs.watch(folder, () => { count++; throw new Error('mine'); }); \
         fs.mkdirSync(`${folder}/a`); fs.mkdirSync(`${folder}/b`); 0",
    );
    turns_until(host, "count === 2");
    eval(host, "watcher.close(); 0");
    let uncaught = log.uncaught.borrow();
    assert_eq!(uncaught.len(), 2, "{uncaught:?}");
    assert!(
        uncaught
            .iter()
            .all(|(origin, text)| { *origin == Origin::AsyncWork && text.contains("mine") })
    );
}

/// Whether an inotify object of this process watches a folder.
fn is_watched(folder: &Path) -> bool {
    let inode = fs::metadata(folder).expect("a folder").ino();
    let all = fs::read_dir("/proc/self/fdinfo").expect("descriptors");
    let texts = all.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let mark = format!(" ino:{inode:x} ");
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .any(|line| line.starts_with("inotify ") && line.contains(&mark))
}

#[test]
fn end_of_a_host_ends_what_waits_for_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = hostd_node::start(HostOptions::new(Box::new(Silent))).expect("a host");
    prepare(*host, folder.path());
    eval(*host, "fs.watch(folder); 0");
    assert!(is_watched(folder.path()));
    drop(host);
    // The thread that waits closes the object when it ends.
    wait("closing", || !is_watched(folder.path()));
}

#[test]
fn task_completes_in_a_turn_and_a_panic_is_an_uncaught_error() {
    let (host, log) = harness::start();
    host.enter(|rt| rt.eval_script("globalThis.got = 0", "test.js").map(drop))
        .expect("a script");
    let begun = host.run_in_pool(
        || 41,
        |rt, number| {
            let value = Value::from(number + 1);
            rt.set_strict(&rt.global(), &rt.key_utf8(b"got")?, value)
        },
    );
    assert!(begun.is_ok() && host.is_kept_alive());
    assert_eq!(eval(host, "got"), "0", "not before a turn");
    turns_until(host, "got === 42");
    assert!(!host.is_kept_alive());
    let begun = host.run_in_pool(|| panic!("a defect"), |_, (): ()| Ok(()));
    assert!(begun.is_ok());
    wait("the panic", || {
        host.turn(1000, Duration::from_secs(1));
        !host.is_kept_alive()
    });
    let uncaught = log.uncaught.borrow();
    assert_eq!(uncaught.len(), 1);
    assert_eq!(uncaught[0].0, Origin::AsyncWork);
}
