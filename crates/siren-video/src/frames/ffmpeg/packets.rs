//! The packets of a stream, counted without decoding them.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::Packet;

use super::super::clock::Timeline;

/// What the packets of a file say.
pub(super) struct Packets {
    /// How many frames they hold, as far as can be told from outside.
    pub(super) count: usize,
    /// When its frames are shown; `None` if some do not say so.
    pub(super) timeline: Option<Timeline>,
    /// Seconds from the first packet of any stream to the end of the last.
    pub(super) seconds: f64,
}

/// Reads all packets of a file, for the stream `index` whose first picture is shown at `start`.
pub(super) fn scan(path: &Path, index: usize, start: i64) -> Result<Packets, ffmpeg::Error> {
    let mut input = ffmpeg::format::input(path)?;
    let ticks: Vec<f64> = input
        .streams()
        .map(|stream| f64::from(stream.time_base()))
        .collect();
    // What comes before zero in a file that begins there was cut off without encoding the rest again, and is not shown.
    let cut = start.min(0);
    let (mut count, mut are_timed) = (0, true);
    let mut starts = Vec::new();
    let mut newest = (i64::MIN, 0);
    let mut span = (f64::INFINITY, f64::NEG_INFINITY);
    loop {
        let mut packet = Packet::empty();
        // Where it cannot be read on, it ends; that is noted when its frames are decoded.
        if packet.read(&mut input).is_err() {
            break;
        }
        let tick = ticks.get(packet.stream()).copied().unwrap_or_default();
        if let Some(time) = packet.pts() {
            let end = time + packet.duration();
            span = (
                span.0.min(time as f64 * tick),
                span.1.max(end as f64 * tick),
            );
        }
        if packet.stream() != index || packet.size() == 0 {
            continue;
        }
        match packet.pts() {
            Some(time) if time < cut => continue,
            Some(time) => {
                starts.push(time);
                newest = newest.max((time, packet.duration()));
            }
            None => are_timed = false,
        }
        count += 1;
    }
    let timeline = if are_timed {
        Timeline::new(starts, Some(newest.1), ticks[index])
    } else {
        None
    };
    Ok(Packets {
        count: timeline.as_ref().map_or(count, Timeline::frames),
        timeline,
        seconds: (span.1 - span.0).max(0.0),
    })
}
