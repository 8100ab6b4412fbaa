//! What a decoder that somebody has taken over could do: the engine's own program tries it.

use crate::gateway::Stage;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};
use std::time::Duration;
use tessera_engine_host::{
    Engine, EngineConfig, EngineError, Limits, probe, program_beside_this_one,
};
use tessera_media::task::{Container, Pace, Task};
use tessera_media::wire::{Body, TrackKind};

const TASK: Task = Task::Demux { container: Container::MpegTs };

fn attempt(words: &[&str]) -> Output {
    let limits = Limits { memory: 512 << 20, ..Limits::default() };
    Command::new(program_beside_this_one().unwrap())
        .args(limits.to_args())
        .arg("probe")
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn the_engine_opens_no_file_and_no_socket_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, new) = (folder.path().join("secret"), folder.path().join("new"));
    std::fs::write(&secret, "of somebody").unwrap();
    let (tcp, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), folder.path().join("socket"));
    let _unix = UnixListener::bind(&path).unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let parent = std::process::id().to_string();
    let attempts = [
        &["open", secret.to_str().unwrap()][..],
        &["create", new.to_str().unwrap()],
        &["list", folder.path().to_str().unwrap()],
        &["connect", &address],
        &["listen"],
        &["udp"],
        &["unix", path.to_str().unwrap()],
        &["exec", "/bin/true"],
        &["signal", &parent],
        &["code"],
        &["memory", "600"],
    ];
    for words in attempts {
        let output = attempt(words);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("refused: "), "{words:?}: {output:?}");
        // Not for another reason: without the jail it works.
        assert_eq!(probe::attempt(words), Ok(()), "{words:?}");
    }
    let output = attempt(&["memory", "200"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "done", "{output:?}");
}

#[tokio::test]
async fn an_engine_that_spins_is_ended_and_its_parent_says_why() {
    let config = EngineConfig {
        cpu: Duration::from_secs(1),
        patience: Duration::from_secs(60),
        arguments: vec!["probe".to_owned(), "spin".to_owned()],
        ..EngineConfig::new(program_beside_this_one().unwrap())
    };
    let (_sender, mut receiver) = Engine::start(&config).await.unwrap().lane(TASK).split();
    let Some(Err(EngineError::Died { how, .. })) = receiver.recv().await else { panic!() };
    assert!(how.contains("more CPU time than it was given"), "{how}");
}

#[tokio::test]
async fn an_engine_at_work_is_shut_in() {
    let stage = Stage::set().await;
    let lane = stage.bench.pool.lane(stage.task(Pace::Segment, 1)).await.unwrap();
    let status = format!("/proc/{}/status", lane.pid().unwrap());
    let (sender, mut receiver) = lane.split();
    for unit in stage.clip.1.clone() {
        sender.send(Body::Source(TrackKind::Video, unit)).await.unwrap();
    }
    sender.send(Body::End).await.unwrap();
    assert!(matches!(receiver.recv().await, Some(Ok(Body::Format(..)))));
    let status = std::fs::read_to_string(status).unwrap();
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{status}");
    }
}
