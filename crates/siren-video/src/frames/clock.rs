//! The clock of a clip: frames that last unequally, shown at equal distances in time.

use image::RgbImage;
use num_integer::gcd;
use siren_core::Result;

use super::Frames;

/// Largest distance of a frame from its place on a regular grid, in frames, at which a clip counts as evenly spaced. Two frames that are
/// both off by this much still have different places.
const SLACK: f64 = 0.25;
/// Highest frame rate that is believed, in frames per second. Damaged headers claim more; clips do not have it.
const MAX_RATE: f64 = 1000.0;
/// Fraction of the frames of an unevenly spaced clip that may be shorter than a frame of the result. Without it, a frame that a glitch of
/// a camera's clock made very short would multiply the number of all others.
const GLITCHES: f64 = 0.01;

/// A picture, and when it appears.
pub(super) struct Shown {
    /// In seconds, on the source's own clock.
    pub(super) start: f64,
    /// In seconds, where the source knows; it counts for the last picture alone.
    pub(super) duration: Option<f64>,
    pub(super) picture: RgbImage,
}

/// A source of pictures in the order in which they are shown.
pub(super) trait Timed {
    /// Width and height, as far as they are known before a picture is read.
    fn size(&self) -> Option<(u32, u32)>;

    /// The next picture; `None` after the last.
    fn next(&mut self) -> Result<Option<Shown>>;

    /// What the user should know about the pictures so far.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// When the frames of a clip appear, in ticks of its clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Timeline {
    /// In order, the first at 0.
    starts: Vec<i64>,
    /// End of the last frame.
    end: i64,
    /// Seconds of a tick.
    tick: f64,
}

impl Timeline {
    /// From starts in any order; of those that lie closer together than frames of any clip do, the first counts. (What VP8 hides from the
    /// viewer begins with the frame that is shown.) Without the duration of the last frame, it lasts as long as frames do on average.
    /// `None` without a frame, or if all begin at once and the last does not last.
    pub(super) fn new(mut starts: Vec<i64>, last: Option<i64>, tick: f64) -> Option<Self> {
        starts.sort_unstable();
        starts.dedup_by(|next, first| (*next - *first) as f64 * tick < 1.0 / MAX_RATE);
        let (&first, &newest) = (starts.first()?, starts.last()?);
        let mean = (newest - first) / (starts.len() as i64 - 1).max(1);
        let last = last.filter(|&ticks| ticks > 0).unwrap_or(mean);
        for start in &mut starts {
            *start -= first;
        }
        let end = newest - first + last;
        (end > 0).then_some(Self { starts, end, tick })
    }

    /// How many frames there are.
    #[cfg(feature = "ffmpeg")]
    pub(super) fn frames(&self) -> usize {
        self.starts.len()
    }

    /// The rate, in frames a second, at which the clip is read:
    ///
    /// 1. If frames are evenly spaced, to a quarter of a frame: their own rate, so that each is read once. A rate that the file names
    ///    goes before the mean.
    /// 2. Otherwise the lowest rate at which each frame begins at a frame of the result and each is seen, if that takes at most twice
    ///    the frames of
    /// 3. the rate of the shortest frame (but for one in a hundred): all others are seen, none early or late by more than half a frame.
    pub(super) fn rate(&self, named: &[f64]) -> f64 {
        let mean = self.starts.len() as f64 / self.seconds(self.end);
        let named = named.iter().copied().filter(|&rate| is_rate(rate));
        let even = named.clone().chain([mean]).find(|&rate| self.is_even(rate));
        if let Some(rate) = even.filter(|&rate| is_rate(rate)) {
            return rate;
        }
        let shortest = (1.0 / self.shortest()).min(MAX_RATE);
        let common = self.durations().fold(0, gcd);
        let exact = named.chain([1.0 / self.seconds(common)]);
        exact
            .filter(|&rate| {
                rate <= 2.0 * shortest * (1.0 + 1e-9) && is_rate(rate) && self.is_exact(rate)
            })
            .min_by(f64::total_cmp)
            .unwrap_or(shortest)
    }

    /// How many frames the clip has at a rate.
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

    /// Whether frame k is frame k of the result.
    fn is_even(&self, rate: f64) -> bool {
        let is_near =
            |(at, &start): (usize, &i64)| (self.seconds(start) * rate - at as f64).abs() <= SLACK;
        let off = self.seconds(self.end) * rate - self.starts.len() as f64;
        self.starts.iter().enumerate().all(is_near) && off.abs() <= 2.0 * SLACK
    }

