//! The program: its start line, its options and its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

fn emulator(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognite-emulator"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn one_line_when_ready_and_an_end_with_the_parent() {
    let args =
        ["--exit-with-parent", "--project", "mine", "--client-id=a", "--client-secret", "b", "--token-lifetime", "5"];
    let mut child = emulator(&args).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let port = ready["port"].as_u64().unwrap();
    assert_eq!(ready["url"], format!("http://127.0.0.1:{port}"));
    assert_eq!(ready["token_url"], format!("http://127.0.0.1:{port}/oauth2/token"));
    assert_eq!(
        (&ready["project"], &ready["client_id"], &ready["client_secret"]),
        (&"mine".into(), &"a".into(), &"b".into())
    );
    assert!(ready["scopes"].is_string());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[cfg(unix)]
#[test]
fn signals_end_it() {
    for signal in ["-TERM", "-INT"] {
        let mut child = emulator(&[]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn help_and_mistakes() {
    let help = emulator(&["--help"]).output().unwrap();
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--exit-with-parent"));
    for args in [&["--port"][..], &["--port", "x"], &["--nonsense"], &["--port=70000"]] {
        let out = emulator(args).output().unwrap();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0), "{args:?}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let out = emulator(&["--port", &port]).output().unwrap();
    assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0));
}
