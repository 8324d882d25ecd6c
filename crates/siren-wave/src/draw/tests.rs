use std::fs::read;
use std::path::PathBuf;
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder as _, RgbImage};
use num_complex::Complex64;
use siren_core::Error;
use siren_picture::palette::{diverging_color, phase_color, sequential_color};
use tempfile::TempDir;

use super::panel::GAP;
use super::*;
use crate::Point;

const SIDE: usize = 60;
/// Pixels a panel and pixels a point of grids with [`SIDE`] points a side.
const PANEL: usize = super::panel::MIN_PANEL_PIXELS;
const POINT: usize = PANEL / SIDE;
const HIDDEN: [u8; 3] = [184; 3];
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn picture(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().to_rgb8()
    }
}

fn byte(color: [f32; 3]) -> [u8; 3] {
    color.map(|c| (255.0 * c).round() as u8)
}

/// Evaluates a function of the coordinates on a grid.
fn sampled<T>(side: usize, value: impl Fn(Point) -> T) -> Vec<T> {
    let coordinate = |i: usize| -1.0 + 2.0 * i as f64 / (side - 1) as f64;
    let points = (0..side * side).map(|i| [coordinate(i % side), coordinate(i / side)]);
    points.map(value).collect()
}

fn grid<T: Copy>(values: &[T]) -> SquareGrid<'_, T> {
    SquareGrid::new(values, values.len().isqrt()).unwrap()
}

/// Returns the color in the middle of a point, counted in panels, and in points from the left and from the bottom of a panel.
fn color_at(picture: &RgbImage, [row, column]: [usize; 2], [right, up]: [usize; 2]) -> [u8; 3] {
    let x = column * (PANEL + GAP) + right * POINT + POINT / 2;
    let y = row * (PANEL + GAP) + PANEL - 1 - (up * POINT + POINT / 2);
    picture.get_pixel(x as u32, y as u32).0
}

/// Returns 1 near a point up right, and 0 elsewhere.
fn bump([x, y]: Point) -> f64 {
    let is_near = (x - 0.5).abs() < 0.1 && (y - 0.7).abs() < 0.1;
    if is_near { 1.0 } else { 0.0 }
}

#[test]
fn values_at_the_limits_have_the_colors_of_the_ends() {
    let folder = Folder::new();
    let mut values = vec![Complex64::new(0.0, 0.0); SIDE * SIDE];
    // More than one in a hundred, so that the quantile is 2.
    for value in &mut values[..SIDE] {
        *value = Complex64::new(2.0, 0.0);
    }
    values[SIDE] = Complex64::new(0.0, -2.0);
    values[SIDE + 1] = Complex64::new(-900.0, 0.0);
    values[SIDE + 2] = Complex64::new(f64::NAN, 0.0);
    let path = folder.path("field.png");
    let range = complex_field(grid(&values), &Landmarks::default(), &path).unwrap();
    assert!((range - 2.0).abs() < 1e-6);
    let picture = folder.picture("field.png");
    let size = (4 * PANEL + 3 * GAP, PANEL);
    assert_eq!(picture.dimensions(), (size.0 as u32, size.1 as u32));
    let at = |column: usize, right: usize, up: usize| color_at(&picture, [0, column], [right, up]);
    let [low, zero, high] = [-1.0, 0.0, 1.0].map(|value| byte(diverging_color(value, 1.0)));
    assert_eq!([at(0, 5, 0), at(1, 5, 0)], [high, zero]);
    assert_eq!([at(0, 0, 1), at(1, 0, 1)], [zero, low]);
    // Beyond the scale.
    assert_eq!([at(0, 1, 1), at(1, 1, 1)], [low, zero]);
    assert_eq!([0, 1, 2, 3].map(|column| at(column, 2, 1)), [BLACK; 4]);
    let [nothing, full] = [0.0, 1.0].map(|position| byte(sequential_color(position)));
    assert_eq!(
        [at(2, 5, 5), at(2, 0, 1), at(2, 1, 1)],
        [nothing, full, full]
    );
    let quarter = std::f32::consts::FRAC_PI_2;
    assert_eq!(at(3, 5, 0), byte(phase_color(0.0)));
    assert_eq!(at(3, 0, 1), byte(phase_color(-quarter)));
    assert_eq!(at(3, 1, 1), byte(phase_color(2.0 * quarter)));
    assert_eq!(picture.get_pixel(PANEL as u32 + 1, 9).0, WHITE, "gap");
}

