//! Conversion of decoded frames to RGB pictures, by the matrix, range and alpha channel of each frame.
//!
//! FFmpeg's scaler is used to upsample chroma and to unpack palettes and packed formats only. The matrix is applied here, because the
//! scaler's safe interface supports only BT.601 in limited range.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::color;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling;
use image::RgbImage;
use siren_picture::Size;

use super::super::color::{ColorMatrix, ColorRange, SampleDepth, YuvToRgb, over_white};

/// Prefixes of the names of pixel formats whose samples are RGB or indices of an RGB palette.
const RGB_PREFIXES: [&str; 14] = [
    "0bgr", "0rgb", "abgr", "argb", "bayer", "bgr", "gbr", "monob", "monow", "pal8", "rgb",
    "x2bgr", "x2rgb", "xyz",
];

/// The properties of a pixel format that a conversion to RGB needs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SampleFormat {
    model: ColorModel,
    /// Whether there is an alpha channel.
    has_alpha: bool,
    /// Whether the format implies full range.
    is_full: bool,
    /// Bits per luma and chroma sample; unused for RGB.
    bits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ColorModel {
    Rgb,
    Gray,
    Yuv,
}

impl SampleFormat {
    /// Determines the properties from FFmpeg's name of a pixel format and its number of components.
    fn from_name(name: &str, components: u8) -> Self {
        let is_deep = name.ends_with("le") || name.ends_with("be");
        let has_prefix = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let model = if has_prefix(&RGB_PREFIXES) {
            ColorModel::Rgb
        } else if has_prefix(&["gray", "ya8", "ya16"]) {
            ColorModel::Gray
        } else {
            ColorModel::Yuv
        };
        Self {
            model,
            has_alpha: components == 2 || components == 4 || name == "pal8",
            is_full: name.starts_with("yuvj"),
            bits: if is_deep { deep_bits(name) } else { 8 },
        }
    }

    /// Returns the pixel format to which the scaler converts frames: the same samples at full resolution, in planes or packed RGB.
    fn intermediate_format(self) -> Pixel {
        match (self.model, self.bits, self.is_full) {
            (ColorModel::Rgb, ..) if self.has_alpha => Pixel::RGBA,
            (ColorModel::Rgb, ..) => Pixel::RGB24,
            (ColorModel::Gray, 8, _) => Pixel::GRAY8,
            (ColorModel::Gray, ..) => Pixel::GRAY16LE,
            (ColorModel::Yuv, 8, true) => Pixel::YUVJ444P,
            (ColorModel::Yuv, 8, false) => Pixel::YUV444P,
            (ColorModel::Yuv, ..) => Pixel::YUV444P16LE,
        }
    }

    /// Returns the depth of the samples in the intermediate format.
    fn depth(self) -> SampleDepth {
        SampleDepth {
            bits: self.bits,
            shift: if self.bits == 8 { 0 } else { 16 - self.bits },
        }
    }

    /// Returns the converter for a frame's matrix and range. The error is a message about an unsupported matrix.
    fn yuv_to_rgb(self, frame: &Video) -> Result<YuvToRgb, String> {
        let range = match frame.color_range() {
            color::Range::JPEG => ColorRange::Full,
            color::Range::MPEG if !self.is_full => ColorRange::Limited,
            // Gray without a stated range is full, as in FFmpeg.
            _ if self.is_full || self.model == ColorModel::Gray => ColorRange::Full,
            _ => ColorRange::Limited,
        };
        let matrix = match frame.color_space() {
            _ if self.model == ColorModel::Gray => ColorMatrix::Bt601,
            color::Space::BT709 => ColorMatrix::Bt709,
            color::Space::BT470BG | color::Space::SMPTE170M => ColorMatrix::Bt601,
            color::Space::BT2020NCL => ColorMatrix::Bt2020,
            color::Space::FCC => ColorMatrix::Fcc,
            color::Space::SMPTE240M => ColorMatrix::Smpte240,
            color::Space::Unspecified | color::Space::Reserved => {
                ColorMatrix::default_for(frame_size(frame))
            }
            other => {
                return Err(format!(
                    "has the color matrix {}, expected BT.601, BT.709, BT.2020 (non-constant luminance), FCC or SMPTE 240; convert the \
                     clip, for example with `ffmpeg -i IN -vf zscale=matrix=709 OUT.mp4`",
                    other.name().unwrap_or("unknown")
                ));
            }
        };
        Ok(YuvToRgb::new(matrix, range, self.depth()))
    }
}

/// Returns the bits per sample of a pixel format of more than 8 bits, from the number before `le` or `be` in its name (`yuv420p10le`, `p010le`,
/// `gray16be`); 16 if there is none.
fn deep_bits(name: &str) -> u32 {
    let name = &name[..name.len() - 2];
    if ["nv20", "xv30"].contains(&name) {
        return 10;
    }
    if name == "xv36" {
        return 12;
    }
    let last = name.get(name.len().saturating_sub(2)..).unwrap_or_default();
    let number = last
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .parse();
    number
        .ok()
        .filter(|bits| (9..=16).contains(bits))
        .unwrap_or(16)
}

/// A converter of decoded frames to RGB pictures.
#[derive(Default)]
pub(super) struct FrameConverter {
    color: Scaler,
    alpha: Scaler,
}

