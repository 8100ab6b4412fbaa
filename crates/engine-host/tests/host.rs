//! Living with an engine, and with one that breaks the rules.

use bytes::Bytes;
use std::io::Write;
use std::time::{Duration, Instant};
use tessera_engine_host::{
    Engine, EngineConfig, EngineError, EnginePool, Lane, LaneReceiver, LaneSender, Limits,
};
use tessera_media::task::{Container, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, Ticks};

const TASK: Task = Task::Demux { container: Container::MpegTs };

fn config(role: &str) -> EngineConfig {
    EngineConfig {
        limits: Limits { memory: 512 << 20, ..Limits::default() },
        cpu: Duration::from_secs(1),
        patience: Duration::from_millis(300),
        arguments: vec![role.to_owned()],
        ..EngineConfig::new(env!("CARGO_BIN_EXE_hostile-engine").into())
    }
}

async fn lane(role: &str) -> (LaneSender, LaneReceiver) {
    Engine::start(&config(role)).await.unwrap().lane(TASK).split()
}

fn unit(bytes: usize, pts: i64) -> Body {
    let data = Bytes::from(vec![pts as u8; bytes]);
    let unit = AccessUnit { pts: Ticks(pts), dts: Ticks(pts), keyframe: true, data };
    Body::Source(TrackKind::Video, unit)
}

