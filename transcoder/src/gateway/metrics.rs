//! What the gateway counts, in Prometheus' text format. No stream is named in it.

use super::desk::Desk;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::routing::get;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the histograms' buckets, in milliseconds; one more holds the rest.
const BOUNDS_MS: [u64; 18] = [
    1, 2, 5, 10, 20, 50, 100, 200, 350, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000,
];

/// Durations, counted in buckets.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let ms = duration.as_secs_f64() * 1000.0;
        let bucket = BOUNDS_MS.partition_point(|bound| (*bound as f64) < ms);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(duration.as_micros() as u64, Relaxed);
    }

    fn write(&self, name: &str, help: &str, out: &mut String) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut count = 0;
        for (bound, bucket) in BOUNDS_MS.iter().zip(&self.buckets) {
            count += bucket.load(Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {count}", *bound as f64 / 1000.0);
        }
        count += self.buckets[BOUNDS_MS.len()].load(Relaxed);
        let sum = self.sum_us.load(Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {count}");
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// A unit's arrival to its being on the way to a worker.
    pub(super) dispatch: Histogram,
    /// A segment's first unit here to the segment being listed.
    pub(super) ingest_to_listed: Histogram,
    /// A segment's last unit here to the segment being listed.
    pub(super) end_to_listed: Histogram,
    /// In low latency: a part's last picture here to the part being listed.
    pub(super) part_to_listed: Histogram,
    pub(super) sessions: AtomicU64,
    pub(super) workers: AtomicU64,
    pub(super) segments: AtomicU64,
    pub(super) parts: AtomicU64,
    pub(super) stood_in: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) refused_results: AtomicU64,
    pub(super) ingest_bytes: AtomicU64,
    pub(super) worker_bytes: AtomicU64,
    pub(super) audits: AtomicU64,
    pub(super) audits_rejected: AtomicU64,
    pub(super) audits_skipped: AtomicU64,
    pub(super) reports: AtomicU64,
}

impl Metrics {
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (histogram, name, help) in [
            (&self.dispatch, "dispatch_seconds", "A unit's arrival to its being sent to a worker."),
            (
                &self.ingest_to_listed,
                "ingest_to_listed_seconds",
                "A segment's first unit to its being listed.",
            ),
            (
                &self.end_to_listed,
                "end_to_listed_seconds",
                "A segment's last unit to its being listed.",
            ),
            (
                &self.part_to_listed,
                "part_to_listed_seconds",
                "A part's last picture to the part being listed.",
            ),
        ] {
            histogram.write(&format!("tessera_gateway_{name}"), help, &mut out);
        }
        for (value, name, kind, help) in [
            (&self.sessions, "sessions", "gauge", "Sessions under way."),
            (&self.workers, "workers", "gauge", "Workers that are connected."),
            (&self.segments, "segments_total", "counter", "Segments published."),
            (&self.parts, "parts_total", "counter", "Parts published."),
            (&self.stood_in, "stood_in_total", "counter", "Segments published from the source."),
            (&self.failures, "failures_total", "counter", "Attempts of workers that failed."),
            (
                &self.refused_results,
                "refused_results_total",
                "counter",
                "Results that were refused.",
            ),
            (&self.ingest_bytes, "ingest_bytes_total", "counter", "Bytes of units from sources."),
            (&self.worker_bytes, "worker_bytes_total", "counter", "Bytes of units from workers."),
            (&self.audits, "audits_total", "counter", "Segments whose pictures were compared."),
            (&self.audits_rejected, "audits_rejected_total", "counter", "Of those, rejected."),
            (&self.audits_skipped, "audits_skipped_total", "counter", "Comparisons given up."),
            (&self.reports, "reports_total", "counter", "Segments that the master took."),
        ] {
            let (name, value) = (format!("tessera_gateway_{name}"), value.load(Relaxed));
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        out
    }
}

/// Who is shown metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Who connects from this machine, at a door that is open to others for something else.
    ThisMachine,
    /// Who finds the door, which is there for nothing else.
    Anybody,
}

/// Serves `/metrics`.
pub(super) fn router(desk: Arc<Desk>, whom: Whom) -> Router {
    let metrics = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
        if whom == Whom::Anybody || peer.ip().to_canonical().is_loopback() {
            Ok(desk.metrics.text())
        } else {
            Err((StatusCode::FORBIDDEN, "metrics are shown on this machine only"))
        }
    };
    Router::new().route("/metrics", get(metrics))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake_master::FakeMaster;
    use std::future::pending;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[test]
    fn durations_are_counted_in_the_bucket_that_holds_them() {
        let metrics = Metrics::default();
        metrics.dispatch.observe(Duration::from_millis(50));
        metrics.dispatch.observe(Duration::from_micros(50_001));
        metrics.dispatch.observe(Duration::from_secs(100));
        let text = metrics.text();
        for line in [
            "tessera_gateway_dispatch_seconds_bucket{le=\"0.02\"} 0",
            "tessera_gateway_dispatch_seconds_bucket{le=\"0.05\"} 1",
            "tessera_gateway_dispatch_seconds_bucket{le=\"0.1\"} 2",
            "tessera_gateway_dispatch_seconds_bucket{le=\"30\"} 2",
            "tessera_gateway_dispatch_seconds_bucket{le=\"+Inf\"} 3",
            "tessera_gateway_dispatch_seconds_count 3",
            "tessera_gateway_segments_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    /// What a door that serves metrics answers.
    async fn served(whom: Whom) -> String {
        let folder = tempfile::tempdir().unwrap();
        let desk = FakeMaster::start(|_| None).await.desk(folder.path()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = super::super::http::serve(listener, None, router(desk, whom), pending());
        let asking = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = b"GET /metrics HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        tokio::select! {
            () = serving => unreachable!("it has no end"),
            answer = asking => answer,
        }
    }

    #[tokio::test]
    async fn metrics_are_served() {
        for whom in [Whom::ThisMachine, Whom::Anybody] {
            let answer = served(whom).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("\ntessera_gateway_sessions 0\n"), "{answer}");
        }
    }
}