#[test]
fn a_peak_up_right_appears_up_right() {
    let folder = Folder::new();
    let values = sampled(SIDE, bump);
    let slowness = sampled(SIDE, |point| 1.0 - 0.75 * bump(point));
    let field: Vec<Complex64> = values.iter().map(|&u| Complex64::from(u)).collect();
    let none = Landmarks::default();
    complex_field(grid(&field), &none, &folder.path("field.png")).unwrap();
    media(
        &[grid(&slowness)],
        [1.0, 2.0],
        &none,
        &folder.path("media.png"),
    )
    .unwrap();
    let [zero, high] = [0.0, 1.0].map(|value| byte(diverging_color(value, 1.0)));
    let [slow, fast] = [0.0, 1.0].map(|value| byte(sequential_color(value)));
    let (right, down) = ((0.75 * PANEL as f64) as u32, (0.15 * PANEL as f64) as u32);
    let (left, up) = (PANEL as u32 - right, PANEL as u32 - down);
    for (name, low, high) in [("field.png", zero, high), ("media.png", slow, fast)] {
        let picture = folder.picture(name);
        assert_eq!(picture.get_pixel(right, down).0, high);
        for (x, y) in [(left, down), (left, up), (right, up)] {
            assert_eq!(picture.get_pixel(x, y).0, low);
        }
    }
}

#[test]
fn landmarks_lie_at_their_coordinates() {
    let folder = Folder::new();
    let values = vec![Complex64::new(0.0, 0.0); 121 * 121];
    let landmarks = Landmarks {
        inner: Some(0.5),
        sources: &[[0.2, 0.8]],
        receivers: &[[-0.6, -0.2], [f64::NAN, 0.0], [1e300, 7.0]],
    };
    complex_field(grid(&values), &landmarks, &folder.path("a.png")).unwrap();
    let picture = folder.picture("a.png");
    // Panels of 242 pixels: two per point, 120 intervals.
    let color = |[x, y]: Point| {
        let [right, down] = [x, -y].map(|x| (2.0 * (60.0 * (x + 1.0) + 0.5)) as u32);
        picture.get_pixel(right, down).0
    };
    assert_eq!(color([0.2, 0.8]), BLACK);
    assert_eq!(color([-0.6, -0.2]), WHITE);
    let plain = byte(diverging_color(0.0, 1.0));
    assert_eq!(
        [[0.3, 0.8], [-0.6, -0.3], [0.0, 0.0]].map(color),
        [plain; 3]
    );
    for edge in [[0.5, 0.1], [-0.5, 0.1], [0.1, 0.5], [0.1, -0.5]] {
        assert!(color(edge)[0] < plain[0] - 20, "{edge:?}");
    }
}

