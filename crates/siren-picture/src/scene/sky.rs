//! The sky, with stars, the sun and thin clouds, and the lettering.
//!
//! All functions take a point of the unit square: `u` grows to the right, `v` grows downward.

use super::{APRICOT, CREAM, Color, GOLD, HORIZON, NIGHT, PLUM, ROSE, SUN, SUN_RADIUS};
use super::{glyphs, gradient, mix, noise, rgb, scaled, smooth};

/// Height of the capitals.
const CAP: f32 = 0.118;
/// Vertical position of the top edge of the capitals.
const CAP_TOP: f32 = 0.092;

/// Returns the color of the sky with stars, sun and clouds.
pub(super) fn color(u: f32, v: f32) -> Color {
    let sky = stars(u, v, clear(u, v));
    let sky = sun(u, v, sky);
    clouds(u, v, sky)
}

/// Returns the color of the clear sky, a vertical gradient that is warmer toward the sun.
fn clear(u: f32, v: f32) -> Color {
    let base = gradient(
        &[
            (0.0, NIGHT),
            (0.22, rgb(0x1B_2A55)),
            (0.45, PLUM),
            (0.66, rgb(0x8E_4C6C)),
            (0.82, ROSE),
            (0.93, APRICOT),
            (1.0, GOLD),
        ],
        v / HORIZON,
    );
    let distance = (u - SUN.0).hypot((v - SUN.1) * 1.25);
    let base = mix(base, APRICOT, 0.55 * (-distance * distance / 0.055).exp());
    // The horizon has cooler colors far from the sun.
    mix(
        base,
        PLUM,
        0.45 * smooth(0.25, 0.8, distance) * smooth(0.5, 1.0, v / HORIZON),
    )
}

/// Adds at most one star, a sharp core in a faint glow, in each cell of a lattice. Stars are rarer toward the horizon.
fn stars(u: f32, v: f32, sky: Color) -> Color {
    const CELLS: f32 = 26.0;
    let ((column, x), (row, y)) = (noise::cell(u * CELLS), noise::cell(v * CELLS));
    let position = |seed| 0.2 + 0.6 * noise::hash(column, row, seed);
    let chance = noise::hash(column, row, 3) + 0.9 * smooth(0.05, 0.42, v);
    if chance > 0.62 {
        return sky;
    }
    let size = noise::hash(column, row, 4);
    let distance = (x - position(1)).hypot(y - position(2));
    let radius = 0.028 + 0.045 * size * size;
    let core = 1.0 - smooth(0.75 * radius, 1.25 * radius, distance);
    let glow = 0.22 * size * (-distance * distance / 0.02).exp();
    mix(sky, CREAM, (0.45 + 0.55 * size) * core.max(glow))
}

/// Adds the sun and its halo.
fn sun(u: f32, v: f32, sky: Color) -> Color {
    let distance = (u - SUN.0).hypot(v - SUN.1);
    if distance < SUN_RADIUS {
        let down = (v - SUN.1 + SUN_RADIUS) / (2.0 * SUN_RADIUS);
        return gradient(
            &[(0.0, CREAM), (0.45, rgb(0xFF_E0A3)), (0.8, rgb(0xFB_A868))],
            down,
        );
    }
    let halo = (-(distance - SUN_RADIUS) / 0.05).exp();
    mix(sky, GOLD, 0.42 * halo)
}

/// Adds streaks of clouds with a flat base and a frayed top, lit by the sun.
fn clouds(u: f32, v: f32, sky: Color) -> Color {
    let mut color = sky;
    for (altitude, thickness, shift, cover) in [
        (0.300, 0.030, 2.3, 0.52),
        (0.405, 0.026, 7.1, 0.50),
        (0.482, 0.019, 12.9, 0.47),
        (0.548, 0.013, 19.4, 0.47),
    ] {
        let rise = (altitude - v) / thickness;
        if !(-0.6..1.9).contains(&rise) {
            continue;
        }
        let along = noise::fractal(u * 3.2 + shift, shift, 3, 11);
        let puffs =
            (1.0 - (2.0 * noise::fractal(u * 19.0 + shift, shift, 3, 13) - 1.0).abs()) - 0.7;
        let frayed = noise::fractal(u * 9.0 + shift, v * 70.0, 4, 17) - 0.5;
        let top = 4.2 * (along - cover) + 1.1 * puffs + 0.5 * frayed;
        let bottom = 0.22 + 0.9 * (frayed + 0.1);
        let edge = smooth(0.0, 0.10, top - rise.max(0.0)) * smooth(-bottom, 0.14 - bottom, rise);
        let lit = mix(rgb(0x6A_4068), ROSE, smooth(0.2, 0.52, v));
        let glow = (-(u - SUN.0).powi(2) / 0.09).exp();
        let lit = mix(
            lit,
            GOLD,
            0.75 * glow * smooth(0.7, -0.2, rise) * smooth(0.25, 0.5, v),
        );
        color = mix(color, lit, 0.86 * edge);
    }
    color
}

/// Adds the word SIREN, underlined with a chirp (a sine of increasing frequency), over the color `below`.
pub(super) fn lettering(u: f32, v: f32, below: Color) -> Color {
    if !(0.04..0.3).contains(&v) {
        return below;
    }
    let left = 0.5 - 0.5 * glyphs::WIDTH * CAP;
    let (x, y) = ((u - left) / CAP, (v - CAP_TOP) / CAP);
    if glyphs::inside(x, y) || is_on_chirp(x / glyphs::WIDTH, v - CAP_TOP - CAP) {
        return CREAM;
    }
    let shadow = glyphs::inside(x - 0.05, y - 0.05);
    if shadow { scaled(below, 0.55) } else { below }
}

/// Returns whether a point lies on the underline; `t` is the position along the word in [0, 1], `down` the distance below the letters.
fn is_on_chirp(t: f32, down: f32) -> bool {
    const HEIGHT: f32 = 0.0105;
    if !(0.0..=1.0).contains(&t) || !(0.0..0.1).contains(&down) {
        return false;
    }
    let phase = |t: f32| std::f32::consts::TAU * (2.0 * t + 13.0 * t * t);
    let frequency = std::f32::consts::TAU * (2.0 + 26.0 * t);
    let amplitude = HEIGHT * smooth(0.0, 0.03, t) * smooth(1.0, 0.985, t);
    let offset = down - 0.046 - amplitude * phase(t).sin();
    let slope = amplitude * frequency * phase(t).cos() / (glyphs::WIDTH * CAP);
    offset.abs() / (1.0 + slope * slope).sqrt() < 0.0022
}
