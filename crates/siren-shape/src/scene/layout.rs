//! Places and sizes of the solids. Neighbors are at least 0.015 apart.

use std::f64::consts::{FRAC_PI_4, TAU};

use nalgebra::{Rotation3, Vector3};

use super::knot::{KnotRadii, KnotTube};
use super::ring::Ring;
use super::rounded_box::RoundedBox;
use super::solid::Solid;

/// Center of the knot.
const CENTER: Vector3<f64> = Vector3::new(0.0, 0.05, 0.0);
pub(super) const KNOT: KnotRadii = KnotRadii {
    major: 0.46,
    minor: 0.19,
    tube: 0.112,
};
/// Number of rings around the knot, every third of which is thick.
const RINGS: usize = 27;
/// Radius of the edges of the plates.
const EDGE: f64 = 0.012;
/// Radius of a pin between the plates, and distance of the pins' centers.
const PIN: f64 = 0.016;
const PITCH: f64 = 0.06;

/// Returns the solids, which do not touch.
pub(super) fn solids() -> Vec<Solid> {
    let knot = KnotTube::new(CENTER, &KNOT);
    let mut solids: Vec<Solid> = (0..RINGS).map(|i| Solid::Ring(ring(&knot, i))).collect();
    solids.push(Solid::Knot(knot));
    solids.extend(gem());
    solids.push(plate(-0.683, Vector3::new(0.56, 0.025, 0.26)));
    solids.push(plate(-0.845, Vector3::new(0.64, 0.035, 0.34)));
    solids.extend(pins());
    solids
}

/// Returns one of the rings that are threaded on the knot.
fn ring(knot: &KnotTube, index: usize) -> Ring {
    let point = knot.curve(TAU * index as f64 / RINGS as f64);
    let is_thick = index.is_multiple_of(3);
    Ring {
        center: point.position,
        axis: point.tangent(),
        major: if is_thick { 0.158 } else { 0.145 },
        minor: if is_thick { 0.02 } else { 0.011 },
    }
}

/// Returns a box that stands on a corner inside a ring, in the middle of the knot.
fn gem() -> [Solid; 2] {
    let tilt = Rotation3::from_axis_angle(&Vector3::x_axis(), 0.5_f64.sqrt().atan());
    let turn = Rotation3::from_axis_angle(&Vector3::z_axis(), FRAC_PI_4);
    let rounded = RoundedBox {
        center: CENTER,
        rotation: tilt * turn,
        half: Vector3::repeat(0.038),
        radius: 0.01,
    };
    let ring = Ring {
        center: CENTER,
        axis: Vector3::new(1.0, 2.0, 1.0).normalize(),
        major: 0.112,
        minor: 0.012,
    };
    [Solid::Box(rounded), Solid::Ring(ring)]
}

/// Returns a lying plate with the given height of its middle and half sizes, rounded edges included.
fn plate(height: f64, half: Vector3<f64>) -> Solid {
    Solid::Box(RoundedBox {
        center: Vector3::new(0.0, height, 0.0),
        rotation: Rotation3::identity(),
        half: half.add_scalar(-EDGE),
        radius: EDGE,
    })
}

/// Returns the pins that stand between the plates, along the edges of the upper one.
fn pins() -> Vec<Solid> {
    let (columns, rows) = (18, 8);
    let mut pins = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let is_edge = row == 0 || row == rows - 1 || column == 0 || column == columns - 1;
            if is_edge {
                let place = |index: i32, count: i32| {
                    (f64::from(index) - 0.5 * f64::from(count - 1)) * PITCH
                };
                pins.push(Solid::Box(RoundedBox {
                    center: Vector3::new(place(column, columns), -0.76, place(row, rows)),
                    rotation: Rotation3::identity(),
                    half: Vector3::new(0.0, 0.018, 0.0),
                    radius: PIN,
                }));
            }
        }
    }
    pins
}
