//! From decoded frames to pictures: matrix, range and transparency as the frame says.
//!
//! FFmpeg's scaler brings all samplings to one and reads palettes and packed formats. It does not apply a matrix: through its safe
//! interface it knows BT.601 and limited range alone.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::color;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling;
use image::RgbImage;

use super::super::color::{Depth, Matrix, Range, Yuv, over_white};

/// How the names of formats begin whose samples are red, green and blue, or indices of such colors.
const RGB: [&str; 14] = [
    "0bgr", "0rgb", "abgr", "argb", "bayer", "bgr", "gbr", "monob", "monow", "pal8", "rgb",
    "x2bgr", "x2rgb", "xyz",
];

/// What the samples of a frame are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Samples {
    kind: Kind,
    /// Whether there is an alpha channel.
    has_alpha: bool,
    /// Whether the format means full range by itself.
    is_full: bool,
    /// Bits of luma and chroma; of no effect for RGB.
    bits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Rgb,
    Gray,
    Yuv,
}

impl Samples {
    /// By FFmpeg's name of a format, and how many components it has.
    fn of(name: &str, components: u8) -> Self {
        let is_deep = name.ends_with("le") || name.ends_with("be");
        let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        let kind = if begins(&RGB) {
            Kind::Rgb
        } else if begins(&["gray", "ya8", "ya16"]) {
            Kind::Gray
        } else {
            Kind::Yuv
        };
        Self {
            kind,
            has_alpha: components == 2 || components == 4 || name == "pal8",
            is_full: name.starts_with("yuvj"),
            bits: if is_deep { deep_bits(name) } else { 8 },
        }
    }

    /// The format to which the scaler brings the samples, without another change.
    fn common_format(self) -> Pixel {
        match (self.kind, self.bits, self.is_full) {
            (Kind::Rgb, ..) if self.has_alpha => Pixel::RGBA,
            (Kind::Rgb, ..) => Pixel::RGB24,
            (Kind::Gray, 8, _) => Pixel::GRAY8,
            (Kind::Gray, ..) => Pixel::GRAY16LE,
            (Kind::Yuv, 8, true) => Pixel::YUVJ444P,
            (Kind::Yuv, 8, false) => Pixel::YUV444P,
            (Kind::Yuv, ..) => Pixel::YUV444P16LE,
        }
    }

    /// Bits, and where they lie in the common format.
    fn depth(self) -> Depth {
        Depth {
            bits: self.bits,
            shift: if self.bits == 8 { 0 } else { 16 - self.bits },
        }
    }

    /// The rule by which a frame's samples are colors.
    fn colors(self, frame: &Video) -> Result<Yuv, String> {
        let range = match frame.color_range() {
            color::Range::JPEG => Range::Full,
            color::Range::MPEG if !self.is_full => Range::Limited,
            // As FFmpeg has it: gray without a range is full.
            _ if self.is_full || self.kind == Kind::Gray => Range::Full,
            _ => Range::Limited,
        };
        let matrix = match frame.color_space() {
            _ if self.kind == Kind::Gray => Matrix::Bt601,
            color::Space::BT709 => Matrix::Bt709,
            color::Space::BT470BG | color::Space::SMPTE170M => Matrix::Bt601,
            color::Space::BT2020NCL => Matrix::Bt2020,
            color::Space::FCC => Matrix::Fcc,
            color::Space::SMPTE240M => Matrix::Smpte240,
            color::Space::Unspecified | color::Space::Reserved => {
                Matrix::guessed((frame.width(), frame.height()))
            }
            other => {
                return Err(format!(
                    "has colors by the matrix {}, expected BT.601, BT.709 or BT.2020 (non-constant luminance); convert it, for example \
                     with `ffmpeg -i IN -vf zscale=matrix=709 OUT.mp4`",
                    other.name().unwrap_or("unknown")
                ));
            }
        };
        Ok(Yuv::new(matrix, range, self.depth()))
    }
}

/// Bits of a sample of more than eight, by the number at the end of a format's name: `yuv420p10le`, `p010le`, `gray16be`.
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

/// Makes pictures of frames.
#[derive(Default)]
pub(super) struct Converter {
    color: Scaler,
    alpha: Scaler,
}

