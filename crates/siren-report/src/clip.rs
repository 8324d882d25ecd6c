//! Clips for pages: the frames of a GIF file as pictures, so that a reader can stop and step through them.

use std::io::Cursor;
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, ImageDecoder, ImageFormat, Limits};

use crate::embed::{Budget, MAX_DECODED_BYTES, Reason};

/// Bytes of the frames of a clip, as files. Of a longer clip, every second, third … frame is shown.
const CLIP_BYTES: usize = 8 << 20;

/// Bytes of all frames of a clip in memory, four for a pixel, of which a clip may have so many.
const MAX_CLIP_BYTES: u64 = 2 << 30;

/// A clip as data URIs.
pub(crate) struct EmbeddedClip {
    /// The frames that are shown.
    pub(crate) frames: Vec<String>,
    /// Seconds that a shown frame lasts.
    pub(crate) seconds: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// One frame of so many is shown.
    pub(crate) stride: usize,
}

/// Embeds the frames of a GIF file.
pub(crate) fn embed(
    bytes: &[u8],
    path: &Path,
    budget: &mut Budget,
) -> Result<EmbeddedClip, Reason> {
    let fail =
        |error: image::ImageError| format!("{} cannot be read as GIF: {error}", path.display());
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(fail)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    decoder.set_limits(limits).map_err(fail)?;
    let (width, height) = decoder.dimensions();
    let mut files = Vec::new();
    let mut seconds = 0.0;
    let frame_bytes = 4 * u64::from(width) * u64::from(height);
    for frame in decoder.into_frames() {
        let frame = frame.map_err(fail)?;
        if (files.len() as u64 + 1) * frame_bytes > MAX_CLIP_BYTES {
            return Err(format!(
                "left out, because the clip has too many frames: see {}",
                path.display()
            ));
        }
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        seconds += f64::from(numerator) / f64::from(denominator.max(1)) / 1000.0;
        let mut file = Cursor::new(Vec::new());
        let picture = image::DynamicImage::from(frame.into_buffer()).into_rgb8();
        picture
            .write_to(&mut file, ImageFormat::WebP)
            .map_err(fail)?;
        files.push(file.into_inner());
    }
    if files.is_empty() {
        return Err(format!("{} has no frames", path.display()));
    }
    let total: usize = files.iter().map(Vec::len).sum();
    let stride = total.div_ceil(CLIP_BYTES).clamp(1, files.len());
    let shown = files.iter().step_by(stride);
    let frames = shown.map(|file| budget.data("image/webp", file, path));
    Ok(EmbeddedClip {
        frames: frames.collect::<Result<_, _>>()?,
        seconds: seconds / files.len() as f64 * stride as f64,
        width,
        height,
        stride,
    })
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame, Rgba, RgbaImage};

    use super::*;

    fn gif(side: u32, frames: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for index in 0..frames {
            let picture = RgbaImage::from_pixel(side, side, Rgba([index, 2, 3, 255]));
            let delay = Delay::from_numer_denom_ms(50, 1);
            encoder
                .encode_frame(Frame::from_parts(picture, 0, 0, delay))
                .unwrap();
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn every_frame_of_a_short_clip_is_shown_for_its_time() {
        let clip = embed(&gif(4, 3), Path::new("a.gif"), &mut Budget::new()).unwrap();
        assert_eq!(
            (clip.frames.len(), clip.width, clip.height, clip.stride),
            (3, 4, 4, 1)
        );
        assert!((clip.seconds - 0.05).abs() < 1e-9);
        assert!(clip.frames[0].starts_with("data:image/webp;base64,"));
        assert_ne!(clip.frames[0], clip.frames[2]);
    }

    #[test]
    fn a_damaged_clip_is_named() {
        let whole = gif(4, 3);
        for bytes in [&b"no clip"[..], &whole[..whole.len() / 2]] {
            let reason = embed(bytes, Path::new("a.gif"), &mut Budget::new())
                .err()
                .unwrap();
            assert!(reason.starts_with("a.gif "), "{reason}");
        }
    }
}
