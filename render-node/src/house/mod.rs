//! The house rules: when the owner of a machine lets the node work on it.
//!
//! A thread looks at the clock, the sensors and the rules twice a second. While the rules are broken all
//! rendering is held up, between two pieces of work that take milliseconds each. Not held up are the
//! conformance scenes of a node's start, and the preparation of a scene. What the agent makes of a rest that
//! lasts is its own matter. Clocks, fans and power limits are the owner's, and nothing here sets any.
//!
//! Rules are made on the machine. The hours may also come as an order from the master, which knows the owner by
//! the session or the key; a master that lies can have the node work at other hours, and can change no other rule.
//!
//! Reading order: [`tessera_protocol::house::hours`] → [`rules`] (all of them, and what follows: pure) → `sensors`
//! → here.

pub mod rules;
mod sensors;

use crate::machine::Helper;
use crate::render::Brake;
use rules::{Guard, HouseRules, Observation, RULES_FILE};
use sensors::Sensors;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tessera_protocol::house::hours::MinuteOfWeek;
use tessera_protocol::house::{NodeReport, Rest, SetHours};
use tokio::sync::watch;
use tracing::{info, warn};

/// How often the machine is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Names the folder that `proc` and `sys` are read below, instead of the machine's own: for tests of this program.
const SENSORS_BELOW: &str = "TESSERA_SENSORS_BELOW";

/// The house that a node lives in. It is watched for as long as this or a clone lives.
#[derive(Debug, Clone)]
pub struct House {
    /// Where the rules lie, if there are any.
    state: Option<PathBuf>,
    report: watch::Receiver<NodeReport>,
    held: Arc<AtomicBool>,
    helper: Helper,
}

impl House {
    /// Begins to watch the machine by the rules in this folder, which may change at any time.
    ///
    /// # Errors
    /// The rules cannot be read: a sentence for people.
    pub fn watch(state: &Path) -> Result<Self, String> {
        let helper = Helper::default();
        let mut watcher = Watcher::new(state, helper.clone())?;
        let (tell, report) = watch::channel(watcher.look());
        let held = watcher.held.clone();
        std::thread::spawn(move || {
            while !tell.is_closed() {
                let report = watcher.look();
                tell.send_if_modified(|told| {
                    let is_news = *told != report;
                    *told = report;
                    is_news
                });
                std::thread::park_timeout(LOOK_EVERY);
            }
        });
        Ok(Self { state: Some(state.to_owned()), report, held, helper })
    }

    /// One without rules.
    pub fn free() -> Self {
        Self::without_rules(watch::channel(NodeReport::default()).1)
    }

    /// One whose rules follow from what a test says.
    #[cfg(test)]
    pub(crate) fn told(report: watch::Receiver<NodeReport>) -> Self {
        Self::without_rules(report)
    }

    fn without_rules(report: watch::Receiver<NodeReport>) -> Self {
        Self { state: None, report, held: Arc::default(), helper: Helper::default() }
    }

    /// Whose use of the machine is the node's own.
    pub fn helper(&self) -> Helper {
        self.helper.clone()
    }

    /// A brake for one rendering.
    pub fn brake(&self) -> Brake {
        Brake::of(self.held.clone())
    }

    /// What is to be said of the machine now.
    pub fn report(&self) -> NodeReport {
        self.report.borrow().clone()
    }

    /// Takes over the hours that the owner set at the master, unless those that are kept are as new; the thread
    /// finds them, as it finds all rules. It blocks.
    ///
    /// # Errors
    /// They cannot be written down: a sentence for people.
    pub(crate) fn take_order(&self, order: SetHours) -> Result<(), String> {
        let Some(state) = &self.state else { return Ok(()) };
        let hours = order.hours.to_string();
        if HouseRules::take_order(state, order)? {
            info!("its owner set its hours at the master: {hours}");
        }
        Ok(())
    }

    /// Waits until the node may work.
    pub async fn until_free(&mut self) {
        // Nobody can say that it has to rest any more.
        let _ = self.report.wait_for(|report| report.rests.is_none()).await;
    }

    /// Waits until the node has rested for `patience` without a break.
    pub async fn until_it_rested(&mut self, patience: Duration) -> Rest {
        loop {
            let rests = self.report.wait_for(|report| report.rests.is_some()).await;
            let Some(rest) = rests.ok().and_then(|report| report.rests) else {
                return std::future::pending().await;
            };
            if tokio::time::timeout(patience, self.until_free()).await.is_err() {
                return rest;
            }
        }
    }

    /// Waits until something else is to be said.
    pub async fn until_news(&mut self) {
        if self.report.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What the machine tells now; the processor's use is not known from one look.
pub fn look_once() -> Observation {
    Sensors::new(&sensors_below(), Helper::default()).look()
}

fn sensors_below() -> PathBuf {
    std::env::var_os(SENSORS_BELOW).map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// What the thread knows.
struct Watcher {
    path: PathBuf,
    rules: HouseRules,
    /// When the rules were written that are known, or were looked at in vain.
    written: Option<SystemTime>,
    guard: Guard,
    sensors: Sensors,
    begun: Instant,
    rested: Option<&'static str>,
    held: Arc<AtomicBool>,
}

impl Watcher {
    fn new(state: &Path, helper: Helper) -> Result<Self, String> {
        let mut watcher = Self {
            path: state.to_owned(),
            rules: HouseRules::read(state)?,
            written: written(state),
            guard: Guard::default(),
            sensors: Sensors::new(&sensors_below(), helper),
            begun: Instant::now(),
            rested: None,
            held: Arc::default(),
        };
        for gap in watcher.rules.cannot_be_kept(&watcher.sensors.look()) {
            warn!("{gap}");
        }
        Ok(watcher)
    }

    /// Looks at everything, and holds or lets go what renders.
    fn look(&mut self) -> NodeReport {
        self.read_rules();
        let seen = self.sensors.look();
        let now = jiff::ZonedDateTime::now();
        let day = u32::from(now.weekday().to_monday_zero_offset().unsigned_abs());
        let (hour, minute) =
            (u32::from(now.hour().unsigned_abs()), u32::from(now.minute().unsigned_abs()));
        let minute = MinuteOfWeek::new(day, hour, minute);
        let rests = self.guard.judge(&self.rules, minute, &seen, self.begun.elapsed());
        self.held.store(rests.is_some(), Ordering::Relaxed);
        let code = rests.map(Rest::code);
        if code != self.rested {
            match rests {
                Some(rest) => info!("resting: {rest}"),
                None => info!("the machine is free: working again"),
            }
            self.rested = code;
        }
        let hours = SetHours { hours: self.rules.hours.clone(), set_ms: self.rules.hours_set_ms };
        NodeReport {
            rests,
            temperature_c: seen.temperature_c,
            power_w: seen.power_w,
            hours: Some(hours),
            cannot_set_hours: false,
        }
    }

    /// Reads the rules again where they were written since.
    fn read_rules(&mut self) {
        let written = written(&self.path);
        if written == self.written {
            return;
        }
        self.written = written;
        match HouseRules::read(&self.path) {
            Ok(rules) => self.rules = rules,
            Err(error) => warn!("the house rules stay as they were: {error}"),
        }
    }
}

fn written(state: &Path) -> Option<SystemTime> {
    std::fs::metadata(state.join(RULES_FILE)).and_then(|file| file.modified()).ok()
}
