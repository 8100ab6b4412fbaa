//! Why a job stands where it stands.

use tessera_protocol::job::{JobState, UnitCounts, Why};
use tessera_protocol::memory::MemoryLack;

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
    /// Those among them that may have this job, by its kernel, its class and the memory of its scene.
    pub nodes_fit: u64,
    /// What the nearest lacks of those that may have it but for its scene's memory.
    pub memory_lack: Option<MemoryLack>,
    /// Jobs of the same account with free units that are served first.
    pub jobs_ahead: u64,
    /// Other accounts that have jobs with free units: nodes are shared out among all of them.
    pub accounts_beside: u64,
    /// Units of a tolerant job that were rendered once and that nobody renders a second time yet.
    pub wanting_second: u64,
    /// Frames that are assembled and wait for their owner's approval.
    pub unapproved: u64,
    /// When the last of them is approved by itself, in seconds from now.
    pub approved_in_s: u64,
    /// When a failed job that nobody requeues ends, in seconds from now.
    pub ends_in_s: u64,
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
        JobState::Failed => {
            let ways = format!(
                "The job failed; `farm requeue` has it go on, `farm cancel` ends it, and in {} it ends by \
                 itself",
                duration(situation.ends_in_s)
            );
            return vec![why("job_failed", because(&ways))];
        }
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
    if situation.wanting_second > 0 {
        all.push(why(
            "second_render_wanted",
            format!(
                "{} rendered once and {} for a node of another owner to render {} again: a tolerant job is \
                 checked so.",
                of_units(situation.wanting_second, "was", "were"),
                of(situation.wanting_second, "waits", "wait"),
                of(situation.wanting_second, "it", "them"),
            ),
        ));
    }
    if counts.submitted > 0 {
        all.push(why(
            "checking",
            format!("The results of {} are being checked.", units(counts.submitted)),
        ));
    }
    if situation.unapproved > 0 {
        all.push(why(
            "waits_for_approval",
            format!(
                "{} assembled and {} for your approval: look at {} on the portal, or by `farm download` and \
                 then `farm approve`. In {} the last one is approved by itself.",
                frames_are(situation.unapproved),
                of(situation.unapproved, "waits", "wait"),
                of(situation.unapproved, "it", "them"),
                duration(situation.approved_in_s),
            ),
        ));
    }
    let nothing_to_render = counts.free == 0 && counts.leased == 0 && counts.submitted == 0;
    if nothing_to_render && situation.unapproved == 0 {
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
    let free = of_units(situation.units.free, "waits", "wait");
    if situation.nodes_online == 0 {
        return why(
            "no_nodes",
            format!("{free} and no node is online: start one with `render-node run`."),
        );
    }
    if situation.nodes_fit == 0
        && let Some(lack) = &situation.memory_lack
    {
        return why("no_node_has_memory", no_node_has(lack, situation.units.free));
    }
    if situation.nodes_fit == 0 {
        return why(
            "no_fitting_nodes",
            format!(
                "{free} and {} online may have work of this job's kernel and class: run `render-node check` \
                 on {}.",
                match situation.nodes_online {
                    1 => "not the one node".to_owned(),
                    many => format!("none of the {many} nodes"),
                },
                of(situation.nodes_online, "it", "them"),
            ),
        );
    }
    if situation.jobs_ahead > 0 {
        let ahead = match situation.jobs_ahead {
            1 => "1 other job of yours is".into(),
            many => format!("{many} other jobs of yours are"),
        };
        return why("jobs_ahead", format!("{free}; {ahead} served first."));
    }
    if situation.accounts_beside > 0 {
        let others = match situation.accounts_beside {
            1 => "1 other account has".into(),
            many => format!("{many} other accounts have"),
        };
        return why(
            "nodes_shared",
            format!("{free}; {others} work as well, and nodes are shared out among all."),
        );
    }
    why(
        "nodes_busy",
        match situation.nodes_fit {
            1 => format!("{free} for the one node that fits to ask for more."),
            many => format!("{free} for one of {many} nodes to ask for more."),
        },
    )
}

fn no_node_has(lack: &MemoryLack, free_units: u64) -> String {
    format!(
        "{} and {} {} of {}, and the most that a node has free is {}: start a larger one, or make the scene \
         smaller, its textures first.",
        of_units(free_units, "waits", "wait"),
        of(free_units, "needs", "need"),
        lack.needs(),
        if lack.of_device { "a device's memory" } else { "a node's memory" },
        lack.free(),
    )
}

