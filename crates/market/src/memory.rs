//! Whether a scene fits into a node's memory.
//!
//! The node says itself what it has free. Whoever says more than there is gets work that fails, and loses its
//! record by that; whoever says less gets less work. So it is believed, and harms only itself.

use tessera_protocol::memory::{FreeMemory, MemoryLack, SceneMemory};

/// The most that a scene may take to fit into a node's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Of main memory, in bytes.
    pub host_bytes: u64,
    /// Of the device's own, in bytes.
    pub device_bytes: u64,
    /// Of both together, in bytes: where the device has none of its own, main memory has to hold all. A
    /// processor reads what was prepared and copies nothing, so it is asked for a little more than it takes.
    pub both_bytes: u64,
}

impl Room {
    /// What a node has that says so; without end where it says nothing.
    pub fn of(free: Option<FreeMemory>) -> Self {
        let endless = Self { host_bytes: u64::MAX, device_bytes: u64::MAX, both_bytes: u64::MAX };
        match free {
            None => endless,
            Some(FreeMemory { host_bytes, device_bytes: Some(device_bytes) }) => {
                Self { host_bytes, device_bytes, ..endless }
            }
            Some(FreeMemory { host_bytes, device_bytes: None }) => {
                Self { both_bytes: host_bytes, ..endless }
            }
        }
    }

    /// What a node with this room lacks for a scene, if anything. A scene of which nothing is known fits.
    pub fn lacks(&self, scene: &SceneMemory) -> Option<MemoryLack> {
        let lack = |of_device, needs_bytes, free_bytes| {
            let lack = MemoryLack { of_device, needs_bytes, free_bytes };
            (needs_bytes > free_bytes).then_some(lack)
        };
        let both_bytes = scene.host_bytes.saturating_add(scene.device_bytes);
        lack(false, scene.host_bytes, self.host_bytes)
            .or_else(|| lack(true, scene.device_bytes, self.device_bytes))
            .or_else(|| lack(false, both_bytes, self.both_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: SceneMemory = SceneMemory { host_bytes: 30, device_bytes: 12 };

    fn lacks(host_bytes: u64, device_bytes: Option<u64>) -> Option<MemoryLack> {
        Room::of(Some(FreeMemory { host_bytes, device_bytes })).lacks(&SCENE)
    }

    #[test]
    fn each_memory_has_to_hold_its_part() {
        let lack = |of_device, needs_bytes, free_bytes| {
            Some(MemoryLack { of_device, needs_bytes, free_bytes })
        };
        assert_eq!(lacks(30, Some(12)), None);
        assert_eq!(lacks(29, Some(12)), lack(false, 30, 29));
        assert_eq!(lacks(30, Some(11)), lack(true, 12, 11));
        assert_eq!(lacks(1_000, Some(0)), lack(true, 12, 0), "one does not stand in for the other");
    }

    #[test]
    fn where_the_device_has_none_main_memory_holds_all() {
        assert_eq!(lacks(42, None), None);
        let lack = lacks(41, None).unwrap();
        assert_eq!((lack.of_device, lack.needs_bytes, lack.free_bytes), (false, 42, 41));
    }

    #[test]
    fn what_is_not_known_fits() {
        assert_eq!(Room::of(None).lacks(&SCENE), None);
        let nothing = Some(FreeMemory { host_bytes: 0, device_bytes: None });
        assert_eq!(Room::of(nothing).lacks(&SceneMemory::default()), None);
        let endless = SceneMemory { host_bytes: u64::MAX, device_bytes: u64::MAX };
        assert_eq!(Room::of(None).lacks(&endless), None);
        assert!(Room::of(nothing).lacks(&endless).is_some());
    }
}
