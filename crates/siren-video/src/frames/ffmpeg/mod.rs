//! Reads clips of all other formats with FFmpeg.

mod aspect;
mod packets;
mod pictures;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::side_data;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Packet, Rational, codec, decoder, format, frame};
use image::metadata::Orientation;
use siren_core::{Error, Result};
use siren_picture::Size;

use self::pictures::FrameConverter;
use super::clock::{FrameSource, Resampled, TimedFrame};
use super::display::{DisplayTransform, PixelAspect, orientation_of_matrix};
use super::{interlaced_note, size_of};

/// Frame rate of a stream that states no rate and whose frames have no presentation times, in frames per second.
const UNKNOWN_RATE: f64 = 25.0;
/// Fraction of the duration in the header that may be missing before a note says that the file is cut short.
const MAX_MISSING_FRACTION: f64 = 0.05;

/// A reader of the best video stream of a file, upright and in square pixels. The length in a file's header is not relied upon: the clip
/// consists of the frames that can be decoded.
pub(super) struct FfmpegFrames {
    path: PathBuf,
    input: format::context::Input,
    decoder: decoder::Video,
    converter: FrameConverter,
    /// Index of the stream in the file.
    index: usize,
    /// Duration of a tick, in seconds.
    tick: f64,
    /// Duration of every frame in seconds, if the frames have no presentation times.
    untimed_duration: Option<f64>,
    /// Pixel aspect ratio and orientation that the container states; those of the decoded frames are used where it states none.
    container_aspect: Option<PixelAspect>,
    container_orientation: Option<Orientation>,
    display: DisplayTransform,
    stored_size: Size,
    /// Number of frames in the packets of the stream.
    packet_frames: usize,
    /// Duration of all streams by their packets, in seconds.
    packet_seconds: f64,
    /// Duration in the header of the file, in seconds.
    header_seconds: f64,
    ready: VecDeque<TimedFrame>,
    decoded_frames: usize,
    /// Number of frames with damage that the decoder concealed.
    concealed_frames: usize,
    /// End of the last frame so far, in seconds.
    end: f64,
    is_interlaced: bool,
    is_at_end: bool,
}

impl FfmpegFrames {
    /// Opens a clip, to be read at the `requested` rate in frames per second, or at its own rate.
    pub(super) fn open(path: &Path, requested: Option<f64>) -> Result<Resampled<Self>> {
        let fail = |error: ffmpeg::Error| read_error(path, error);
        ffmpeg::init().map_err(fail)?;
        // Errors and notes report problems once; FFmpeg's own log would repeat them.
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let input = format::input(path).map_err(fail)?;
        let Some(stream) = select_stream(&input) else {
            return Err(Error::signal(path, no_video_message(&input)));
        };
        let decoder = open_decoder(&stream).map_err(|message| Error::signal(path, message))?;
        let tick = f64::from(stream.time_base());
        let packets = packets::scan(path, stream.index(), stream.start_time());
        let packets = packets.map_err(fail)?;
        let header_seconds = input.duration().max(0) as f64 / f64::from(ffmpeg::ffi::AV_TIME_BASE);
        let rates = [stream.avg_frame_rate(), stream.rate()].map(f64::from);
        let declared = rates
            .into_iter()
            .find(|&rate| rate.is_normal() && rate > 0.0);
        let own_rate = declared.or(requested).unwrap_or(UNKNOWN_RATE);
        let container_orientation = container_orientation(path, &stream)?;
        let container_aspect = aspect::container_aspect(path, stream.index());
        let aspect = container_aspect.unwrap_or_else(|| pixel_aspect(decoder.aspect_ratio()));
        let source = Self {
            path: path.to_path_buf(),
            converter: FrameConverter::default(),
            index: stream.index(),
            tick,
            untimed_duration: packets.timeline.is_none().then_some(1.0 / own_rate),
            container_aspect,
            container_orientation,
            display: DisplayTransform::new(aspect)
                .with_orientation(container_orientation.unwrap_or(Orientation::NoTransforms)),
            stored_size: Size {
                height: decoder.height() as usize,
                width: decoder.width() as usize,
            },
            packet_frames: packets.count,
            packet_seconds: packets.seconds,
            header_seconds,
            decoder,
            ready: VecDeque::new(),
            decoded_frames: 0,
            concealed_frames: 0,
            end: 0.0,
            is_interlaced: false,
            is_at_end: false,
            input,
        };
        if let Some(timeline) = packets.timeline {
            let frames = Resampled::with_timeline(source, &timeline, requested, &rates);
            return Ok(frames);
        }
        let rate = requested.unwrap_or(own_rate);
        let count = (packets.count as f64 * rate / own_rate).ceil() as usize;
        Ok(Resampled::new(source, rate, Some(count)))
    }

