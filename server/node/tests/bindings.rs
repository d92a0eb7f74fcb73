//! The bindings of zlib, crypto and `child_process` where they cannot be compared with Node: arguments
//! that Node's own scripts never pass, and what is not there.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests are not recognised as tests"
)]

#[expect(dead_code, reason = "other programs of tests use the rest")]
mod harness;

use std::time::{Duration, Instant};

use harness::{eval, require, start};
use hostd_napi::Host;

/// A host with `require` on its global object.
fn with_modules(names: &[&str]) -> Host {
    let (host, _log) = start();
    for name in names {
        host.set_global(name, require(host, name))
            .expect("a global object");
    }
    host
}

/// The error of each line, or what it comes to.
fn outcomes(host: Host, lines: &[&str]) -> Vec<String> {
    let one = |line: &&str| {
        let source = format!(
            "(() => {{ try {{ return String({line}); }} catch (error) {{ return error.name + ' ' + error.message; }} }})()"
        );
        eval(host, &source)
    };
    lines.iter().map(one).collect()
}

/// Takes turns until nothing keeps the host alive.
fn run(host: Host) {
    let end = Instant::now() + Duration::from_secs(60);
    while host.is_kept_alive() || host.has_pending() {
        assert!(Instant::now() < end, "the host stays alive");
        host.turn(1000, Duration::from_secs(1));
        std::thread::yield_now();
    }
}

#[test]
fn handle_of_zlib_refuses_what_is_outside_its_buffers() {
    let host = with_modules(&["zlib"]);
    let refused = "TypeError these are no parameters of a step";
    let lines = [
        "zlib.createGzip()._handle.writeSync(4, Buffer.alloc(5), 3, 3, Buffer.alloc(9), 0, 9)",
        "zlib.createGzip()._handle.writeSync(4, Buffer.alloc(5), 0, 5, Buffer.alloc(9), 5, 9)",
        "zlib.createGzip()._handle.writeSync(4, Buffer.alloc(5), -1, 5, Buffer.alloc(9), 0, 9)",
        "zlib.createGzip()._handle.writeSync(4, null, 0, 1, Buffer.alloc(9), 0, 9)",
        "zlib.createGzip()._handle.write(4, Buffer.alloc(5), 2 ** 53, 2 ** 53, Buffer.alloc(9), 0, 9)",
        "zlib.createGzip()._handle.writeSync({}, Buffer.alloc(5), 0, 5, Buffer.alloc(9), 0, 9)",
        "zlib.createGzip()._handle.writeSync(4, Buffer.alloc(5), 0, 5, {}, 0, 9)",
    ];
    for (line, outcome) in lines.iter().zip(outcomes(host, &lines)) {
        assert_eq!(outcome, refused, "{line}");
    }
    let parameters = outcomes(
        host,
        &[
            "zlib.createGzip()._handle.init(99, 6, 8, 0, [], () => {})",
            "zlib.createGzip()._handle.init(15, 6, 0, 0, [], () => {})",
            "new (Object.getPrototypeOf(zlib.createGzip()._handle).constructor)(77).init(15, 6, 8, 0, [], () => {})",
        ],
    );
    for outcome in parameters {
        assert_eq!(
            outcome,
            "TypeError these are no parameters of a stream of zlib"
        );
    }
    let busy = "(() => { const { _handle } = zlib.createGzip(); const step = [4, Buffer.alloc(5), 0, 5, Buffer.alloc(99), 0, 99]; \
                _handle.write(...step); return _handle.write(...step); })()";
    assert_eq!(
        outcomes(host, &[busy]),
        ["TypeError this stream is closed or busy"]
    );
    run(host);
}

#[test]
fn step_in_the_pool_keeps_the_host_alive_and_ends_in_a_turn() {
    let host = with_modules(&["zlib"]);
    eval(
        host,
        "globalThis.log = []; zlib.gzip('x'.repeat(100000), (error, bytes) => log.push(error, zlib.gunzipSync(bytes).length));",
    );
    assert!(host.is_kept_alive());
    assert_eq!(eval(host, "String(log)"), "");
    run(host);
    assert_eq!(eval(host, "String(log)"), ",100000");
}

#[test]
fn error_in_the_callback_of_a_step_is_uncaught() {
    let host = with_modules(&["zlib"]);
    eval(
        host,
        "globalThis.heard = []; process.on('uncaughtException', (error) => heard.push(error.message)); \
         zlib.gzip('x', () => { throw new Error('mine'); });",
    );
    run(host);
    assert_eq!(eval(host, "String(heard)"), "mine");
}

#[test]
fn what_is_not_there_says_so() {
    let host = with_modules(&["zlib", "crypto", "child_process"]);
    let lines = [
        "zlib.zstdCompressSync('x')",
        "crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12))",
        "crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })",
        "crypto.createSign('sha256')",
        "crypto.createECDH('prime256v1')",
        "crypto.createPublicKey('x')",
        "new crypto.X509Certificate('x')",
        "child_process.fork('/x.js')",
    ];
    let names = [
        "zstd",
        "createCipheriv",
        "generateKeyPair",
        "createSign",
        "createECDH",
        "createPublicKey",
        "X509Certificate",
        "child_process.fork",
    ];
    for ((line, name), outcome) in lines.iter().zip(names).zip(outcomes(host, &lines)) {
        assert!(
            outcome.contains(name) && outcome.contains("available in napi-hostd"),
            "{line}: {outcome}"
        );
    }
}

#[test]
fn memory_that_scrypt_would_need_is_refused_where_there_is_none() {
    let host = with_modules(&["crypto"]);
    let options = "{ N: 2 ** 40, r: 8, p: 1, maxmem: Number.MAX_SAFE_INTEGER }";
    let line = format!("crypto.scryptSync('a', 'b', 8, {options})");
    let outcome = outcomes(host, &[line.as_str()]).remove(0);
    assert!(outcome.contains("rror"), "{outcome}");
}

#[test]
fn lengths_that_no_memory_has_are_refused() {
    let host = with_modules(&["crypto", "child_process"]);
    let lines = [
        "crypto.createHash('shake128', { outputLength: 2 ** 32 - 1 }).digest().length",
        "new child_process.ChildProcess()._handle.spawn({ file: 'true', args: new Array(2 ** 32 - 1), stdio: [] })",
    ];
    assert_eq!(
        outcomes(host, &lines),
        [
            "RangeError Array buffer allocation failed",
            "RangeError too many arguments or variables for a program"
        ]
    );
}
