//! The word SIREN in geometric capitals, as distance functions of line segments and half circles.
//!
//! All lengths are in units of the cap height.

/// Half the width of a stroke.
const HALF_STROKE: f32 = 0.07;
/// Vertical positions of the center lines of the top, middle and bottom strokes.
const TOP: f32 = HALF_STROKE;
const MIDDLE: f32 = 0.5;
const BOTTOM: f32 = 1.0 - HALF_STROKE;
/// Radius of a bowl, the half circle that joins the top stroke to the middle one, or the middle one to the bottom one.
const BOWL: f32 = (MIDDLE - TOP) / 2.0;
/// Vertical positions of the centers of the upper and the lower bowl.
const UPPER: f32 = TOP + BOWL;
const LOWER: f32 = MIDDLE + BOWL;

/// Segment of the center line of a letter; coordinates are measured from the top left of the letter.
enum Stroke {
    /// Line from (x, y) to (x, y).
    Line(f32, f32, f32, f32),
    /// Left half of a circle around (x, y), open to the right.
    Left(f32, f32),
    /// Right half of a circle around (x, y), open to the left.
    Right(f32, f32),
}

use Stroke::{Left, Line, Right};

/// Horizontal offset and strokes of each letter.
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

/// Width of the word.
pub(super) const WIDTH: f32 = 3.42 + 0.69;

/// Returns the distance from (x, y) to the center line of a stroke; infinite on the open side of a half circle.
fn distance(stroke: &Stroke, x: f32, y: f32) -> f32 {
    match *stroke {
        Line(ax, ay, bx, by) => {
            let (px, py) = (x - ax, y - ay);
            let (dx, dy) = (bx - ax, by - ay);
            let along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (px - along * dx).hypot(py - along * dy)
        }
        Left(cx, cy) if x <= cx => ((x - cx).hypot(y - cy) - BOWL).abs(),
        Right(cx, cy) if x >= cx => ((x - cx).hypot(y - cy) - BOWL).abs(),
        Left(..) | Right(..) => f32::INFINITY,
    }
}

/// Returns whether (x, y), measured from the top left of the word, lies inside a letter.
pub(super) fn inside(x: f32, y: f32) -> bool {
    (0.0..=WIDTH).contains(&x)
        && (0.0..=1.0).contains(&y)
        && LETTERS.iter().any(|(left, strokes)| {
            strokes
                .iter()
                .any(|stroke| distance(stroke, x - left, y) <= HALF_STROKE)
        })
}
