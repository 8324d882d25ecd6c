//! Conversion of frames of any duration to frames at equal distances in time.

use image::RgbImage;
use num_integer::gcd;
use siren_core::Result;
use siren_picture::Size;

use super::Frames;

/// Largest distance of a frame from its place on a regular grid, in frames, at which a clip counts as evenly spaced. Two frames that are
/// both off by this much still have different places.
const EVEN_TOLERANCE: f64 = 0.25;
/// Highest frame rate that is believed, in frames per second. Damaged headers claim more; clips do not have it.
const MAX_RATE: f64 = 1000.0;
/// Fraction of the frames of an unevenly spaced clip that may be shorter than a frame of the result. Without it, a frame that a glitch of
/// a camera's clock made very short would multiply the number of all others.
const MAX_GLITCH_FRACTION: f64 = 0.01;

/// A picture and its presentation time.
pub(super) struct TimedFrame {
    /// Presentation time in seconds, on the source's clock.
    pub(super) start: f64,
    /// Duration in seconds, if the source states it. Only that of the last frame is used.
    pub(super) duration: Option<f64>,
    pub(super) picture: RgbImage,
}

/// A source of pictures in presentation order.
pub(super) trait FrameSource {
    /// Returns the size of a frame, if it is known before the first one is read.
    fn size(&self) -> Option<Size>;

    /// Returns the most bytes that the levels of a clip may take, as [`Frames::max_bytes`] does.
    fn max_bytes(&self) -> Option<u64> {
        None
    }

    /// Reads the next picture. Returns `None` after the last one.
    fn read_next(&mut self) -> Result<Option<TimedFrame>>;

    /// Returns notes for the user about the pictures read so far.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The presentation times of the frames of a clip, in ticks of its clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Timeline {
    /// Presentation times in ascending order; the first is 0.
    starts: Vec<i64>,
    /// End of the last frame.
    end: i64,
    /// Duration of a tick, in seconds.
    tick: f64,
}

impl Timeline {
    /// Creates a timeline from presentation times in any order and the duration of the last frame, by default the mean distance of
    /// two frames. Of frames that start less than a frame at 1000 frames per second apart, the first one is kept: a hidden frame of VP8
    /// has the time of the visible one. Returns `None` if there are no frames, or if the clip has no duration.
    pub(super) fn new(mut starts: Vec<i64>, last_duration: Option<i64>, tick: f64) -> Option<Self> {
        starts.sort_unstable();
        starts.dedup_by(|next, first| (*next - *first) as f64 * tick < 1.0 / MAX_RATE);
        let (&first, &last) = (starts.first()?, starts.last()?);
        let mean = (last - first) / (starts.len() as i64 - 1).max(1);
        let last_duration = last_duration.filter(|&ticks| ticks > 0).unwrap_or(mean);
        for start in &mut starts {
            *start -= first;
        }
        let end = last - first + last_duration;
        (end > 0).then_some(Self { starts, end, tick })
    }

    /// Returns the number of frames of the source.
    #[cfg(feature = "ffmpeg")]
    pub(super) fn frames(&self) -> usize {
        self.starts.len()
    }

    /// Returns the frame rate, in frames per second, at which the clip is read; `declared` are the rates that its file states:
    ///
    /// 1. If the frames are evenly spaced, to a quarter of a frame: their own rate, so that each frame is read once. A declared rate takes
    ///    precedence over the mean.
    /// 2. Otherwise the lowest rate at which every frame starts on a frame of the result and no two on the same one, if it is at most twice
    ///    that of rule 3.
    /// 3. Otherwise the rate of the shortest frame, disregarding one frame in a hundred: every longer frame appears, at most half a frame
    ///    early or late.
    pub(super) fn rate(&self, declared: &[f64]) -> f64 {
        let mean = self.starts.len() as f64 / self.seconds(self.end);
        let declared = declared.iter().copied().filter(|&rate| is_valid_rate(rate));
        let even = declared
            .clone()
            .chain([mean])
            .find(|&rate| self.is_even(rate));
        if let Some(rate) = even.filter(|&rate| is_valid_rate(rate)) {
            return rate;
        }
        let shortest = (1.0 / self.shortest()).min(MAX_RATE);
        let common_divisor = self.durations().fold(0, gcd);
        let candidates = declared.chain([1.0 / self.seconds(common_divisor)]);
        candidates
            .filter(|&rate| {
                rate <= 2.0 * shortest * (1.0 + 1e-9) && is_valid_rate(rate) && self.is_exact(rate)
            })
            .min_by(f64::total_cmp)
            .unwrap_or(shortest)
    }

