//! What the owner of the machine allows, and what follows from it.

use crate::machine;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tessera_durable::{Access, OsDisk, write_file};
use tessera_protocol::house::hours::{Hours, MinuteOfWeek};
use tessera_protocol::house::{Rest, SetHours};

/// In the state folder.
pub const RULES_FILE: &str = "house.json";
/// Others work on the machine if they use more of it than this.
const IN_USE_PERCENT: u8 = 20;
/// The machine is free when nobody has worked on it for so long: people look away from it, and back.
const FREE_AFTER: Duration = Duration::from_secs(60);
/// A machine that was too hot works again when it is this much cooler than it may be, lest it tremble between.
const COOLS_BY_C: i16 = 5;
/// A rest for the sake of power is at least this long: what is drawn falls at once when the work stops.
const BREATH: Duration = Duration::from_secs(1);

/// What the owner allows. By default everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HouseRules {
    /// When it may work, by the machine's own clock.
    pub hours: Hours,
    /// When those were set, here or at the master, in milliseconds since 1970.
    pub hours_set_ms: i64,
    /// Only while nobody else works on the machine's processor or NVIDIA GPUs.
    pub only_when_idle: bool,
    /// How hot the hottest sensor of processor and GPUs may become, in degrees Celsius.
    pub max_temperature_c: Option<i16>,
    /// What the GPUs together may draw, in watts.
    pub max_power_w: Option<u32>,
}

