//! Conversion of luma and chroma to red, green and blue.

use siren_picture::Size;

/// Largest size that counts as standard definition where a file names no matrix.
const STANDARD_DEFINITION: Size = Size {
    height: 576,
    width: 1279,
};

/// The matrix coefficients of a clip: the weights of red, green and blue in luma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColorMatrix {
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

impl ColorMatrix {
    /// Returns the matrix of a clip that names none: BT.601 up to a width of 1279 and a height of 576 pixels, BT.709 above.
    pub(super) fn default_for(size: Size) -> Self {
        if size.width <= STANDARD_DEFINITION.width && size.height <= STANDARD_DEFINITION.height {
            Self::Bt601
        } else {
            Self::Bt709
        }
    }

    /// Returns the weights of red and blue in luma, `(kr, kb)`; the weight of green is `1 − kr − kb`.
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

/// The range of sample values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColorRange {
    /// Luma from 16 (black) to 235 (white) at 8 bits, chroma from 16 to 240.
    Limited,
    /// All values of the sample's depth.
    Full,
}

/// The bits of a sample within its storage of 8 or 16 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SampleDepth {
    /// Bits per sample, 8 to 16.
    pub(super) bits: u32,
    /// Unused bits below them: the stored value is the sample shifted to the left by this many bits.
    pub(super) shift: u32,
}

/// A converter of luma and chroma samples to RGB: `R = Y + 2 (1 − kr) V`, `B = Y + 2 (1 − kb) U`, and G from `Y = kr R + kg G + kb B`, with
/// Y in [0, 1] and U and V in [−½, ½].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct YuvToRgb {
    /// Stored luma of black.
    black: f32,
    /// Factor from stored luma to levels of 255.
    luma_scale: f32,
    /// Stored chroma of gray.
    chroma_zero: f32,
    red_of_v: f32,
    green_of_u: f32,
    green_of_v: f32,
    blue_of_u: f32,
}

impl YuvToRgb {
    pub(super) fn new(matrix: ColorMatrix, range: ColorRange, depth: SampleDepth) -> Self {
        let unit = (1_u32 << depth.shift) as f32;
        // Stored distance of two levels of 8 bits.
        let level = (1_u32 << (depth.bits - 8)) as f32 * unit;
        let highest = ((1_u32 << depth.bits) - 1) as f32 * unit;
        let (black, luma, chroma) = match range {
            ColorRange::Limited => (16.0 * level, 219.0 * level, 224.0 * level),
            ColorRange::Full => (0.0, highest, highest),
        };
        let (kr, kb) = matrix.weights();
        let kg = 1.0 - kr - kb;
        let (red, blue) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
        Self {
            black,
            luma_scale: 255.0 / luma,
            chroma_zero: 128.0 * level,
            red_of_v: 255.0 / chroma * red,
            green_of_u: -255.0 / chroma * blue * kb / kg,
            green_of_v: -255.0 / chroma * red * kr / kg,
            blue_of_u: 255.0 / chroma * blue,
        }
    }

    /// Returns red, green and blue, each from 0 to 255, of stored luma `y` and chroma `u` (blue) and `v` (red).
    pub(super) fn rgb(&self, y: u16, u: u16, v: u16) -> [u8; 3] {
        let y = self.luma_scale * (f32::from(y) - self.black);
        let [u, v] = [u, v].map(|chroma| f32::from(chroma) - self.chroma_zero);
        [
            y + self.red_of_v * v,
            y + self.green_of_u * u + self.green_of_v * v,
            y + self.blue_of_u * u,
        ]
        .map(|channel| channel.round().clamp(0.0, 255.0) as u8)
    }

    /// Returns the gray level, from 0 to 255, of stored luma `y`.
    pub(super) fn gray(&self, y: u16) -> u8 {
        let y = self.luma_scale * (f32::from(y) - self.black);
        y.round().clamp(0.0, 255.0) as u8
    }
}

/// Composites a color over white, as pictures are flattened: `a c + (1 − a) 255` with `a = alpha / 255`.
pub(super) fn over_white(color: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = f32::from(alpha) / 255.0;
    color.map(|channel| (alpha * f32::from(channel) + (1.0 - alpha) * 255.0).round() as u8)
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
    fn limited_range_bt601_is_converted_to_full_range_rgb() {
        let depth = SampleDepth { bits: 8, shift: 0 };
        let converter = YuvToRgb::new(ColorMatrix::Bt601, ColorRange::Limited, depth);
        for ([y, u, v], expected) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            // Red, green and blue at full strength.
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            assert_near(converter.rgb(y, u, v), expected);
        }
    }

    #[test]
    fn red_is_converted_to_red_for_every_matrix_range_and_depth() {
        for matrix in [
            ColorMatrix::Bt601,
            ColorMatrix::Bt709,
            #[cfg(feature = "ffmpeg")]
            ColorMatrix::Bt2020,
            #[cfg(feature = "ffmpeg")]
            ColorMatrix::Fcc,
            #[cfg(feature = "ffmpeg")]
            ColorMatrix::Smpte240,
        ] {
            let (kr, kb) = matrix.weights();
            // Red is Y = kr, U = −kr / (2 (1 − kb)), V = ½.
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
                let depth = SampleDepth { bits, shift };
                for (range, [y, u, v]) in [(ColorRange::Limited, limited), (ColorRange::Full, full)]
                {
                    let converter = YuvToRgb::new(matrix, range, depth);
                    assert_near(converter.rgb(y, u, v), [255, 0, 0]);
                }
            }
        }
    }

    #[test]
    fn a_clip_that_names_no_matrix_gets_that_of_its_size() {
        for ((width, height), expected) in [
            ((720, 480), ColorMatrix::Bt601),
            ((720, 576), ColorMatrix::Bt601),
            ((1024, 576), ColorMatrix::Bt601),
            ((1280, 534), ColorMatrix::Bt709),
            ((960, 720), ColorMatrix::Bt709),
            ((1920, 1080), ColorMatrix::Bt709),
        ] {
            let found = ColorMatrix::default_for(Size { height, width });
            assert_eq!(found, expected, "{width} × {height}");
        }
    }

    #[test]
    fn transparent_pixels_become_white_and_opaque_ones_keep_their_color() {
        assert_eq!(over_white([200, 10, 0], 0), [255; 3]);
        assert_eq!(over_white([200, 10, 0], 255), [200, 10, 0]);
        assert_eq!(over_white([0, 100, 255], 51), [204, 224, 255]);
    }
}