    /// Returns the number of frames of the result at a rate.
    pub(super) fn count(&self, rate: f64) -> usize {
        ((self.seconds(self.end) * rate).round() as usize).max(1)
    }

    fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 * self.tick
    }

    fn durations(&self) -> impl Iterator<Item = i64> {
        let ends = self.starts.iter().skip(1).chain([&self.end]);
        self.starts.iter().zip(ends).map(|(start, end)| end - start)
    }

    /// Returns whether frame k of the source is frame k of the result, for all k.
    fn is_even(&self, rate: f64) -> bool {
        let is_near = |(index, &start): (usize, &i64)| {
            (self.seconds(start) * rate - index as f64).abs() <= EVEN_TOLERANCE
        };
        let excess = self.seconds(self.end) * rate - self.starts.len() as f64;
        self.starts.iter().enumerate().all(is_near) && excess.abs() <= 2.0 * EVEN_TOLERANCE
    }

    /// Returns whether every frame of the source starts on a frame of the result, and no two on the same one.
    fn is_exact(&self, rate: f64) -> bool {
        let mut previous = -1.0;
        self.starts.iter().all(|&start| {
            let position = self.seconds(start) * rate;
            let is_distinct = position.round() > previous;
            previous = position.round();
            is_distinct && (position - position.round()).abs() <= EVEN_TOLERANCE
        })
    }

    /// Returns the duration of the shortest frame in seconds, disregarding one frame in a hundred.
    fn shortest(&self) -> f64 {
        let mut durations: Vec<i64> = self.durations().collect();
        durations.sort_unstable();
        let disregarded = (MAX_GLITCH_FRACTION * durations.len() as f64) as usize;
        self.seconds(durations[disregarded])
    }
}

fn is_valid_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= MAX_RATE
}

/// A reader that resamples a source to a constant frame rate. The first picture is the source's first one. Every picture is the latest one
/// of the source whose presentation time is reached, or will be within half a frame. The last one lasts until its end.
pub(super) struct Resampled<S> {
    source: S,
    rate: f64,
    count: Option<usize>,
    /// Presentation time of the source's first frame, in seconds.
    start: f64,
    current: Option<TimedFrame>,
    upcoming: Option<TimedFrame>,
    /// Number of pictures returned so far.
    returned: usize,
    note: Option<String>,
}

impl<S: FrameSource> Resampled<S> {
    /// Reads `source` at `rate` frames per second. `count` is the number of resulting frames, if it is known.
    pub(super) fn new(source: S, rate: f64, count: Option<usize>) -> Self {
        Self {
            source,
            rate,
            count,
            note: None,
            start: 0.0,
            current: None,
            upcoming: None,
            returned: 0,
        }
    }

    /// Reads `source` at the `requested` rate, or else at that of its timeline; `declared` are the rates that its file states.
    pub(super) fn with_timeline(
        source: S,
        timeline: &Timeline,
        requested: Option<f64>,
        declared: &[f64],
    ) -> Self {
        let own_rate = timeline.rate(declared);
        let rate = requested.unwrap_or(own_rate);
        // A clip that is read at a declared rate may lack frames, which is no reason for a note.
        let is_declared = declared.contains(&own_rate);
        let note = (requested.is_none() && !is_declared && !timeline.is_even(own_rate)).then(|| {
            let rounded = (own_rate * 1e3).round() / 1e3;
            format!(
                "its frames have unequal durations; it is read at {rounded} frames per second, and each frame is repeated for as long as it \
                 lasts (`signal.rate` sets another rate)"
            )
        });
        Self {
            note,
            ..Self::new(source, rate, Some(timeline.count(rate)))
        }
    }

