//! The few vectors and matrices that the host needs, in f64.
//!
//! Sums are evaluated from left to right as written, and nothing here uses the platform's maths
//! beyond what IEEE 754 rounds correctly.

/// A point or a direction.
pub(crate) type Vec3 = [f64; 3];

/// Below this, a number of the canonical scene is 0.
pub(crate) const TINY: f64 = 1.0 / (1u128 << 100) as f64;

pub(crate) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn scale(a: Vec3, k: f64) -> Vec3 {
    a.map(|x| x * k)
}

pub(crate) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn length(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// The vector at unit length; `None` where it has none, or none that can be measured.
pub(crate) fn normalized(a: Vec3) -> Option<Vec3> {
    let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return None;
    }
    // A power of two first, so that neither large nor small vectors lose their squares.
    let a = scale(a, power_of_two(unit_exponent(largest)));
    let length = length(a);
    Some(a.map(|x| x / length))
}

/// Some unit vector at a right angle to a unit vector.
pub(crate) fn perpendicular(n: Vec3) -> Vec3 {
    let axis = if n[0].abs() < 0.5 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    normalized(sub(axis, scale(n, dot(axis, n)))).unwrap_or([0.0, 0.0, 1.0])
}

/// k such that x × 2^k lies in [1, 2); 0 for 0. It stays where an f64 holds 2^k and 2^-k.
pub(crate) fn unit_exponent(x: f64) -> i32 {
    if x > 0.0 && x.is_finite() { (-libm::ilogb(x)).clamp(-1000, 1000) } else { 0 }
}

/// 2^k, exactly, wherever an f64 holds it.
pub(crate) fn power_of_two(k: i32) -> f64 {
    libm::scalbn(1.0, k)
}

/// Rounded to f32, 0 where below [`TINY`] and never -0.
pub(crate) fn flush(x: f64) -> f32 {
    if x.abs() < TINY { 0.0 } else { x as f32 }
}

pub(crate) fn flush3(v: Vec3) -> [f32; 3] {
    v.map(flush)
}

pub(crate) fn widen(v: [f32; 3]) -> Vec3 {
    v.map(f64::from)
}

/// Relative luminance of linear Rec. 709.
pub(crate) fn luminance(rgb: Vec3) -> f64 {
    0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]
}

/// The linear value of an sRGB code.
pub(crate) fn srgb_to_linear(code: u8) -> f64 {
    let x = f64::from(code) / 255.0;
    if x <= 0.04045 { x / 12.92 } else { libm::pow((x + 0.055) / 1.055, 2.4) }
}

/// A box, empty until something is in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) lo: Vec3,
    pub(crate) hi: Vec3,
}

impl Bounds {
    pub(crate) const EMPTY: Self = Self { lo: [f64::INFINITY; 3], hi: [f64::NEG_INFINITY; 3] };

    pub(crate) fn is_empty(&self) -> bool {
        self.lo[0] > self.hi[0]
    }

    /// Whether it can be measured: the squares of its sides are numbers, too.
    pub(crate) fn is_finite(&self) -> bool {
        self.lo.iter().chain(&self.hi).all(|x| x.abs() <= 1e150)
    }

    pub(crate) fn add(&mut self, p: Vec3) {
        for (axis, x) in p.into_iter().enumerate() {
            self.lo[axis] = self.lo[axis].min(x);
            self.hi[axis] = self.hi[axis].max(x);
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        if !other.is_empty() {
            self.add(other.lo);
            self.add(other.hi);
        }
    }

    pub(crate) fn center(&self) -> Vec3 {
        scale(add(self.lo, self.hi), 0.5)
    }

    /// Half the diagonal.
    pub(crate) fn radius(&self) -> f64 {
        0.5 * length(sub(self.hi, self.lo))
    }

    /// The coordinate that is furthest from 0.
    pub(crate) fn largest(&self) -> f64 {
        self.lo.iter().chain(&self.hi).fold(0.0, |m, x| m.max(x.abs()))
    }

    pub(crate) fn scaled(&self, k: f64) -> Self {
        Self { lo: scale(self.lo, k), hi: scale(self.hi, k) }
    }
}

/// An affine map: three rows of a 4×4 matrix whose last is 0 0 0 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub(crate) rows: [[f64; 4]; 3],
}

impl Affine {
    pub(crate) const IDENTITY: Self =
        Self { rows: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]] };

    /// From the sixteen numbers of a glTF matrix, column by column.
    pub(crate) fn from_columns(m: &[f64; 16]) -> Self {
        let row = |r: usize| [m[r], m[4 + r], m[8 + r], m[12 + r]];
        Self { rows: [row(0), row(1), row(2)] }
    }

    /// Scaled, then turned by a quaternion (x, y, z, w) of any length, then moved.
    pub(crate) fn from_trs(t: Vec3, q: [f64; 4], s: Vec3) -> Self {
        let norm = (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]).sqrt();
        let [x, y, z, w] = if norm > 0.0 { q.map(|c| c / norm) } else { [0.0, 0.0, 0.0, 1.0] };
        let turn = [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ];
        let row = |r: usize| [turn[r][0] * s[0], turn[r][1] * s[1], turn[r][2] * s[2], t[r]];
        Self { rows: [row(0), row(1), row(2)] }
    }

    /// First `inner`, then `self`.
    pub(crate) fn after(&self, inner: &Self) -> Self {
        let mut rows = [[0.0; 4]; 3];
        for (row, a) in rows.iter_mut().zip(&self.rows) {
            for (column, cell) in row.iter_mut().enumerate() {
                let b = |r: usize| inner.rows[r][column];
                *cell = a[0] * b(0) + a[1] * b(1) + a[2] * b(2);
            }
            row[3] += a[3];
        }
        Self { rows }
    }

    pub(crate) fn point(&self, p: Vec3) -> Vec3 {
        self.rows.map(|r| r[0] * p[0] + r[1] * p[1] + r[2] * p[2] + r[3])
    }

    pub(crate) fn direction(&self, d: Vec3) -> Vec3 {
        self.rows.map(|r| r[0] * d[0] + r[1] * d[1] + r[2] * d[2])
    }

    /// Where the unit vector of an axis goes; 3 is the origin.
    pub(crate) fn column(&self, axis: usize) -> Vec3 {
        self.rows.map(|r| r[axis])
    }

    /// The linear part times `linear`, the translation times `translation`.
    pub(crate) fn scaled(&self, linear: f64, translation: f64) -> Self {
        let row = |r: [f64; 4]| [r[0] * linear, r[1] * linear, r[2] * linear, r[3] * translation];
        Self { rows: self.rows.map(row) }
    }

    pub(crate) fn determinant(&self) -> f64 {
        dot(self.column(0), cross(self.column(1), self.column(2)))
    }

    /// `None` where there is none.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let [a, b, c] = [self.column(0), self.column(1), self.column(2)];
        let determinant = self.determinant();
        if determinant == 0.0 || !determinant.is_finite() {
            return None;
        }
        let rows = [cross(b, c), cross(c, a), cross(a, b)].map(|r| r.map(|x| x / determinant));
        let t = self.column(3);
        let row = |r: Vec3| [r[0], r[1], r[2], -dot(r, t)];
        Some(Self { rows: rows.map(row) })
    }

    pub(crate) fn flushed(&self) -> [[f32; 4]; 3] {
        self.rows.map(|r| r.map(flush))
    }
}
