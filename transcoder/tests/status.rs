//! `transcoder status`, as a worker's owner runs it.

use std::path::Path;
use std::process::{Command, Output};
use tessera_client::{MasterAddress, PlainHttp, Status};
use tessera_protocol::finance::EarningsView;
use tessera_protocol::job::Why;
use tessera_protocol::{Amount, NodeId};

fn status(state: &Path, more: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_transcoder");
    Command::new(program).args(["status", "--state"]).arg(state).args(more).output().unwrap()
}

#[test]
fn it_prints_what_the_worker_keeps_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let missing = status(folder.path(), &[]);
    assert!(!missing.status.success());
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("status.json") && said.contains("--state"), "{said}");

    let master = MasterAddress::parse("http://127.0.0.1:1", PlainHttp::LoopbackOnly).unwrap();
    let earnings = EarningsView { earned: Amount(2_000_000), ..EarningsView::default() };
    let why = Why { code: "too_slow".into(), sentence: "It is too slow.".into() };
    let kept = Status::now(NodeId([1; 32]), "a worker", &master, (earnings, vec![why]));
    kept.write(folder.path()).unwrap();
    let people = status(folder.path(), &[]);
    assert!(people.status.success());
    assert_eq!(String::from_utf8(people.stdout).unwrap(), format!("{kept}\n"));
    let programs = status(folder.path(), &["--json"]);
    assert!(programs.status.success());
    assert_eq!(serde_json::from_slice::<Status>(&programs.stdout).unwrap(), kept);
}
