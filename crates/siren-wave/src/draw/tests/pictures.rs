//! Colors and layout of pictures.

use super::*;

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
