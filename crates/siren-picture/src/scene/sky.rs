//! Sky, stars, sun, thin clouds and the lettering.

use super::{APRICOT, CREAM, Color, GOLD, HORIZON, NIGHT, PLUM, ROSE, SUN, SUN_RADIUS};
use super::{glyphs, gradient, mix, noise, rgb, scaled, smooth};

/// Height of the capitals and their top edge.
const CAP: f32 = 0.118;
const CAP_TOP: f32 = 0.092;

/// The sky with everything in it.
pub(super) fn color(u: f32, v: f32) -> Color {
    let sky = stars(u, v, clear(u, v));
    let sky = sun(u, v, sky);
    clouds(u, v, sky)
}

/// The cloudless gradient, warmer toward the sun; also what the sea reflects.
pub(super) fn clear(u: f32, v: f32) -> Color {
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
    let away = (u - SUN.0).hypot((v - SUN.1) * 1.25);
    let base = mix(base, APRICOT, 0.55 * (-away * away / 0.055).exp());
    // Away from the sun the horizon cools.
    mix(
        base,
        PLUM,
        0.45 * smooth(0.25, 0.8, away) * smooth(0.5, 1.0, v / HORIZON),
    )
}

/// Stars: one in some cells of a lattice, a sharp core in a faint glow, fewer toward the horizon.
fn stars(u: f32, v: f32, sky: Color) -> Color {
    const CELLS: f32 = 26.0;
    let ((column, x), (row, y)) = (noise::cell(u * CELLS), noise::cell(v * CELLS));
    let place = |seed| 0.2 + 0.6 * noise::hash(column, row, seed);
    let chance = noise::hash(column, row, 3) + 0.9 * smooth(0.05, 0.42, v);
    if chance > 0.62 {
        return sky;
    }
    let size = noise::hash(column, row, 4);
    let away = (x - place(1)).hypot(y - place(2));
    let radius = 0.028 + 0.045 * size * size;
    let core = 1.0 - smooth(0.75 * radius, 1.25 * radius, away);
    let glow = 0.22 * size * (-away * away / 0.02).exp();
    mix(sky, CREAM, (0.45 + 0.55 * size) * core.max(glow))
}

fn sun(u: f32, v: f32, sky: Color) -> Color {
    let away = (u - SUN.0).hypot(v - SUN.1);
    if away < SUN_RADIUS {
        let down = (v - SUN.1 + SUN_RADIUS) / (2.0 * SUN_RADIUS);
        return gradient(
            &[(0.0, CREAM), (0.45, rgb(0xFF_E0A3)), (0.8, rgb(0xFB_A868))],
            down,
        );
    }
    let halo = (-(away - SUN_RADIUS) / 0.05).exp();
    mix(sky, GOLD, 0.42 * halo)
}

/// Streaks of cloud, flat below and frayed above, lit from the sun.
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

/// The word SIREN over `below`, with a chirp, a sine ever faster, as its underline.
pub(super) fn lettering(u: f32, v: f32, below: Color) -> Color {
    if !(0.04..0.3).contains(&v) {
        return below;
    }
    let left = 0.5 - 0.5 * glyphs::WIDTH * CAP;
    let (x, y) = ((u - left) / CAP, (v - CAP_TOP) / CAP);
    if glyphs::inside(x, y) || chirp(x / glyphs::WIDTH, v - CAP_TOP - CAP) {
        return CREAM;
    }
    let shadow = glyphs::inside(x - 0.05, y - 0.05);
    if shadow { scaled(below, 0.55) } else { below }
}

/// Whether a point `down` below the letters' feet, `t` of the way along them, lies on the underline.
fn chirp(t: f32, down: f32) -> bool {
    const HEIGHT: f32 = 0.0105;
    if !(0.0..=1.0).contains(&t) || !(0.0..0.1).contains(&down) {
        return false;
    }
    let phase = |t: f32| std::f32::consts::TAU * (2.0 * t + 13.0 * t * t);
    let rate = std::f32::consts::TAU * (2.0 + 26.0 * t);
    let swing = HEIGHT * smooth(0.0, 0.03, t) * smooth(1.0, 0.985, t);
    let off = down - 0.046 - swing * phase(t).sin();
    let slope = swing * rate * phase(t).cos() / (glyphs::WIDTH * CAP);
    off.abs() / (1.0 + slope * slope).sqrt() < 0.0022
}
