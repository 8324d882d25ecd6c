//! Hills, the lighthouse and its beam, the sailing boat, gulls and the cliff in the foreground.
//!
//! All functions take a point of the unit square: `u` grows to the right, `v` grows downward.

use super::{APRICOT, CREAM, Color, GOLD, HORIZON, INK, ROSE};
use super::{gradient, mix, noise, rgb, scaled, sea, smooth};

/// Horizontal position of the axis of the lighthouse.
const TOWER: f32 = 0.2;
/// Vertical position of the foot of the tower.
const FOOT: f32 = 0.595;
/// Vertical position of the lamp.
const LAMP: f32 = 0.366;
/// Wave layer whose crest is the waterline of the cliff.
const SHORE: u8 = 8;

/// Returns the color of the distant hills behind the horizon, `None` outside them. Haze increases toward their base.
pub(super) fn hills(u: f32, v: f32) -> Option<Color> {
    if HORIZON - v > 0.2 {
        return None;
    }
    let ridge = |scale: f32, shift: f32| noise::fractal(u * scale + shift, shift, 5, 71);
    let layers = [
        (
            0.060 * smooth(0.62, 0.0, u) + 0.075 * (ridge(5.0, 1.3) - 0.42) * smooth(0.6, 0.3, u),
            rgb(0x39_3A5E),
        ),
        (
            0.085 * smooth(0.72, 1.05, u) + 0.075 * (ridge(6.0, 8.8) - 0.40) * smooth(0.7, 0.9, u),
            rgb(0x51_3F63),
        ),
        (
            0.035 * smooth(0.3, 0.9, u) + 0.06 * (ridge(4.0, 4.1) - 0.53),
            rgb(0x9A_5A6C),
        ),
    ];
    let hill = layers.into_iter().find(|(height, _)| HORIZON - v < *height);
    hill.map(|(height, color)| {
        let haze = 1.0 - ((HORIZON - v) / height.max(1e-3)).clamp(0.0, 1.0);
        mix(color, ROSE, 0.45 * haze)
    })
}

/// Returns the light of the lamp to add to the scene: two opposite cones that fade with distance, and a glow.
pub(super) fn beam(u: f32, v: f32) -> Color {
    let (x, y) = (u - TOWER, v - LAMP);
    // The axis of the cones is tilted upward by 10 degrees to the right.
    let (along, across) = (0.985 * x - 0.174 * y, 0.174 * x + 0.985 * y);
    let spread = 0.004 + 0.085 * along.abs();
    let cone = 1.0 - smooth(0.55 * spread, spread, across.abs());
    let strength = 0.55 * (-along.abs() / 0.34).exp() * cone;
    let glow = 0.55 * (-(x * x + y * y) / 0.0011).exp();
    scaled(CREAM, strength + glow)
}

/// Returns the color of the lighthouse (tower, gallery, lantern and roof), `None` outside it.
pub(super) fn lighthouse(u: f32, v: f32) -> Option<Color> {
    let x = u - TOWER;
    let shaded = |half: f32, color: Color, shadow: f32| {
        let round = (x / half).clamp(-1.0, 1.0);
        Some(mix(scaled(color, shadow), color, smooth(-0.9, 0.75, round)))
    };
    if (LAMP + 0.026..FOOT + 0.03).contains(&v) {
        let down = (v - LAMP - 0.026) / (FOOT - LAMP - 0.026);
        let half = 0.0195 + 0.0135 * down * down + 0.004 * down;
        if x.abs() < half {
            let window = [0.18, 0.5, 0.8]
                .iter()
                .any(|w| (x - 0.003).abs() < 0.0034 && (down - w).abs() < 0.022);
            if window {
                return Some(rgb(0x35_2A46));
            }
            let band = (down * 5.0).floor() % 2.0 == 0.0;
            let color = if band { CREAM } else { rgb(0xC2_4A4A) };
            return shaded(half, mix(color, APRICOT, 0.12), 0.42);
        }
    }
    if (LAMP + 0.016..LAMP + 0.026).contains(&v) && x.abs() < 0.029 {
        return shaded(0.029, rgb(0x2A_2C48), 0.6);
    }
    if (LAMP + 0.004..LAMP + 0.016).contains(&v) {
        // The railing of the gallery; the sky shows between its bars.
        let bar = (x / 0.0058 + 0.5).rem_euclid(1.0) < 0.24 || v < LAMP + 0.0062;
        if x.abs() < 0.027 && bar {
            return Some(rgb(0x2A_2C48));
        }
    }
    lantern(x, v)
}

/// Returns the color of the lantern, the roof and the mast, `None` outside them; `x` is measured from the axis of the tower.
fn lantern(x: f32, v: f32) -> Option<Color> {
    let frame = rgb(0x2A_2C48);
    if (LAMP - 0.02..LAMP + 0.016).contains(&v) && x.abs() < 0.0142 {
        let bars = [-0.0128, -0.0048, 0.0048, 0.0128];
        let bar = bars.iter().any(|b| (x - b).abs() < 0.0013);
        let light = mix(CREAM, GOLD, (x / 0.0142).powi(2));
        return Some(if bar { frame } else { light });
    }
    let roof = (LAMP - 0.02 - v) / 0.023;
    if (0.0..1.0).contains(&roof) && x.abs() < 0.0195 * (1.0 - roof * roof).sqrt() {
        let red = rgb(0xA8_3E46);
        return Some(mix(scaled(red, 0.5), red, smooth(-0.018, 0.012, x)));
    }
    let mast = (-0.072..=-0.04).contains(&(v - LAMP)) && x.abs() < 0.0013;
    let ball = x.hypot(v - LAMP + 0.0455) < 0.0038;
    (mast || ball).then_some(frame)
}

