//! Motion of nodes: translation, rotation and scale by keys.

use crate::accessor::Source;
use crate::document::{self, Channel, lookup};
use crate::error::{Findings, Note};
use crate::graph::{Graph, Pose};
use crate::limits::{Limits, exceeds};
use std::collections::BTreeSet;

/// All motion of a scene.
///
/// Animations of a file play together, since many programs write one for each object that moves.
/// One that moves something an earlier one already moves is an alternative to that, and is left
/// out with a warning.
#[derive(Debug, Default)]
pub(crate) struct Animation {
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    /// Place in [`Graph::nodes`].
    node: usize,
    path: Path,
    interpolation: Interpolation,
    /// In seconds, ascending; not empty.
    times: Vec<f64>,
    /// Four numbers a value; three values a key where cubic.
    values: Vec<[f64; 4]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    Translation,
    Rotation,
    Scale,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Interpolation {
    Step,
    Linear,
    Cubic,
}

impl Animation {
    pub(crate) fn new(
        source: Source<'_>,
        graph: &Graph,
        limits: &Limits,
        findings: &mut Findings,
    ) -> Self {
        let mut place_of = vec![None; source.document.nodes.len()];
        for (place, node) in graph.nodes.iter().enumerate() {
            place_of[node.index as usize] = Some(place);
        }
        let mut animation = Self::default();
        let mut moved = BTreeSet::new();
        let mut budget = limits.animation_values;
        for (i, one) in source.document.animations.iter().enumerate() {
            let place = format!("animations[{i}]");
            let targets: Vec<_> =
                one.channels.iter().filter_map(|c| Some((c.target.node?, path(c)?))).collect();
            if targets.iter().any(|target| moved.contains(target)) {
                let name = one.name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default();
                let message = "left out: an earlier animation moves the same node";
                findings.warn(format!("{place}{name}"), message);
                continue;
            }
            moved.extend(targets);
            for (c, channel) in one.channels.iter().enumerate() {
                let place = format!("{place}.channels[{c}]");
                let read =
                    read_track(source, one, channel, &place_of, &place, &mut budget, findings);
                animation.tracks.extend(findings.take(read).flatten());
            }
        }
        animation
    }

    /// The time of the last key.
    pub(crate) fn duration_s(&self) -> f64 {
        let last = |track: &Track| track.times.last().copied().unwrap_or(0.0);
        self.tracks.iter().map(last).fold(0.0, f64::max)
    }

    /// Moves poses to where they are at a time; before the first key and after the last nothing
    /// moves.
    pub(crate) fn apply(&self, poses: &mut [Pose], time_s: f64) {
        for track in &self.tracks {
            let value = track.at(time_s);
            let pose = &mut poses[track.node];
            let [x, y, z, _] = value;
            match track.path {
                Path::Translation => pose.translation = [x, y, z],
                Path::Rotation => pose.rotation = value,
                Path::Scale => pose.scale = [x, y, z],
            }
            pose.forget_matrix();
        }
    }
}

fn path(channel: &Channel) -> Option<Path> {
    Some(match channel.target.path.as_str() {
        "translation" => Path::Translation,
        "rotation" => Path::Rotation,
        "scale" => Path::Scale,
        _ => return None,
    })
}

fn read_track(
    source: Source<'_>,
    animation: &document::Animation,
    channel: &Channel,
    place_of: &[Option<usize>],
    place: &str,
    budget: &mut usize,
    findings: &mut Findings,
) -> Result<Option<Track>, Note> {
    let target = format!("{place}.target");
    let Some(path) = path(channel) else {
        findings.warn(target, format!("its path {:?} is ignored", channel.target.path));
        return Ok(None);
    };
    let Some(node) = channel.target.node else {
        findings.warn(target, "names no node; ignored");
        return Ok(None);
    };
    let Some(&node) = place_of.get(node as usize) else {
        let message = format!("is {node}, but the file has {} nodes", place_of.len());
        return Err(Note::new(format!("{target}.node"), message));
    };
    // A node of another scene.
    let Some(node) = node else { return Ok(None) };

    let sampler =
        lookup(&animation.samplers, "samplers", channel.sampler, &format!("{place}.sampler"))?;
    let (interpolation, values_per_key) = match sampler.interpolation.as_deref() {
        None | Some("LINEAR") => (Interpolation::Linear, 1),
        Some("STEP") => (Interpolation::Step, 1),
        Some("CUBICSPLINE") => (Interpolation::Cubic, 3),
        Some(other) => return Err(Note::new(place, format!("has the interpolation {other:?}"))),
    };
    let input = source.view(sampler.input, 1, place)?;
    input.require_real(false, "times")?;
    let lanes = if path == Path::Rotation { 4 } else { 3 };
    let output = source.view(sampler.output, lanes, place)?;
    output.require_real(path == Path::Rotation, "positions of a node")?;
    let (keys, values) = (input.len(), output.len());
    if keys == 0 {
        return Ok(None);
    }
    if keys.checked_mul(values_per_key) != Some(values) {
        return Err(Note::new(place, format!("has {keys} times, but {values} values")));
    }
    if let Some(message) = exceeds("values of animations", values, *budget) {
        return Err(Note::new(place, message));
    }
    *budget -= values;

    let times: Vec<f64> =
        (0..keys).map(|i| input.element::<1>(i).map(|[t]| t)).collect::<Result<_, _>>()?;
    if !times.is_sorted_by(|a, b| a < b) {
        return Err(Note::new(place, "its times don't ascend"));
    }
    let values = (0..values)
        .map(|i| match path {
            Path::Rotation => output.element::<4>(i),
            _ => output.element::<3>(i).map(|[x, y, z]| [x, y, z, 0.0]),
        })
        .collect::<Result<_, _>>()?;
    Ok(Some(Track { node, path, interpolation, times, values }))
}

impl Track {
    fn at(&self, time_s: f64) -> [f64; 4] {
        let last = self.times.len() - 1;
        let time = time_s.clamp(self.times[0], self.times[last]);
        let i = self.times.partition_point(|&t| t <= time).saturating_sub(1);
        if self.interpolation == Interpolation::Step || i == last {
            return self.key(i);
        }
        let span = self.times[i + 1] - self.times[i];
        let s = (time - self.times[i]) / span;
        match (self.interpolation, self.path) {
            (Interpolation::Cubic, _) => self.cubic(i, s, span),
            (_, Path::Rotation) => slerp(self.key(i), self.key(i + 1), s),
            _ => blend([(1.0 - s, self.key(i)), (s, self.key(i + 1))]),
        }
    }

