//! Value noise, a smooth random function interpolated between hashed lattice points, for the texture of rock, clouds and water.

/// Returns a hash of a lattice point, uniform in `[0, 1)` and identical on every machine.
pub(super) fn hash(column: i32, row: i32, seed: u32) -> f32 {
    let mut h = column.cast_unsigned().wrapping_mul(0x9E37_79B1)
        ^ row.cast_unsigned().wrapping_mul(0x85EB_CA77)
        ^ seed.wrapping_mul(0xC2B2_AE3D);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    f32::from(u16::try_from(h >> 16).unwrap_or(0)) / 65536.0
}

/// Returns the index of the lattice cell that contains a coordinate, and the position inside the cell in `[0, 1)`.
pub(super) fn cell(x: f32) -> (i32, f32) {
    let low = x.floor();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "coordinates of the scene are scaled by a few hundred at most"
    )]
    (low as i32, x - low)
}

/// Computes value noise in `[0, 1]` on a lattice of unit spacing, with quintic interpolation.
pub(super) fn value(x: f32, y: f32, seed: u32) -> f32 {
    let ((i, fx), (j, fy)) = (cell(x), cell(y));
    let blend = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (tx, ty) = (blend(fx), blend(fy));
    let top = hash(i, j, seed) * (1.0 - tx) + hash(i + 1, j, seed) * tx;
    let bottom = hash(i, j + 1, seed) * (1.0 - tx) + hash(i + 1, j + 1, seed) * tx;
    top * (1.0 - ty) + bottom * ty
}

/// Computes fractal noise in `[0, 1]`: the weighted mean of `octaves` layers, each rotated, with twice the frequency and half the weight
/// of the previous one.
pub(super) fn fractal(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut x, mut y) = (x, y);
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..octaves {
        sum += weight * value(x, y, seed + octave);
        total += weight;
        weight *= 0.5;
        // The rotation, by an angle of the 3-4-5 triangle, hides the lattice.
        (x, y) = (
            2.0 * (0.8 * x - 0.6 * y) + 3.1,
            2.0 * (0.6 * x + 0.8 * y) + 1.7,
        );
    }
    sum / total
}
