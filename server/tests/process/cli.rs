//! The command line of the program.

use hostd_sandbox::policy::Name;

use napi_hostd::cli::{Command, Script, UsageError, parse};
use napi_hostd::locate::Question;

fn line(words: &[&str]) -> Result<Command, UsageError> {
    parse(words.iter().map(Into::into))
}

#[test]
fn session_has_a_parent_and_no_other_option() {
    assert_eq!(
        line(&["--session", "--parent", "42"]),
        Ok(Command::Session { parent: 42 })
    );
    assert!(line(&["--session", "--parent", "one"]).is_err());
    assert_eq!(
        line(&["--session", "--parent", "1", "--carrier", "socket"]),
        Err(UsageError::Unknown("--carrier".to_owned()))
    );
}

#[test]
fn no_arguments_print_an_explanation() {
    assert_eq!(line(&[]), Ok(Command::Explain));
}

#[test]
fn serve_takes_a_socket_or_none() {
    assert_eq!(line(&["serve"]), Ok(Command::Serve(None)));
    assert_eq!(
        line(&["serve", "--socket", "/run/x/s"]),
        Ok(Command::Serve(Some("/run/x/s".into())))
    );
    assert!(line(&["serve", "--socket"]).is_err());
    assert!(line(&["serve", "more"]).is_err());
}

#[test]
fn help_is_an_option_of_every_command() {
    for words in [["--help"].as_slice(), &["-h"], &["audit", "--help"]] {
        assert_eq!(line(words), Ok(Command::Help));
    }
    assert_eq!(line(&["doctor", "-h"]), Ok(Command::Help));
    assert_eq!(line(&["serve", "--help"]), Ok(Command::Help));
}

#[test]
fn audit_takes_one_addon() {
    let expected = |script, json| {
        let addon = "x.node".into();
        Ok(Command::Audit {
            addon,
            script,
            json,
        })
    };
    assert_eq!(line(&["audit", "x.node"]), expected(None, false));
    assert_eq!(line(&["audit", "--json", "x.node"]), expected(None, true));
    assert_eq!(
        line(&["audit", "x.node", "--run", "y.js"]),
        expected(Some(Script::File("y.js".into())), false)
    );
    assert_eq!(
        line(&["audit", "x.node", "--call", "f(1)"]),
        expected(Some(Script::Call("f(1)".into())), false)
    );
    assert!(line(&["audit", "x.node", "--run"]).is_err());
    assert!(line(&["audit", "x.node", "--call", "f()", "more"]).is_err());
    assert!(line(&["audit"]).is_err());
    assert!(line(&["audit", "--call"]).is_err());
    assert!(line(&["audit", "x.node", "y.node"]).is_err());
}

#[test]
fn doctor_takes_a_policy_to_try_or_none() {
    let expected = |policy, json| Ok(Command::Doctor { policy, json });
    assert_eq!(line(&["doctor"]), expected(None, false));
    assert_eq!(line(&["doctor", "--json"]), expected(None, true));
    assert_eq!(
        line(&["doctor", "--try", "strict"]),
        expected(Some(Name::Strict), false)
    );
    assert!(line(&["doctor", "--try", "loose"]).is_err());
    assert!(line(&["doctor", "who"]).is_err());
}

#[test]
fn inspect_takes_addons_whatever_they_are_called() {
    let expected = Ok(Command::Inspect(vec!["x.node".into(), "--y".into()]));
    assert_eq!(line(&["inspect", "x.node", "--", "--y"]), expected);
    assert!(line(&["inspect"]).is_err());
    assert!(line(&["inspect", "--y"]).is_err());
}

#[test]
fn locate_takes_a_file_and_addresses() {
    let question = Question {
        file: "x.node".into(),
        build_id: Some("0a".to_owned()),
        code: Some((0x1a0, 0x1c4)),
        addresses: vec![0x1c4, 0x20],
    };
    let words = [
        "x.node",
        "--build-id",
        "0a",
        "--code",
        "1a0-1c4",
        "1c4",
        "0x20",
    ];
    let words: Vec<_> = ["locate"].into_iter().chain(words).collect();
    assert_eq!(line(&words), Ok(Command::Locate(question)));
    let file = "-x".into();
    let question = Question {
        file,
        ..Question::default()
    };
    assert_eq!(line(&["locate", "--", "-x"]), Ok(Command::Locate(question)));
    assert!(line(&["locate"]).is_err());
    assert!(line(&["locate", "x.node", "g"]).is_err());
    assert!(line(&["locate", "x.node", "--code", "1"]).is_err());
}

#[test]
fn invalid_argument_is_named_in_the_error() {
    assert_eq!(
        line(&["nonsense"]),
        Err(UsageError::Unknown("nonsense".to_owned()))
    );
    assert_eq!(line(&["--session"]), Err(UsageError::NoParent));
    assert!(line(&["--parent", "1"]).is_err());
}
