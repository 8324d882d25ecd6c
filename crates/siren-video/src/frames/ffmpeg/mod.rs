//! Whatever FFmpeg opens.

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
use ffmpeg_next::{Packet, codec, decoder, format, frame};
use image::metadata::Orientation;
use siren_core::{Error, Result};

use self::pictures::Converter;
use super::clock::{Shown, Steady, Timed};
use super::display::{Display, orientation};
use super::interlaced_note;

/// Frames a second of a stream that names no rate and whose frames have no times.
const UNKNOWN_RATE: f64 = 25.0;
/// A file that ends this part of its length before what its header claims is said to be cut short.
const CUT_SHORT: f64 = 0.05;

/// The best video stream of a file, upright and in square pixels. Lengths that a file claims are not believed: what decodes is what
/// there is.
pub(super) struct Stream {
    path: PathBuf,
    input: format::context::Input,
    decoder: decoder::Video,
    converter: Converter,
    index: usize,
    /// Seconds of a tick.
    tick: f64,
    /// Seconds of a frame where frames have no times.
    even: Option<f64>,
    /// The shape of its pixels and how it is turned for the viewer, by the container; what the frames say counts where it is silent.
    pixels: Option<(i64, i64)>,
    orientation: Option<Orientation>,
    display: Display,
    stored_size: (u32, u32),
    /// How many frames its packets hold.
    packets: usize,
    /// How long all streams of the file last, and how long the file claims, in seconds.
    lasts: (f64, f64),
    ready: VecDeque<Shown>,
    decoded: usize,
    /// Frames in which the decoder replaced what was damaged.
    concealed: usize,
    /// End of the last frame so far, in seconds.
    end: f64,
    is_interlaced: bool,
    is_over: bool,
}

impl Stream {
    /// Opens a clip, to be read at the rate that is asked for, or else at its own.
    pub(super) fn open(path: &Path, asked: Option<f64>) -> Result<Steady<Self>> {
        let fail = |error: ffmpeg::Error| failed(path, error);
        ffmpeg::init().map_err(fail)?;
        // What goes wrong is said by us, once.
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let input = format::input(path).map_err(fail)?;
        let Some(stream) = clip_of(&input) else {
            return Err(Error::signal(path, no_clip(&input)));
        };
        let decoder = decoder_of(&stream).map_err(|message| Error::signal(path, message))?;
        let tick = f64::from(stream.time_base());
        let packets = packets::scan(path, stream.index(), stream.start_time());
        let packets = packets.map_err(fail)?;
        let claimed = input.duration().max(0) as f64 / f64::from(ffmpeg::ffi::AV_TIME_BASE);
        let rates = [stream.avg_frame_rate(), stream.rate()].map(f64::from);
        let own = rates
            .into_iter()
            .find(|&rate| rate.is_normal() && rate > 0.0);
        let own = own.or(asked).unwrap_or(UNKNOWN_RATE);
        let orientation = turned(path, &stream)?;
        let pixels = aspect::of_container(path, stream.index());
        let coded = decoder.aspect_ratio();
        let coded = (coded.numerator().into(), coded.denominator().into());
        let (width, height) = pixels.unwrap_or(coded);
        let stream = Self {
            path: path.to_path_buf(),
            converter: Converter::default(),
            index: stream.index(),
            tick,
            even: packets.timeline.is_none().then_some(1.0 / own),
            pixels,
            orientation,
            display: Display::of_pixels(width, height)
                .turned(orientation.unwrap_or(Orientation::NoTransforms)),
            stored_size: (decoder.width(), decoder.height()),
            packets: packets.count,
            lasts: (packets.seconds, claimed),
            decoder,
            ready: VecDeque::new(),
            decoded: 0,
            concealed: 0,
            end: 0.0,
            is_interlaced: false,
            is_over: false,
            input,
        };
        if let Some(timeline) = packets.timeline {
            return Ok(Steady::on(&timeline, stream, asked, &rates));
        }
        let rate = asked.unwrap_or(own);
        let count = (packets.count as f64 * rate / own).ceil() as usize;
        Ok(Steady::new(stream, rate, Some(count)))
    }

