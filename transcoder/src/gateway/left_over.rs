//! Sessions that nobody is with: those of an earlier process are ended when no source comes back for
//! them, and what they or those that went on elsewhere did not report is reported.

use super::desk::Desk;
use super::session::{ending, reports};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_protocol::SessionId;
use tessera_publish::OpenError;

/// A source may come back for this long after a restart; the master's window is no longer.
const WINDOW: Duration = Duration::from_secs(60);
/// How often it is looked for what sessions that went on elsewhere have left to report.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// For how long a session is kept from its source to be reported; the rest is reported later.
pub(super) const REPORT_WITHIN: Duration = Duration::from_secs(2);
/// How often sessions that are long over are looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(60);

/// Sees to everything that was found at the start, and from then on to what is left behind.
pub(super) async fn see_to(desk: Arc<Desk>) {
    see_to_at(&desk, WINDOW, REPORT_EVERY).await;
}

async fn see_to_at(desk: &Desk, window: Duration, report_every: Duration) {
    let found = desk.library.unfinished();
    // Two hands on one session would be in each other's way: these are reported as they are ended.
    let to_end: Mutex<HashSet<_>> = Mutex::new(found.iter().copied().collect());
    let to_end = || to_end.lock().unwrap_or_else(PoisonError::into_inner);
    for &session in &found {
        report(desk, session).await;
    }
    let ending = async {
        tokio::time::sleep(window).await;
        // Those that a source came back for are in use, and are passed over.
        for session in found {
            finish(desk, session).await;
            to_end().remove(&session);
        }
    };
    let reporting = async {
        loop {
            tokio::time::sleep(report_every).await;
            for session in desk.library.unfinished() {
                if !to_end().contains(&session) {
                    report(desk, session).await;
                }
            }
        }
    };
    tokio::join!(ending, reporting);
}

async fn reopen(desk: &Desk, session: SessionId) -> Option<Arc<tessera_publish::Publisher>> {
    let library = desk.library.clone();
    match tokio::task::spawn_blocking(move || library.reopen(session)).await {
        Ok(Ok(publisher)) => Some(Arc::new(publisher)),
        Ok(Err(OpenError::Busy(_))) | Err(_) => None,
        Ok(Err(error)) => {
            tracing::error!(%session, %error, "a session that nobody is with cannot be opened");
            None
        }
    }
}

/// Tells the master what it has not heard of.
async fn report(desk: &Desk, session: SessionId) {
    let Some(publisher) = reopen(desk, session).await else { return };
    let in_time = tokio::time::timeout(REPORT_WITHIN, reports::flush(desk, session, &publisher));
    if in_time.await.is_err() {
        tracing::debug!(%session, "the master does not take reports yet; they are sent later");
    }
}

async fn finish(desk: &Desk, session: SessionId) {
    let Some(publisher) = reopen(desk, session).await else { return };
    let because = publisher.ended().unwrap_or_else(|| {
        "the gateway was restarted, and the source did not come back".to_owned()
    });
    ending::end(desk, session, &publisher, &because).await;
}

/// Removes what is long over, now and then.
pub(super) async fn collect(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(COLLECT_EVERY).await;
        let library = desk.library.clone();
        let now = super::clock::unix_ms();
        match tokio::task::spawn_blocking(move || library.collect(now)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(count)) => tracing::info!(count, "removed sessions that are long over"),
            Ok(Err(error)) => tracing::warn!(%error, "old sessions could not be removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake_master::{FakeMaster, grant};
    use tessera_media::{AccessUnit, Ticks};
    use tessera_packaging::h264::DecoderConfig;
    use tessera_protocol::Generation;
    use tessera_protocol::stream::SegmentNumber;
    use tessera_publish::{FinishedSegment, Pictures, PublicationSpec, SegmentHead};

    /// A segment of a session that nobody has reported.
    fn segment(number: u64) -> FinishedSegment {
        let bytes = |text| hex::decode(text).unwrap().into();
        let sps = vec![bytes("6742c01ed900a02ff9301100000303e90000ea600f162e48")];
        let config = DecoderConfig { sps, pps: vec![bytes("68cb83cb20")], length_size: 4 };
        let start = Ticks::from_millis(number as i64 * 1_000);
        let data = vec![0; 8].into();
        let unit = AccessUnit { pts: start, dts: start, keyframe: true, data };
        FinishedSegment {
            head: SegmentHead {
                number: SegmentNumber(number),
                generation: Generation(1),
                start,
                discontinuity: false,
                program_date_time_ms: start.millis(),
            },
            duration: Ticks::from_millis(1_000),
            pictures: Pictures::Source(config.video_format().unwrap(), vec![unit]),
            sound: None,
            receipt: None,
        }
    }

    #[tokio::test]
    async fn what_a_session_that_went_on_elsewhere_left_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let master = FakeMaster::start(|_| None).await;
        let desk = master.desk(folder.path()).await;
        let begin = |session| {
            let spec = PublicationSpec::of(&grant(session, 1), None);
            desk.library.begin(spec).unwrap()
        };
        let reported = |session: u8| {
            let reported = master.heard.reported.lock().unwrap();
            reported.get(&SessionId([session; 16])).cloned().unwrap_or_default()
        };
        begin(1).segment(segment(0), || true).unwrap();
        // The first is of an earlier run, and in this test no window ends.
        let seeing_to = see_to_at(&desk, Duration::from_secs(1_000), Duration::from_millis(10));
        let rest = async {
            while reported(1).is_empty() {
                tokio::task::yield_now().await;
            }
            begin(2).segment(segment(0), || true).unwrap();
            while reported(2).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = seeing_to => unreachable!("it has no end"),
            () = rest => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("nothing was reported"),
        }
        assert_eq!((reported(1), reported(2)), (vec![SegmentNumber(0)], vec![SegmentNumber(0)]));
        assert!(master.heard.ends.lock().unwrap().is_empty(), "neither was ended");
    }
}
