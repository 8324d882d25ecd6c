//! The sea: layers of waves whose crests are sums of sines, ripples, and reflections of the sun.
//!
//! All functions take a point of the unit square: `u` grows to the right, `v` grows downward.

use std::f32::consts::TAU;

use super::{APRICOT, CREAM, Color, GOLD, HORIZON, INK, ROSE, SUN, TEAL};
use super::{gradient, mix, noise, rgb, smooth};

/// Number of wave layers, from the horizon to the foreground.
const LAYERS: u8 = 13;

/// Returns the nearness of a layer, from 0 at the horizon to 1 in the foreground.
fn nearness(layer: u8) -> f32 {
    f32::from(layer) / f32::from(LAYERS - 1)
}

/// Returns the vertical position of the crest of a layer at `u`.
pub(super) fn crest(layer: u8, u: f32) -> f32 {
    let t = nearness(layer);
    let waves = 15.0 - 11.8 * t.sqrt();
    let phase = 2.4 * f32::from(layer) + 0.9 * f32::from(layer % 3);
    let x = TAU * waves * u + phase;
    // The second harmonic, in phase, sharpens the crests, as in gravity waves.
    let shape = x.sin() - 0.28 * (2.0 * x).cos() + 0.35 * (0.61 * x + 1.7 * phase).sin();
    level(layer) - swell(layer) * shape
}

/// Returns the mean vertical position of a layer.
fn level(layer: u8) -> f32 {
    HORIZON + (1.0 - HORIZON) * 0.98 * nearness(layer).powf(1.45)
}

/// Returns the amplitude of a layer, zero at the horizon.
fn swell(layer: u8) -> f32 {
    let t = nearness(layer);
    (0.0009 + 0.0145 * t) * (10.0 * t).min(1.0)
}

/// Returns the color of the water at a point below the horizon.
pub(super) fn color(u: f32, v: f32) -> Color {
    let covers = |&k: &u8| v >= level(k) - 1.7 * swell(k) && v >= crest(k, u);
    let layer = (0..LAYERS).rev().find(covers).unwrap_or(0);
    let t = nearness(layer);
    let depth = (v - crest(layer, u)).max(0.0);
    let thickness = 0.008 + 0.05 * t;
    let relative_depth = (depth / thickness).min(1.0);
    let lit = gradient(
        &[
            (0.0, rgb(0xE8_8C68)),
            (0.12, rgb(0xA8_6072)),
            (0.32, rgb(0x4F_6076)),
            (0.6, rgb(0x2C_6A76)),
            (1.0, rgb(0x1F_5C6B)),
        ],
        t,
    );
    let shade = gradient(
        &[
            (0.0, ROSE),
            (0.14, rgb(0x6A_4A68)),
            (0.4, rgb(0x1E_3B56)),
            (1.0, INK),
        ],
        t,
    );
    let water = mix(lit, shade, relative_depth.powf(0.75));
    let water = ripples(u, depth, t, layer, water);
    let water = glitter(u, v, relative_depth, water);
    // A light rim on the crest, warmer near the sun.
    let rim = 0.0011 + 0.0022 * t;
    let warmth = (-((u - SUN.0) / 0.3).powi(2)).exp();
    let edge = 1.0 - smooth(0.55 * rim, rim, depth);
    mix(
        water,
        mix(TEAL_LIGHT, CREAM, warmth),
        edge * (0.35 + 0.5 * warmth),
    )
}

const TEAL_LIGHT: Color = rgb(0x7F_B3AE);

/// Adds ripples parallel to the crest of a layer. They become finer and fainter with the depth below the crest; distant layers have
/// none.
fn ripples(u: f32, depth: f32, t: f32, layer: u8, water: Color) -> Color {
    if t < 0.25 {
        return water;
    }
    let bend = noise::fractal(u * (30.0 - 20.0 * t), f32::from(layer) * 3.7, 2, 41) - 0.5;
    let scale = depth / (0.014 + 0.018 * t);
    let wave = (TAU * (1.3 * scale + 0.55 * scale * scale + 1.1 * bend)).sin();
    let broken = noise::value(u * 22.0, depth * 160.0 + f32::from(layer) * 9.1, 43);
    let line = smooth(0.45, 0.8, wave) * smooth(0.38, 0.6, broken);
    let strength = 0.42 * smooth(0.25, 0.6, t) * (-1.1 * scale / (1.0 + t)).exp();
    mix(water, mix(TEAL, TEAL_LIGHT, 0.75), line * strength)
}

/// Adds the reflections of the sun: flat glints with sharp edges, which become sparser to the sides of the sun.
fn glitter(u: f32, v: f32, relative_depth: f32, water: Color) -> Color {
    let near = (v - HORIZON) / (1.0 - HORIZON);
    let width = 0.085 + 0.12 * near;
    let offset = (u - SUN.0) / width;
    let path = (-offset * offset).exp() * (1.0 - 0.45 * near);
    if path < 0.02 {
        return water;
    }
    let size = 0.006 + 0.022 * near;
    let glint = noise::fractal(u / (4.0 * size), v / (0.42 * size), 2, 53);
    let threshold = 0.80 - 0.42 * path + 0.1 * (relative_depth - 0.5);
    let sharp = smooth(threshold, threshold + 0.035, glint);
    let tint = mix(GOLD, APRICOT, 0.8 * near);
    let tint = mix(
        tint,
        CREAM,
        smooth(threshold + 0.1, threshold + 0.16, glint),
    );
    mix(water, tint, 0.95 * sharp)
}
