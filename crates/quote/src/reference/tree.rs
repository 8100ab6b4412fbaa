//! A binary tree of boxes: the plainest one that still predicts what a good one costs.

/// A box; empty where a least corner exceeds the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least corner.
    pub lo: [f32; 3],
    /// Greatest corner.
    pub hi: [f32; 3],
}

impl Bounds {
    /// Holds nothing.
    pub const EMPTY: Self = Self { lo: [f32::MAX; 3], hi: [-f32::MAX; 3] };

    /// The least box around `points`.
    pub fn around(points: &[[f32; 3]]) -> Self {
        points.iter().fold(Self::EMPTY, |all, &point| all.with(Self { lo: point, hi: point }))
    }

    /// The least box around both.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for axis in 0..3 {
            self.lo[axis] = self.lo[axis].min(other.lo[axis]);
            self.hi[axis] = self.hi[axis].max(other.hi[axis]);
        }
        self
    }

    fn middle(&self, axis: usize) -> f32 {
        self.lo[axis] * 0.5 + self.hi[axis] * 0.5
    }

    fn half_area(&self) -> f32 {
        let [x, y, z] = [0, 1, 2].map(|axis| (self.hi[axis] - self.lo[axis]).max(0.0));
        (x * y + y * z) + z * x
    }
}

/// A node. `count` 0: its children are the nodes `first` and `first + 1`; otherwise a leaf with
/// the items `first..first + count` of the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Around all that is below.
    pub bounds: Bounds,
    /// The first child or item.
    pub first: u32,
    /// Items of a leaf.
    pub count: u32,
}

/// Nodes over numbered boxes; the root is the first. Empty over no boxes.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The nodes; children stand side by side.
    pub nodes: Vec<Node>,
    /// Numbers of the boxes, leaf by leaf.
    pub order: Vec<u32>,
}

/// Bins in which a node looks for the best plane.
const BINS: usize = 8;
/// A branch that is deeper is halved by its order from there on, so that no tree is a list.
const DEEPEST_SPLIT: u32 = 48;

impl Tree {
    /// Builds a tree whose leaves hold at most `leaf` boxes, at least 1.
    ///
    /// From the root down: a node with more boxes is cut across the axis along which the boxes'
    /// middles spread widest (x before y before z), at that of seven evenly spaced planes where
    /// half area × boxes, summed over both sides, is least (the lower plane of equals). Where all
    /// middles agree, or one side would be empty, the order is cut in half.
    pub fn build(boxes: &[Bounds], leaf: usize) -> Self {
        let mut tree = Self { nodes: Vec::new(), order: (0..boxes.len() as u32).collect() };
        if boxes.is_empty() {
            return tree;
        }
        tree.nodes.push(tree.node(boxes, 0, boxes.len()));
        // Nodes to cut, with their depth: leaves so far, all of them too large.
        let mut open = vec![(0, 0)];
        while let Some((index, depth)) = open.pop() {
            let Node { first, count, .. } = tree.nodes[index];
            let (first, count) = (first as usize, count as usize);
            if count <= leaf.max(1) {
                continue;
            }
            let order = &mut tree.order[first..first + count];
            let cut = if depth < DEEPEST_SPLIT { partition(boxes, order) } else { count / 2 };
            let children = tree.nodes.len();
            for (start, len) in [(first, cut), (first + cut, count - cut)] {
                open.push((tree.nodes.len(), depth + 1));
                tree.nodes.push(tree.node(boxes, start, len));
            }
            tree.nodes[index].first = children as u32;
            tree.nodes[index].count = 0;
        }
        tree
    }

    fn node(&self, boxes: &[Bounds], first: usize, count: usize) -> Node {
        let items = &self.order[first..first + count];
        let bounds = items.iter().fold(Bounds::EMPTY, |all, &i| all.with(boxes[i as usize]));
        Node { bounds, first: first as u32, count: count as u32 }
    }
}

/// Reorders two or more boxes into two parts, neither empty; returns the length of the first.
fn partition(boxes: &[Bounds], order: &mut [u32]) -> usize {
    let half = order.len() / 2;
    let Some((axis, bins)) = Bins::over(boxes, order) else { return half };
    let Some(plane) = bins.best_plane() else { return half };
    let mut cut = 0;
    for i in 0..order.len() {
        if bins.of(boxes[order[i] as usize].middle(axis)) < plane {
            order.swap(i, cut);
            cut += 1;
        }
    }
    cut
}

