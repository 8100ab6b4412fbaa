//! How much a stranger may take before a key was shown, and after.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Limits of one door.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time, all addresses together.
    pub connections: usize,
    /// Connections at a time from one address.
    pub connections_per_address: usize,
    /// From the first byte to the broker's answer.
    pub handshake: Duration,
    /// A source that says nothing for this long has left. By HTTP: the time since its last segment.
    pub idle: Duration,
    /// Bytes of one segment pushed by HTTP.
    pub segment_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            connections_per_address: 50,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            segment_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// The same for a door behind a proxy: all sources come from its address, so that there may be
    /// as many from one address as in all.
    #[must_use]
    pub fn behind_proxy(self) -> Self {
        Self { connections_per_address: self.connections, ..self }
    }
}

/// Counts who is in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    inside: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place inside, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    address: IpAddr,
    inside: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Door {
    /// Lets one more in from `address`, or says why not.
    pub(crate) fn enter(&self, address: IpAddr, limits: &Limits) -> Result<Place, &'static str> {
        // One side of a dual-stack listener's addresses for the other.
        let address = address.to_canonical();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.values().sum::<usize>() >= limits.connections {
            return Err("too many sources are connected");
        }
        let count = inside.entry(address).or_default();
        if *count >= limits.connections_per_address {
            return Err("too many sources are connected from this address");
        }
        *count += 1;
        Ok(Place { address, inside: Arc::clone(&self.inside) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn places_are_counted_by_address_and_in_all_and_given_back() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let (door, address) = (Door::default(), |n| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)));
        let first = door.enter(address(1), &limits).unwrap();
        let _second = door.enter(address(1), &limits).unwrap();
        assert!(door.enter(address(1), &limits).unwrap_err().contains("this address"));
        let _third = door.enter(address(2), &limits).unwrap();
        assert!(door.enter(address(3), &limits).unwrap_err().contains("connected"));
        drop(first);
        let _fourth = door.enter(address(1), &limits).unwrap();
    }

    #[test]
    fn behind_a_proxy_one_address_may_have_all_places() {
        let limits = Limits { connections: 60, ..Limits::default() }.behind_proxy();
        let (door, proxy) = (Door::default(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let inside: Vec<_> = (0..60).map(|_| door.enter(proxy, &limits).unwrap()).collect();
        assert_eq!(door.enter(proxy, &limits).unwrap_err(), "too many sources are connected");
        drop(inside);
    }
}
