//! What the conformance scenes come to: `golden/frames.txt`, a name and a hash on each line.

const FRAMES: &str = include_str!("../golden/frames.txt");

/// Name and hash of each conformance scene's frame, as hexadecimal digits.
pub fn frames() -> impl Iterator<Item = (&'static str, &'static str)> {
    FRAMES.lines().filter_map(|line| line.split_once(' '))
}