/// Boxes by the place of their middles along one axis.
struct Bins {
    lo: f32,
    scale: f32,
    filled: [(Bounds, u32); BINS],
}

impl Bins {
    /// Fills the bins of the widest axis; `None` where all middles agree.
    fn over(boxes: &[Bounds], order: &[u32]) -> Option<(usize, Self)> {
        let mut middles = Bounds::EMPTY;
        for &i in order {
            let middle = [0, 1, 2].map(|axis| boxes[i as usize].middle(axis));
            middles = middles.with(Bounds { lo: middle, hi: middle });
        }
        let [x, y, z] = [0, 1, 2].map(|axis| middles.hi[axis] - middles.lo[axis]);
        let (axis, width) = if x >= y && x >= z {
            (0, x)
        } else if y >= z {
            (1, y)
        } else {
            (2, z)
        };
        let scale = BINS as f32 / width;
        if !scale.is_finite() {
            return None;
        }
        let mut bins = Self { lo: middles.lo[axis], scale, filled: [(Bounds::EMPTY, 0); BINS] };
        for &i in order {
            let bounds = boxes[i as usize];
            let (all, count) = &mut bins.filled[bins.of(bounds.middle(axis))];
            *all = all.with(bounds);
            *count += 1;
        }
        Some((axis, bins))
    }

    fn of(&self, middle: f32) -> usize {
        (((middle - self.lo) * self.scale) as usize).min(BINS - 1)
    }

    /// The first bin of the second side of the cheapest cut with boxes on both.
    fn best_plane(&self) -> Option<usize> {
        let cost = |bins: &[(Bounds, u32)]| {
            let (bounds, count) = bins
                .iter()
                .fold((Bounds::EMPTY, 0), |(all, count), bin| (all.with(bin.0), count + bin.1));
            (count > 0).then(|| bounds.half_area() * count as f32)
        };
        let mut best: Option<(f32, usize)> = None;
        for plane in 1..BINS {
            let (below, above) = self.filled.split_at(plane);
            if let (Some(below), Some(above)) = (cost(below), cost(above))
                && best.is_none_or(|(least, _)| below + above < least)
            {
                best = Some((below + above, plane));
            }
        }
        best.map(|(_, plane)| plane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(x: f32, y: f32, z: f32) -> Bounds {
        Bounds { lo: [x, y, z], hi: [x, y, z] }
    }

    #[test]
    fn two_heaps_are_told_apart_along_the_widest_axis() {
        let boxes: Vec<_> = (0..8)
            .map(|i| point(i as f32 * 0.1, if i % 2 == 0 { 0.0 } else { 9.0 }, 0.0))
            .collect();
        let tree = Tree::build(&boxes, 4);
        assert_eq!(tree.nodes.len(), 3);
        let mut heaps = tree.nodes[1..].iter().map(|leaf| {
            let mut items = tree.order[leaf.first as usize..][..leaf.count as usize].to_vec();
            items.sort_unstable();
            items
        });
        assert_eq!(heaps.next().unwrap(), [0, 2, 4, 6]);
        assert_eq!(heaps.next().unwrap(), [1, 3, 5, 7]);
    }

    #[test]
    fn boxes_in_one_place_are_halved_and_none_make_no_tree() {
        let tree = Tree::build(&[point(1.0, 1.0, 1.0); 1000], 1);
        assert_eq!(tree.nodes.len(), 1999);
        assert!(Tree::build(&[], 4).nodes.is_empty());
        assert_eq!(Tree::build(&[point(0.0, 0.0, 0.0)], 4).nodes.len(), 1);
    }

    proptest! {
        #[test]
        fn each_box_is_in_one_leaf_and_inside_all_that_is_above(
            places in prop::collection::vec(prop::array::uniform3(-2.0f32..2.0), 1..300),
            leaf in 1usize..6,
        ) {
            let boxes: Vec<_> = places.iter().map(|&[x, y, z]| point(x, y, z)).collect();
            let tree = Tree::build(&boxes, leaf);
            let mut seen = vec![0; boxes.len()];
            for node in &tree.nodes {
                if node.count > 0 {
                    prop_assert!(node.count as usize <= leaf);
                    for &i in &tree.order[node.first as usize..][..node.count as usize] {
                        seen[i as usize] += 1;
                        prop_assert_eq!(node.bounds.with(boxes[i as usize]), node.bounds);
                    }
                } else {
                    let [a, b] = [0, 1].map(|i| tree.nodes[node.first as usize + i].bounds);
                    prop_assert_eq!(node.bounds, a.with(b));
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }
}