    fn key(&self, i: usize) -> [f64; 4] {
        if self.interpolation == Interpolation::Cubic {
            self.values[3 * i + 1]
        } else {
            self.values[i]
        }
    }

    /// Hermite's cubic, as the glTF specification has it.
    fn cubic(&self, i: usize, s: f64, span: f64) -> [f64; 4] {
        let (s2, s3) = (s * s, s * s * s);
        blend([
            (2.0 * s3 - 3.0 * s2 + 1.0, self.key(i)),
            (span * (s3 - 2.0 * s2 + s), self.values[3 * i + 2]),
            (-2.0 * s3 + 3.0 * s2, self.key(i + 1)),
            (span * (s3 - s2), self.values[3 * i + 3]),
        ])
    }
}

fn blend<const N: usize>(parts: [(f64, [f64; 4]); N]) -> [f64; 4] {
    std::array::from_fn(|lane| parts.iter().fold(0.0, |sum, (w, v)| sum + w * v[lane]))
}

/// The short way round, at even speed.
fn slerp(a: [f64; 4], b: [f64; 4], s: f64) -> [f64; 4] {
    let dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
    let (dot, b) = if dot < 0.0 { (-dot, b.map(|x| -x)) } else { (dot, b) };
    // Nearly parallel: the straight line is as good, and sines would cancel.
    if dot > 0.9995 {
        return blend([(1.0 - s, a), (s, b)]);
    }
    let angle = libm::acos(dot);
    let sine = libm::sin(angle);
    blend([(libm::sin((1.0 - s) * angle) / sine, a), (libm::sin(s * angle) / sine, b)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(interpolation: Interpolation, path: Path, values: Vec<[f64; 4]>) -> Track {
        Track { node: 0, path, interpolation, times: vec![1.0, 3.0], values }
    }

    const A: [f64; 4] = [0.0, 0.0, 0.0, 0.0];
    const B: [f64; 4] = [4.0, 8.0, -2.0, 0.0];

    #[test]
    fn linear_and_step_hold_before_and_after() {
        let linear = track(Interpolation::Linear, Path::Translation, vec![A, B]);
        for (time, value) in [(-5.0, A), (1.0, A), (2.0, [2.0, 4.0, -1.0, 0.0]), (3.0, B), (9.0, B)]
        {
            assert_eq!(linear.at(time), value, "at {time}");
        }
        let step = track(Interpolation::Step, Path::Scale, vec![A, B]);
        for (time, value) in [(0.0, A), (2.999, A), (3.0, B), (4.0, B)] {
            assert_eq!(step.at(time), value, "at {time}");
        }
    }

    #[test]
    fn rotation_is_even_and_goes_the_short_way() {
        let quarter = std::f64::consts::FRAC_PI_4;
        let turned = [0.0, libm::sin(quarter), 0.0, libm::cos(quarter)];
        for end in [turned, turned.map(|x| -x)] {
            let start = [0.0, 0.0, 0.0, 1.0];
            let track = track(Interpolation::Linear, Path::Rotation, vec![start, end]);
            // A third of the way of 90° is 30°.
            let q = track.at(1.0 + 2.0 / 3.0);
            assert!((q[1] - libm::sin(quarter / 3.0)).abs() < 1e-12, "{q:?}");
            assert!((q[3] - libm::cos(quarter / 3.0)).abs() < 1e-12, "{q:?}");
        }
    }

    #[test]
    fn cubic_keys_with_the_slope_of_the_line_are_the_line() {
        let slope = B.map(|x| x / 2.0);
        let track = track(Interpolation::Cubic, Path::Translation, vec![A, A, slope, slope, B, A]);
        for step in 0..=8 {
            let s = f64::from(step) / 8.0;
            let value = track.at(1.0 + 2.0 * s);
            for lane in 0..3 {
                assert!((value[lane] - s * B[lane]).abs() < 1e-12);
            }
        }
        assert_eq!(track.at(7.0), B);
    }
}
