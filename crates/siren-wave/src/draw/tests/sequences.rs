//! Animations and plots, and all drawings of extreme values.

use std::fs::read;
use std::time::Duration;

use image::AnimationDecoder as _;
use image::codecs::gif::GifDecoder;

use super::*;

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
