//! What rays did in the reference tree, and what that weighs.

/// What rays did, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// Rays.
    pub rays: u64,
    /// Rays that hit something; for people, they weigh nothing.
    pub hits: u64,
    /// Inner nodes opened: each asks the boxes of two children.
    pub nodes: u64,
    /// Instances entered: each carries the ray into the mesh's own space.
    pub instances: u64,
    /// Triangles tested.
    pub triangles: u64,
}

impl Steps {
    /// A ray's own weight: starting it, and shading where it ends.
    pub const RAY: u64 = 40;
    /// The weight of an inner node that is opened.
    pub const NODE: u64 = 3;
    /// The weight of an instance that is entered.
    pub const INSTANCE: u64 = 8;
    /// The weight of a triangle that is tested.
    pub const TRIANGLE: u64 = 2;

    /// Both together; saturating.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rays: self.rays.saturating_add(other.rays),
            hits: self.hits.saturating_add(other.hits),
            nodes: self.nodes.saturating_add(other.nodes),
            instances: self.instances.saturating_add(other.instances),
            triangles: self.triangles.saturating_add(other.triangles),
        }
    }

    /// What all of it weighs; saturating.
    pub fn weight(&self) -> u64 {
        let Self { rays, hits: _, nodes, instances, triangles } = *self;
        let kinds = [
            (rays, Self::RAY),
            (nodes, Self::NODE),
            (instances, Self::INSTANCE),
            (triangles, Self::TRIANGLE),
        ];
        let weigh = |sum: u64, (count, weight): (u64, u64)| {
            sum.saturating_add(count.saturating_mul(weight))
        };
        kinds.into_iter().fold(0, weigh)
    }

    /// The mean weight of a ray in thousandths, rounded down; 0 without rays.
    pub fn mean_weight_milli(&self) -> u64 {
        let milli = u128::from(self.weight()) * 1000;
        milli.checked_div(u128::from(self.rays)).map_or(0, |mean| mean.min(u64::MAX.into()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_weigh_as_stated() {
        let steps = Steps { rays: 10, hits: 9, nodes: 8, instances: 7, triangles: 6 };
        assert_eq!(steps.weight(), 400 + 24 + 56 + 12);
        assert_eq!(steps.plus(steps).weight(), 2 * steps.weight());
        assert_eq!(steps.mean_weight_milli(), 49_200);
        assert_eq!(Steps::default().mean_weight_milli(), 0);
        assert_eq!(Steps { nodes: u64::MAX, ..steps }.weight(), u64::MAX);
    }
}