#[test]
fn differences_are_magnified_tenfold_and_points_left_out_are_gray() {
    let folder = Folder::new();
    let reference = vec![Complex64::new(3.0, 0.0); SIDE * SIDE];
    let mut network = reference.clone();
    network[7].re += 0.3;
    network[8].re -= 0.15;
    let mut is_compared = vec![true; SIDE * SIDE];
    is_compared[9] = false;
    let path = folder.path("a.png");
    let none = Landmarks::default();
    let draw = |is_compared: &[bool]| {
        field_comparison(grid(&network), grid(&reference), is_compared, &none, &path)
    };
    assert!((draw(&is_compared).unwrap() - 3.0).abs() < 1e-6);
    let picture = folder.picture("a.png");
    let at = |column: usize, right: usize| color_at(&picture, [0, column], [right, 0]);
    let color = |value: f32| byte(diverging_color(value, 1.0));
    assert_eq!([0, 1, 2].map(|column| at(column, 9)), [HIDDEN; 3]);
    assert_eq!(
        [at(0, 5), at(1, 5), at(2, 5)],
        [color(1.0), color(1.0), color(0.0)]
    );
    assert_eq!([at(2, 7), at(2, 8)], [color(1.0), color(-0.5)]);
    let error = draw(&is_compared[1..]).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

#[test]
fn velocities_are_drawn_between_their_bounds() {
    let folder = Folder::new();
    let mut found = vec![1.0; SIDE * SIDE];
    found[..4].copy_from_slice(&[0.25, 0.16, 0.0, -1.0]);
    let truth = vec![0.25; SIDE * SIDE];
    let path = folder.path("a.png");
    let none = Landmarks::default();
    media(&[grid(&found), grid(&truth)], [1.0, 2.0], &none, &path).unwrap();
    let picture = folder.picture("a.png");
    let [slow, middle, fast] = [0.0, 0.5, 1.0].map(|position| byte(sequential_color(position)));
    let at = |column: usize, right: usize| color_at(&picture, [0, column], [right, 0]);
    assert_eq!(
        [0, 1, 2, 3, 4].map(|i| at(0, i)),
        [fast, fast, BLACK, BLACK, slow]
    );
    assert_eq!(at(1, 30), fast);
    media(&[grid(&truth)], [2.0, 2.0], &none, &path).unwrap();
    assert_eq!(color_at(&folder.picture("a.png"), [0, 0], [3, 3]), middle);
    assert!(media(&[], [1.0, 2.0], &none, &path).is_err());
    assert!(media(&[grid(&found), grid(&truth[..4])], [1.0, 2.0], &none, &path).is_err());
}

#[test]
fn each_time_of_a_wave_has_its_own_scale_or_that_of_the_largest() {
    let folder = Folder::new();
    let early = sampled(SIDE, bump);
    let late: Vec<f64> = early.iter().map(|u| -0.01 * u).collect();
    let wrong: Vec<f64> = late.iter().map(|u| 0.95 * u).collect();
    let frames = [
        WaveFrame {
            time: 0.0,
            network: grid(&early),
            reference: grid(&early),
        },
        WaveFrame {
            time: 0.3,
            network: grid(&wrong),
            reference: grid(&late),
        },
    ];
    let path = folder.path("a.png");
    let ranges = |scale| wave_frames(&frames, scale, &Landmarks::default(), &path).unwrap();
    assert_eq!(ranges(FrameScale::Largest), [1.0, 1.0]);
    assert_eq!(ranges(FrameScale::Own), [1.0, 0.01]);
    let picture = folder.picture("a.png");
    let size = (2 * PANEL + GAP, 3 * PANEL + 2 * GAP);
    assert_eq!(picture.dimensions(), (size.0 as u32, size.1 as u32));
    let point = [44, 50];
    let at = |row: usize, column: usize| color_at(&picture, [row, column], point);
    let color = |value: f32| byte(diverging_color(value, 1.0));
    assert_eq!([0, 1, 2].map(|row| at(row, 0)), [1.0, 1.0, 0.0].map(color));
    assert_eq!(
        [0, 1, 2].map(|row| at(row, 1)),
        [-0.95, -1.0, 0.5].map(color)
    );
}

#[test]
fn an_animation_has_all_frames_with_their_size_colors_and_delays() {
    let folder = Folder::new();
    let values: Vec<Vec<f64>> = (0..5)
        .map(|frame| sampled(SIDE, |[x, y]| (3.0 * x + y + f64::from(frame)).sin()))
        .collect();
    let frames: Vec<_> = values
        .iter()
        .map(|values| vec![grid(values), grid(&values[..])])
        .collect();
    let path = folder.path("a.gif");
    animation(&frames, 1.0, 30.0, &path).unwrap();
    let bytes = read(&path).unwrap();
    let decoder = GifDecoder::new(std::io::Cursor::new(&bytes)).unwrap();
    let decoded = decoder.into_frames().collect_frames().unwrap();
    let delays = decoded.iter().map(|frame| Duration::from(frame.delay()));
    let milliseconds: Vec<_> = delays.map(|delay| delay.as_millis()).collect();
    assert_eq!(milliseconds, [30, 40, 30, 30, 40]);
    for (frame, values) in decoded.iter().zip(&values) {
        let picture = frame.buffer();
        let size = (2 * PANEL + GAP, PANEL);
        assert_eq!(picture.dimensions(), (size.0 as u32, size.1 as u32));
        for (index, &value) in values.iter().enumerate().step_by(77) {
            let x = (PANEL + GAP) + index % SIDE * POINT;
            let y = PANEL - 1 - index / SIDE * POINT;
            let expected = byte(diverging_color(value as f32, 1.0));
            for (k, expected) in expected.into_iter().enumerate() {
                // Half a step of 126, and at most 3 units per hundredth.
                let drawn = picture.get_pixel(x as u32, y as u32)[k];
                assert!(drawn.abs_diff(expected) <= 3, "{drawn} {expected}");
            }
        }
    }
    for (range, rate) in [(0.0, 30.0), (1.0, f64::NAN)] {
        let error = animation(&frames, range, rate, &path).unwrap_err();
        assert!(matches!(error, Error::InvalidValue { .. }), "{error}");
    }
    assert!(animation(&[], 1.0, 30.0, &path).is_err());
    let uneven = [frames[0].clone(), frames[1][..1].to_vec()];
    assert!(animation(&uneven, 1.0, 30.0, &path).is_err());
    assert_eq!(read(&path).unwrap(), bytes, "an error changed the file");
}

/// Returns the number of paths of each color, the network's and the reference's.
fn curves(svg: &str) -> [usize; 2] {
    let strokes = ["#2166ac", "#e08214"].map(|color| format!("stroke=\"{color}\""));
    strokes.map(|stroke| {
        let paths = svg.lines().flat_map(|line| line.split('<'));
        let paths = paths.filter(|tag| tag.starts_with("path") && tag.contains(&stroke));
        paths.count()
    })
}

#[test]
fn plots_have_a_curve_for_every_trace() {
    let folder = Folder::new();
    let shots: Vec<Vec<Complex64>> = (0..3)
        .map(|shot| {
            let angles = (0..20).map(|i| 0.3 * f64::from(i) + f64::from(shot));
            angles.map(Complex64::cis).collect()
        })
        .collect();
    let traces: Vec<_> = shots
        .iter()
        .map(|u| ShotTraces {
            predicted: u,
            recorded: u,
        })
        .collect();
    let path = folder.path("a.svg");
    receiver_traces(&traces, &path).unwrap();
    let svg = std::fs::read_to_string(&path).unwrap();
    assert_eq!(curves(&svg), [6, 6]);
    for text in ["shot 3", "Re u", "Im u", "predicted", "recorded"] {
        assert!(svg.contains(text), "{text}");
    }
    receiver_traces(&traces, &path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), svg);

    // A gap makes two curves.
    let lines = [[0.0, 1.0, f64::NAN, 2.0, 5.0], [1.0; 5]].map(|network| CenterLine {
        time: 0.25,
        network: network.to_vec(),
        reference: vec![0.0; 5],
    });
    center_lines(&lines, &path).unwrap();
    let svg = std::fs::read_to_string(&path).unwrap();
    assert_eq!(curves(&svg), [3, 2]);
    assert!(svg.contains("t = 0.25") && svg.contains("reference"));
    assert!(center_lines(&[], &path).is_err());
    assert!(receiver_traces(&[], &path).is_err());
}

