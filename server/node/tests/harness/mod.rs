//! A host to evaluate scripts in, what it told, and Node to compare with.

use std::cell::RefCell;
use std::env;
use std::process::Command;
use std::rc::Rc;

use hostd_engine::{FinalizerToken, Runtime, Value};
use hostd_napi::{Host, HostHooks, HostOptions, Origin};
use hostd_node::Required;

/// What a host told.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) uncaught: RefCell<Vec<(Origin, String)>>,
    pub(crate) exits: RefCell<Vec<i32>>,
}

struct Hooks(Rc<Log>);

impl HostHooks for Hooks {
    fn uncaught(&self, rt: Runtime, error: &Value, origin: Origin) {
        let text = rt
            .utf8(error)
            .map(|text| text.as_str().to_owned())
            .unwrap_or_default();
        self.0.uncaught.borrow_mut().push((origin, text));
    }

    fn exit_requested(&self, code: i32) {
        self.0.exits.borrow_mut().push(code);
    }

    fn finalized(&self, _: Runtime, _: &FinalizerToken) {}
}

/// A host on this thread, and what it tells.
pub(crate) fn start() -> (Host, Rc<Log>) {
    let log = Rc::new(Log::default());
    let mut options = HostOptions::new(Box::new(Hooks(Rc::clone(&log))));
    // Tests run on threads with 2 MiB of stack.
    options.stack_bytes = 1 << 20;
    (hostd_node::start(options).expect("a host").leak(), log)
}

/// What a script comes to, as text.
pub(crate) fn eval(host: Host, source: &str) -> String {
    host.enter(|rt| match rt.eval_script(source, "test.js") {
        Ok(value) => rt.utf8(&value).expect("text").as_str().to_owned(),
        Err(thrown) => format!("throws {thrown:?}"),
    })
}

/// What Node prints for a script, or nothing, which is said, where there is no Node.
pub(crate) fn node(script: &str) -> Option<String> {
    let program = env::var("NODE").unwrap_or_else(|_| "node".into());
    match Command::new(&program)
        .args(["--no-deprecation", "-e", script])
        .output()
    {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(String::from_utf8(output.stdout).expect("UTF-8"))
        }
        Err(error) => {
            println!("SKIPPED: {program} cannot be started to compare with: {error}");
            None
        }
    }
}

/// What `require(name)` returns in the root folder.
pub(crate) fn require(host: Host, name: &str) -> Value {
    match host.enter(|_| hostd_node::require(host, name, "/")) {
        Ok(Required::Loaded(exports)) => Some(exports),
        _ => None,
    }
    .expect("a module")
}
