//! Writes a clip as MP4 with FFmpeg.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Packet, Rational, codec, encoder, format, frame};
use siren_core::file::PartialFile;
use siren_core::{Error, Result};
use siren_picture::Size;

use super::Sink;

/// Constant rate factor (CRF) of x264; at 18 the loss is hardly visible.
const QUALITY: &str = "18";
/// Bit rate of the MPEG-4 fallback, in bits per pixel of each frame.
const BITS_PER_PIXEL: f64 = 6.0;
/// Longest side of H.264, in pixels.
const MAX_SIDE: usize = 16_384;

/// A writer of H.264 by x264, or of MPEG-4 where FFmpeg was built without x264. Players need even sides, so that the last row or column
/// of frames with an odd side is written twice.
pub(super) struct Mp4Sink {
    output: format::context::Output,
    encoder: encoder::Video,
    scaler: scaling::Context,
    time_base: Rational,
    size: Size,
    /// Presentation time of the next frame, in units of `time_base`: the number of frames so far.
    next_pts: i64,
    /// Path that the user gave, for messages; the file has a temporary name until it is finished.
    path: PathBuf,
    partial: PartialFile,
}

impl Mp4Sink {
    pub(super) fn create(path: &Path, size: Size, rate: f64) -> Result<Self> {
        if size.height.max(size.width) > MAX_SIDE {
            let message = format!(
                "cannot be written: an MP4 has at most {MAX_SIDE} pixels a side, and the frames have {} × {} (height × width); choose a \
                 smaller size",
                size.height, size.width
            );
            return Err(Error::signal(path, message));
        }
        // FFmpeg opens the file again by its name.
        let (partial, file) = PartialFile::create(path)?;
        drop(file);
        Self::open(path, partial, size, rate).map_err(|error| write_error(path, error))
    }

    fn open(
        path: &Path,
        partial: PartialFile,
        size: Size,
        rate: f64,
    ) -> Result<Self, ffmpeg::Error> {
        ffmpeg::init()?;
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let mut output = format::output_as(partial.temporary(), "mp4")?;
        let x264 = encoder::find_by_name("libx264");
        let found = x264.or_else(|| encoder::find(codec::Id::MPEG4));
        let found = found.ok_or(ffmpeg::Error::EncoderNotFound)?;
        let (width, height) = (even(size.width), even(size.height));
        let time_base = frame_rate_fraction(rate).invert();
        let mut video = codec::context::Context::new_with_codec(found)
            .encoder()
            .video()?;
        video.set_width(width);
        video.set_height(height);
        video.set_format(Pixel::YUV420P);
        video.set_frame_rate(Some(time_base.invert()));
        video.set_time_base(time_base);
        if output
            .format()
            .flags()
            .contains(format::Flags::GLOBAL_HEADER)
        {
            video.set_flags(codec::Flags::GLOBAL_HEADER);
        }
        let mut options = Dictionary::new();
        if x264.is_some() {
            options.set("crf", QUALITY);
        } else {
            video.set_bit_rate(
                (BITS_PER_PIXEL * rate * f64::from(width) * f64::from(height)) as usize,
            );
        }
        let encoder = video.open_with(options)?;
        let mut stream = output.add_stream(found)?;
        stream.set_parameters(&encoder);
        stream.set_avg_frame_rate(time_base.invert());
        stream.set_time_base(time_base);
        output.write_header()?;
        let flags = scaling::Flags::BILINEAR;
        let scaler = scaling::Context::get(
            Pixel::RGB24,
            width,
            height,
            Pixel::YUV420P,
            width,
            height,
            flags,
        )?;
        Ok(Self {
            output,
            encoder,
            scaler,
            time_base,
            size,
            next_pts: 0,
            path: path.to_path_buf(),
            partial,
        })
    }

    fn encode(&mut self, picture: &[u8]) -> Result<(), ffmpeg::Error> {
        let Size { height, width } = self.size;
        let mut rgb = frame::Video::new(Pixel::RGB24, even(width), even(height));
        let stride = rgb.stride(0);
        for (row, target) in rgb
            .data_mut(0)
            .chunks_mut(stride)
            .take(even(height) as usize)
            .enumerate()
        {
            let start = row.min(height - 1) * width * 3;
            let source = &picture[start..start + width * 3];
            target[..width * 3].copy_from_slice(source);
            if even(width) as usize > width {
                target[width * 3..width * 3 + 3].copy_from_slice(&source[width * 3 - 3..]);
            }
        }
        let mut yuv = frame::Video::empty();
        self.scaler.run(&rgb, &mut yuv)?;
        yuv.set_pts(Some(self.next_pts));
        self.next_pts += 1;
        self.encoder.send_frame(&yuv)?;
        self.write_packets()
    }