fn frames_are(count: u64) -> String {
    if count == 1 { "1 frame is".into() } else { format!("{count} frames are") }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn units(count: u64) -> String {
    if count == 1 { "1 unit".into() } else { format!("{count} units") }
}

/// The word that fits the number.
fn of(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

fn of_units(count: u64, one: &'static str, many: &'static str) -> String {
    format!("{} {}", units(count), of(count, one, many))
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
            memory_lack: None,
            jobs_ahead: 0,
            accounts_beside: 0,
            wanting_second: 0,
            unapproved: 0,
            approved_in_s: 0,
            ends_in_s: 0,
        }
    }

    fn codes(situation: &Situation) -> Vec<String> {
        explain(situation).into_iter().map(|why| why.code).collect()
    }

    #[test]
    fn the_nearest_cause_is_named() {
        assert_eq!(codes(&active()), ["nodes_busy", "rendering"]);
        assert_eq!(codes(&Situation { accounts_beside: 2, ..active() })[0], "nodes_shared");
        let ahead = Situation { jobs_ahead: 1, accounts_beside: 2, ..active() };
        assert_eq!(codes(&ahead)[0], "jobs_ahead");
        assert_eq!(codes(&Situation { nodes_fit: 0, ..active() })[0], "no_fitting_nodes");
        assert_eq!(codes(&Situation { nodes_online: 0, nodes_fit: 0, ..active() })[0], "no_nodes");
        let once = Situation { wanting_second: 2, ..active() };
        assert!(codes(&once).contains(&"second_render_wanted".into()));
        assert!(codes(&Situation { failing: 1, ..active() }).contains(&"units_retried".into()));
        let done = UnitCounts { verified: 6, ..UnitCounts::default() };
        assert_eq!(codes(&Situation { units: done, ..active() }), ["assembling"]);
        let unapproved = Situation { units: done, unapproved: 2, approved_in_s: 7_300, ..active() };
        let why = explain(&unapproved);
        assert_eq!(why.len(), 1);
        assert!(why[0].sentence.starts_with("2 frames are assembled and wait"), "{why:?}");
        assert!(why[0].sentence.contains("look at them"), "{why:?}");
        assert!(why[0].sentence.contains("In 2 h"), "{why:?}");
    }

    #[test]
    fn one_of_a_kind_is_spoken_of_as_one() {
        let one = UnitCounts { free: 1, ..UnitCounts::default() };
        let say = |nodes_fit| {
            explain(&Situation { units: one, nodes_fit, ..active() }).swap_remove(0).sentence
        };
        assert_eq!(say(1), "1 unit waits for the one node that fits to ask for more.");
        assert_eq!(say(2), "1 unit waits for one of 2 nodes to ask for more.");
        let alone = Situation { units: one, nodes_fit: 0, nodes_online: 1, ..active() };
        let sentence = explain(&alone).swap_remove(0).sentence;
        assert!(sentence.starts_with("1 unit waits and not the one node online may"), "{sentence}");
    }

    #[test]
    fn memory_is_named_where_nothing_else_is_lacking() {
        let lack = MemoryLack {
            of_device: false,
            needs_bytes: (3 << 30) + (1 << 28),
            free_bytes: 2 << 30,
        };
        let small = Situation { nodes_fit: 0, memory_lack: Some(lack), ..active() };
        let why = explain(&small).swap_remove(0);
        assert_eq!(why.code, "no_node_has_memory");
        let sentence = "3 units wait and need 3.3 GiB of a node's memory, and the most that a node has \
                        free is 2.0 GiB: start a larger one, or make the scene smaller, its textures first.";
        assert_eq!(why.sentence, sentence);
        let of_device = MemoryLack { of_device: true, ..lack };
        let why = explain(&Situation { memory_lack: Some(of_device), ..small.clone() });
        assert!(why[0].sentence.contains("3.3 GiB of a device's memory"), "{why:?}");
        let another_fits = Situation { nodes_fit: 1, ..small };
        assert_eq!(codes(&another_fits)[0], "nodes_busy");
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
            ends_in_s: 47 * 3_600,
            ..active()
        };
        assert_eq!(
            explain(&failed)[0].sentence,
            "The job failed; `farm requeue` has it go on, `farm cancel` ends it, and in 47 h it ends by \
             itself: unit 3 failed 5 times"
        );
    }
}
