//! How much main memory a process may have, on Linux.

use std::fs::read_to_string;
use std::path::Path;

/// Where version 2 of control groups is mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes that `process`, a folder of `/proc`, may have in all: what the machine and its control groups have
/// free, whichever is less, and what it has already.
pub(super) fn free(process: &str) -> Option<u64> {
    let of = |file: &str| read_to_string(Path::new("/proc").join(process).join(file)).ok();
    let machine = bytes(&read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    // Pages of files are available already.
    let own = bytes(&of("status")?, "RssAnon:").unwrap_or(0);
    let groups = of("cgroup").and_then(|groups| left_by_groups(Path::new(GROUPS), &groups));
    Some(groups.map_or(machine, |left| left.min(machine)).saturating_add(own))
}

/// What a line says that begins with `name` and counts kilobytes.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let said = text.lines().find_map(|line| line.strip_prefix(name))?;
    said.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// What the control groups under `root` leave that `/proc` says a process is in, the tightest of them; `None`
/// where none has a limit. Those of version 1 are not asked.
fn left_by_groups(root: &Path, groups: &str) -> Option<u64> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = root.join(own);
    let up = folder.ancestors().take_while(|folder| folder.starts_with(root));
    up.filter_map(left_by_group).min()
}

fn left_by_group(folder: &Path) -> Option<u64> {
    let text = |file| read_to_string(folder.join(file)).ok();
    let number = |file| text(file)?.trim().parse::<u64>().ok();
    // Without a limit it says "max".
    let (most, used) = (number("memory.max")?, number("memory.current")?);
    // Pages of files count as used, those of a scene that was just fetched among them, and make room when
    // memory is wanted.
    let files = text("memory.stat").unwrap_or_default();
    let files = files.lines().filter_map(|line| {
        let pages =
            line.strip_prefix("inactive_file ").or_else(|| line.strip_prefix("active_file "));
        pages?.parse::<u64>().ok()
    });
    Some(most.saturating_sub(used.saturating_sub(files.sum())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    #[test]
    fn lines_of_kilobytes_are_read_and_others_are_not() {
        let text =
            "MemTotal:       24000000 kB\nMemAvailable:       2048 kB\nHugePages_Total:       3\n";
        assert_eq!(bytes(text, "MemAvailable:"), Some(2 << 20));
        assert_eq!(bytes(text, "HugePages_Total:"), None);
        assert_eq!(bytes(text, "SwapFree:"), None);
        assert_eq!(bytes("RssAnon: lots kB", "RssAnon:"), None);
    }

    #[test]
    fn the_tightest_group_counts_and_pages_of_files_do_not() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, most: &str, used: u64, stat: &str| {
            let folder = root.path().join(path);
            create_dir_all(&folder).unwrap();
            write(folder.join("memory.max"), format!("{most}\n")).unwrap();
            write(folder.join("memory.current"), format!("{used}\n")).unwrap();
            write(folder.join("memory.stat"), stat).unwrap();
        };
        let left = |own: &str| left_by_groups(root.path(), own);
        group("farm.slice", "1000", 700, "anon 500\nactive_file 20\ninactive_file 80\nslab 100\n");
        group("farm.slice/node.service", "max", 600, "inactive_file 600\n");
        group("loose.slice", "max", 600, "");
        assert_eq!(left("0::/farm.slice/node.service\n"), Some(400), "that above has a limit");
        assert_eq!(left("1:cpu:/x\n0::/loose.slice\n"), None, "none has one");
        assert_eq!(left("4:memory:/farm.slice\n"), None, "version 1");
        assert_eq!(left("0::/\n"), None, "the root has no limit");
        group("farm.slice/node.service", "900", 890, "");
        assert_eq!(left("0::/farm.slice/node.service\n"), Some(10));
        group("farm.slice/node.service", "900", 950, "inactive_file 2000\n");
        assert_eq!(left("0::/farm.slice/node.service\n"), Some(400), "its files fill the other");
    }

    #[test]
    fn this_process_may_have_more_than_it_has() {
        let own = bytes(&read_to_string("/proc/self/status").unwrap(), "RssAnon:").unwrap();
        assert!(free("self").unwrap() > own);
        assert_eq!(free("nobody"), None);
    }
}
