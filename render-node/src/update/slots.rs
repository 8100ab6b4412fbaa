//! Which program is run: the rule alone, without files.

use serde::{Deserialize, Serialize};
use tessera_protocol::release::{Release, ReleaseVersion};

/// How often a release is started that does not join. Not once only: machines are switched off, and masters
/// are away, in the very minute in which a release is new.
pub const STARTS_ALLOWED: u32 = 3;

/// A place for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// One.
    A,
    /// The other.
    B,
}

impl Slot {
    /// Its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// A release in its slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slotted {
    /// Where it lies.
    pub slot: Slot,
    /// What lies there.
    pub release: Release,
}

/// A release that has not joined yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Which one, and where.
    pub program: Slotted,
    /// How often it was started.
    pub starts: u32,
}

/// What is known of both slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slots {
    /// The release that joined last.
    pub good: Option<Slotted>,
    /// The one that has to show that it can.
    pub trial: Option<Trial>,
    /// The last one that could not: the same is not taken again.
    pub failed: Option<Release>,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The program that was installed.
    Installed,
    /// This one instead.
    Release(Slotted),
}

/// What becomes of a release that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is fetched, into this slot.
    Wanted(Slot),
    /// It is not higher than what runs.
    NotHigher,
    /// It was tried here, and did not join.
    Failed,
    /// It lies in its slot already.
    Waits,
}

impl Slots {
    /// What the program that was installed is to run now. If that is a release on trial, this counts one more
    /// start of it, so the slots have to be written down before it is started.
    pub fn choose(&mut self, installed: ReleaseVersion) -> Choice {
        // A package may have brought a higher program than any release.
        self.good = self.good.take().filter(|good| good.release.version > installed);
        let least = self.good.as_ref().map_or(installed, |good| good.release.version);
        self.trial = self.trial.take().filter(|trial| trial.program.release.version > least);
        if let Some(trial) = self.trial.take_if(|trial| trial.starts >= STARTS_ALLOWED) {
            self.failed = Some(trial.program.release);
        }
        if let Some(trial) = &mut self.trial {
            trial.starts += 1;
            return Choice::Release(trial.program.clone());
        }
        self.good.clone().map_or(Choice::Installed, Choice::Release)
    }

    /// The running release has joined. Whether that was news.
    pub fn joined(&mut self, running: ReleaseVersion) -> bool {
        match self
            .trial
            .take_if(|trial| trial.starts > 0 && trial.program.release.version == running)
        {
            Some(trial) => {
                self.good = Some(trial.program);
                true
            }
            None => false,
        }
    }

    /// What lies in `slot` cannot be run: it is damaged, or no program of this machine.
    pub fn give_up(&mut self, slot: Slot) {
        self.good = self.good.take().filter(|good| good.slot != slot);
        if let Some(trial) = self.trial.take_if(|trial| trial.program.slot == slot) {
            self.failed = Some(trial.program.release);
        }
    }

    /// What becomes of a release that is offered while `running` runs.
    pub fn offered(&self, release: &Release, running: ReleaseVersion) -> Offer {
        if release.version <= running {
            return Offer::NotHigher;
        }
        if self.failed.as_ref() == Some(release) {
            return Offer::Failed;
        }
        if self.trial.as_ref().is_some_and(|trial| trial.program.release == *release) {
            return Offer::Waits;
        }
        Offer::Wanted(self.free())
    }

    /// The slot that the good release does not lie in.
    fn free(&self) -> Slot {
        match &self.good {
            Some(Slotted { slot: Slot::A, .. }) => Slot::B,
            _ => Slot::A,
        }
    }