impl FrameConverter {
    /// Converts a frame to RGB, composited over white where it is transparent. The error is a message for the user.
    pub(super) fn convert(&mut self, frame: &Video) -> Result<RgbImage, String> {
        let message = |error: ffmpeg::Error| format!("FFmpeg cannot convert its frames ({error})");
        let Some(format) = frame.format().descriptor() else {
            return Err("has frames of a pixel format unknown to FFmpeg".to_owned());
        };
        let samples = SampleFormat::from_name(format.name(), format.nb_components());
        let converted = self
            .color
            .run(frame, samples.intermediate_format())
            .map_err(message)?;
        let mut picture = match samples.model {
            ColorModel::Rgb if samples.has_alpha => {
                return Ok(flatten_over_white(&converted, |_, _, rgba| {
                    [rgba[0], rgba[1], rgba[2]]
                }));
            }
            ColorModel::Rgb => from_rgb24(&converted),
            ColorModel::Gray | ColorModel::Yuv => {
                from_planes(&converted, samples, &samples.yuv_to_rgb(frame)?)
            }
        };
        if samples.has_alpha {
            let rgba = self.alpha.run(frame, Pixel::RGBA).map_err(message)?;
            picture = flatten_over_white(&rgba, |x, y, _| picture.get_pixel(x, y).0);
        }
        Ok(picture)
    }
}

/// Copies a frame of RGB24.
fn from_rgb24(frame: &Video) -> RgbImage {
    let (data, stride) = (frame.data(0), frame.stride(0));
    RgbImage::from_fn(frame.width(), frame.height(), |x, y| {
        let red = y as usize * stride + 3 * x as usize;
        image::Rgb([data[red], data[red + 1], data[red + 2]])
    })
}

/// Composites colors over white by the alpha of a frame of RGBA. `color` returns the color at `(x, y)`, given the frame's RGBA there.
fn flatten_over_white(frame: &Video, color: impl Fn(u32, u32, &[u8]) -> [u8; 3]) -> RgbImage {
    let (data, stride) = (frame.data(0), frame.stride(0));
    RgbImage::from_fn(frame.width(), frame.height(), |x, y| {
        let start = y as usize * stride + 4 * x as usize;
        let rgba = &data[start..start + 4];
        image::Rgb(over_white(color(x, y, rgba), rgba[3]))
    })
}

/// Converts a frame of one gray plane, or of three planes of equal size, to RGB.
fn from_planes(frame: &Video, samples: SampleFormat, converter: &YuvToRgb) -> RgbImage {
    let sample = |plane: usize, x: u32, y: u32| {
        let (x, y) = (x as usize, y as usize);
        let row = &frame.data(plane)[y * frame.stride(plane)..];
        match samples.bits {
            8 => u16::from(row[x]),
            _ => u16::from_le_bytes([row[2 * x], row[2 * x + 1]]),
        }
    };
    RgbImage::from_fn(frame.width(), frame.height(), |x, y| {
        image::Rgb(match samples.model {
            ColorModel::Gray => [converter.gray(sample(0, x, y)); 3],
            _ => converter.rgb(sample(0, x, y), sample(1, x, y), sample(2, x, y)),
        })
    })
}

fn frame_size(frame: &Video) -> Size {
    Size {
        height: frame.height() as usize,
        width: frame.width() as usize,
    }
}

/// FFmpeg's scaler for frames of one size and format. It is created anew when the size or a format changes.
#[derive(Default)]
struct Scaler(Option<scaling::Context>);

impl Scaler {
    fn run(&mut self, frame: &Video, target: Pixel) -> Result<Video, ffmpeg::Error> {
        let (format, width, height) = (frame.format(), frame.width(), frame.height());
        let is_applicable = |scaler: &scaling::Context| {
            let input = scaler.input();
            (
                input.format,
                input.width,
                input.height,
                scaler.output().format,
            ) == (format, width, height, target)
        };
        let scaler = match self.0.take() {
            Some(scaler) if is_applicable(&scaler) => scaler,
            _ => {
                let flags = scaling::Flags::BILINEAR | scaling::Flags::ACCURATE_RND;
                scaling::Context::get(format, width, height, target, width, height, flags)?
            }
        };
        let mut converted = Video::empty();
        self.0.insert(scaler).run(frame, &mut converted)?;
        Ok(converted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_formats_are_classified_by_their_names() {
        for (name, components, model, has_alpha, bits) in [
            ("yuv420p", 3, ColorModel::Yuv, false, 8),
            ("nv12", 3, ColorModel::Yuv, false, 8),
            ("yuyv422", 3, ColorModel::Yuv, false, 8),
            ("yuva420p", 4, ColorModel::Yuv, true, 8),
            ("yuv420p10le", 3, ColorModel::Yuv, false, 10),
            ("yuv444p9be", 3, ColorModel::Yuv, false, 9),
            ("yuva444p12le", 4, ColorModel::Yuv, true, 12),
            ("p010le", 3, ColorModel::Yuv, false, 10),
            ("p216le", 3, ColorModel::Yuv, false, 16),
            ("y210le", 3, ColorModel::Yuv, false, 10),
            ("nv20le", 3, ColorModel::Yuv, false, 10),
            ("ayuv64le", 4, ColorModel::Yuv, true, 16),
            ("gray", 1, ColorModel::Gray, false, 8),
            ("gray10le", 1, ColorModel::Gray, false, 10),
            ("ya16be", 2, ColorModel::Gray, true, 16),
            ("rgb24", 3, ColorModel::Rgb, false, 8),
            ("argb", 4, ColorModel::Rgb, true, 8),
            ("bgr0", 3, ColorModel::Rgb, false, 8),
            ("gbrp", 3, ColorModel::Rgb, false, 8),
            ("pal8", 1, ColorModel::Rgb, true, 8),
        ] {
            let found = SampleFormat::from_name(name, components);
            assert_eq!(
                (found.model, found.has_alpha, found.bits),
                (model, has_alpha, bits),
                "{name}"
            );
        }
        assert!(SampleFormat::from_name("yuvj420p", 3).is_full);
    }
}