    /// Passes one packet to the decoder, and appends the frames that are complete to `ready`.
    fn decode_packet(&mut self) -> Result<()> {
        let mut packet = Packet::empty();
        // Errors of packets and of the end of the file are ignored, because `notes` reports the number of frames that are missing.
        match packet.read(&mut self.input) {
            Ok(()) if packet.stream() != self.index => return Ok(()),
            Ok(()) => {
                let _ = self.decoder.send_packet(&packet);
            }
            Err(ffmpeg::Error::Other { errno: EAGAIN }) => return Ok(()),
            Err(_) => {
                self.is_at_end = true;
                let _ = self.decoder.send_eof();
            }
        }
        let mut decoded = frame::Video::empty();
        while self.decoder.receive_frame(&mut decoded).is_ok() {
            let frame = self.timed_frame(&decoded)?;
            self.ready.push_back(frame);
        }
        Ok(())
    }

    /// Converts a decoded frame to the displayed picture with its presentation time.
    fn timed_frame(&mut self, decoded: &frame::Video) -> Result<TimedFrame> {
        let fail = |message: String| Error::signal(&self.path, message);
        let seconds = |ticks: i64| (ticks > 0).then_some(ticks as f64 * self.tick);
        let (start, duration) = match (self.untimed_duration, decoded.timestamp()) {
            (None, Some(ticks)) => (ticks as f64 * self.tick, seconds(decoded.packet().duration)),
            (None, None) => (self.end, None),
            (Some(duration), _) => (self.decoded_frames as f64 * duration, Some(duration)),
        };
        let aspect = pixel_aspect(decoded.aspect_ratio());
        if self.container_aspect.is_none() && aspect.width > 0 {
            let orientation = self
                .container_orientation
                .unwrap_or(Orientation::NoTransforms);
            self.display = DisplayTransform::new(aspect).with_orientation(orientation);
        }
        if self.container_orientation.is_none()
            && let Some(matrix) = decoded.side_data(frame::side_data::Type::DisplayMatrix)
        {
            let orientation = orientation_from_bytes(matrix.data()).map_err(fail)?;
            self.display = self.display.with_orientation(orientation);
        }
        let picture = self.converter.convert(decoded).map_err(fail)?;
        self.stored_size = size_of(&picture);
        self.decoded_frames += 1;
        self.concealed_frames += usize::from(decoded.is_corrupt() || decoded.has_decode_errors());
        self.is_interlaced |= decoded.is_interlaced();
        self.end = self.end.max(start + duration.unwrap_or(0.0));
        Ok(TimedFrame {
            start,
            duration,
            picture: self.display.apply(picture),
        })
    }
}

impl FrameSource for FfmpegFrames {
    fn size(&self) -> Option<Size> {
        let Size { height, width } = self.stored_size;
        (width > 0 && height > 0).then(|| self.display.size(self.stored_size))
    }

    fn read_next(&mut self) -> Result<Option<TimedFrame>> {
        while self.ready.is_empty() && !self.is_at_end {
            self.decode_packet()?;
        }
        if self.decoded_frames == 0 {
            let message =
                "has no frame that can be decoded: the file is damaged or cut short; copy it again";
            return Err(Error::signal(&self.path, message));
        }
        Ok(self.ready.pop_front())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.display.note(self.stored_size).into_iter().collect();
        if self.is_interlaced {
            notes.push(interlaced_note(&self.path));
        }
        if self.concealed_frames > 0 {
            notes.push(format!(
                "{} of its frames are damaged; the decoder filled in the damaged parts",
                self.concealed_frames
            ));
        }
        if !self.is_at_end {
            return notes;
        }
        let missing = self.packet_frames.saturating_sub(self.decoded_frames);
        if missing > 0 && !self.is_interlaced {
            notes.push(format!(
                "{missing} of its {} frames cannot be decoded and are left out: the file is damaged, or was cut at a frame that depends on \
                 earlier ones",
                self.packet_frames
            ));
        }
        if self.packet_seconds < (1.0 - MAX_MISSING_FRACTION) * self.header_seconds {
            let rounded = |seconds: f64| (seconds * 1e3).round() / 1e3;
            notes.push(format!(
                "the file ends after {} seconds, but its header states {} seconds: it may be cut short",
                rounded(self.packet_seconds),
                rounded(self.header_seconds)
            ));
        }
        notes
    }
}