async fn error_of(receiver: &mut LaneReceiver) -> EngineError {
    loop {
        match receiver.recv().await.expect("not a good end") {
            Ok(_) => {}
            Err(error) => {
                assert!(receiver.recv().await.is_none(), "nothing follows an error");
                return error;
            }
        }
    }
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn units_go_round_in_order_and_many_more_than_any_pipe_holds() {
    let (sender, mut receiver) = lane("echo").await;
    let sent = tokio::spawn(async move {
        for pts in 0..400 {
            sender.send(unit(100_000, pts)).await.unwrap();
        }
        sender.send(Body::End).await.unwrap();
    });
    let mut next = 0;
    while let Some(body) = receiver.recv().await {
        let Ok(Body::Coded(_, unit)) = body else { panic!("{body:?}") };
        assert_eq!((unit.pts, unit.data.len()), (Ticks(next), 100_000));
        next += 1;
    }
    assert_eq!(next, 400);
    sent.await.unwrap();
}

#[tokio::test]
async fn an_engine_that_does_not_read_costs_a_bounded_queue_and_is_given_up() {
    let (sender, mut receiver) = lane("deaf").await;
    let sending = tokio::spawn(async move {
        let mut taken = 0;
        while sender.send(unit(1 << 20, 0)).await.is_ok() {
            taken += 1;
            assert!(taken < 10, "{taken} MiB were taken for a child that reads nothing");
        }
    });
    assert_eq!(error_of(&mut receiver).await, EngineError::Stalled(Duration::from_millis(300)));
    drop(receiver);
    sending.await.unwrap();
}

#[tokio::test]
async fn an_engine_that_never_finishes_is_given_up_and_one_without_work_is_not() {
    let (sender, mut receiver) = lane("hangs").await;
    let waited = tokio::time::timeout(Duration::from_secs(1), receiver.recv()).await;
    assert!(waited.is_err(), "it had nothing to do: {waited:?}");
    sender.send(Body::End).await.unwrap();
    assert_eq!(error_of(&mut receiver).await, EngineError::Stalled(Duration::from_millis(300)));
}

#[tokio::test]
async fn an_engine_that_spins_is_ended_by_its_cpu_limit() {
    let patient = EngineConfig { patience: Duration::from_secs(60), ..config("spins") };
    let (_sender, mut receiver) = Engine::start(&patient).await.unwrap().lane(TASK).split();
    let EngineError::Died { how, .. } = error_of(&mut receiver).await else { panic!() };
    assert!(how.contains("SIGXCPU"), "{how}");
}

#[tokio::test]
async fn an_engine_that_wants_too_much_memory_ends_alone_and_says_why() {
    let (_sender, mut receiver) = lane("greedy").await;
    let error = error_of(&mut receiver).await;
    let EngineError::Died { how, last_words } = error else { panic!("{error}") };
    assert!(how.contains("SIGABRT"), "{how}");
    assert!(last_words.contains("memory allocation"), "{last_words}");
}

#[tokio::test]
async fn a_death_is_told_with_its_code_and_last_words() {
    let (sender, mut receiver) = lane("dies").await;
    sender.send(unit(10, 0)).await.unwrap();
    let error = error_of(&mut receiver).await.to_string();
    assert_eq!(
        error,
        "the engine gave up with exit code 7, and said last: this picture is too much"
    );
}

#[tokio::test]
async fn nonsense_ends_the_lane_and_the_process() {
    for role in ["garbage", "other", "bossy"] {
        let (sender, mut receiver) = lane(role).await;
        let pid = receiver.pid().unwrap();
        let error = error_of(&mut receiver).await;
        assert!(matches!(error, EngineError::Nonsense(_)), "{role}: {error}");
        until("the process ends", || !is_running(pid)).await;
        until("sends are refused", || {
            let sent = sender.send(Body::End);
            matches!(futures_now(sent), Some(Err(EngineError::Over)))
        })
        .await;
    }
}

/// What a future gives at once, if it does.
fn futures_now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn an_engine_that_floods_is_read_only_as_fast_as_its_lane_is() {
    let (_sender, mut receiver) = lane("flood").await;
    for _ in 0..50 {
        assert!(matches!(receiver.recv().await, Some(Ok(Body::Report(_)))));
    }
}

#[tokio::test]
async fn where_memory_runs_out_an_engine_goes_first() {
    let engine = Engine::start(&config("deaf")).await.unwrap();
    let score = format!("/proc/{}/oom_score_adj", engine.pid());
    until("it offers itself", || {
        std::fs::read_to_string(&score).is_ok_and(|score| score.trim() == "1000")
    })
    .await;
}

#[tokio::test]
async fn a_lane_that_is_dropped_ends_its_process() {
    let lane: Lane = Engine::start(&config("echo")).await.unwrap().lane(TASK);
    let pid = lane.pid().unwrap();
    assert!(is_running(pid));
    drop(lane);
    until("the process ends", || !is_running(pid)).await;
}

#[tokio::test]
async fn a_failed_task_gives_the_engine_s_own_words() {
    let (_sender, mut receiver) = lane("refuses").await;
    assert_eq!(error_of(&mut receiver).await, EngineError::Failed("not today".to_owned()));
}

#[tokio::test]
async fn a_message_too_long_is_refused_and_the_lane_goes_on() {
    let (sender, mut receiver) = lane("echo").await;
    assert_eq!(sender.send(unit(17 << 20, 0)).await, Err(EngineError::TooLong));
    sender.send(unit(16 << 10, 5)).await.unwrap();
    let Some(Ok(Body::Coded(_, unit))) = receiver.recv().await else { panic!() };
    assert_eq!(unit.pts, Ticks(5));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let config = EngineConfig::new("/nowhere/transcode-engine".into());
    let error = Engine::start(&config).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/transcode-engine"), "{error}");
}

#[tokio::test]
async fn a_pool_uses_an_engine_again_and_replaces_a_dead_one() {
    let pool = EnginePool::new(config("echo"), 1, 2);
    let first = finish(pool.lane(TASK).await.unwrap()).await;
    let mut later = vec![];
    for _ in 0..6 {
        later.push(finish(pool.lane(TASK).await.unwrap()).await);
    }
    assert!(later.contains(&first), "{first} was never used again: {later:?}");

    let lane = pool.lane(TASK).await.unwrap();
    let pid = rustix::process::Pid::from_raw(lane.pid().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let (_sender, mut receiver) = lane.split();
    let EngineError::Died { how, .. } = error_of(&mut receiver).await else { panic!() };
    assert_eq!(how, "was ended by SIGKILL");
    finish(pool.lane(TASK).await.unwrap()).await;
}

#[tokio::test]
async fn an_engine_that_died_while_waiting_is_not_given_a_task() {
    let pool = EnginePool::new(config("echo"), 1, 1);
    pool.warm().await.unwrap();
    for _ in 0..3 {
        let lane = pool.lane(TASK).await.unwrap();
        let pid = lane.pid().unwrap();
        finish(lane).await;
        let raw = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        let _ = rustix::process::kill_process(raw, rustix::process::Signal::KILL);
        until("the process ends", || !is_running(pid)).await;
        finish(pool.lane(TASK).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_pool_lets_no_more_lanes_begin_than_it_may() {
    let pool = EnginePool::new(config("echo"), 0, 2);
    let (one, two) = (pool.lane(TASK).await.unwrap(), pool.lane(TASK).await.unwrap());
    assert_eq!(pool.free(), 0);
    assert!(futures_now(pool.lane(TASK)).is_none(), "a third lane began");
    drop(one);
    finish(pool.lane(TASK).await.unwrap()).await;
    drop(two);
    assert_eq!(pool.free(), 2);
}

async fn finish(lane: Lane) -> u32 {
    let pid = lane.pid().unwrap();
    let (sender, mut receiver) = lane.split();
    sender.send(Body::End).await.unwrap();
    assert!(receiver.recv().await.is_none());
    pid
}

#[tokio::test]
async fn a_file_that_is_handed_over_is_read_and_no_other() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"garbage for a decoder, but the child's own").unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let engine = Engine::start_with(&config("input"), &file).await.unwrap();
    let (_sender, mut receiver) = engine.lane(TASK).split();
    // It prints what it read, which is no message.
    assert!(matches!(error_of(&mut receiver).await, EngineError::Nonsense(_)));
}
