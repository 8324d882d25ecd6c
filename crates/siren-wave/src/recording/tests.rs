use super::*;
use crate::mat::write::{header, matrix};
use crate::receivers::{PositionsConfig, Role};

/// Two sources, three receivers.
fn sample() -> Recording {
    let values = (0..6).map(|i| Complex64::new(f64::from(i) / 3.0, 0.1 - f64::from(i)));
    Recording::new(
        vec![[-0.3, 0.0], [-0.3, 0.2]],
        vec![[0.4, -0.1], [0.4, 0.0], [0.4, 0.1]],
        values.collect(),
    )
    .unwrap()
}

fn mat_file(receivers: [i32; 2], data: [i32; 2], imaginary: bool) -> Vec<u8> {
    let recording = sample();
    let columns = |points: &[Point]| -> Vec<f64> {
        [0, 1]
            .iter()
            .flat_map(|&axis| points.iter().map(move |point| point[axis]))
            .collect()
    };
    let count = (receivers[0] * receivers[1]) as usize;
    // Column by column the values are in our order: a column is a shot.
    let real: Vec<f64> = recording.values().iter().map(|value| value.re).collect();
    let imag: Vec<f64> = recording.values().iter().map(|value| value.im).collect();
    [
        header(),
        matrix("source", [2, 2], &columns(recording.sources()), &[]),
        matrix(
            "receivers",
            receivers,
            &columns(recording.receivers())[..count],
            &[],
        ),
        matrix("rec_val", data, &real, if imaginary { &imag } else { &[] }),
    ]
    .concat()
}

fn open(name: &str, bytes: &[u8]) -> Result<Recording> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Recording::open(&path)
}

#[test]
fn a_matlab_file_has_receivers_in_rows_and_shots_in_columns() {
    let recording = open("a.mat", &mat_file([3, 2], [3, 2], true)).unwrap();
    assert_eq!(recording, sample());
    let second: Vec<_> = recording.shots().nth(1).unwrap().to_vec();
    assert_eq!(second, sample().values()[3..]);
}

#[test]
fn text_is_written_and_read_back_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.csv");
    let mut recording = sample();
    recording.add_noise("noise", 0.3, 1).unwrap();
    recording.save(&path).unwrap();
    assert_eq!(Recording::open(&path).unwrap(), recording);
    let receivers = PositionsConfig::Recording(path);
    let points = receivers
        .points("signal.receivers", Role::Receiver)
        .unwrap();
    assert_eq!(points, recording.receivers());
    let sources = receivers.points("signal.sources", Role::Source).unwrap();
    assert_eq!(sources, recording.sources());
}

#[test]
fn a_recording_with_two_receivers_at_one_position_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.csv");
    let receivers = vec![[0.4, 0.0], [0.4, 0.1], [0.4, -0.0]];
    let values = sample().values()[..3].to_vec();
    let recording = Recording::new(vec![[0.0, 0.0]], receivers, values).unwrap();
    let message = recording.save(&path).unwrap_err().to_string();
    let expected = "receivers 0 and 2 (counted from 0) are both at [0.4, -0.0]";
    assert!(message.contains(expected), "{message}");
    assert!(!path.exists());
}

#[test]
fn lines_of_a_text_may_be_in_any_order() {
    let text = "-0.3;0;0.4;0.1;1;2\n-0.3;0.5;0.4;0;7;8\n-0.3;0;0.4;0;3;4\n-0.3;0.5;0.4;0.1;5;6\n";
    let recording = open("a.csv", text.as_bytes()).unwrap();
    assert_eq!(recording.sources(), [[-0.3, 0.0], [-0.3, 0.5]]);
    assert_eq!(recording.receivers(), [[0.4, 0.1], [0.4, 0.0]]);
    let expected = [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0)];
    assert_eq!(
        recording.values(),
        expected.map(|(re, im)| Complex64::new(re, im))
    );
}

#[test]
fn recordings_of_another_layout_are_refused_with_what_is_missing() {
    let without_data = mat_file([3, 2], [3, 2], true);
    for (name, bytes, expected) in [
        (
            "a.mat",
            mat_file([2, 2], [3, 2], true),
            "the positions of 1 are missing in `receivers`",
        ),
        (
            "a.mat",
            mat_file([2, 3], [3, 2], true),
            "`receivers` is 2 x 3",
        ),
        ("a.mat", mat_file([3, 2], [2, 3], true), "transpose it"),
        (
            "a.mat",
            mat_file([3, 2], [3, 2], false),
            "`rec_val` is real",
        ),
        (
            "a.mat",
            without_data[..128 + 96].to_vec(),
            "no numeric matrix named `receivers`: found `source`",
        ),
        (
            "a.csv",
            b"0,0,1,0,1,1\n0,0,1,0,2,2\n".to_vec(),
            "line 2: has the source and the receiver of line 1",
        ),
        (
            "a.csv",
            b"0,0,1,0,1,1\n0,1,1,1,2,2\n".to_vec(),
            "has no value for the source [0.0, 0.0] and the receiver [1.0, 1.0]",
        ),
        ("a.csv", b"0,0,1,0,1,inf\n".to_vec(), "line 1: im is `inf`"),
        (
            "a.csv",
            b"0,0,1,0,1\n".to_vec(),
            "line 1: has 5 columns, expected 6",
        ),
    ] {
        let message = open(name, &bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let values = vec![Complex64::new(f64::NAN, 0.0)];
    let error = Recording::new(vec![[0.0; 2]], vec![[0.0; 2]], values).unwrap_err();
    assert!(matches!(error, Error::NotFinite { point: 0, .. }));
}

#[test]
fn noise_has_the_share_of_the_signal_that_was_asked_for_and_depends_on_the_seed() {
    let values = vec![Complex64::new(0.0, 2.0); 10_000];
    let receivers: Vec<Point> = (0..10_000).map(|i| [f64::from(i), 0.0]).collect();
    let clean = Recording::new(vec![[0.0; 2]], receivers, values).unwrap();
    let noisy = |seed| {
        let mut noisy = clean.clone();
        noisy.add_noise("noise", 0.1, seed).unwrap();
        noisy
    };
    let power: f64 = (clean.values().iter().zip(noisy(1).values()))
        .map(|(a, b)| (a - b).norm_sqr())
        .sum::<f64>()
        / 10_000.0;
    // The mean of 20,000 squares scatters by 1 %.
    assert!((power.sqrt() / 0.2 - 1.0).abs() < 0.02, "{power}");
    assert_eq!(noisy(1), noisy(1));
    assert_ne!(noisy(1), noisy(2));
    for noise in [-0.1, f64::NAN] {
        assert!(clean.clone().add_noise("signal.noise", noise, 0).is_err());
    }
}