#[test]
fn extreme_values_are_plotted_and_drawn_without_a_panic() {
    let folder = Folder::new();
    let extremes = [
        vec![0.0; 4],
        vec![1e300, -1e300, 0.0, 1e-300],
        vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::NAN],
        vec![1e-310, 2e-310, 0.0, -1e-310],
        vec![1.0, 1.0 + 1e-15, 1.0, 1.0],
    ];
    for values in &extremes {
        let complex: Vec<_> = values.iter().map(|&u| Complex64::new(u, -u)).collect();
        let traces = |count: usize| ShotTraces {
            predicted: &complex[..count],
            recorded: &complex[..count],
        };
        receiver_traces(&[traces(4), traces(1)], &folder.path("a.svg")).unwrap();
        assert!(receiver_traces(&[traces(0)], &folder.path("a.svg")).is_err());
        let landmarks = Landmarks::default();
        complex_field(grid(&complex), &landmarks, &folder.path("a.png")).unwrap();
        let path = folder.path("b.png");
        field_comparison(
            grid(&complex),
            grid(&complex),
            &[true; 4],
            &landmarks,
            &path,
        )
        .unwrap();
        let frame = WaveFrame {
            time: 0.0,
            network: grid(values),
            reference: grid(values),
        };
        wave_frames(&[frame], FrameScale::Largest, &landmarks, &path).unwrap();
        center_lines(&[frame.center_line()], &folder.path("b.svg")).unwrap();
        animation(&[vec![grid(values)]], 1e-310, 1e9, &folder.path("b.gif")).unwrap();
    }
    for side in [0, 3, usize::MAX] {
        assert!(SquareGrid::new(&[1.0; 4], side).is_err());
    }
}

#[test]
fn the_center_line_is_the_line_at_height_0() {
    for side in [1, 2, 9, 10] {
        let coordinate = |i: usize| match side {
            1 => 0.0,
            _ => -1.0 + 2.0 * i as f64 / (side - 1) as f64,
        };
        let values: Vec<f64> = (0..side * side)
            .map(|i| coordinate(i % side) + 10.0 * coordinate(i / side))
            .collect();
        let frame = WaveFrame {
            time: 0.1,
            network: grid(&values),
            reference: grid(&values),
        };
        let line = frame.center_line();
        assert_eq!(line.network, line.reference);
        assert_eq!(line.network.len(), side);
        for (column, value) in line.network.iter().enumerate() {
            assert!((value - coordinate(column)).abs() < 1e-14);
        }
    }
}

#[test]
fn the_same_values_give_the_same_bytes() {
    let folder = Folder::new();
    let values = sampled(SIDE, |[x, y]| Complex64::cis(7.0 * x - 3.0 * y));
    let real: Vec<f64> = values.iter().map(|u| u.re).collect();
    let draw = |name: &str| {
        let [png, gif] =
            ["png", "gif"].map(|extension| folder.path(&format!("{name}.{extension}")));
        complex_field(grid(&values), &Landmarks::default(), &png).unwrap();
        animation(&[vec![grid(&real)]], 1.0, 10.0, &gif).unwrap();
        [read(png).unwrap(), read(gif).unwrap()]
    };
    assert_eq!(draw("a"), draw("b"));
}
