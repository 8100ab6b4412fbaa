//! What a process that is shut in can still do, tried by that process itself.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};
use tessera_engine_host::Limits;

fn probe_with(limits: &Limits, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hostile-engine"))
        .args(limits.to_args())
        .arg("probe")
        .args(words)
        .output()
        .unwrap()
}

fn probe(words: &[&str]) -> Output {
    probe_with(&Limits { memory: 256 << 20, ..Limits::default() }, words)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn assert_refused(words: &[&str]) {
    let output = probe(words);
    assert!(said(&output).starts_with("refused: "), "{words:?}: {output:?}");
}

#[test]
fn both_fences_stand() {
    let output = probe(&["thread"]);
    assert_eq!(said(&output), "done", "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("landlock true, seccomp true"), "{stderr}");
}

#[test]
fn no_file_is_opened_made_or_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (there, new) = (folder.path().join("there"), folder.path().join("new"));
    std::fs::write(&there, "secret").unwrap();
    for path in [there.to_str().unwrap(), "/proc/self/environ", "/dev/null", "/etc/passwd"] {
        assert_refused(&["open", path]);
    }
    assert_refused(&["create", new.to_str().unwrap()]);
    assert_refused(&["list", folder.path().to_str().unwrap()]);
    assert!(!new.exists());
}

#[test]
fn no_socket_of_any_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (tcp, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), folder.path().join("socket"));
    let _unix = UnixListener::bind(&path).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_refused(&["connect", &tcp.local_addr().unwrap().to_string()]);
    assert_refused(&["listen"]);
    assert_refused(&["udp"]);
    assert_refused(&["unix", path.to_str().unwrap()]);
}

#[test]
fn no_other_program_runs_and_no_other_process_is_touched() {
    assert_refused(&["exec", "/bin/true"]);
    assert_refused(&["signal", &std::process::id().to_string()]);
    assert_refused(&["code"]);
}

#[test]
fn memory_ends_where_the_limit_says() {
    assert_eq!(said(&probe(&["memory", "100"])), "done");
    assert_refused(&["memory", "300"]);
    // What counts as a stack is not counted as memory.
    assert_refused(&["stack"]);
    let more = Limits { memory: 600 << 20, ..Limits::default() };
    assert_eq!(said(&probe_with(&more, &["memory", "300"])), "done");
}

#[test]
fn the_first_thread_s_stack_is_limited_whatever_was_inherited() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hostile-engine"))
        .args(Limits::default().to_args())
        .arg("deaf")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.starts_with("landlock"), "{said}");
    let limits = limits.unwrap();
    let stack = limits.lines().find(|line| line.starts_with("Max stack size")).unwrap();
    let most: Vec<u64> = stack.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(most.len() == 2 && most.iter().all(|&most| most <= 8 << 20), "{stack}");
}

/// The same words without the jail: otherwise a probe that never works would prove nothing.
#[test]
fn outside_of_the_jail_the_same_attempts_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = folder.path().join("socket");
    let _unix = UnixListener::bind(&path).unwrap();
    let new = folder.path().join("new");
    for words in [
        &["open", "/etc/passwd"][..],
        &["create", new.to_str().unwrap()],
        &["list", folder.path().to_str().unwrap()],
        &["connect", &tcp.local_addr().unwrap().to_string()],
        &["listen"],
        &["udp"],
        &["unix", path.to_str().unwrap()],
        &["exec", "/bin/true"],
        &["signal", &std::process::id().to_string()],
        &["code"],
        &["stack"],
        &["memory", "300"],
    ] {
        assert_eq!(tessera_engine_host::probe::attempt(words), Ok(()), "{words:?}");
    }
}
