//! Progress of an upload or of a job: a bar on a terminal, a line now and then elsewhere.

use super::Voice;
use super::numbers::{count, duration, percent};
use super::rate::Rate;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use tessera_client::{Progress, Transferred};
use tessera_protocol::job::JobView;

/// Time between two lines where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(250);

/// A bar for a file that travels, and the callback that moves it.
pub(crate) fn transfer(voice: Voice, what: &str) -> (ProgressBar, Progress) {
    let style = ProgressStyle::with_template(
        "{prefix} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
    )
    .expect("the template is valid");
    let bar = ProgressBar::with_draw_target(Some(0), voice.draw_target()).with_style(style);
    bar.set_prefix(what.to_string());
    let moved = bar.clone();
    let progress = move |Transferred { done, total }: Transferred| {
        if let Some(total) = total {
            moved.set_length(total);
        }
        moved.set_position(done);
    };
    (bar, std::sync::Arc::new(progress))
}

/// How a job gets on.
pub(crate) struct JobProgress {
    voice: Voice,
    bar: ProgressBar,
    begun: Instant,
    units: Rate,
    rays: Rate,
    verified: u64,
    total: u64,
    frames_done: u64,
    frames_total: u64,
    last_line: Instant,
}

impl JobProgress {
    /// Progress of `job`, as it stands.
    pub(crate) fn new(voice: Voice, job: &JobView) -> Self {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}%  {msg}")
            .expect("the template is valid");
        let bar = ProgressBar::with_draw_target(Some(job.spec.units()), voice.draw_target())
            .with_style(style)
            .with_prefix(job.spec.name.clone());
        bar.enable_steady_tick(TICK);
        let mut progress = Self {
            voice,
            bar,
            begun: Instant::now(),
            units: Rate::default(),
            rays: Rate::default(),
            verified: 0,
            total: job.spec.units(),
            frames_done: job.frames_done,
            frames_total: job.frames_total,
            last_line: Instant::now(),
        };
        progress.units(job.units.verified, progress.total, job.rays);
        progress
    }

    /// Units were verified.
    pub(crate) fn units(&mut self, verified: u64, total: u64, rays: u64) {
        let now = self.begun.elapsed();
        self.units.add(now, verified);
        self.rays.add(now, rays);
        (self.verified, self.total) = (verified, total);
        self.show();
    }

    /// Frames are assembled.
    pub(crate) fn frames(&mut self, done: u64) {
        self.frames_done = done;
        self.show();
    }

    /// Says something without disturbing the bar.
    pub(crate) fn remark(&self, text: &str) {
        self.bar.suspend(|| self.voice.remark(text));
    }

    /// Shows how it stands now; called now and then, since the rates change even if nothing comes.
    pub(crate) fn show(&mut self) {
        if self.voice.draws() {
            self.bar.set_length(self.total);
            self.bar.set_position(self.verified);
            self.bar.set_message(self.message());
        } else if self.last_line.elapsed() >= LINE_EVERY && !self.voice.is_json() {
            self.last_line = Instant::now();
            let percent = percent(self.verified, self.total);
            self.voice.remark(&format!("{percent} %  {}", self.message()));
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Time since this began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn message(&self) -> String {
        let now = self.begun.elapsed();
        let mut parts = vec![
            format!("{}/{} units", self.verified, self.total),
            format!("{}/{} frames", self.frames_done, self.frames_total),
        ];
        if let (Some(units), Some(rays)) = (self.units.per_second(now), self.rays.per_second(now)) {
            parts.push(format!("{} units/s", count(units)));
            parts.push(format!("{:.2} Mrays/s", rays / 1e6));
        }
        match self.units.time_left(now, self.total.saturating_sub(self.verified)) {
            Some(left) if self.verified < self.total => {
                parts.push(format!("{} left", duration(left)));
            }
            _ => {}
        }
        parts.join("  ")
    }
}
