//! The word SIREN in clean geometric capitals: distances to segments and half circles.

/// Half the stroke's width, in cap heights.
const HALF_STROKE: f32 = 0.07;
/// Center lines of the top, middle and bottom strokes.
const TOP: f32 = HALF_STROKE;
const MIDDLE: f32 = 0.5;
const BOTTOM: f32 = 1.0 - HALF_STROKE;
/// Radius and center of a bowl that joins the top stroke to the middle one.
const BOWL: f32 = (MIDDLE - TOP) / 2.0;
const UPPER: f32 = TOP + BOWL;
const LOWER: f32 = MIDDLE + BOWL;

/// One piece of a letter's center line; coordinates are cap heights from the letter's top left.
enum Stroke {
    /// From (x, y) to (x, y).
    Line(f32, f32, f32, f32),
    /// The half of a bowl around (x, y) that opens to the right.
    Left(f32, f32),
    /// The half of a bowl around (x, y) that opens to the left.
    Right(f32, f32),
}

use Stroke::{Left, Line, Right};

/// Each letter's place from the word's left edge, and its strokes.
const LETTERS: [(f32, &[Stroke]); 5] = [
    (
        0.0,
        &[
            Line(0.285, TOP, 0.50, TOP),
            Left(0.285, UPPER),
            Line(0.285, MIDDLE, 0.335, MIDDLE),
            Right(0.335, LOWER),
            Line(0.12, BOTTOM, 0.335, BOTTOM),
        ],
    ),
    (0.98, &[Line(0.07, TOP, 0.07, BOTTOM)]),
    (
        1.50,
        &[
            Line(0.07, TOP, 0.07, BOTTOM),
            Line(0.07, TOP, 0.34, TOP),
            Right(0.34, UPPER),
            Line(0.07, MIDDLE, 0.34, MIDDLE),
            Line(0.30, MIDDLE, 0.55, BOTTOM),
        ],
    ),
    (
        2.48,
        &[
            Line(0.07, TOP, 0.07, BOTTOM),
            Line(0.07, TOP, 0.52, TOP),
            Line(0.07, MIDDLE, 0.44, MIDDLE),
            Line(0.07, BOTTOM, 0.52, BOTTOM),
        ],
    ),
    (
        3.42,
        &[
            Line(0.07, TOP, 0.07, BOTTOM),
            Line(0.07, TOP, 0.62, BOTTOM),
            Line(0.62, TOP, 0.62, BOTTOM),
        ],
    ),
];

/// The word's width, in cap heights.
pub(super) const WIDTH: f32 = 3.42 + 0.69;

/// Distance from (x, y) to a stroke's center line; infinite beside the closed side of a half bowl.
fn distance(stroke: &Stroke, x: f32, y: f32) -> f32 {
    match *stroke {
        Line(ax, ay, bx, by) => segment((x, y), (ax, ay), (bx, by)),
        Left(cx, cy) if x <= cx => ((x - cx).hypot(y - cy) - BOWL).abs(),
        Right(cx, cy) if x >= cx => ((x - cx).hypot(y - cy) - BOWL).abs(),
        Left(..) | Right(..) => f32::INFINITY,
    }
}

/// Distance from a point to the segment between two others.
pub(super) fn segment(p: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (px, py) = (p.0 - a.0, p.1 - a.1);
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (px - along * dx).hypot(py - along * dy)
}

/// Whether (x, y), in cap heights from the word's top left, lies in a letter.
pub(super) fn inside(x: f32, y: f32) -> bool {
    (0.0..=WIDTH).contains(&x)
        && (0.0..=1.0).contains(&y)
        && LETTERS.iter().any(|(left, strokes)| {
            strokes
                .iter()
                .any(|stroke| distance(stroke, x - left, y) <= HALF_STROKE)
        })
}