    /// A release lies in its slot, and is on trial from the next start on.
    pub fn put(&mut self, program: Slotted) {
        self.trial = Some(Trial { program, starts: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::BlobHash;
    use tessera_protocol::commit::NodeKey;

    fn version(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    fn release(text: &str) -> Release {
        let program = (1, BlobHash([1; 32]));
        Release::sign(version(text), "a target", program, &NodeKey::from_secret(&[1; 32]))
    }

    fn fetched(slots: &mut Slots, running: &str, text: &str) -> Slotted {
        let release = release(text);
        let Offer::Wanted(slot) = slots.offered(&release, version(running)) else {
            panic!("{text} is not wanted");
        };
        let program = Slotted { slot, release };
        slots.put(program.clone());
        program
    }

    fn chosen(slots: &mut Slots) -> Option<String> {
        match slots.choose(version("0.1.0")) {
            Choice::Installed => None,
            Choice::Release(program) => Some(program.release.version.to_string()),
        }
    }

    #[test]
    fn what_joins_is_good_and_the_next_one_lies_beside_it() {
        let mut slots = Slots::default();
        assert_eq!(chosen(&mut slots), None);
        assert_eq!(fetched(&mut slots, "0.1.0", "0.2.0").slot, Slot::A);
        assert!(!slots.joined(version("0.2.0")), "what was not started cannot have joined");
        assert_eq!(chosen(&mut slots).as_deref(), Some("0.2.0"));
        assert!(slots.joined(version("0.2.0")));
        assert!(!slots.joined(version("0.2.0")), "it joins again after the master was away");
        assert_eq!(fetched(&mut slots, "0.2.0", "0.3.0").slot, Slot::B);
        assert_eq!(chosen(&mut slots).as_deref(), Some("0.3.0"));
        assert!(slots.joined(version("0.3.0")));
        assert_eq!(fetched(&mut slots, "0.3.0", "0.4.0").slot, Slot::A);
    }

    #[test]
    fn what_never_joins_is_rolled_back_and_not_wanted_again() {
        let mut slots = Slots::default();
        fetched(&mut slots, "0.1.0", "0.2.0");
        chosen(&mut slots);
        slots.joined(version("0.2.0"));
        let good = slots.good.clone();
        fetched(&mut slots, "0.2.0", "0.3.0");
        for _ in 0..STARTS_ALLOWED {
            assert_eq!(chosen(&mut slots).as_deref(), Some("0.3.0"));
        }
        for _ in 0..2 {
            assert_eq!(chosen(&mut slots).as_deref(), Some("0.2.0"));
        }
        assert_eq!((slots.good.clone(), slots.trial.clone()), (good, None));
        assert_eq!(slots.offered(&release("0.3.0"), version("0.2.0")), Offer::Failed);
        assert_eq!(slots.offered(&release("0.3.1"), version("0.2.0")), Offer::Wanted(Slot::B));
    }

    #[test]
    fn a_trial_without_a_good_one_is_rolled_back_to_what_was_installed() {
        let mut slots = Slots::default();
        fetched(&mut slots, "0.1.0", "0.2.0");
        for _ in 0..STARTS_ALLOWED {
            chosen(&mut slots);
        }
        assert_eq!(chosen(&mut slots), None);
        assert_eq!(slots.failed, Some(release("0.2.0")));
    }

    #[test]
    fn only_what_is_higher_is_wanted_or_run() {
        let mut slots = Slots::default();
        for lower in ["0.0.9", "0.1.0"] {
            assert_eq!(slots.offered(&release(lower), version("0.1.0")), Offer::NotHigher);
        }
        fetched(&mut slots, "0.1.0", "0.2.0");
        assert_eq!(slots.offered(&release("0.2.0"), version("0.1.0")), Offer::Waits);
        chosen(&mut slots);
        slots.joined(version("0.2.0"));
        // A package has brought 0.2.0 itself, or a higher one, since.
        assert_eq!(slots.choose(version("0.2.0")), Choice::Installed);
        assert_eq!(slots, Slots::default());
        // Somebody has put an old release where the trial lies.
        slots.put(Slotted { slot: Slot::A, release: release("0.0.9") });
        assert_eq!(chosen(&mut slots), None);
        assert_eq!(slots, Slots::default());
    }

    #[test]
    fn what_cannot_be_run_is_given_up_alone() {
        let mut slots = Slots::default();
        fetched(&mut slots, "0.1.0", "0.2.0");
        chosen(&mut slots);
        slots.joined(version("0.2.0"));
        let trial = fetched(&mut slots, "0.2.0", "0.3.0");
        slots.give_up(trial.slot);
        assert_eq!(slots.failed, Some(trial.release));
        assert_eq!(chosen(&mut slots).as_deref(), Some("0.2.0"));
        slots.give_up(Slot::A);
        assert_eq!(chosen(&mut slots), None);
    }
}
