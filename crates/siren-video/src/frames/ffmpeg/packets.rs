//! Scan of the packets of a stream, without decoding them.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::Packet;

use super::super::clock::Timeline;

/// The result of a scan of the packets of a file.
pub(super) struct PacketScan {
    /// Number of frames of the scanned stream, as far as it follows from packets.
    pub(super) count: usize,
    /// Presentation times of its frames; `None` if a packet has none.
    pub(super) timeline: Option<Timeline>,
    /// Time from the first packet of any stream to the end of the last one, in seconds.
    pub(super) seconds: f64,
}

/// Reads all packets of a file, and counts those of the stream `index`, whose presentation begins at `start`, in ticks.
pub(super) fn scan(path: &Path, index: usize, start: i64) -> Result<PacketScan, ffmpeg::Error> {
    let mut input = ffmpeg::format::input(path)?;
    let ticks: Vec<f64> = input
        .streams()
        .map(|stream| f64::from(stream.time_base()))
        .collect();
    // Packets with negative times in a stream that starts at zero or later precede a cut that was made without encoding the rest again. They
    // are needed for decoding and are not presented.
    let first_presented = start.min(0);
    let (mut count, mut are_timed) = (0, true);
    let mut starts = Vec::new();
    // Presentation time and duration of the last frame.
    let mut last = (i64::MIN, 0);
    let (mut span_start, mut span_end) = (f64::INFINITY, f64::NEG_INFINITY);
    loop {
        let mut packet = Packet::empty();
        // A read error counts as the end of the file; the decoder adds a note about missing frames.
        if packet.read(&mut input).is_err() {
            break;
        }
        let tick = ticks.get(packet.stream()).copied().unwrap_or_default();
        if let Some(time) = packet.pts() {
            let end = time + packet.duration();
            span_start = span_start.min(time as f64 * tick);
            span_end = span_end.max(end as f64 * tick);
        }
        if packet.stream() != index || packet.size() == 0 {
            continue;
        }
        match packet.pts() {
            Some(time) if time < first_presented => continue,
            Some(time) => {
                starts.push(time);
                last = last.max((time, packet.duration()));
            }
            None => are_timed = false,
        }
        count += 1;
    }
    let timeline = if are_timed {
        Timeline::new(starts, Some(last.1), ticks[index])
    } else {
        None
    };
    Ok(PacketScan {
        count: timeline.as_ref().map_or(count, Timeline::frames),
        timeline,
        seconds: (span_end - span_start).max(0.0),
    })
}