impl HouseRules {
    /// What the machine does not tell and the rules ask for: sentences for people.
    pub fn cannot_be_kept(&self, seen: &Observation) -> Vec<&'static str> {
        let mut gaps = Vec::new();
        if self.only_when_idle && !cfg!(target_os = "linux") {
            gaps.push("only on Linux is it seen who uses the processor: only-when-idle minds NVIDIA GPUs alone");
        }
        if self.max_temperature_c.is_some() && seen.temperature_c.is_none() {
            gaps.push("this machine tells no temperature, so max-temperature cannot be kept");
        }
        if self.max_power_w.is_some() && seen.power_w.is_none() {
            gaps.push(
                "this machine's GPUs do not tell what they draw, so max-power cannot be kept",
            );
        }
        gaps
    }

    /// Sets the hours here and now: whatever was set before, here or at the master, is over.
    pub fn set_hours(&mut self, hours: Hours, now_ms: i64) {
        self.hours = hours;
        // The master's clock may be ahead of this machine's.
        self.hours_set_ms = now_ms.max(self.hours_set_ms.saturating_add(1));
    }

    /// Writes down the hours that the owner set at the master, and nothing else of the rules in this folder;
    /// whether it did. Those that are no newer than the ones that are known are left alone.
    ///
    /// # Errors
    /// The file cannot be read or written: a sentence for people.
    pub fn take_order(state: &Path, order: SetHours) -> Result<bool, String> {
        let rules = Self::read(state)?;
        if order.set_ms <= rules.hours_set_ms {
            return Ok(false);
        }
        // The folder is the service's, so it may replace the file, whoever wrote that.
        Self { hours: order.hours, hours_set_ms: order.set_ms, ..rules }.write(state)?;
        Ok(true)
    }

    /// The rules of the node whose state lies in this folder; the default ones where nobody has made any.
    ///
    /// # Errors
    /// The file cannot be read: a sentence for people.
    pub fn read(state: &Path) -> Result<Self, String> {
        let path = state.join(RULES_FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            text => text.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes them down; a node that works from this folder keeps them within a second.
    ///
    /// # Errors
    /// The file cannot be written: a sentence for people.
    pub fn write(&self, state: &Path) -> Result<(), String> {
        let path = state.join(RULES_FILE);
        let text = serde_json::to_vec_pretty(self).expect("rules are plain fields");
        write_file(&OsDisk, &path, &text, Access::Umask).map_err(|error| error.to_string())?;
        // The service has a user of its own, and root writes for it, whatever root's umask is.
        machine::let_all_read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// What was seen of the machine; `None` is what it does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observation {
    /// How much of the processor others use, in percent.
    pub processor_percent: Option<u8>,
    /// How much of a GPU others use, in percent.
    pub gpu_percent: Option<u8>,
    /// The hottest sensor.
    pub temperature_c: Option<i16>,
    /// What the GPUs draw together.
    pub power_w: Option<u32>,
}

/// Judges one observation after the other, and knows what came before.
#[derive(Debug, Default)]
pub struct Guard {
    rests: Option<Rest>,
    /// When others were seen at work last.
    in_use: Option<(Duration, Rest)>,
    /// When too much power was seen last.
    hungry: Option<(Duration, Rest)>,
}

impl Guard {
    /// Why the node has to rest at `now`, a time since whenever; `None` if it may work.
    pub fn judge(
        &mut self,
        rules: &HouseRules,
        minute: MinuteOfWeek,
        seen: &Observation,
        now: Duration,
    ) -> Option<Rest> {
        // All are looked at, since each remembers.
        let (hot, hungry) = (self.too_hot(rules, seen), self.too_hungry(rules, seen, now));
        let in_use = self.in_use(rules, seen, now);
        let closed = (!rules.hours.contain(minute))
            .then(|| Rest::OutOfHours { opens_in_min: rules.hours.opens_in_min(minute) });
        self.rests = closed.or(hot).or(hungry).or(in_use);
        self.rests
    }

    fn too_hot(&self, rules: &HouseRules, seen: &Observation) -> Option<Rest> {
        let (celsius, at_most) = (seen.temperature_c?, rules.max_temperature_c?);
        let was = matches!(self.rests, Some(Rest::TooHot { .. }));
        let limit = if was { at_most.saturating_sub(COOLS_BY_C) } else { at_most };
        (celsius > limit).then_some(Rest::TooHot { celsius, at_most })
    }

    fn too_hungry(
        &mut self,
        rules: &HouseRules,
        seen: &Observation,
        now: Duration,
    ) -> Option<Rest> {
        let at_most = rules.max_power_w?;
        if let Some(watts) = seen.power_w.filter(|watts| *watts > at_most) {
            self.hungry = Some((now, Rest::TooHungry { watts, at_most }));
        }
        still(&mut self.hungry, now, BREATH)
    }

    fn in_use(&mut self, rules: &HouseRules, seen: &Observation, now: Duration) -> Option<Rest> {
        if !rules.only_when_idle {
            self.in_use = None;
            return None;
        }
        let busy = |percent: Option<u8>| percent.filter(|percent| *percent > IN_USE_PERCENT);
        let rest = busy(seen.gpu_percent)
            .map(|percent| Rest::GpuInUse { percent })
            .or(busy(seen.processor_percent).map(|percent| Rest::ProcessorInUse { percent }));
        if let Some(rest) = rest {
            self.in_use = Some((now, rest));
        }
        still(&mut self.in_use, now, FREE_AFTER)
    }
}

/// What was seen last, if that is not longer ago than `stands`.
fn still(last: &mut Option<(Duration, Rest)>, now: Duration, stands: Duration) -> Option<Rest> {
    *last = last.filter(|(at, _)| now.saturating_sub(*at) < stands);
    last.map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: MinuteOfWeek = MinuteOfWeek::new(0, 0, 0);

    /// What is said of one observation after the other, a second apart.
    fn codes(rules: &HouseRules, seen: impl IntoIterator<Item = Observation>) -> Vec<&'static str> {
        let mut guard = Guard::default();
        let says = seen.into_iter().zip(0..).map(|(seen, second)| {
            let rest = guard.judge(rules, MONDAY, &seen, Duration::from_secs(second));
            rest.map_or("works", Rest::code)
        });
        says.collect()
    }

    #[test]
    fn what_nobody_forbade_and_what_nobody_sees_is_allowed() {
        let fierce = Observation {
            processor_percent: Some(100),
            gpu_percent: Some(100),
            temperature_c: Some(120),
            power_w: Some(2000),
        };
        assert_eq!(codes(&HouseRules::default(), [fierce]), ["works"]);
        let strict = HouseRules {
            only_when_idle: true,
            max_temperature_c: Some(1),
            max_power_w: Some(1),
            ..HouseRules::default()
        };
        assert_eq!(codes(&strict, [Observation::default()]), ["works"]);
        assert_eq!(strict.cannot_be_kept(&Observation::default()).len(), 2);
        assert!(strict.cannot_be_kept(&fierce).is_empty());
    }

    #[test]
    fn it_cools_down_before_it_goes_on() {
        let rules = HouseRules { max_temperature_c: Some(80), ..HouseRules::default() };
        let at = |celsius| Observation { temperature_c: Some(celsius), ..Observation::default() };
        let said = codes(&rules, [79, 80, 81, 80, 76, 75, 80, 81].map(at));
        let hot = "too_hot";
        assert_eq!(said, ["works", "works", hot, hot, hot, "works", "works", hot]);
    }

    #[test]
    fn power_is_left_to_fall_for_a_moment() {
        let rules = HouseRules { max_power_w: Some(200), ..HouseRules::default() };
        let at = |watts| Observation { power_w: Some(watts), ..Observation::default() };
        let said = codes(&rules, [200, 201, 40, 150].map(at));
        assert_eq!(said, ["works", "too_hungry", "works", "works"]);
    }

    #[test]
    fn others_come_first_and_are_given_a_minute() {
        let rules = HouseRules { only_when_idle: true, ..HouseRules::default() };
        let by =
            |percent| Observation { processor_percent: Some(percent), ..Observation::default() };
        let said = codes(&rules, [20, 21].into_iter().chain([0; 61]).map(by));
        let rests = said.iter().filter(|code| **code == "processor_in_use").count();
        assert_eq!((said[0], rests, said[62]), ("works", 60, "works"));
        let gpu = Observation { gpu_percent: Some(50), ..by(90) };
        assert_eq!(codes(&rules, [gpu]), ["gpu_in_use"]);
    }

    #[test]
    fn hours_come_before_all_else() {
        let hours = "tue".parse().unwrap();
        let rules = HouseRules { hours, max_temperature_c: Some(1), ..HouseRules::default() };
        let seen = Observation { temperature_c: Some(90), ..Observation::default() };
        let rest = Guard::default().judge(&rules, MONDAY, &seen, Duration::ZERO);
        assert_eq!(rest, Some(Rest::OutOfHours { opens_in_min: Some(1440) }));
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(HouseRules::read(folder.path()), Ok(HouseRules::default()));
        let rules = HouseRules {
            hours: "sat-sun, 22:00-06:00".parse().unwrap(),
            hours_set_ms: 5,
            only_when_idle: true,
            max_temperature_c: Some(83),
            max_power_w: Some(250),
        };
        rules.write(folder.path()).unwrap();
        assert_eq!(HouseRules::read(folder.path()), Ok(rules));
        for damaged in ["{", r#"{"hours": "noon"}"#, r#"{"hour": "always"}"#] {
            std::fs::write(folder.path().join(RULES_FILE), damaged).unwrap();
            assert!(HouseRules::read(folder.path()).unwrap_err().contains(RULES_FILE), "{damaged}");
        }
    }
    #[test]
    fn of_two_hours_those_hold_that_were_set_later() {
        let folder = tempfile::tempdir().unwrap();
        let order = |text: &str, set_ms| {
            let order = SetHours { hours: text.parse().unwrap(), set_ms };
            HouseRules::take_order(folder.path(), order)
        };
        let kept = || {
            let rules = HouseRules::read(folder.path()).unwrap();
            assert_eq!(rules.max_power_w, Some(9), "no order is about anything else");
            (rules.hours.to_string(), rules.hours_set_ms)
        };
        HouseRules { max_power_w: Some(9), ..HouseRules::default() }.write(folder.path()).unwrap();
        assert_eq!(order("never", 100), Ok(true));
        assert_eq!(kept(), ("never".to_owned(), 100));
        for (text, set_ms) in [("always", 99), ("always", 100), ("always", -1)] {
            assert_eq!(order(text, set_ms), Ok(false), "{set_ms}");
        }
        assert_eq!(kept(), ("never".to_owned(), 100));

        let mut rules = HouseRules::read(folder.path()).unwrap();
        rules.set_hours("sat".parse().unwrap(), 90);
        rules.write(folder.path()).unwrap();
        assert_eq!(kept(), ("sat".to_owned(), 101), "by a clock that is behind the master's");
        assert_eq!(order("always", 101), Ok(false));
        assert_eq!(order("always", i64::MAX), Ok(true));
        rules.hours_set_ms = i64::MAX;
        rules.set_hours("sun".parse().unwrap(), 90);
        rules.write(folder.path()).unwrap();
        assert_eq!(order("always", i64::MAX), Ok(false), "the machine has the last word");
    }

    #[cfg(unix)]
    #[test]
    fn rules_that_somebody_else_wrote_are_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(RULES_FILE);
        std::fs::write(&file, "{}").unwrap();
        let mode = |bits| std::fs::Permissions::from_mode(bits);
        std::fs::set_permissions(&file, mode(0o444)).unwrap();
        let order = SetHours { hours: "never".parse().unwrap(), set_ms: 1 };
        assert_eq!(HouseRules::take_order(folder.path(), order), Ok(true));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
