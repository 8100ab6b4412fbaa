//! The picture: a rosette of eight swirling petals in a square of night blue.

use crate::maths::{scatter, sin_cos_deg};
use crate::model::Material;

/// What a tile is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Gold,
    Copper,
    Ivory,
    Coral,
    Turquoise,
    Sea,
    Cobalt,
    Night,
    Ember,
}

impl Finish {
    pub(super) const ALL: [Self; 9] = [
        Self::Gold,
        Self::Copper,
        Self::Ivory,
        Self::Coral,
        Self::Turquoise,
        Self::Sea,
        Self::Cobalt,
        Self::Night,
        Self::Ember,
    ];

    /// Its material; `shade` darkens a glaze and roughens a metal.
    pub(super) fn material(self, shade: f32) -> Material {
        let glaze = |colour: [f32; 3], roughness: f32| Material {
            roughness,
            ..Material::matt(colour.map(|x| x * shade))
        };
        match self {
            Self::Gold => Material::metal([1.0, 0.74, 0.32], 0.3 + 0.25 * (1.0 - shade)),
            Self::Copper => Material::metal([0.92, 0.5, 0.34], 0.36 + 0.25 * (1.0 - shade)),
            Self::Ivory => glaze([0.82, 0.75, 0.62], 0.32),
            Self::Coral => glaze([0.72, 0.16, 0.07], 0.28),
            Self::Turquoise => glaze([0.03, 0.46, 0.46], 0.24),
            Self::Sea => glaze([0.02, 0.24, 0.33], 0.24),
            Self::Cobalt => glaze([0.025, 0.07, 0.38], 0.24),
            Self::Night => glaze([0.016, 0.024, 0.09], 0.3),
            Self::Ember => Material::lamp([2.6, 1.0, 0.2]),
        }
    }
}

/// One tile in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tessera {
    /// Right and up from the rosette's middle.
    pub place: [f32; 2],
    /// Anticlockwise, in degrees.
    pub turn_deg: f32,
    /// Width and height.
    pub size: [f32; 2],
    /// What it is made of.
    pub finish: Finish,
    /// Of the darker firing.
    pub dark: bool,
}

/// From the middle of one tile to the next.
const PITCH: f32 = 0.1;
const RINGS: u32 = 12;
const PETALS: u32 = 8;
/// Cells across the square; odd, so that one is the middle.
const CELLS: i32 = 27;

/// All tiles: the rosette's rings from the middle outwards, then the square's corners row by row.
pub(super) fn tesserae() -> Vec<Tessera> {
    let mut tiles = vec![Tessera {
        place: [0.0; 2],
        turn_deg: 22.5,
        size: [0.088; 2],
        finish: Finish::Ember,
        dark: false,
    }];
    for ring in 1..=RINGS {
        let count = (std::f32::consts::TAU * ring as f32).round() as u32;
        // A tip of a petal glows: the tile of ring 9 that is nearest to its line.
        let glowing: Vec<u32> = (0..PETALS)
            .map(|petal| {
                let angle = 360.0 * petal as f32 / PETALS as f32 - twist_deg(ring);
                (angle.rem_euclid(360.0) / 360.0 * count as f32).round() as u32 % count
            })
            .collect();
        for i in 0..count {
            let angle_deg = 360.0 * i as f32 / count as f32;
            let finish = if ring == 9 && glowing.contains(&i) {
                Finish::Ember
            } else {
                rosette(ring, angle_deg)
            };
            let (sin, cos) = sin_cos_deg(angle_deg);
            let radius = PITCH * ring as f32;
            let length = std::f32::consts::TAU * radius / count as f32;
            tiles.push(Tessera {
                place: [(f64::from(radius) * cos) as f32, (f64::from(radius) * sin) as f32],
                turn_deg: angle_deg - 90.0,
                size: [length - 0.011, PITCH - 0.011],
                finish,
                dark: scatter(ring * 1000 + i, 21) < 0.4,
            });
        }
    }
    let half = CELLS / 2;
    for cell in 0..CELLS * CELLS {
        let (column, row) = (cell % CELLS - half, cell / CELLS - half);
        // The rosette's rim, and half a tile's diagonal.
        if column * column + row * row > 170 {
            tiles.push(Tessera {
                place: [PITCH * column as f32, PITCH * row as f32],
                turn_deg: 0.0,
                size: [PITCH - 0.011; 2],
                finish: corner(column, row),
                dark: scatter(cell as u32, 22) < 0.5,
            });
        }
    }
    tiles
}

/// How far ring by ring the petals lean.
fn twist_deg(ring: u32) -> f32 {
    5.0 * ring as f32
}

fn rosette(ring: u32, angle_deg: f32) -> Finish {
    if ring == RINGS {
        return Finish::Gold;
    }
    let (_, petal) = sin_cos_deg(PETALS as f32 * (angle_deg + twist_deg(ring)));
    let level = ring as f32 - 2.3 * petal as f32;
    match level {
        ..2.2 => Finish::Gold,
        ..4.4 => Finish::Coral,
        ..5.5 => Finish::Ivory,
        ..7.6 => Finish::Turquoise,
        ..9.3 => Finish::Sea,
        _ => Finish::Cobalt,
    }
}

fn corner(column: i32, row: i32) -> Finish {
    let to_edge = CELLS / 2 - column.abs().max(row.abs());
    let chance = scatter((column * 64 + row + 4096) as u32, 23);
    match to_edge {
        0 => Finish::Copper,
        1 if (column + row) % 2 == 0 => Finish::Ivory,
        1 => Finish::Cobalt,
        _ if chance < 0.06 => Finish::Gold,
        _ if chance < 0.3 => Finish::Cobalt,
        _ => Finish::Night,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tiles_overlap_by_more_than_their_corners() {
        let tiles = tesserae();
        for (i, a) in tiles.iter().enumerate() {
            for b in &tiles[..i] {
                let (dx, dy) = (a.place[0] - b.place[0], a.place[1] - b.place[1]);
                let apart = (dx * dx + dy * dy).sqrt();
                // Inscribed circles must not meet; only the rim's corners come nearer than sides.
                let nearest = (a.size[0].min(a.size[1]) + b.size[0].min(b.size[1])) / 2.0;
                assert!(apart >= nearest, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn nine_tiles_glow() {
        let glowing = tesserae().iter().filter(|tile| tile.finish == Finish::Ember).count();
        assert_eq!(glowing, 1 + PETALS as usize);
    }
}
