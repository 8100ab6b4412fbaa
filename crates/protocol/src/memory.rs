//! Memory: what a scene takes of a node's, and what a node has free.

use serde::{Deserialize, Serialize};

/// What a job's scene takes of a node's memory while frames of it are rendered; 0 where that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SceneMemory {
    /// Of main memory, in bytes: the most while a frame is prepared.
    pub host_bytes: u64,
    /// Of the device's memory, in bytes: what its kernel reads.
    pub device_bytes: u64,
}

/// What a node has free, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeMemory {
    /// Of main memory, in bytes; with it what the node has in hand and drops for the next scene.
    pub host_bytes: u64,
    /// Of the device's own memory, in bytes, counted in the same way; `None` where the device has none of its
    /// own and takes main memory.
    #[serde(default)]
    pub device_bytes: Option<u64>,
}

/// What a node lacks of the memory that a scene takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLack {
    /// Whether it is memory of the device's own; otherwise it is main memory.
    pub of_device: bool,
    /// What the scene takes of it, in bytes.
    pub needs_bytes: u64,
    /// What is free of it, in bytes; less than that.
    pub free_bytes: u64,
}

impl MemoryLack {
    /// How much is lacking, in bytes.
    pub fn missing_bytes(&self) -> u64 {
        self.needs_bytes.saturating_sub(self.free_bytes)
    }

    /// What the scene takes, for people: `3.3 GiB`, rounded up.
    pub fn needs(&self) -> String {
        words(self.needs_bytes, u64::div_ceil)
    }

    /// What is free, for people: `2.0 GiB`, rounded down, so that it never reads like enough.
    pub fn free(&self) -> String {
        words(self.free_bytes, |bytes, unit| bytes / unit)
    }
}

fn words(bytes: u64, divide: fn(u64, u64) -> u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    if bytes < GIB {
        return format!("{} MiB", divide(bytes, MIB));
    }
    let tenths = divide(bytes.saturating_mul(10), GIB);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KernelId;
    use crate::lease::LeaseRequest;

    fn said(needs_bytes: u64, free_bytes: u64) -> (String, String) {
        let lack = MemoryLack { of_device: false, needs_bytes, free_bytes };
        (lack.needs(), lack.free())
    }

    #[test]
    fn what_is_needed_reads_like_more_than_what_is_free() {
        let pair = |needs: &str, free: &str| (needs.to_owned(), free.to_owned());
        let gib = 1 << 30;
        assert_eq!(said(2 * gib + 1, 2 * gib), pair("2.1 GiB", "2.0 GiB"));
        assert_eq!(said(3 * gib + gib / 4, 3 * gib + gib / 5), pair("3.3 GiB", "3.1 GiB"));
        assert_eq!(said((5 << 20) + 1, 5 << 20), pair("6 MiB", "5 MiB"));
        assert_eq!(said(gib, 0), pair("1.0 GiB", "0 MiB"));
        assert_eq!(said(u64::MAX, u64::MAX).1, "1717986918.3 GiB", "whatever a node says");
    }

    #[test]
    fn a_node_that_says_nothing_of_its_memory_asks_as_it_always_did() {
        let kernel = KernelId([1; 32]);
        let silent =
            LeaseRequest { kernel, samples_wanted: 1, wait_ms: 0, ask: None, memory: None };
        let text = serde_json::to_string(&silent).unwrap();
        assert!(!text.contains("memory"), "{text}");
        assert_eq!(serde_json::from_str::<LeaseRequest>(&text).unwrap(), silent);
        let said = text.replace(r#""wait_ms":0"#, r#""wait_ms":0,"memory":{"host_bytes":7}"#);
        let memory = Some(FreeMemory { host_bytes: 7, device_bytes: None });
        assert_eq!(
            serde_json::from_str::<LeaseRequest>(&said).unwrap(),
            LeaseRequest { memory, ..silent }
        );
        let odd = said.replace("host_bytes", "bytes");
        assert!(serde_json::from_str::<LeaseRequest>(&odd).is_err());
    }

    #[test]
    fn what_is_lacking_is_never_less_than_nothing() {
        let lack =
            |needs_bytes, free_bytes| MemoryLack { of_device: true, needs_bytes, free_bytes };
        assert_eq!(lack(9, 4).missing_bytes(), 5);
        assert_eq!(lack(4, 9).missing_bytes(), 0);
    }
}
