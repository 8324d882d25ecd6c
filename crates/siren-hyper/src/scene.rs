//! The embedded pictures: procedurally drawn faces with random features.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use siren_core::signal::Stream;
use siren_picture::Picture;

/// Random numbers of the faces, which are the same for every seed of a config.
const FACE: Stream = Stream::named("hyper.face");
/// Width of an edge, in units of half the picture: about one pixel of pictures with 32 pixels per side, for antialiasing.
const EDGE: f32 = 0.06;

/// RGB in [0, 1].
type Color = [f32; 3];

/// The random features of a face. Lengths are in units of half the picture.
struct Face {
    /// Colors of a vertical gradient, top and bottom.
    background: [Color; 2],
    skin: Color,
    hair: Color,
    lips: Color,
    iris: Color,
    /// Row and column of the center of the head.
    center: [f32; 2],
    /// Half height and half width of the head.
    head: [f32; 2],
    /// Height of the hairline above the center of the head, in units of half its height.
    hairline: f32,
    /// Above 0.5, the hair ends 1 below the center of the head, otherwise 0.1.
    long_hair: f32,
    eye_distance: f32,
    eye_size: f32,
    mouth_width: f32,
    smile: f32,
    /// Horizontal direction of the light: −1 from the right, 1 from the left.
    light: f32,
}

/// Draws face number `index` as an RGB picture with `side × side` pixels; rows and columns cover [−1, 1].
#[must_use]
pub fn face(index: u64, side: usize) -> Picture {
    let face = Face::draw(&mut FACE.rng(0, index));
    let coord = |pixel: usize| 2.0 * (pixel as f32 + 0.5) / side as f32 - 1.0;
    let pixels =
        (0..side * side).flat_map(|pixel| face.color(coord(pixel / side), coord(pixel % side)));
    Picture {
        height: side,
        width: side,
        channels: 3,
        values: pixels.collect(),
    }
}

/// Returns the coverage of a shape at a signed distance from its edge: 1 inside (negative distances), 0 outside.
fn coverage(distance: f32) -> f32 {
    (0.5 - distance / EDGE).clamp(0.0, 1.0)
}

fn mix(a: Color, b: Color, fraction: f32) -> Color {
    std::array::from_fn(|channel| a[channel] + fraction * (b[channel] - a[channel]))
}

impl Face {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut number = |low: f32, high: f32| low + (high - low) * rng.random::<f32>();
        let tone = number(0.0, 1.0);
        let skin = mix([0.36, 0.22, 0.15], [0.98, 0.82, 0.71], tone);
        let dark = number(0.0, 1.0);
        let hair = mix([0.08, 0.06, 0.05], [0.85, 0.65, 0.32], dark * dark);
        let mut color =
            |low: f32, high: f32| -> Color { std::array::from_fn(|_| number(low, high)) };
        let background = [color(0.1, 0.9), color(0.1, 0.9)];
        let iris = mix([0.25, 0.15, 0.08], [0.3, 0.5, 0.75], number(0.0, 1.0));
        Self {
            background,
            skin,
            hair,
            lips: mix(skin, [0.75, 0.15, 0.2], number(0.35, 0.9)),
            iris,
            center: [number(0.0, 0.15), number(-0.12, 0.12)],
            head: [number(0.62, 0.78), number(0.46, 0.6)],
            hairline: number(0.35, 0.65),
            long_hair: number(0.0, 1.0),
            eye_distance: number(0.2, 0.27),
            eye_size: number(0.075, 0.12),
            mouth_width: number(0.14, 0.26),
            smile: number(-0.12, 0.35),
            light: number(-1.0, 1.0),
        }
    }

    /// Returns the color at a point with coordinates in [−1, 1].
    fn color(&self, row: f32, column: f32) -> Color {
        let (y, x) = (row - self.center[0], column - self.center[1]);
        let ellipse = |y: f32, x: f32, height: f32, width: f32| {
            // Approximates the signed distance near the edge.
            let (a, b) = (y / height, x / width);
            ((a * a + b * b).sqrt() - 1.0) * height.min(width)
        };
        let mut color = mix(self.background[0], self.background[1], 0.5 + 0.5 * row);
        let [height, width] = self.head;
        let back_hair = ellipse(y + 0.08, x, height + 0.12, width + 0.14);
        let hair_end = if self.long_hair > 0.5 { 1.0 } else { 0.1 };
        color = mix(color, self.hair, coverage(back_hair.max(y - hair_end)));
        let shade = 0.88 + 0.24 * (0.5 - 0.5 * self.light * x / width);
        let skin = self.skin.map(|channel| (channel * shade).min(1.0));
        color = mix(
            color,
            skin,
            coverage(ellipse(y - height, x, 0.5, 0.22).max(-y)),
        );
        let head = ellipse(y, x, height, width);
        color = mix(color, skin, coverage(head));
        color = mix(
            color,
            self.hair,
            coverage(head.max(y + self.hairline * height)),
        );
        let white = [0.95, 0.95, 0.93];
        for side in [-1.0, 1.0] {
            let (y, x) = (y + 0.08, x - side * self.eye_distance);
            color = mix(
                color,
                white,
                coverage(ellipse(y, x, self.eye_size, 1.5 * self.eye_size)),
            );
            color = mix(
                color,
                self.iris,
                coverage(ellipse(y, x, 0.8 * self.eye_size, 0.8 * self.eye_size)),
            );
            color = mix(
                color,
                self.hair,
                coverage(ellipse(
                    y + 2.0 * self.eye_size,
                    x,
                    0.035,
                    1.7 * self.eye_size,
                )),
            );
        }
        let nose = skin.map(|channel| 0.8 * channel);
        color = mix(color, nose, coverage(ellipse(y - 0.12, x, 0.035, 0.075)));
        let bend = self.smile * (1.0 - (x / self.mouth_width).powi(2));
        color = mix(
            color,
            self.lips,
            coverage(ellipse(y - 0.34 - 0.25 * bend, x, 0.055, self.mouth_width)),
        );
        color.map(|channel| channel.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_distinct_and_reproducible() {
        let faces: Vec<_> = (0..20).map(|index| face(index, 16)).collect();
        for (index, one) in faces.iter().enumerate() {
            assert_eq!(*one, face(index as u64, 16));
            for other in &faces[..index] {
                let difference: f32 = one
                    .values
                    .iter()
                    .zip(other.values.iter())
                    .map(|(a, b)| (a - b).abs())
                    .sum();
                assert!(difference / one.values.len() as f32 > 0.02);
            }
        }
    }
}