    /// Converts a time of the source, in seconds, to a position in frames of the result.
    fn position(&self, seconds: f64) -> f64 {
        (seconds - self.start) * self.rate
    }

    fn is_due(&self, frame: Option<&TimedFrame>) -> bool {
        // A frame halfway between two positions belongs to the later one, regardless of rounding errors.
        let limit = self.returned as f64 + 0.5 - 1e-6;
        frame.is_some_and(|frame| self.position(frame.start) < limit)
    }

    /// Returns whether the last picture of the source has been returned until its end.
    fn is_at_end(&self) -> bool {
        let Some(last) = &self.current else {
            return true;
        };
        let duration = last.duration.unwrap_or(1.0 / self.rate);
        // The margin keeps a rounding error from dropping a frame.
        let end = self.position(last.start + duration) + 1e-6;
        self.upcoming.is_none() && self.returned > 0 && end < self.returned as f64 + 0.5
    }
}

impl<S: FrameSource> Frames for Resampled<S> {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        self.count
    }

    fn size(&self) -> Option<Size> {
        self.source.size()
    }

    fn max_bytes(&self) -> Option<u64> {
        self.source.max_bytes()
    }

    fn read_next(&mut self) -> Result<Option<RgbImage>> {
        if self.returned == 0 {
            self.upcoming = self.source.read_next()?;
            self.start = self.upcoming.as_ref().map_or(0.0, |first| first.start);
        }
        while self.is_due(self.upcoming.as_ref()) {
            self.current = self.upcoming.take();
            self.upcoming = self.source.read_next()?;
        }
        if self.is_at_end() {
            return Ok(None);
        }
        self.returned += 1;
        Ok(self.current.as_ref().map(|frame| frame.picture.clone()))
    }

    fn notes(&self) -> Vec<String> {
        self.note
            .iter()
            .cloned()
            .chain(self.source.notes())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// Creates a timeline from durations in ticks.
    fn timeline(durations: &[i64], tick: f64) -> Timeline {
        let starts = durations.iter().scan(0, |end, duration| {
            *end += duration;
            Some(*end - duration)
        });
        Timeline::new(starts.collect(), durations.last().copied(), tick).unwrap()
    }

    /// A source of frames of given durations in ticks, whose gray level is the frame's index.
    struct IndexedFrames<'a> {
        durations: std::slice::Iter<'a, i64>,
        end: i64,
        returned: u8,
        tick: f64,
    }

    impl FrameSource for IndexedFrames<'_> {
        fn size(&self) -> Option<Size> {
            None
        }

        fn read_next(&mut self) -> Result<Option<TimedFrame>> {
            let Some(&duration) = self.durations.next() else {
                return Ok(None);
            };
            self.end += duration;
            self.returned += 1;
            Ok(Some(TimedFrame {
                start: 7.0 + (self.end - duration) as f64 * self.tick,
                duration: Some(duration as f64 * self.tick),
                picture: RgbImage::from_pixel(1, 1, Rgb([self.returned - 1; 3])),
            }))
        }
    }

    /// Returns the indices of the source's frames that a clip consists of at a rate.
    fn resampled(durations: &[i64], tick: f64, rate: f64) -> Vec<u8> {
        let source = IndexedFrames {
            durations: durations.iter(),
            end: 0,
            returned: 0,
            tick,
        };
        let mut frames = Resampled::new(source, rate, None);
        std::iter::from_fn(|| frames.read_next().unwrap())
            .map(|frame| frame.get_pixel(0, 0).0[0])
            .collect()
    }

    #[test]
    fn evenly_spaced_frames_keep_their_rate_and_each_is_read_once() {
        // 25 frames per second; 30 with the rounded delays of a GIF; 29.97 in milliseconds; a single frame.
        let ntsc: Vec<i64> = (0..90_i64)
            .map(|k| (k + 1) * 1001 / 30 - k * 1001 / 30)
            .collect();
        for (durations, tick, declared, expected) in [
            (vec![4; 10], 0.01, vec![], 25.0),
            (vec![3, 4, 3, 3, 4, 3], 0.01, vec![], 30.0),
            (ntsc, 0.001, vec![29.97], 29.97),
            (vec![10], 0.01, vec![], 10.0),
        ] {
            let timeline = timeline(&durations, tick);
            let rate = timeline.rate(&declared);
            assert!((rate - expected).abs() < 1e-9, "{rate} {expected}");
            assert!(timeline.is_even(rate));
            assert_eq!(timeline.count(rate), durations.len());
            let every_frame: Vec<u8> = (0..durations.len() as u8).collect();
            assert_eq!(resampled(&durations, tick, rate), every_frame);
        }
    }

    #[test]
    fn frames_of_unequal_duration_are_repeated_for_as_long_as_they_last() {
        for (durations, rate, repetitions) in [
            (vec![10, 50, 10, 30, 100], 10.0, vec![1, 5, 1, 3, 10]),
            // Evenly spaced except for the last frame, which is held.
            (vec![4, 4, 4, 40], 25.0, vec![1, 1, 1, 10]),
            // Multiples of half the shortest duration: exact at twice the rate of the shortest frame.
            (vec![10, 15, 20], 20.0, vec![2, 3, 4]),
            // No rate up to twice that of the shortest frame is exact; every frame still appears.
            (vec![7, 9, 20], 100.0 / 7.0, vec![1, 1, 3]),
        ] {
            let timeline = timeline(&durations, 0.01);
            let found = timeline.rate(&[]);
            assert!((found - rate).abs() < 1e-9, "{durations:?} {found}");
            let numbered = repetitions.iter().enumerate();
            let expected: Vec<u8> = numbered
                .flat_map(|(index, &count)| vec![index as u8; count])
                .collect();
            assert_eq!(resampled(&durations, 0.01, found), expected);
            assert_eq!(timeline.count(found), expected.len());
        }
    }

    #[test]
    fn missing_frames_do_not_change_the_rate_of_an_evenly_spaced_clip() {
        // 30000/1001 frames per second in milliseconds; frames 2, 3 and 6 are missing.
        let starts = [0, 1, 4, 5, 7, 8].map(|index: i64| (index * 1001 + 15) / 30);
        let timeline = Timeline::new(starts.to_vec(), Some(33), 0.001).unwrap();
        let declared = 30_000.0 / 1001.0;
        assert!((timeline.rate(&[15.0, declared]) - declared).abs() < 1e-12);
        assert_eq!(timeline.count(declared), 9);
    }

    #[test]
    fn frames_that_start_at_the_same_time_count_as_one() {
        // The tick is 1/90,000 of a second.
        let starts = vec![0, 3600, 3601, 7200, 7200, 10_800];
        let timeline = Timeline::new(starts, Some(3600), 1.0 / 90_000.0).unwrap();
        assert_eq!(timeline.starts, [0, 3600, 7200, 10_800]);
        assert!((timeline.rate(&[]) - 25.0).abs() < 1e-9);
    }

    #[test]
    fn one_very_short_frame_in_two_hundred_does_not_raise_the_rate() {
        let mut durations = vec![33; 200];
        durations[50] = 90;
        durations[120] = 1;
        let rate = timeline(&durations, 0.001).rate(&[]);
        assert!((rate - 1000.0 / 33.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn a_requested_rate_reads_the_latest_frame_at_each_of_its_times() {
        assert_eq!(resampled(&[10; 4], 0.01, 20.0), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(resampled(&[10; 4], 0.01, 5.0), [0, 2]);
        assert_eq!(resampled(&[10], 0.01, 1.0), [0]);
    }
}