    /// Hands one packet to the decoder, and takes the frames that are ready.
    fn advance(&mut self) -> Result<()> {
        let mut packet = Packet::empty();
        // A packet that cannot be decoded, and an end that cannot be read, cost their frames: `notes` counts them.
        match packet.read(&mut self.input) {
            Ok(()) if packet.stream() != self.index => return Ok(()),
            Ok(()) => {
                let _ = self.decoder.send_packet(&packet);
            }
            Err(ffmpeg::Error::Other { errno: EAGAIN }) => return Ok(()),
            Err(_) => {
                self.is_over = true;
                let _ = self.decoder.send_eof();
            }
        }
        let mut decoded = frame::Video::empty();
        while self.decoder.receive_frame(&mut decoded).is_ok() {
            let shown = self.shown(&decoded)?;
            self.ready.push_back(shown);
        }
        Ok(())
    }

    fn shown(&mut self, decoded: &frame::Video) -> Result<Shown> {
        let fail = |message: String| Error::signal(&self.path, message);
        let own = |ticks: i64| (ticks > 0).then_some(ticks as f64 * self.tick);
        let (start, duration) = match (self.even, decoded.timestamp()) {
            (None, Some(ticks)) => (ticks as f64 * self.tick, own(decoded.packet().duration)),
            (None, None) => (self.end, None),
            (Some(seconds), _) => (self.decoded as f64 * seconds, Some(seconds)),
        };
        let pixels = decoded.aspect_ratio();
        if self.pixels.is_none() && pixels.numerator() > 0 {
            let (width, height) = (pixels.numerator().into(), pixels.denominator().into());
            let upright = self.orientation.unwrap_or(Orientation::NoTransforms);
            self.display = Display::of_pixels(width, height).turned(upright);
        }
        if self.orientation.is_none()
            && let Some(matrix) = decoded.side_data(frame::side_data::Type::DisplayMatrix)
        {
            let turned = quarter_turn(matrix.data()).map_err(fail)?;
            self.display = self.display.turned(turned);
        }
        let picture = self.converter.picture(decoded).map_err(fail)?;
        self.stored_size = picture.dimensions();
        self.decoded += 1;
        self.concealed += usize::from(decoded.is_corrupt() || decoded.has_decode_errors());
        self.is_interlaced |= decoded.is_interlaced();
        self.end = self.end.max(start + duration.unwrap_or(0.0));
        Ok(Shown {
            start,
            duration,
            picture: self.display.apply(picture),
        })
    }
}

impl Timed for Stream {
    fn size(&self) -> Option<(u32, u32)> {
        let (width, height) = self.stored_size;
        (width > 0 && height > 0).then(|| self.display.size(self.stored_size))
    }

    fn next(&mut self) -> Result<Option<Shown>> {
        while self.ready.is_empty() && !self.is_over {
            self.advance()?;
        }
        if self.decoded == 0 {
            let message =
                "has not a single picture that can be decoded: it is damaged or cut short";
            return Err(Error::signal(&self.path, message));
        }
        Ok(self.ready.pop_front())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.display.note(self.stored_size).into_iter().collect();
        if self.is_interlaced {
            notes.push(interlaced_note(&self.path));
        }
        if self.concealed > 0 {
            notes.push(format!(
                "{} of its frames are damaged, and shown as the decoder guesses them",
                self.concealed
            ));
        }
        if !self.is_over {
            return notes;
        }
        let missing = self.packets.saturating_sub(self.decoded);
        if missing > 0 && !self.is_interlaced {
            notes.push(format!(
                "{missing} of its {} frames cannot be decoded and are left out: it is damaged, or was cut where a frame depends on others",
                self.packets
            ));
        }
        let (seconds, claimed) = self.lasts;
        if seconds < (1.0 - CUT_SHORT) * claimed {
            let [seconds, claimed] = [seconds, claimed].map(|s| (s * 1e3).round() / 1e3);
            notes.push(format!(
                "the file ends after {seconds} seconds, though it claims {claimed}: it may be cut short"
            ));
        }
        notes
    }
}

