//! Vectors and turns, computed in doubles by `libm`, so that a scene has the same bytes everywhere.

/// A point or direction; glTF's axes: +Y up, a camera looks along −Z.
pub type Vec3 = [f32; 3];
/// A turn as a unit quaternion x, y, z, w.
pub type Quat = [f32; 4];

/// No turn at all.
pub const NO_TURN: Quat = [0.0, 0.0, 0.0, 1.0];

/// `a + b`.
pub fn add(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|i| a[i] + b[i])
}

/// `a − b`.
pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|i| a[i] - b[i])
}

/// `a × factor`.
pub fn scale(a: Vec3, factor: f32) -> Vec3 {
    a.map(|x| x * factor)
}

/// The scalar product.
pub fn dot(a: Vec3, b: Vec3) -> f32 {
    let product = |i: usize| f64::from(a[i]) * f64::from(b[i]);
    (product(0) + product(1) + product(2)) as f32
}

/// The vector product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    let minor = |i: usize, j: usize| {
        (f64::from(a[i]) * f64::from(b[j]) - f64::from(a[j]) * f64::from(b[i])) as f32
    };
    [minor(1, 2), minor(2, 0), minor(0, 1)]
}

/// The length.
pub fn length(a: Vec3) -> f32 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    (square(a[0]) + square(a[1]) + square(a[2])).sqrt() as f32
}

/// `a` at length 1; +Z where it has none.
pub fn unit(a: Vec3) -> Vec3 {
    let length = length(a);
    if length > 0.0 { a.map(|x| x / length) } else { [0.0, 0.0, 1.0] }
}

/// Sine and cosine of an angle in degrees.
pub fn sin_cos_deg(degrees: f32) -> (f64, f64) {
    let radians = f64::from(degrees).to_radians();
    (libm::sin(radians), libm::cos(radians))
}

/// The turn by `degrees` about `axis`, anticlockwise for somebody whom the axis points at.
pub fn turn(axis: Vec3, degrees: f32) -> Quat {
    let (sin, cos) = sin_cos_deg(degrees / 2.0);
    let [x, y, z] = unit(axis).map(|x| (f64::from(x) * sin) as f32);
    [x, y, z, cos as f32]
}

/// The turn that does `first`, then `second`.
pub fn then(first: Quat, second: Quat) -> Quat {
    let [ax, ay, az, aw] = second.map(f64::from);
    let [bx, by, bz, bw] = first.map(f64::from);
    let product = [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ];
    let length = product.iter().map(|x| x * x).sum::<f64>().sqrt();
    product.map(|x| (x / length) as f32)
}

/// The turn that makes a camera or lamp at `from` look at `to`, with +Y as far up as it can be
/// (+X where it looks straight down).
pub fn look_at(from: Vec3, to: Vec3) -> Quat {
    let back = unit(sub(from, to));
    let right = unit(cross([0.0, 1.0, 0.0], back));
    let up = cross(back, right);
    from_axes(right, up, back)
}

/// The turn that brings +X, +Y, +Z to three given axes, unit and at right angles.
fn from_axes(x: Vec3, y: Vec3, z: Vec3) -> Quat {
    let m = [x.map(f64::from), y.map(f64::from), z.map(f64::from)];
    let trace = m[0][0] + m[1][1] + m[2][2];
    // The largest component is found first: dividing by it is safe.
    let quat = if trace > 0.0 {
        let s = 2.0 * (1.0 + trace).sqrt();
        [(m[1][2] - m[2][1]) / s, (m[2][0] - m[0][2]) / s, (m[0][1] - m[1][0]) / s, s / 4.0]
    } else {
        let i = (0..3).fold(0, |best, k| if m[k][k] > m[best][best] { k } else { best });
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        let s = 2.0 * (1.0 + m[i][i] - m[j][j] - m[k][k]).sqrt();
        let mut quat = [0.0; 4];
        quat[i] = s / 4.0;
        quat[j] = (m[i][j] + m[j][i]) / s;
        quat[k] = (m[i][k] + m[k][i]) / s;
        quat[3] = (m[j][k] - m[k][j]) / s;
        quat
    };
    quat.map(|x| x as f32)
}

/// A number in 0..1 from a place in a pattern: scatter that needs no state.
pub fn scatter(index: u32, salt: u32) -> f32 {
    let mut x = index.wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^= x >> 16;
    (x >> 8) as f32 / 16_777_216.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(q: Quat, v: Vec3) -> Vec3 {
        let u = [q[0], q[1], q[2]];
        let t = scale(cross(u, v), 2.0);
        add(add(v, scale(t, q[3])), cross(u, t))
    }

    fn near(a: Vec3, b: Vec3) -> bool {
        length(sub(a, b)) < 1e-5
    }

    #[test]
    fn turns_go_anticlockwise_and_combine_in_order() {
        let about_y = turn([0.0, 1.0, 0.0], 90.0);
        let about_x = turn([1.0, 0.0, 0.0], 90.0);
        assert!(near(turned(about_y, [0.0, 0.0, 1.0]), [1.0, 0.0, 0.0]));
        let both = then(about_y, about_x);
        assert!(near(turned(both, [1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]));
        assert!(!near(turned(both, [1.0, 0.0, 0.0]), turned(about_y, [1.0, 0.0, 0.0])));
    }

    #[test]
    fn what_is_looked_at_lies_along_minus_z() {
        for (from, to) in [
            ([0.0, 0.0, 5.0], [0.0, 0.0, 0.0]),
            ([0.0, 0.0, -5.0], [0.0, 1.0, 0.0]),
            ([3.0, 4.0, -5.0], [1.0, -2.0, 0.5]),
            ([-7.0, 0.1, 0.0], [1.0, 0.0, 0.0]),
        ] {
            let q = look_at(from, to);
            assert!(near(turned(q, [0.0, 0.0, -1.0]), unit(sub(to, from))), "{from:?}");
            assert!(turned(q, [0.0, 1.0, 0.0])[1] > 0.0, "{from:?}");
        }
    }
}
