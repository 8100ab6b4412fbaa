//! What processes use, children included, as the kernel counts it.

use std::fs;

/// Of a process and all that it started and that still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time, in seconds: also that of children that have ended and were waited for.
    pub cpu_s: f64,
    /// Memory that is resident now, in megabytes of 10^6 bytes.
    pub memory_mb: f64,
}

/// The unit of CPU times in `/proc`: a hundredth of a second on every Linux of today.
const TICKS_PER_S: f64 = 100.0;

impl Usage {
    /// Of process `id`; nothing, if there is none.
    pub fn of(id: u32) -> Self {
        let mut usage = Self::of_one(id).unwrap_or_default();
        for child in children(id) {
            let child = Self::of(child);
            usage.cpu_s += child.cpu_s;
            usage.memory_mb += child.memory_mb;
        }
        usage
    }

    /// Of process `id` without its children; nothing, if there is none.
    pub fn of_itself(id: u32) -> Self {
        Self::of_one(id).unwrap_or_default()
    }

    fn of_one(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in brackets, may hold anything; after it come numbers, state first.
        let fields: Vec<_> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        // proc(5): utime, stime, cutime and cstime are fields 14 to 17.
        let ticks: f64 = fields.get(11..15)?.iter().filter_map(|n| n.parse::<f64>().ok()).sum();
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        Some(Self { cpu_s: ticks / TICKS_PER_S, memory_mb: kib.unwrap_or(0.0) * 1024.0 / 1e6 })
    }
}

/// CPU time of all processes that this one has started, and those started in turn, as far as they
/// have ended and were waited for; in seconds.
pub fn cpu_of_ended_children_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // proc(5): cutime and cstime are fields 16 and 17, and the third comes after the name.
    let ticks: f64 = fields.skip(13).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_S
}

/// The processes that process `id` has started and that still run.
pub fn children(id: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return vec![] };
    let lists = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_s_work_counts() {
        let before = Usage::of(std::process::id());
        // Spins for a while, prints, and stays until its input is closed.
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; read x";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let its_own = Usage::of(child.id());
        let now = Usage::of(std::process::id());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(its_own.cpu_s >= 0.03, "{its_own:?}");
        assert!(its_own.memory_mb > 0.1, "{its_own:?}");
        assert!(now.cpu_s - before.cpu_s >= its_own.cpu_s, "{now:?} {before:?}");
        assert!(cpu_of_ended_children_s() >= its_own.cpu_s);
    }

    #[test]
    fn nobody_uses_nothing() {
        assert_eq!(Usage::of(u32::MAX), Usage::default());
    }
}