impl Converter {
    /// Red, green and blue of a frame, over white where it is transparent. The message says why not.
    pub(super) fn picture(&mut self, frame: &Video) -> Result<RgbImage, String> {
        let said = |error: ffmpeg::Error| format!("FFmpeg cannot convert its frames ({error})");
        let Some(format) = frame.format().descriptor() else {
            return Err("has frames of a format that FFmpeg does not name".to_owned());
        };
        let samples = Samples::of(format.name(), format.nb_components());
        let common = self
            .color
            .run(frame, samples.common_format())
            .map_err(said)?;
        let size = (frame.width(), frame.height());
        let mut picture = match samples.kind {
            Kind::Rgb if samples.has_alpha => {
                return Ok(flattened(&common, size, |_, _, own| {
                    [own[0], own[1], own[2]]
                }));
            }
            Kind::Rgb => packed(&common, size),
            Kind::Gray | Kind::Yuv => planar(&common, size, samples, &samples.colors(frame)?),
        };
        if samples.has_alpha {
            let transparent = self.alpha.run(frame, Pixel::RGBA).map_err(said)?;
            picture = flattened(&transparent, size, |x, y, _| picture.get_pixel(x, y).0);
        }
        Ok(picture)
    }
}

/// Of RGB24.
fn packed(frame: &Video, (width, height): (u32, u32)) -> RgbImage {
    let (data, stride) = (frame.data(0), frame.stride(0));
    RgbImage::from_fn(width, height, |x, y| {
        let at = y as usize * stride + 3 * x as usize;
        image::Rgb([data[at], data[at + 1], data[at + 2]])
    })
}

/// Colors over white, by the alpha of a frame of RGBA.
fn flattened(
    frame: &Video,
    (width, height): (u32, u32),
    color: impl Fn(u32, u32, &[u8]) -> [u8; 3],
) -> RgbImage {
    let (data, stride) = (frame.data(0), frame.stride(0));
    RgbImage::from_fn(width, height, |x, y| {
        let at = y as usize * stride + 4 * x as usize;
        let own = &data[at..at + 4];
        image::Rgb(over_white(color(x, y, own), own[3]))
    })
}

/// Of planes of one size.
fn planar(frame: &Video, (width, height): (u32, u32), samples: Samples, colors: &Yuv) -> RgbImage {
    let sample = |plane: usize, x: u32, y: u32| {
        let (x, y) = (x as usize, y as usize);
        let line = &frame.data(plane)[y * frame.stride(plane)..];
        match samples.bits {
            8 => u16::from(line[x]),
            _ => u16::from_le_bytes([line[2 * x], line[2 * x + 1]]),
        }
    };
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb(match samples.kind {
            Kind::Gray => [colors.gray(sample(0, x, y)); 3],
            _ => colors.rgb([0, 1, 2].map(|plane| sample(plane, x, y))),
        })
    })
}

/// FFmpeg's scaler for frames of one size and format, made anew when they change.
#[derive(Default)]
struct Scaler(Option<scaling::Context>);

impl Scaler {
    fn run(&mut self, frame: &Video, to: Pixel) -> Result<Video, ffmpeg::Error> {
        let (format, width, height) = (frame.format(), frame.width(), frame.height());
        let is_fit = |scaler: &scaling::Context| {
            let input = scaler.input();
            (
                input.format,
                input.width,
                input.height,
                scaler.output().format,
            ) == (format, width, height, to)
        };
        let scaler = match self.0.take() {
            Some(scaler) if is_fit(&scaler) => scaler,
            _ => {
                let flags = scaling::Flags::BILINEAR | scaling::Flags::ACCURATE_RND;
                scaling::Context::get(format, width, height, to, width, height, flags)?
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
    fn formats_are_known_by_their_names() {
        for (name, components, kind, has_alpha, bits) in [
            ("yuv420p", 3, Kind::Yuv, false, 8),
            ("nv12", 3, Kind::Yuv, false, 8),
            ("yuyv422", 3, Kind::Yuv, false, 8),
            ("yuva420p", 4, Kind::Yuv, true, 8),
            ("yuv420p10le", 3, Kind::Yuv, false, 10),
            ("yuv444p9be", 3, Kind::Yuv, false, 9),
            ("yuva444p12le", 4, Kind::Yuv, true, 12),
            ("p010le", 3, Kind::Yuv, false, 10),
            ("p216le", 3, Kind::Yuv, false, 16),
            ("y210le", 3, Kind::Yuv, false, 10),
            ("nv20le", 3, Kind::Yuv, false, 10),
            ("ayuv64le", 4, Kind::Yuv, true, 16),
            ("gray", 1, Kind::Gray, false, 8),
            ("gray10le", 1, Kind::Gray, false, 10),
            ("ya16be", 2, Kind::Gray, true, 16),
            ("rgb24", 3, Kind::Rgb, false, 8),
            ("argb", 4, Kind::Rgb, true, 8),
            ("bgr0", 3, Kind::Rgb, false, 8),
            ("gbrp", 3, Kind::Rgb, false, 8),
            ("pal8", 1, Kind::Rgb, true, 8),
        ] {
            let found = Samples::of(name, components);
            assert_eq!(
                (found.kind, found.has_alpha, found.bits),
                (kind, has_alpha, bits),
                "{name}"
            );
        }
        assert!(Samples::of("yuvj420p", 3).is_full);
    }
}
