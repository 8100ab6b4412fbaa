//! Motion by keys: translation, rotation and scale of nodes, and weights of morph targets.

use crate::accessor::{Real, Source};
use crate::document::{self, Channel, lookup};
use crate::error::{Findings, Note, excerpt};
use crate::graph::{Graph, Pose};
use crate::limits::{Limits, exceeds};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Numbers of a value.
    lanes: usize,
    /// One value a key, or three where cubic: arriving slope, value, leaving slope.
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    Translation,
    Rotation,
    Scale,
    Weights,
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
        let places = graph.places(source.document);
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
                    find_target(graph, &places, channel, &place, findings).and_then(|target| {
                        match target {
                            Some(target) => {
                                read_track(source, one, channel, target, &place, &mut budget)
                            }
                            None => Ok(None),
                        }
                    });
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

    /// Whether nothing moves.
    pub(crate) fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Whether the weights of a node's morph targets change.
    pub(crate) fn moves_weights(&self, node: usize) -> bool {
        self.tracks.iter().any(|track| track.node == node && track.path == Path::Weights)
    }

    /// Moves poses and weights to where they are at a time; before the first key and after the
    /// last nothing moves.
    pub(crate) fn apply(
        &self,
        poses: &mut [Pose],
        weights: &mut BTreeMap<usize, Vec<f64>>,
        time_s: f64,
    ) {
        for track in &self.tracks {
            if track.path == Path::Weights {
                if let Some(weights) = weights.get_mut(&track.node) {
                    track.at(time_s, weights);
                }
                continue;
            }
            let mut value = [0.0; 4];
            track.at(time_s, &mut value[..track.lanes]);
            let pose = &mut poses[track.node];
            let [x, y, z, _] = value;
            match track.path {
                Path::Translation => pose.translation = [x, y, z],
                Path::Rotation => pose.rotation = value,
                Path::Scale => pose.scale = [x, y, z],
                Path::Weights => {}
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
        "weights" => Path::Weights,
        _ => return None,
    })
}

/// What a channel moves.
#[derive(Clone, Copy)]
struct Target {
    node: usize,
    path: Path,
    lanes: usize,
}

/// `None` where a channel moves nothing that is shown.
fn find_target(
    graph: &Graph,
    places: &[Option<usize>],
    channel: &Channel,
    place: &str,
    findings: &mut Findings,
) -> Result<Option<Target>, Note> {
    let place = format!("{place}.target");
    let Some(path) = path(channel) else {
        findings.warn(place, format!("its path {:?} is ignored", excerpt(&channel.target.path)));
        return Ok(None);
    };
    let Some(node) = channel.target.node else {
        findings.warn(place, "names no node; ignored");
        return Ok(None);
    };
    let Some(&node) = places.get(node as usize) else {
        let message = format!("is {node}, but the file has {} nodes", places.len());
        return Err(Note::new(format!("{place}.node"), message));
    };
    // A node of another scene.
    let Some(node) = node else { return Ok(None) };
    let lanes = match path {
        Path::Translation | Path::Scale => 3,
        Path::Rotation => 4,
        Path::Weights => graph.weights(node).map_or(0, <[f64]>::len),
    };
    if lanes == 0 {
        findings.warn(place, "its node's mesh has no morph targets; ignored");
        return Ok(None);
    }
    Ok(Some(Target { node, path, lanes }))
}

fn read_track(
    source: Source<'_>,
    animation: &document::Animation,
    channel: &Channel,
    target: Target,
    place: &str,
    budget: &mut usize,
) -> Result<Option<Track>, Note> {
    let Target { node, path, lanes } = target;
    let sampler =
        lookup(&animation.samplers, "samplers", channel.sampler, &format!("{place}.sampler"))?;
    let (interpolation, values_per_key) = match sampler.interpolation.as_deref() {
        None | Some("LINEAR") => (Interpolation::Linear, 1),
        Some("STEP") => (Interpolation::Step, 1),
        Some("CUBICSPLINE") => (Interpolation::Cubic, 3),
        Some(other) => {
            let message = format!("has the interpolation {:?}", excerpt(other));
            return Err(Note::new(place, message));
        }
    };
    let input = source.view(sampler.input, 1, place)?;
    input.require_real(Real::Floats, "times")?;
    // The weights of all targets stand one by one.
    let (elements_per_value, lanes_of_element) =
        if path == Path::Weights { (lanes, 1) } else { (1, lanes) };
    let output = source.view(sampler.output, lanes_of_element, place)?;
    let real = match path {
        Path::Translation | Path::Scale => Real::Floats,
        Path::Rotation | Path::Weights => Real::Normalized,
    };
    output.require_real(real, "what a node is moved by")?;
    let (keys, elements) = (input.len(), output.len());
    if keys == 0 {
        return Ok(None);
    }
    if keys.checked_mul(values_per_key * elements_per_value) != Some(elements) {
        return Err(Note::new(place, format!("has {keys} times, but {elements} values")));
    }
    if let Some(message) = exceeds("values of animations", elements, *budget) {
        return Err(Note::new(place, message));
    }
    *budget -= elements;

    let times: Vec<f64> =
        (0..keys).map(|i| input.element::<1>(i).map(|[t]| t)).collect::<Result<_, _>>()?;
    if !times.is_sorted_by(|a, b| a < b) {
        return Err(Note::new(place, "its times don't ascend"));
    }
    let mut values = Vec::with_capacity(elements * lanes_of_element);
    for i in 0..elements {
        match lanes_of_element {
            1 => values.extend(output.element::<1>(i)?),
            3 => values.extend(output.element::<3>(i)?),
            _ => values.extend(output.element::<4>(i)?),
        }
    }
    Ok(Some(Track { node, path, interpolation, times, lanes, values }))
}