    /// Whether each frame begins at a frame of the result, and no two at the same.
    fn is_exact(&self, rate: f64) -> bool {
        let mut before = -1.0;
        self.starts.iter().all(|&start| {
            let at = self.seconds(start) * rate;
            let is_own = at.round() > before && (at - at.round()).abs() <= SLACK;
            before = at.round();
            is_own
        })
    }

    /// Seconds of the shortest frame, but for one in a hundred.
    fn shortest(&self) -> f64 {
        let mut durations: Vec<i64> = self.durations().collect();
        durations.sort_unstable();
        let skipped = (GLITCHES * durations.len() as f64) as usize;
        self.seconds(durations[skipped])
    }
}

fn is_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= MAX_RATE
}

/// Pictures at equal distances in time, the first when the source's first one appears: each of them is the newest one that has
/// appeared by then, or will within half a frame. The last one is shown to its end.
pub(super) struct Steady<S> {
    source: S,
    rate: f64,
    count: Option<usize>,
    start: f64,
    shown: Option<Shown>,
    ahead: Option<Shown>,
    given: usize,
    note: Option<String>,
}

impl<S: Timed> Steady<S> {
    /// Reads `source` at so many frames a second; `count` of them, as far as is known.
    pub(super) fn new(source: S, rate: f64, count: Option<usize>) -> Self {
        Self {
            source,
            rate,
            count,
            note: None,
            start: 0.0,
            shown: None,
            ahead: None,
            given: 0,
        }
    }

    /// Reads `source` at the rate that is asked for, or else that of its timeline, of which `named` are rates that its file names.
    pub(super) fn on(timeline: &Timeline, source: S, asked: Option<f64>, named: &[f64]) -> Self {
        let own = timeline.rate(named);
        let rate = asked.unwrap_or(own);
        // What plays a file at its own rate needs no word about frames that are missing.
        let is_named = named.contains(&own);
        let note = (asked.is_none() && !is_named && !timeline.is_even(own)).then(|| {
            let rounded = (own * 1e3).round() / 1e3;
            format!(
                "its frames last unequally; it is read at {rounded} frames a second, each shown as long as it lasts (`signal.rate` sets \
                 another rate)"
            )
        });
        Self {
            note,
            ..Self::new(source, rate, Some(timeline.count(rate)))
        }
    }

    /// The time of a frame of the source, in frames of the result.
    fn place(&self, seconds: f64) -> f64 {
        (seconds - self.start) * self.rate
    }

    fn is_due(&self, next: Option<&Shown>) -> bool {
        // Halfway between two frames is the later one's time, whatever is lost in rounding.
        next.is_some_and(|next| self.place(next.start) < self.given as f64 + 0.5 - 1e-6)
    }

    /// Whether the last picture of the source has been shown to its end.
    fn is_over(&self) -> bool {
        let Some(last) = &self.shown else { return true };
        let duration = last.duration.unwrap_or(1.0 / self.rate);
        // A rounding error is no reason to lose a frame.
        let end = self.place(last.start + duration) + 1e-6;
        self.ahead.is_none() && self.given > 0 && end < self.given as f64 + 0.5
    }
}

