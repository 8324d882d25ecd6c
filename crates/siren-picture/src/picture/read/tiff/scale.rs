//! Float samples of TIFF files, whose range says how they are scaled.

use tiff::decoder::DecodingResult;

use super::PixelLayout;
use crate::picture::OVERSHOOT;
use crate::picture::read::samples::Alpha;

/// The range of float samples: what must be known of all of them before one is scaled.
#[derive(Clone, Copy, Debug)]
struct FloatRange {
    min: f32,
    max: f32,
    all_whole: bool,
    not_finite: usize,
}

/// The ranges of the colors and of the alpha.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FloatRanges {
    colors: FloatRange,
    alpha: FloatRange,
}

/// Factors that scale float samples to [0, 1].
#[derive(Clone, Copy, Debug)]
pub(super) struct FloatScales {
    color: f32,
    alpha: f32,
}

impl Default for FloatRange {
    fn default() -> Self {
        Self {
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            all_whole: true,
            not_finite: 0,
        }
    }
}

impl FloatRange {
    fn add(&mut self, value: f32) {
        self.not_finite += usize::from(!value.is_finite());
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.all_whole &= value.fract() == 0.0;
    }

    /// Returns the factor that scales float samples to [0, 1]: 1 if they lie in this range, 1/255 for whole numbers from 0 to 255.
    ///
    /// Any other range and values that are not finite are errors, because a guessed scale would give a wrong picture. `part_name` is used
    /// in messages. Without a sample the factor is 1.
    fn unit_scale(self, part_name: &str) -> Result<f32, String> {
        let Self {
            min,
            max,
            all_whole,
            not_finite,
        } = self;
        if not_finite > 0 {
            return Err(format!(
                "{not_finite} float samples of its {part_name} are NaN or infinite; replace them and save the picture again"
            ));
        }
        if min >= -OVERSHOOT && max <= 1.0 + OVERSHOOT {
            return Ok(1.0);
        }
        if all_whole && min >= 0.0 && max <= 255.0 {
            return Ok(1.0 / 255.0);
        }
        let start = min.min(0.0);
        let (shift, span) = (0.0 - start, max - start);
        Err(format!(
            "float samples of its {part_name} range from {min} to {max}, expected 0 to 1, or whole numbers from 0 to 255; scale them, for \
             example to (v + {shift}) / {span}, and save the picture again"
        ))
    }
}

impl FloatRanges {
    /// Adds samples `(pixels, decoded)`.
    pub(super) fn add(&mut self, values: &[f32], layout: PixelLayout) {
        for pixel in values.chunks_exact(layout.decoded) {
            for &value in &pixel[..layout.colors] {
                self.colors.add(value);
            }
            if layout.alpha != Alpha::None
                && let Some(&alpha) = pixel.get(layout.colors)
            {
                self.alpha.add(alpha);
            }
        }
    }

    /// Returns the factors.
    pub(super) fn scales(&self) -> Result<FloatScales, String> {
        Ok(FloatScales {
            color: self.colors.unit_scale("colors")?,
            alpha: self.alpha.unit_scale("alpha")?,
        })
    }
}

impl FloatScales {
    /// Scales samples `(pixels, decoded)` to [0, 1]. Extra samples stay as they are.
    pub(super) fn apply(self, values: &mut [f32], layout: PixelLayout) {
        let scaled = |value: f32, scale: f32| (value * scale).clamp(0.0, 1.0);
        for pixel in values.chunks_exact_mut(layout.decoded) {
            for value in &mut pixel[..layout.colors] {
                *value = scaled(*value, self.color);
            }
            if layout.alpha != Alpha::None
                && let Some(alpha) = pixel.get_mut(layout.colors)
            {
                *alpha = scaled(*alpha, self.alpha);
            }
        }
    }
}

/// Returns float samples in single precision.
///
/// Integers of other sizes than 8 and 16 bits are an error, because few programs use their full range.
pub(super) fn as_floats(buffer: DecodingResult, layout: PixelLayout) -> Result<Vec<f32>, String> {
    Ok(match buffer {
        DecodingResult::F16(samples) => samples.iter().map(|v| v.to_f32()).collect(),
        DecodingResult::F32(samples) => samples,
        DecodingResult::F64(samples) => samples.iter().map(|&v| v as f32).collect(),
        other => {
            let (min, max) = integer_range(&other);
            let bits = layout.bits;
            return Err(format!(
                "has {bits}-bit integer samples from {min} to {max}, expected unsigned integers of 8 or 16 bits, or floats from \
                 0 to 1; scale the samples and save the picture again"
            ));
        }
    })
}

/// Scales all float samples of a picture to [0, 1].
pub(super) fn scale_floats(values: &mut [f32], layout: PixelLayout) -> Result<(), String> {
    let mut ranges = FloatRanges::default();
    ranges.add(values, layout);
    ranges.scales()?.apply(values, layout);
    Ok(())
}

/// Returns the smallest and the largest integer sample.
fn integer_range(buffer: &DecodingResult) -> (i128, i128) {
    fn range<T: Copy + Into<i128>>(samples: &[T]) -> (i128, i128) {
        let numbers = || samples.iter().map(|&v| v.into());
        (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0))
    }
    match buffer {
        DecodingResult::U8(v) => range(v),
        DecodingResult::U16(v) => range(v),
        DecodingResult::U32(v) => range(v),
        DecodingResult::U64(v) => range(v),
        DecodingResult::I8(v) => range(v),
        DecodingResult::I16(v) => range(v),
        DecodingResult::I32(v) => range(v),
        DecodingResult::I64(v) => range(v),
        DecodingResult::F16(_) | DecodingResult::F32(_) | DecodingResult::F64(_) => (0, 0),
    }
}