impl Track {
    /// Writes what is moved to as it is at a time; `value` has as many numbers as the track.
    fn at(&self, time_s: f64, value: &mut [f64]) {
        let last = self.times.len() - 1;
        let time = time_s.clamp(self.times[0], self.times[last]);
        let i = self.times.partition_point(|&t| t <= time).saturating_sub(1);
        if self.interpolation == Interpolation::Step || i == last {
            value.copy_from_slice(self.key(i));
            return;
        }
        let span = self.times[i + 1] - self.times[i];
        let s = (time - self.times[i]) / span;
        match (self.interpolation, self.path) {
            (Interpolation::Cubic, _) => self.cubic(i, s, span, value),
            (_, Path::Rotation) => slerp(self.key(i), self.key(i + 1), s, value),
            _ => blend([(1.0 - s, self.key(i)), (s, self.key(i + 1))], value),
        }
    }

    fn key(&self, i: usize) -> &[f64] {
        self.value(if self.interpolation == Interpolation::Cubic { 3 * i + 1 } else { i })
    }

    fn value(&self, i: usize) -> &[f64] {
        &self.values[i * self.lanes..][..self.lanes]
    }

    /// Hermite's cubic, as the glTF specification has it.
    fn cubic(&self, i: usize, s: f64, span: f64, value: &mut [f64]) {
        let (s2, s3) = (s * s, s * s * s);
        let parts = [
            (2.0 * s3 - 3.0 * s2 + 1.0, self.key(i)),
            (span * (s3 - 2.0 * s2 + s), self.value(3 * i + 2)),
            (-2.0 * s3 + 3.0 * s2, self.key(i + 1)),
            (span * (s3 - s2), self.value(3 * i + 3)),
        ];
        blend(parts, value);
    }
}

fn blend<const N: usize>(parts: [(f64, &[f64]); N], value: &mut [f64]) {
    for (lane, value) in value.iter_mut().enumerate() {
        *value = parts.iter().fold(0.0, |sum, (w, v)| sum + w * v[lane]);
    }
}

/// The short way round, at even speed.
fn slerp(a: &[f64], b: &[f64], s: f64, value: &mut [f64]) {
    let dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
    let (dot, sign) = if dot < 0.0 { (-dot, -1.0) } else { (dot, 1.0) };
    // Nearly parallel: the straight line is as good, and sines would cancel.
    if dot > 0.9995 {
        return blend([(1.0 - s, a), (s * sign, b)], value);
    }
    let angle = libm::acos(dot);
    let sine = libm::sin(angle);
    let weights = [libm::sin((1.0 - s) * angle) / sine, libm::sin(s * angle) / sine * sign];
    blend([(weights[0], a), (weights[1], b)], value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(interpolation: Interpolation, path: Path, values: Vec<[f64; 4]>) -> Track {
        let values = values.into_iter().flatten().collect();
        Track { node: 0, path, interpolation, times: vec![1.0, 3.0], lanes: 4, values }
    }

    fn at(track: &Track, time_s: f64) -> [f64; 4] {
        let mut value = [f64::NAN; 4];
        track.at(time_s, &mut value);
        value
    }

    const A: [f64; 4] = [0.0, 0.0, 0.0, 0.0];
    const B: [f64; 4] = [4.0, 8.0, -2.0, 0.0];

    #[test]
    fn linear_and_step_hold_before_and_after() {
        let linear = track(Interpolation::Linear, Path::Translation, vec![A, B]);
        for (time, value) in [(-5.0, A), (1.0, A), (2.0, [2.0, 4.0, -1.0, 0.0]), (3.0, B), (9.0, B)]
        {
            assert_eq!(at(&linear, time), value, "at {time}");
        }
        let step = track(Interpolation::Step, Path::Scale, vec![A, B]);
        for (time, value) in [(0.0, A), (2.999, A), (3.0, B), (4.0, B)] {
            assert_eq!(at(&step, time), value, "at {time}");
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
            let q = at(&track, 1.0 + 2.0 / 3.0);
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
            let value = at(&track, 1.0 + 2.0 * s);
            for lane in 0..3 {
                assert!((value[lane] - s * B[lane]).abs() < 1e-12);
            }
        }
        assert_eq!(at(&track, 7.0), B);
    }
}