impl<S: Timed> Frames for Steady<S> {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        self.count
    }

    fn size(&self) -> Option<(u32, u32)> {
        self.source.size()
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        if self.given == 0 {
            self.ahead = self.source.next()?;
            self.start = self.ahead.as_ref().map_or(0.0, |first| first.start);
        }
        while self.is_due(self.ahead.as_ref()) {
            self.shown = self.ahead.take();
            self.ahead = self.source.next()?;
        }
        if self.is_over() {
            return Ok(None);
        }
        self.given += 1;
        Ok(self.shown.as_ref().map(|shown| shown.picture.clone()))
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

    /// From durations in ticks.
    fn timeline(durations: &[i64], tick: f64) -> Timeline {
        let starts = durations.iter().scan(0, |end, duration| {
            *end += duration;
            Some(*end - duration)
        });
        Timeline::new(starts.collect(), durations.last().copied(), tick).unwrap()
    }

    /// A source whose frames last so many ticks.
    struct Listed<'a> {
        durations: std::slice::Iter<'a, i64>,
        start: i64,
        given: u8,
        tick: f64,
    }

    impl Timed for Listed<'_> {
        fn size(&self) -> Option<(u32, u32)> {
            None
        }

        fn next(&mut self) -> Result<Option<Shown>> {
            let Some(&duration) = self.durations.next() else {
                return Ok(None);
            };
            self.start += duration;
            self.given += 1;
            Ok(Some(Shown {
                start: 7.0 + (self.start - duration) as f64 * self.tick,
                duration: Some(duration as f64 * self.tick),
                picture: RgbImage::from_pixel(1, 1, Rgb([self.given - 1; 3])),
            }))
        }
    }

    /// Which frames of the source a clip shows at a rate.
    fn shown(durations: &[i64], tick: f64, rate: f64) -> Vec<u8> {
        let source = Listed {
            durations: durations.iter(),
            start: 0,
            given: 0,
            tick,
        };
        let mut steady = Steady::new(source, rate, None);
        std::iter::from_fn(|| steady.next().unwrap())
            .map(|frame| frame.get_pixel(0, 0).0[0])
            .collect()
    }

    #[test]
    fn even_frames_keep_their_rate_and_each_is_shown_once() {
        // 25 a second; 30 as a GIF rounds them; 29.97 in milliseconds; one frame.
        let ntsc: Vec<i64> = (0..90_i64)
            .map(|k| (k + 1) * 1001 / 30 - k * 1001 / 30)
            .collect();
        for (durations, tick, named, expected) in [
            (vec![4; 10], 0.01, vec![], 25.0),
            (vec![3, 4, 3, 3, 4, 3], 0.01, vec![], 30.0),
            (ntsc, 0.001, vec![29.97], 29.97),
            (vec![10], 0.01, vec![], 10.0),
        ] {
            let timeline = timeline(&durations, tick);
            let rate = timeline.rate(&named);
            assert!((rate - expected).abs() < 1e-9, "{rate} {expected}");
            assert!(timeline.is_even(rate));
            assert_eq!(timeline.count(rate), durations.len());
            let each: Vec<u8> = (0..durations.len() as u8).collect();
            assert_eq!(shown(&durations, tick, rate), each);
        }
    }

    #[test]
    fn uneven_frames_are_shown_as_long_as_they_last() {
        for (durations, rate, times) in [
            (vec![10, 50, 10, 30, 100], 10.0, vec![1, 5, 1, 3, 10]),
            // Evenly spaced but for the last, which is held.
            (vec![4, 4, 4, 40], 25.0, vec![1, 1, 1, 10]),
            // Half a frame of the shortest one: exact at twice its rate.
            (vec![10, 15, 20], 20.0, vec![2, 3, 4]),
            // No rate up to twice that of the shortest is exact; each is seen.
            (vec![7, 9, 20], 100.0 / 7.0, vec![1, 1, 3]),
        ] {
            let timeline = timeline(&durations, 0.01);
            let found = timeline.rate(&[]);
            assert!((found - rate).abs() < 1e-9, "{durations:?} {found}");
            let numbered = times.iter().enumerate();
            let expected: Vec<u8> = numbered
                .flat_map(|(at, &times)| vec![at as u8; times])
                .collect();
            assert_eq!(shown(&durations, 0.01, found), expected);
            assert_eq!(timeline.count(found), expected.len());
        }
    }

    #[test]
    fn frames_that_are_missing_from_an_even_clip_leave_its_rate_alone() {
        // 30000/1001 a second in milliseconds; frames 2, 3 and 6 were never recorded.
        let starts = [0, 1, 4, 5, 7, 8].map(|at: i64| (at * 1001 + 15) / 30);
        let timeline = Timeline::new(starts.to_vec(), Some(33), 0.001).unwrap();
        let named = 30_000.0 / 1001.0;
        assert!((timeline.rate(&[15.0, named]) - named).abs() < 1e-12);
        assert_eq!(timeline.count(named), 9);
    }

    #[test]
    fn frames_that_begin_at_once_are_one() {
        // In ticks of 90,000 a second.
        let starts = vec![0, 3600, 3601, 7200, 7200, 10_800];
        let timeline = Timeline::new(starts, Some(3600), 1.0 / 90_000.0).unwrap();
        assert_eq!(timeline.starts, [0, 3600, 7200, 10_800]);
        assert!((timeline.rate(&[]) - 25.0).abs() < 1e-9);
    }

    #[test]
    fn one_very_short_frame_in_two_hundred_does_not_multiply_the_others() {
        let mut durations = vec![33; 200];
        durations[50] = 90;
        durations[120] = 1;
        let rate = timeline(&durations, 0.001).rate(&[]);
        assert!((rate - 1000.0 / 33.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn another_rate_shows_the_newest_frame_at_each_of_its_times() {
        assert_eq!(shown(&[10; 4], 0.01, 20.0), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(shown(&[10; 4], 0.01, 5.0), [0, 2]);
        assert_eq!(shown(&[10], 0.01, 1.0), [0]);
    }
}
