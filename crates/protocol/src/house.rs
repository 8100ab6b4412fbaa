//! What a node says of the machine it lives in: how warm it is, and why it rests although there may be work.
//!
//! A node is a guest of its owner's machine, and keeps the owner's rules: hours, others' work first, no hotter
//! and no hungrier than allowed. The rules lie on the machine, and what follows from them its owner reads on the
//! portal as well. One of them can be set from there: the [`hours`].

pub mod hours;

use crate::job::Why;
use hours::Hours;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a node rests. Numbers and no sentence of the node's own, so that everybody reads the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "code", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rest {
    /// It is not one of the hours that its owner gave it.
    OutOfHours {
        /// Minutes until the next of them; `None` where there is none.
        opens_in_min: Option<u32>,
    },
    /// Others work on the machine's processor.
    ProcessorInUse {
        /// How much of it they use, in percent.
        percent: u8,
    },
    /// Others work on the machine's GPU.
    GpuInUse {
        /// How much of it they use, in percent.
        percent: u8,
    },
    /// It is hotter than allowed, or was and has not cooled down yet.
    TooHot {
        /// The hottest of its sensors.
        celsius: i16,
        /// What is allowed.
        at_most: i16,
    },
    /// Its GPUs draw more power than allowed.
    TooHungry {
        /// What they draw together.
        watts: u32,
        /// What is allowed.
        at_most: u32,
    },
}

impl Rest {
    /// The code of the sentence.
    pub fn code(self) -> &'static str {
        match self {
            Self::OutOfHours { .. } => "out_of_hours",
            Self::ProcessorInUse { .. } => "processor_in_use",
            Self::GpuInUse { .. } => "gpu_in_use",
            Self::TooHot { .. } => "too_hot",
            Self::TooHungry { .. } => "too_hungry",
        }
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfHours { opens_in_min: None } => {
                f.write_str("Its owner gave it no hour of the week to work in.")
            }
            Self::OutOfHours { opens_in_min: Some(minutes) } => {
                let (hours, minutes) = (minutes / 60, minutes % 60);
                write!(
                    f,
                    "It works by its owner's hours; the next begin in {hours} h {minutes} min."
                )
            }
            Self::ProcessorInUse { percent } => {
                write!(f, "Others use {percent} % of the machine's processor, and come first.")
            }
            Self::GpuInUse { percent } => {
                write!(f, "Others use {percent} % of the machine's GPU, and come first.")
            }
            Self::TooHot { celsius, at_most } => write!(
                f,
                "The machine is at {celsius} °C; its owner allows {at_most} °C, and it cools down first."
            ),
            Self::TooHungry { watts, at_most } => {
                write!(f, "The GPUs draw {watts} W; their owner allows {at_most} W.")
            }
        }
    }
}

impl From<Rest> for Why {
    fn from(rest: Rest) -> Self {
        Self { code: rest.code().to_owned(), sentence: rest.to_string() }
    }
}

/// Hours, and when they were set. Of two the later ones count, wherever they were said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SetHours {
    /// The hours.
    pub hours: Hours,
    /// When, in milliseconds since 1970; 0 where nobody ever set any.
    pub set_ms: i64,
}

/// Sets the hours of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursRequest {
    /// By the machine's own clock, for example `mon-fri 19:00-07:00, sat-sun`, `22:00-06:00`, `always` or
    /// `never`; at most 2,000 bytes.
    pub hours: String,
}

/// The answer to a report.
///
/// The hours are all that a master can order of a machine. They may be wider than those before, since they are
/// its owner's, whom the master knows by the session or the key; every other rule holds beside them, and no master
/// can change those. A node takes an order once, and leaves one alone that is no newer than what it keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportView {
    /// The hours that the node's owner set at the master; `None` where nobody did.
    #[serde(default)]
    pub hours: Option<SetHours>,
}

/// What a node says of its machine, every few seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeReport {
    /// Why it rests; `None` while it does not.
    #[serde(default)]
    pub rests: Option<Rest>,
    /// The hottest of the sensors of its processor and GPUs, in degrees Celsius; `None` where there are none.
    #[serde(default)]
    pub temperature_c: Option<i16>,
    /// What its GPUs draw together, in watts; `None` where that is not told.
    #[serde(default)]
    pub power_w: Option<u32>,
    /// The hours that it keeps, by its machine's own clock; `None` of one that does not tell.
    #[serde(default)]
    pub hours: Option<SetHours>,
    /// Whether it could not write down the hours that it was ordered: its log says why.
    #[serde(default)]
    pub cannot_set_hours: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_travels_with_its_numbers_and_nothing_else() {
        let rest = Rest::TooHot { celsius: 91, at_most: 85 };
        let text = serde_json::to_string(&rest).unwrap();
        assert_eq!(text, r#"{"code":"too_hot","celsius":91,"at_most":85}"#);
        assert_eq!(serde_json::from_str::<Rest>(&text).unwrap(), rest);
        assert!(serde_json::from_str::<Rest>(r#"{"code":"bored"}"#).is_err());
        assert_eq!(Why::from(rest).code, "too_hot");
        assert!(Why::from(rest).sentence.contains("91 °C"));
    }

    #[test]
    fn hours_travel_as_people_write_them() {
        let text = r#"{"hours":{"hours":"sat-sun","set_ms":7}}"#;
        let report: NodeReport = serde_json::from_str(text).unwrap();
        let hours = Some(SetHours { hours: "sat-sun".parse().unwrap(), set_ms: 7 });
        assert_eq!(report.hours, hours);
        assert_eq!(serde_json::to_string(&ReportView { hours }).unwrap(), text);
        let noon = r#"{"hours":{"hours":"noon","set_ms":7}}"#;
        assert!(serde_json::from_str::<ReportView>(noon).is_err());
    }
}
