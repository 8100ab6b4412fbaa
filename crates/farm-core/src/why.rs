//! Why a job stands where it stands.

use tessera_protocol::job::{JobState, UnitCounts, Why};

/// What is known of a job and of the farm around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The job's state.
    pub state: JobState,
    /// Why it has that state, where a reason was kept.
    pub reason: Option<String>,
    /// Its units.
    pub units: UnitCounts,
    /// Frames assembled.
    pub frames_done: u64,
    /// Frames in all.
    pub frames_total: u64,
    /// Units of it whose lease ended without a result, and that did not succeed since.
    pub failing: u64,
    /// What the last of them failed of.
    pub last_failure: Option<String>,
    /// Nodes heard of lately.
    pub nodes_online: u64,
    /// Those among them that may have exact work of the job's kernel.
    pub nodes_fit: u64,
    /// Older jobs with free units: they are served first.
    pub jobs_ahead: u64,
}

/// All reasons that hold, the weightiest first; at least one.
pub fn explain(situation: &Situation) -> Vec<Why> {
    let why = |code: &str, sentence: String| Why { code: code.into(), sentence };
    let because = |sentence: &str| match &situation.reason {
        Some(reason) => format!("{sentence}: {reason}"),
        None => format!("{sentence}."),
    };
    match situation.state {
        JobState::Paused => {
            let held = situation.units.leased;
            return vec![why(
                "job_paused",
                because(&match held {
                    0 => "The job is paused; resume it to go on".into(),
                    _ => format!("The job is paused; nodes still finish {}", units(held)),
                }),
            )];
        }
        JobState::Completed => {
            return vec![why("job_completed", "Every frame is finished.".into())];
        }
        JobState::Cancelled => return vec![why("job_cancelled", because("The job was cancelled"))],
        JobState::Failed => return vec![why("job_failed", because("The job failed"))],
        JobState::Active => {}
    }
    let counts = situation.units;
    let mut all = Vec::new();
    if counts.free > 0 {
        all.extend(why_free_units_wait(situation));
    }
    if situation.failing > 0 {
        let last = situation.last_failure.as_deref().unwrap_or("its node fell silent");
        all.push(why(
            "units_retried",
            format!(
                "{} failed and will be tried again; the last: {last}",
                units(situation.failing)
            ),
        ));
    }
    if counts.leased > 0 {
        all.push(why("rendering", format!("Nodes are rendering {}.", units(counts.leased))));
    }
    if counts.submitted > 0 {
        all.push(why(
            "checking",
            format!("The results of {} are being checked.", units(counts.submitted)),
        ));
    }
    if counts.free == 0 && counts.leased == 0 && counts.submitted == 0 {
        let left = situation.frames_total.saturating_sub(situation.frames_done);
        all.push(why(
            "assembling",
            match left {
                0 => "All frames are done; the film is being made.".into(),
                1 => "All units are done; 1 frame is being assembled.".into(),
                _ => format!("All units are done; {left} frames are being assembled."),
            },
        ));
    }
    all
}

fn why_free_units_wait(situation: &Situation) -> Option<Why> {
    let why = |code: &str, sentence: String| Some(Why { code: code.into(), sentence });
    let free = units(situation.units.free);
    if situation.nodes_online == 0 {
        return why(
            "no_nodes",
            format!("{free} wait and no node is online: start one with `render-node run`."),
        );
    }
    if situation.nodes_fit == 0 {
        return why(
            "no_fitting_nodes",
            format!(
                "{free} wait and none of the {} online may have exact work with this job's kernel: \
                 run `render-node check` on it.",
                nodes(situation.nodes_online)
            ),
        );
    }
    if situation.jobs_ahead > 0 {
        let ahead = match situation.jobs_ahead {
            1 => "1 older job is".into(),
            many => format!("{many} older jobs are"),
        };
        return why("jobs_ahead", format!("{free} wait; {ahead} served first."));
    }
    why(
        "nodes_busy",
        format!("{free} wait for one of {} to ask for more.", nodes(situation.nodes_fit)),
    )
}

fn units(count: u64) -> String {
    if count == 1 { "1 unit".into() } else { format!("{count} units") }
}

fn nodes(count: u64) -> String {
    if count == 1 { "1 node".into() } else { format!("{count} nodes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active() -> Situation {
        Situation {
            state: JobState::Active,
            reason: None,
            units: UnitCounts { free: 3, leased: 2, submitted: 0, verified: 1 },
            frames_done: 0,
            frames_total: 1,
            failing: 0,
            last_failure: None,
            nodes_online: 2,
            nodes_fit: 1,
            jobs_ahead: 0,
        }
    }

    fn codes(situation: &Situation) -> Vec<String> {
        explain(situation).into_iter().map(|why| why.code).collect()
    }

    #[test]
    fn the_nearest_cause_is_named() {
        assert_eq!(codes(&active()), ["nodes_busy", "rendering"]);
        assert_eq!(codes(&Situation { jobs_ahead: 1, ..active() })[0], "jobs_ahead");
        assert_eq!(codes(&Situation { nodes_fit: 0, ..active() })[0], "no_fitting_nodes");
        assert_eq!(codes(&Situation { nodes_online: 0, nodes_fit: 0, ..active() })[0], "no_nodes");
        assert!(codes(&Situation { failing: 1, ..active() }).contains(&"units_retried".into()));
        let done = UnitCounts { verified: 6, ..UnitCounts::default() };
        assert_eq!(codes(&Situation { units: done, ..active() }), ["assembling"]);
    }

    #[test]
    fn there_is_always_an_answer() {
        for state in [
            JobState::Active,
            JobState::Paused,
            JobState::Completed,
            JobState::Cancelled,
            JobState::Failed,
        ] {
            for units in [UnitCounts::default(), active().units] {
                let situation = Situation { state, units, ..active() };
                assert!(!explain(&situation).is_empty(), "{situation:?}");
            }
        }
    }

    #[test]
    fn a_kept_reason_is_told() {
        let failed = Situation {
            state: JobState::Failed,
            reason: Some("unit 3 failed 5 times".into()),
            ..active()
        };
        assert!(explain(&failed)[0].sentence.contains("unit 3 failed 5 times"));
    }
}