/// Selects the best video stream that is not the cover picture of a sound.
fn select_stream(input: &format::context::Input) -> Option<format::stream::Stream<'_>> {
    let is_clip = |stream: &format::stream::Stream| {
        stream.parameters().medium() == Type::Video && !is_cover(stream)
    };
    let best = input.streams().best(Type::Video).filter(is_clip);
    best.or_else(|| input.streams().find(is_clip))
}

fn is_cover(stream: &format::stream::Stream) -> bool {
    stream.disposition().contains(Disposition::ATTACHED_PIC)
}

/// Returns the message about a file without a video stream.
fn no_video_message(input: &format::context::Input) -> String {
    let has_sound = input.streams().best(Type::Audio).is_some();
    let has_cover = input.streams().any(|stream| is_cover(&stream));
    let found = match (has_sound, has_cover) {
        (true, true) => "is a sound with a cover picture",
        (true, false) => "is a sound",
        (false, _) => return "has no video stream; give a clip".to_owned(),
    };
    format!(
        "{found} and has no video stream; give a clip, or fit the sound with siren-audio (`kind = \"audio\"`), which reads WAV, FLAC, MP3, \
         Ogg Vorbis and AIFF"
    )
}

/// Opens the decoder of a stream. VP8 and VP9 with an alpha channel need the decoder of libvpx, because FFmpeg's own ignores the channel.
fn open_decoder(stream: &format::stream::Stream) -> Result<decoder::Video, String> {
    let message = |error: ffmpeg::Error| format!("FFmpeg cannot decode its video stream ({error})");
    let context = codec::context::Context::from_parameters(stream.parameters()).map_err(message)?;
    let has_alpha = stream.metadata().get("alpha_mode") == Some("1");
    let name = match context.id() {
        codec::Id::VP8 if has_alpha => "libvpx",
        codec::Id::VP9 if has_alpha => "libvpx-vp9",
        _ => return context.decoder().video().map_err(message),
    };
    let Some(codec) = decoder::find_by_name(name) else {
        return Err(format!(
            "has an alpha channel, for which FFmpeg needs {name}, and this FFmpeg was built without it; flatten the clip over white first"
        ));
    };
    let opened = context
        .decoder()
        .open_as(codec)
        .and_then(decoder::Opened::video);
    opened.map_err(message)
}

/// Converts FFmpeg's ratio of the sides of a pixel.
fn pixel_aspect(ratio: Rational) -> PixelAspect {
    PixelAspect {
        width: ratio.numerator().into(),
        height: ratio.denominator().into(),
    }
}

/// Returns the orientation that the container states for a stream, or `None` if it states none.
fn container_orientation(
    path: &Path,
    stream: &format::stream::Stream,
) -> Result<Option<Orientation>> {
    let matrix = stream
        .side_data()
        .find(|data| data.kind() == side_data::Type::DisplayMatrix);
    let orientation = matrix.map(|matrix| orientation_from_bytes(matrix.data()));
    orientation
        .transpose()
        .map_err(|message| Error::signal(path, message))
}

/// Returns the orientation of a display matrix as FFmpeg stores it: three rows of three 32-bit integers.
fn orientation_from_bytes(matrix: &[u8]) -> Result<Orientation, String> {
    let entry = |index: usize| {
        let bytes = matrix.get(4 * index..4 * index + 4)?;
        Some(i32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let entries = [entry(0), entry(1), entry(3), entry(4)];
    let [Some(a), Some(b), Some(c), Some(d)] = entries else {
        return Ok(Orientation::NoTransforms);
    };
    orientation_of_matrix(a, b, c, d).ok_or_else(|| {
        "is rotated by an angle that is not a multiple of 90°; rotate it first with `ffmpeg -i IN OUT.mp4`".to_owned()
    })
}

fn read_error(path: &Path, error: ffmpeg::Error) -> Error {
    let message = format!(
        "FFmpeg cannot read this file ({error}): it is damaged, cut short or not a clip; copy it again, or check with `ffplay` whether it plays"
    );
    Error::signal(path, message)
}