    /// Writes the packets that the encoder has ready. Its end and its need for more frames are not errors.
    fn write_packets(&mut self) -> Result<(), ffmpeg::Error> {
        let Some(stream) = self.output.stream(0) else {
            return Err(ffmpeg::Error::StreamNotFound);
        };
        let stream_time_base = stream.time_base();
        let mut packet = Packet::empty();
        loop {
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(error) if is_drained(error) => return Ok(()),
                Err(error) => return Err(error),
            }
            packet.set_stream(0);
            packet.set_duration(1);
            packet.rescale_ts(self.time_base, stream_time_base);
            packet.write_interleaved(&mut self.output)?;
        }
    }

    fn complete(&mut self) -> Result<(), ffmpeg::Error> {
        self.encoder.send_eof()?;
        self.write_packets()?;
        self.output.write_trailer()
    }
}

impl Sink for Mp4Sink {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        self.encode(frame)
            .map_err(|error| write_error(&self.path, error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.complete()
            .map_err(|error| write_error(&self.path, error))?;
        let Self {
            output, partial, ..
        } = *self;
        // Dropping the output closes the file, which must precede the rename.
        drop(output);
        partial.keep()
    }
}

/// Returns whether an encoder has no packet ready: it waits for frames, or has returned all packets after the end of the clip.
fn is_drained(error: ffmpeg::Error) -> bool {
    matches!(
        error,
        ffmpeg::Error::Other { errno: EAGAIN } | ffmpeg::Error::Eof
    )
}

/// Rounds a side up to an even number of pixels.
fn even(side: usize) -> u32 {
    side.next_multiple_of(2) as u32
}

/// Converts a frame rate to a fraction: one of the NTSC rates (24, 30 and 60 times 1000/1001) within 0.001, otherwise rounded to 0.001.
fn frame_rate_fraction(rate: f64) -> Rational {
    for (numerator, denominator) in [(24_000, 1001), (30_000, 1001), (60_000, 1001)] {
        if (rate - f64::from(numerator) / f64::from(denominator)).abs() < 1e-3 {
            return Rational::new(numerator, denominator);
        }
    }
    Rational::new((rate * 1000.0).round().clamp(1.0, 1e9) as i32, 1000).reduce()
}

fn write_error(path: &Path, error: ffmpeg::Error) -> Error {
    Error::signal(path, format!("FFmpeg cannot write this file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VideoSignalConfig;
    use crate::frames::open;

    #[test]
    fn an_encoder_without_packets_is_drained_and_any_other_error_is_one() {
        assert!(is_drained(ffmpeg::Error::Other { errno: EAGAIN }));
        assert!(is_drained(ffmpeg::Error::Eof));
        let full_disk = ffmpeg::Error::Other { errno: 28 };
        assert!(!is_drained(full_disk) && !is_drained(ffmpeg::Error::InvalidData));
    }

    #[test]
    fn an_error_of_the_encoder_names_the_file_that_the_user_gave() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let size = Size {
            height: 32,
            width: 32,
        };
        let mut mp4 = Box::new(Mp4Sink::create(&path, size, 20.0).unwrap());
        mp4.push(&[0; 32 * 32 * 3]).unwrap();
        // The encoder accepts neither frames nor a second end after its end.
        mp4.encoder.send_eof().unwrap();
        let pushed = mp4.push(&[0; 32 * 32 * 3]).unwrap_err().to_string();
        let finished = mp4.finish().unwrap_err().to_string();
        for message in [pushed, finished] {
            let start = format!("{}: FFmpeg cannot write", path.display());
            assert!(message.starts_with(&start), "{message}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_clip_of_variable_frame_rate_is_read_with_the_duration_of_each_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let size = Size {
            height: 32,
            width: 32,
        };
        let mut mp4 = Box::new(Mp4Sink::create(&path, size, 20.0).unwrap());
        // Times are in twentieths of a second; the last frame lasts one.
        for (shade, time) in [(0, 0), (60, 2), (120, 10), (180, 12), (240, 18)] {
            mp4.next_pts = time;
            mp4.push(&vec![shade; 32 * 32 * 3]).unwrap();
        }
        mp4.finish().unwrap();
        let signal = VideoSignalConfig {
            path: Some(path),
            ..VideoSignalConfig::default()
        };
        let mut frames = open(&signal).unwrap();
        // All times are multiples of a tenth of a second.
        assert!((frames.rate() - 10.0).abs() < 1e-9, "{}", frames.rate());
        assert_eq!(frames.count(), Some(10));
        let mut shades = Vec::new();
        while let Some(frame) = frames.read_next().unwrap() {
            shades.push(frame.get_pixel(16, 16).0[1]);
        }
        let times = [(0, 1), (60, 4), (120, 1), (180, 3), (240, 1)];
        let expected = times.map(|(shade, times)| vec![shade; times]).concat();
        assert_eq!(shades.len(), expected.len());
        for (index, (found, expected)) in shades.iter().zip(expected).enumerate() {
            assert!(
                found.abs_diff(expected) < 12,
                "frame {index}: found {found}, expected {expected}"
            );
        }
    }
}