/// The stream that is shown: the best one that is no cover of a sound.
fn clip_of(input: &format::context::Input) -> Option<format::stream::Stream<'_>> {
    let is_clip = |stream: &format::stream::Stream| {
        stream.parameters().medium() == Type::Video && !is_cover(stream)
    };
    let best = input.streams().best(Type::Video).filter(is_clip);
    best.or_else(|| input.streams().find(is_clip))
}

fn is_cover(stream: &format::stream::Stream) -> bool {
    stream.disposition().contains(Disposition::ATTACHED_PIC)
}

/// What a file without a clip is.
fn no_clip(input: &format::context::Input) -> String {
    let has_sound = input.streams().best(Type::Audio).is_some();
    let has_cover = input.streams().any(|stream| is_cover(&stream));
    let found = match (has_sound, has_cover) {
        (true, true) => "is a sound with a cover picture",
        (true, false) => "is a sound",
        (false, _) => return "has no pictures in it (no video stream); give a clip".to_owned(),
    };
    format!(
        "{found} and has no video stream; fit sounds with siren-audio (`kind = \"audio\"`), which reads WAV, FLAC, MP3, Ogg Vorbis and AIFF, or \
         give a clip"
    )
}

/// Opens a decoder. VP8 and VP9 with an alpha channel need the one of libvpx: FFmpeg's own leaves the channel out.
fn decoder_of(stream: &format::stream::Stream) -> Result<decoder::Video, String> {
    let said = |error: ffmpeg::Error| format!("FFmpeg cannot decode it ({error})");
    let context = codec::context::Context::from_parameters(stream.parameters()).map_err(said)?;
    let has_alpha = stream.metadata().get("alpha_mode") == Some("1");
    let name = match context.id() {
        codec::Id::VP8 if has_alpha => "libvpx",
        codec::Id::VP9 if has_alpha => "libvpx-vp9",
        _ => return context.decoder().video().map_err(said),
    };
    let Some(codec) = decoder::find_by_name(name) else {
        return Err(format!(
            "has transparency that FFmpeg decodes by {name} alone, which it was built without; flatten it over white first"
        ));
    };
    let opened = context
        .decoder()
        .open_as(codec)
        .and_then(decoder::Opened::video);
    opened.map_err(said)
}

/// How the container says that the stream is turned; `None` if it says nothing.
fn turned(path: &Path, stream: &format::stream::Stream) -> Result<Option<Orientation>> {
    let matrix = stream
        .side_data()
        .find(|data| data.kind() == side_data::Type::DisplayMatrix);
    let turned = matrix.map(|matrix| quarter_turn(matrix.data())).transpose();
    turned.map_err(|message| Error::signal(path, message))
}

/// Of a display matrix as FFmpeg keeps it: three rows of three numbers.
fn quarter_turn(matrix: &[u8]) -> Result<Orientation, String> {
    let entry = |at: usize| {
        let bytes = matrix.get(4 * at..4 * at + 4)?;
        Some(i32::from_ne_bytes(bytes.try_into().ok()?))
    };
    let entries = [entry(0), entry(1), entry(3), entry(4)];
    let [Some(a), Some(b), Some(c), Some(d)] = entries else {
        return Ok(Orientation::NoTransforms);
    };
    orientation([a, b, c, d]).ok_or_else(|| {
        "is turned by an angle that is no multiple of 90°; let `ffmpeg -i IN OUT.mp4` turn it first".to_owned()
    })
}

fn failed(path: &Path, error: ffmpeg::Error) -> Error {
    let message = format!(
        "FFmpeg cannot read it ({error}): it is damaged, cut short or no clip; copy it again, or try to play it with `ffplay`"
    );
    Error::signal(path, message)
}