/// Returns the color of the sailing boat in front of the sun, `None` outside it.
pub(super) fn boat(u: f32, v: f32) -> Option<Color> {
    let (x, y) = ((u - 0.735) / 0.072, (v - 0.6295) / 0.072);
    let hull = (0.0..0.15).contains(&y) && x > -0.46 + 1.1 * y && x < 0.52 - 0.75 * y * y * 6.0;
    let mast = (-1.12..0.0).contains(&y) && (x - 0.03).abs() < 0.016;
    let up = (y + 0.06) / -1.0;
    let mainsail =
        (0.0..1.0).contains(&up) && x < -0.005 && x > -0.46 * (1.0 - up).powf(0.75) - 0.03;
    let jib =
        (0.0..0.86).contains(&up) && x > 0.07 && x < 0.07 + 0.40 * (1.0 - up / 0.86).powf(0.85);
    if hull {
        Some(INK)
    } else if mast {
        Some(rgb(0x2B_2138))
    } else if mainsail {
        Some(mix(rgb(0x3A_2C4A), rgb(0x6B_3F55), smooth(-0.45, 0.0, x)))
    } else if jib {
        Some(mix(rgb(0x8A_4A58), rgb(0x5A_3750), smooth(0.1, 0.45, x)))
    } else {
        None
    }
}

/// Returns the color of the cliff under the lighthouse, `None` outside it. Its fractal relief is lit from the side of the sun.
pub(super) fn cliff(u: f32, v: f32) -> Option<Color> {
    if u > 0.47 || v < 0.56 {
        return None;
    }
    let water = sea::crest(SHORE, u);
    let rough = noise::fractal(u * 13.0, v * 13.0, 5, 91) - 0.5;
    let top = 0.594 + 0.010 * (u * 19.0).sin() + 0.36 * smooth(0.25, 0.50, u).powf(1.35);
    let below = v - top - 0.055 * rough;
    if below <= 0.0 || v > water {
        return None;
    }
    let light = smooth(-17.0, 27.0, slope(u, v)) * (0.62 + 0.38 * smooth(0.0, 0.36, u));
    let rock = gradient(
        &[
            (0.0, INK),
            (0.3, rgb(0x1B_2342)),
            (0.55, rgb(0x3B_3354)),
            (0.8, rgb(0x86_505F)),
            (1.0, rgb(0xE0_8E66)),
        ],
        light,
    );
    let grass = smooth(0.022, 0.004, below) * smooth(0.42, 0.3, u);
    let rock = mix(
        rock,
        mix(rgb(0x24_4A4C), rgb(0x6E_8458), light),
        0.85 * grass,
    );
    let damp = smooth(0.66, 0.86, v);
    let rock = mix(rock, INK, 0.45 * damp);
    // The edge of the cliff on the side of the sun is lit.
    let rim = smooth(0.012, 0.003, below) * smooth(0.24, 0.33, u);
    let rock = mix(rock, APRICOT, 0.7 * rim);
    // Foam along the waterline.
    let reach = 0.004 + 0.018 * noise::fractal(u * 26.0, 5.5, 3, 103).powi(2);
    let foam = smooth(reach, 0.6 * reach, water - v);
    Some(mix(
        rock,
        mix(rgb(0x8F_BDB8), CREAM, smooth(0.1, 0.4, u)),
        0.85 * foam,
    ))
}

/// Returns the slope of the relief of the rock toward the light, which comes from the upper right.
fn slope(u: f32, v: f32) -> f32 {
    const STEP: f32 = 0.0018;
    let relief = |u: f32, v: f32| {
        let warp = noise::fractal(u * 9.0, v * 9.0, 2, 97);
        let ridge = noise::fractal(u * 13.0 + 1.2 * warp, v * 19.0, 6, 101);
        (2.0 * ridge - 1.0).abs()
    };
    (relief(u, v) - relief(u + STEP, v - 0.6 * STEP)) / STEP
}

/// Returns whether a point lies on a gull, drawn as two thin arcs.
pub(super) fn gull(u: f32, v: f32) -> bool {
    // Horizontal and vertical position, and size.
    const GULLS: [(f32, f32, f32); 4] = [
        (0.385, 0.452, 0.021),
        (0.428, 0.423, 0.015),
        (0.455, 0.469, 0.012),
        (0.842, 0.395, 0.017),
    ];
    GULLS.iter().any(|&(center_u, center_v, size)| {
        let (x, y) = ((u - center_u) / size, (v - center_v) / size);
        let wing = 0.42 * (x.abs() - 0.45).powi(2) * 2.6 - 0.25;
        x.abs() < 1.0 && (y - wing + 0.1 * x).abs() < 0.085 * (1.15 - x.abs())
    })
}
