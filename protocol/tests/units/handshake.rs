//! The first bytes of each side.

use hostd_protocol::handshake::*;

/// The most bytes of a build's name.
const BUILD_BYTES: usize = 64;

#[test]
fn hello_is_read_as_written() {
    let hello = Hello::ours();
    assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello);
    hello.check().unwrap();
}

#[test]
fn hello_of_another_version_names_both() {
    let theirs = Hello {
        protocol: 77,
        build: "napi-hostd 9.9".into(),
    };
    let read = Hello::decode(&theirs.encode()).unwrap();
    let message = read.check().unwrap_err().to_string();
    assert!(
        message.contains("77") && message.contains("napi-hostd 9.9"),
        "{message}"
    );
}

#[test]
fn hello_of_someone_else_is_refused() {
    assert!(Hello::decode(&[b'G'; HELLO_BYTES]).is_err());
    let mut bytes = Hello::ours().encode();
    bytes[HELLO_BYTES - BUILD_BYTES - 1] = 65;
    assert!(Hello::decode(&bytes).is_err());
}

#[test]
fn build_text_is_cut_and_printable() {
    let hello = Hello {
        protocol: 1,
        build: format!("\x1b[31m{}", "x".repeat(100)),
    };
    let read = Hello::decode(&hello.encode()).unwrap();
    assert_eq!(read.build.len(), BUILD_BYTES);
    assert!(!read.build.contains('\x1b'));
}
