//! From luma and chroma to red, green and blue.

/// Widest and highest pictures, in pixels, whose matrix is taken for that of standard definition where a file names none.
const STANDARD_DEFINITION: (u32, u32) = (1279, 576);

/// The weights that luma gives to red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Matrix {
    /// ITU-R BT.601 (standard definition, JPEG).
    Bt601,
    /// ITU-R BT.709 (high definition).
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    #[cfg(feature = "ffmpeg")]
    Bt2020,
    /// FCC 47 CFR 73.682 (1953).
    #[cfg(feature = "ffmpeg")]
    Fcc,
    /// SMPTE ST 240 (1999).
    #[cfg(feature = "ffmpeg")]
    Smpte240,
}

impl Matrix {
    /// The matrix of a clip that names none: BT.601 up to 1279 × 576 pixels, BT.709 above.
    pub(super) fn guessed((width, height): (u32, u32)) -> Self {
        let (widest, highest) = STANDARD_DEFINITION;
        if width <= widest && height <= highest {
            Self::Bt601
        } else {
            Self::Bt709
        }
    }

    /// The weights of red and blue in luma; that of green is what is left to 1.
    fn weights(self) -> (f32, f32) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            #[cfg(feature = "ffmpeg")]
            Self::Bt2020 => (0.2627, 0.0593),
            #[cfg(feature = "ffmpeg")]
            Self::Fcc => (0.30, 0.11),
            #[cfg(feature = "ffmpeg")]
            Self::Smpte240 => (0.212, 0.087),
        }
    }
}

/// Which samples stand for black and white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Range {
    /// 16 and 235 of 8 bits, and chroma from 16 to 240.
    Limited,
    /// The lowest and the highest.
    Full,
}

/// Bits of a sample, and how far they are shifted to the left of where they are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Depth {
    pub(super) bits: u32,
    pub(super) shift: u32,
}

/// Converts samples of luma and chroma: `R = Y + 2 (1 − kr) V`, `B = Y + 2 (1 − kb) U`, and green from `Y = kr R + kg G + kb B`, where
/// Y is in [0, 1] and U and V in [−½, ½].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Yuv {
    black: f32,
    luma: f32,
    middle: f32,
    red_of_v: f32,
    green_of_u: f32,
    green_of_v: f32,
    blue_of_u: f32,
}

impl Yuv {
    pub(super) fn new(matrix: Matrix, range: Range, depth: Depth) -> Self {
        let stored = (1_u32 << depth.shift) as f32;
        let level = (1_u32 << (depth.bits - 8)) as f32 * stored;
        let highest = ((1_u32 << depth.bits) - 1) as f32 * stored;
        let (black, luma, chroma) = match range {
            Range::Limited => (16.0 * level, 219.0 * level, 224.0 * level),
            Range::Full => (0.0, highest, highest),
        };
        let (kr, kb) = matrix.weights();
        let kg = 1.0 - kr - kb;
        let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
        Self {
            black,
            luma: 255.0 / luma,
            middle: 128.0 * level,
            red_of_v: 255.0 / chroma * red,
            green_of_u: -255.0 / chroma * blue * kb / kg,
            green_of_v: -255.0 / chroma * red * kr / kg,
            blue_of_u: 255.0 / chroma * blue,
        }
    }

    /// Red, green and blue, 255 for full, from one sample of luma and two of chroma.
    pub(super) fn rgb(&self, [y, u, v]: [u16; 3]) -> [u8; 3] {
        let y = self.luma * (f32::from(y) - self.black);
        let [u, v] = [u, v].map(|chroma| f32::from(chroma) - self.middle);
        [
            y + self.red_of_v * v,
            y + self.green_of_u * u + self.green_of_v * v,
            y + self.blue_of_u * u,
        ]
        .map(|channel| channel.round().clamp(0.0, 255.0) as u8)
    }

    /// Gray from a sample of luma alone.
    pub(super) fn gray(&self, y: u16) -> u8 {
        let y = self.luma * (f32::from(y) - self.black);
        y.round().clamp(0.0, 255.0) as u8
    }
}

/// A color over white, as pictures are flattened: `a c + (1 − a) 255`.
pub(super) fn over_white([red, green, blue]: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = f32::from(alpha) / 255.0;
    [red, green, blue]
        .map(|channel| (alpha * f32::from(channel) + (1.0 - alpha) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_near(found: [u8; 3], expected: [u8; 3]) {
        let is_near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1);
        assert!(is_near, "{found:?} {expected:?}");
    }

    #[test]
    fn limited_levels_of_bt601_become_full_ones() {
        let rule = Yuv::new(Matrix::Bt601, Range::Limited, Depth { bits: 8, shift: 0 });
        for (yuv, expected) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            // Red, green and blue at full strength.
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            assert_near(rule.rgb(yuv), expected);
        }
    }

    #[test]
    fn red_is_red_by_every_matrix_range_and_depth() {
        for matrix in [
            Matrix::Bt601,
            Matrix::Bt709,
            #[cfg(feature = "ffmpeg")]
            Matrix::Bt2020,
            #[cfg(feature = "ffmpeg")]
            Matrix::Fcc,
            #[cfg(feature = "ffmpeg")]
            Matrix::Smpte240,
        ] {
            let (kr, kb) = matrix.weights();
            // Of red: Y = kr, U = −kr / (2 (1 − kb)), V = ½.
            let (y, u, v) = (kr, -0.5 * kr / (1.0 - kb), 0.5);
            for (bits, shift) in [(8, 0), (10, 0), (10, 6), (12, 4), (16, 0)] {
                let level = |value: f32| (value.round() as u16) << shift;
                let scale = f32::from(1_u16 << (bits - 8));
                let limited = [
                    level(scale * (16.0 + 219.0 * y)),
                    level(scale * (128.0 + 224.0 * u)),
                    level(scale * (128.0 + 224.0 * v)),
                ];
                let highest = (256.0 * scale) - 1.0;
                let full = [
                    level(highest * y),
                    level(128.0 * scale + highest * u),
                    level((128.0 * scale + highest * v).min(highest)),
                ];
                let depth = Depth { bits, shift };
                for (range, samples) in [(Range::Limited, limited), (Range::Full, full)] {
                    assert_near(Yuv::new(matrix, range, depth).rgb(samples), [255, 0, 0]);
                }
            }
        }
    }

    #[test]
    fn a_clip_without_a_matrix_has_that_of_its_size() {
        for (size, expected) in [
            ((720, 480), Matrix::Bt601),
            ((720, 576), Matrix::Bt601),
            ((1024, 576), Matrix::Bt601),
            ((1280, 534), Matrix::Bt709),
            ((960, 720), Matrix::Bt709),
            ((1920, 1080), Matrix::Bt709),
        ] {
            assert_eq!(Matrix::guessed(size), expected, "{size:?}");
        }
    }

    #[test]
    fn what_is_transparent_is_white_and_what_is_opaque_keeps_its_color() {
        assert_eq!(over_white([200, 10, 0], 0), [255; 3]);
        assert_eq!(over_white([200, 10, 0], 255), [200, 10, 0]);
        assert_eq!(over_white([0, 100, 255], 51), [204, 224, 255]);
    }
}
