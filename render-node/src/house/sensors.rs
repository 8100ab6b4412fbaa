//! What the machine tells of itself: `/proc/stat` (proc(5)), the sensors below `/sys/class/hwmon` (the kernel's
//! `hwmon/sysfs-interface`), and NVIDIA's own library where it is installed.

use super::rules::Observation;
use crate::machine::Helper;
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use std::collections::VecDeque;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Sensors of processors and GPUs, by their drivers' names. Disks and boards are hot for reasons of their own.
const PROCESSORS: [&str; 4] = ["coretemp", "k10temp", "zenpower", "cpu_thermal"];
const GPUS: [&str; 4] = ["amdgpu", "i915", "xe", "nouveau"];
/// Looks that others' share of the processor is measured over: ticks are a hundredth of a second long.
const LOOKS: usize = 4;

/// See the module.
pub(super) struct Sensors {
    root: PathBuf,
    /// Whose use is not others'.
    helper: Helper,
    /// What the processor did, the oldest first.
    ticks: VecDeque<Ticks>,
    nvidia: Option<Nvml>,
    /// Until when each NVIDIA GPU has told who used it.
    used_until: Vec<u64>,
}

/// Ticks of all processors since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    total: u64,
    /// At work for others than this program.
    others: u64,
}

impl Sensors {
    /// Those of the machine whose files lie below `root`. NVIDIA's library speaks of this machine only.
    pub(super) fn new(root: &Path, helper: Helper) -> Self {
        let nvidia = if root == Path::new("/") { Nvml::init().ok() } else { None };
        let gpus = nvidia.as_ref().and_then(|nvml| nvml.device_count().ok()).unwrap_or(0);
        let used_until = vec![0; gpus as usize];
        Self { root: root.to_owned(), helper, ticks: VecDeque::new(), nvidia, used_until }
    }

    /// Looks at all of them.
    pub(super) fn look(&mut self) -> Observation {
        let mut seen =
            Observation { processor_percent: self.processor(), ..Observation::default() };
        let sensors = self.root.join("sys/class/hwmon");
        for sensor in std::fs::read_dir(sensors).into_iter().flatten().flatten() {
            add_sensor(&mut seen, &sensor.path());
        }
        self.add_nvidia(&mut seen);
        seen
    }

    /// How much of the processor others used over the last looks.
    fn processor(&mut self) -> Option<u8> {
        let machine = read_to_string(self.root.join("proc/stat")).ok()?;
        let own = own_ticks(&read_to_string(self.root.join("proc/self/stat")).ok()?)?;
        let helper = self.helper.id().and_then(|id| {
            own_ticks(&read_to_string(self.root.join(format!("proc/{id}/stat"))).ok()?)
        });
        let now = ticks(&machine, own + helper.unwrap_or(0))?;
        if self.ticks.len() > LOOKS {
            self.ticks.pop_front();
        }
        self.ticks.push_back(now);
        let before = *self.ticks.front()?;
        let total = now.total.checked_sub(before.total).filter(|total| *total > 0)?;
        let others = now.others.saturating_sub(before.others);
        u8::try_from((others * 100 / total).min(100)).ok()
    }

    fn add_nvidia(&mut self, seen: &mut Observation) {
        let Some(nvml) = &self.nvidia else { return };
        for (index, used_until) in (0..).zip(&mut self.used_until) {
            let Ok(gpu) = nvml.device_by_index(index) else { continue };
            if let Ok(celsius) = gpu.temperature(TemperatureSensor::Gpu) {
                hotter(seen, i64::from(celsius));
            }
            if let Ok(milliwatts) = gpu.power_usage() {
                *seen.power_w.get_or_insert(0) += milliwatts / 1000;
            }
            // A GPU that nobody used says so as an error.
            let used = gpu.process_utilization_stats(*used_until).unwrap_or_default();
            *used_until = used.iter().map(|sample| sample.timestamp).max().unwrap_or(*used_until);
            let helper = self.helper.id();
            let is_own = |pid| pid == std::process::id() || Some(pid) == helper;
            let others = used.iter().filter(|sample| !is_own(sample.pid));
            let percent = others.map(|by| by.sm_util.max(by.enc_util).max(by.dec_util)).max();
            let percent = u8::try_from(percent.unwrap_or(0).min(100)).unwrap_or(100);
            seen.gpu_percent = seen.gpu_percent.max(Some(percent));
        }
    }
}

/// From the first line of `/proc/stat`, and our own ticks. What a hypervisor steals is nobody's of this machine.
fn ticks(machine: &str, own: u64) -> Option<Ticks> {
    let all: Vec<u64> = machine
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        // Guests are counted among the users already.
        .take(8)
        .map(|ticks| ticks.parse().ok())
        .collect::<Option<_>>()?;
    let [user, nice, system, idle, wait, interrupts, soft_interrupts, stolen] = all[..] else {
        return None;
    };
    let busy = user + nice + system + interrupts + soft_interrupts;
    Some(Ticks { total: busy + idle + wait + stolen, others: busy.saturating_sub(own) })
}

