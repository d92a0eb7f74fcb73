//! A real addon, compiled here: load, calls, a class, callbacks, write-back, errors.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use hostd_protocol::calls::CallKind;
use hostd_protocol::failure::Failure;
use hostd_protocol::frame::FrameKind;
use hostd_protocol::ids::SlotId;
use hostd_protocol::message::{self, LoadRequest};
use hostd_protocol::value::{ElementKind, ErrorClass, ValueWriter};

use crate::peer::{Answer, Peer, id_of};

/// The compiled addon.
fn spine() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let name = format!("spine-{}.node", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let output = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&path)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/addons/spine.c"))
            .output()
            .expect("a C compiler is needed for this test");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        path
    })
}

fn load(peer: &mut Peer) -> Answer {
    let path = spine().as_os_str().as_encoded_bytes().to_vec();
    peer.ask(CallKind::Load, |out| {
        message::write(out, &LoadRequest::Addon { path }).unwrap();
    })
}

/// A client with the addon, and the id of one of its exports.
fn with_export(name: &str) -> (Peer, u32) {
    let mut peer = Peer::start();
    let exports = load(&mut peer).expect("the addon loads");
    let (_, rest) = exports
        .split_once(&format!("\"{name}\"="))
        .expect("the export");
    let id = id_of(rest);
    (peer, id)
}

fn ints(w: &mut ValueWriter<'_>, items: &[i32]) {
    let open = w.open_array_i32().unwrap();
    for &item in items {
        w.push_i32(item);
    }
    w.close(open, items.len().try_into().unwrap());
}

#[test]
fn load_sends_the_functions_and_classes_by_name() {
    let mut peer = Peer::start();
    let text = load(&mut peer).unwrap();
    assert!(text.starts_with("lent(1 Object)"), "{text}");
    assert!(
        text.contains(" \"add\"=lent(") && text.contains(" Function)"),
        "{text}"
    );
    assert!(
        text.contains(" \"Counter\"=lent(") && text.contains(" Class class"),
        "{text}"
    );
    assert!(!text.contains("answer"), "{text}");
    assert_eq!(peer.script("addon.answer + addon.add(1, 2)").unwrap(), "45");
    assert!(
        load(&mut peer)
            .unwrap_err()
            .contains("loaded its addon already")
    );
}

#[test]
fn scripts_import_from_the_folder_that_was_loaded_first() {
    let name = format!("root-{}", std::process::id());
    let root = concat!(env!("CARGO_TARGET_TMPDIR"), "/").to_owned() + &name;
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(format!("{root}/one.mjs"), "globalThis.found = 1;").unwrap();
    let mut peer = Peer::start();
    let load = |peer: &mut Peer, folder: &str| {
        let request = LoadRequest::Nothing {
            folder: folder.to_owned(),
        };
        peer.ask(CallKind::Load, |out| message::write(out, &request).unwrap())
    };
    load(&mut peer, &root).unwrap();
    peer.script("import('./one.mjs'); 0").unwrap();
    assert_eq!(peer.script("found").unwrap(), "1");
    assert!(load(&mut peer, "/").is_err());
    peer.script("import('./two.mjs').catch((error) => { globalThis.missing = error.message; }); 0")
        .unwrap();
    let missing = peer.script("missing").unwrap();
    let wanted = format!("'{root}/two.mjs' imported from {root}/[script]");
    assert!(missing.contains(&wanted), "{missing}");
}

#[test]
fn function_adds() {
    let (mut peer, add) = with_export("add");
    let sum = peer.call(add, 2, |w| {
        w.int32(1);
        w.float(2.5);
    });
    assert_eq!(sum.unwrap(), "3.5f");
    // Arguments that are missing are undefined.
    assert_eq!(peer.call(add, 0, |_| ()).unwrap(), "0");
}

#[test]
fn list_that_native_code_changes_comes_back() {
    let (mut peer, double) = with_export("double");
    peer.call(double, 1, |w| ints(w, &[1, 0, 3])).unwrap();
    assert_eq!(peer.changes, ["0: array 3 0=2 2=6"]);
}

#[test]
fn buffer_that_is_written_through_its_pointer_comes_back() {
    let (mut peer, fill) = with_export("fill");
    peer.call(fill, 1, |w| {
        w.buffer(ElementKind::Buffer, None, true, &[1, 2]).unwrap();
    })
    .unwrap();
    assert_eq!(peer.changes, ["0: bytes 0 [7]"]);
}

#[test]
fn callbacks_are_called_from_native_code() {
    let (mut peer, sum) = with_export("mapAndSum");
    let arguments = |w: &mut ValueWriter<'_>| {
        ints(w, &[1, 2, 3]);
        w.lent(SlotId::new(1).unwrap(), 0, 0);
    };
    let answer = peer.call_with(sum, 2, arguments, &mut |_, asked, w| {
        let number: i32 = asked.values[0].parse().unwrap();
        w.int32(number * 10);
        FrameKind::Reply
    });
    assert_eq!(answer.unwrap(), "60");
    assert!(peer.changes.is_empty(), "{:?}", peer.changes);
    let answer = peer.call_with(sum, 2, arguments, &mut |_, _, w| {
        Failure::write_thrown(w);
        let mut open = w.open_error(SlotId::new(2), ErrorClass::Error).unwrap();
        (0..5).for_each(|_| w.undefined());
        w.own_fields(&mut open);
        w.close(open, 0);
        FrameKind::Failure
    });
    assert_eq!(answer.unwrap_err(), "thrown own(2)");
}

#[test]
fn class_instances_are_wrapped_and_checked() {
    let (mut peer, class) = with_export("Counter");
    let made = peer.ask(CallKind::Construct, |out| {
        out.put_u32(class);
        out.put_u8(0);
        out.put_u32(1);
        out.int32(9);
    });
    let made = made.unwrap();
    assert!(made.contains("Object class"), "{made}");
    let called = peer.ask(CallKind::CallMethod, |out| {
        out.put_u32(id_of(&made));
        out.str("increment").unwrap();
        out.put_u32(0);
    });
    assert_eq!(called.unwrap(), "10");
    let error = peer
        .script("addon.Counter.prototype.increment.call({})")
        .unwrap_err();
    assert!(error.contains("Illegal invocation"), "{error}");
}

#[test]
fn what_something_native_hangs_on_crosses_by_reference() {
    let (mut peer, wrapped) = with_export("wrapped");
    assert!(peer.call(wrapped, 0, |_| ()).unwrap().contains("Object)"));
    let (mut peer, external) = with_export("external");
    assert!(
        peer.call(external, 0, |_| ())
            .unwrap()
            .contains("External)")
    );
}

#[test]
fn error_of_native_code_has_its_code() {
    let (mut peer, boom) = with_export("boom");
    assert_eq!(
        peer.call(boom, 0, |_| ()).unwrap_err(),
        "thrown lent error(Range \"RangeError\" \"boom\" code=\"E_BOOM\" cause=undefined {})"
    );
}