/// From a process's line in `/proc`: its own ticks, and those of its children that have ended.
fn own_ticks(process: &str) -> Option<u64> {
    // The program's name, in brackets, may hold anything.
    let fields = process.rsplit_once(')')?.1.split_whitespace();
    let times: Option<Vec<u64>> = fields.skip(11).take(4).map(|ticks| ticks.parse().ok()).collect();
    times.filter(|times| times.len() == 4).map(|times| times.iter().sum())
}

/// Adds what one folder of hwmon says.
fn add_sensor(seen: &mut Observation, folder: &Path) {
    let Ok(driver) = read_to_string(folder.join("name")) else { return };
    let driver = driver.trim();
    let is_gpu = GPUS.contains(&driver);
    if !is_gpu && !PROCESSORS.contains(&driver) {
        return;
    }
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("temp")
            && name.ends_with("_input")
            && let Some(millidegrees) = number(&file.path())
        {
            hotter(seen, millidegrees / 1000);
        }
    }
    let powers = ["power1_average", "power1_input"];
    let microwatts = powers.iter().find_map(|name| number(&folder.join(name)));
    if is_gpu
        && let Some(watts) =
            microwatts.and_then(|microwatts| u32::try_from(microwatts / 1_000_000).ok())
    {
        *seen.power_w.get_or_insert(0) += watts;
    }
}

fn number(path: &Path) -> Option<i64> {
    read_to_string(path).ok()?.trim().parse().ok()
}

fn hotter(seen: &mut Observation, celsius: i64) {
    seen.temperature_c = seen.temperature_c.max(i16::try_from(celsius).ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_share_is_what_neither_rests_nor_is_our_own() {
        let own = |ticks: u64| format!("7 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 5 0 0");
        let folder = tempfile::tempdir().unwrap();
        let proc = folder.path().join("proc");
        std::fs::create_dir_all(proc.join("self")).unwrap();
        let helper = Helper::default();
        let mut sensors = Sensors::new(folder.path(), helper.clone());
        let mut look = |machine: &str, own_ticks| {
            std::fs::write(proc.join("stat"), machine).unwrap();
            std::fs::write(proc.join("self/stat"), own(own_ticks)).unwrap();
            sensors.look().processor_percent
        };
        assert_eq!(look("cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 1", 50), None, "nothing to compare");
        // Of 100 ticks 60 were busy, 25 of them our own.
        assert_eq!(look("cpu  150 5 105 1030 10 0 0 0 7 0", 75), Some(35));
        // Stolen ticks pass for everybody.
        assert_eq!(look("cpu  150 5 105 1030 10 0 0 100 7 0", 75), Some(17));
        assert_eq!(look("cpu  x", 75), None);
        assert_eq!(look("", 75), None);

        // A hundred ticks more, all of them busy, and forty of those its helper's.
        std::fs::create_dir_all(proc.join("77")).unwrap();
        std::fs::write(proc.join("77/stat"), own(35)).unwrap();
        let mut sensors = Sensors::new(folder.path(), helper.clone());
        for (machine, id) in
            [("cpu  150 5 105 1030 10 0 0 100", 0), ("cpu  250 5 105 1030 10 0 0 100", 77)]
        {
            helper.is(id);
            std::fs::write(proc.join("stat"), machine).unwrap();
            std::fs::write(proc.join("self/stat"), own(75)).unwrap();
            let percent = sensors.look().processor_percent;
            assert_eq!(percent, (id == 77).then_some(60));
        }
    }

    #[test]
    fn the_hottest_of_processor_and_gpus_counts_and_powers_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let sensor = |name: &str, files: &[(&str, &str)]| {
            let at = folder.path().join("sys/class/hwmon").join(name);
            std::fs::create_dir_all(&at).unwrap();
            for (file, text) in files {
                std::fs::write(at.join(file), text).unwrap();
            }
        };
        let mut sensors = Sensors::new(folder.path(), Helper::default());
        assert_eq!(sensors.look(), Observation::default());
        sensor("hwmon0", &[("name", "nvme\n"), ("temp1_input", "99000\n")]);
        sensor(
            "hwmon1",
            &[("name", "coretemp\n"), ("temp1_input", "61000\n"), ("temp2_input", "x")],
        );
        let gpu =
            |watts| [("name", "amdgpu\n"), ("temp1_input", "72500\n"), ("power1_average", watts)];
        sensor("hwmon2", &gpu("150000000\n"));
        sensor("hwmon3", &gpu("90000000\n"));
        let seen = sensors.look();
        assert_eq!((seen.temperature_c, seen.power_w), (Some(72), Some(240)));
        assert_eq!(seen.processor_percent, None);
    }
}
