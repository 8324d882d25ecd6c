use siren_core::config::Source;

use super::*;

/// A folder of pictures, and what configs say of them.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn draw(
        &self,
        name: &str,
        (height, width): (usize, usize),
        value: impl Fn(usize, usize) -> f32,
    ) {
        let pixels = (0..height * width).map(|at| value(at / width, at % width));
        let picture = Picture {
            height,
            width,
            channels: 1,
            values: pixels.collect(),
        };
        picture.save(&self.0.path().join(name)).unwrap();
    }

    fn open(&self, tables: &str) -> Result<Poisson> {
        let source = Source {
            origin: "a.toml".to_owned(),
            text: format!("kind = 'poisson'\n{tables}\n"),
        };
        let mut config = ConfigOf::<Poisson>::parse(&source, "poisson", &[])?;
        siren_core::config::Table::resolve_paths(&mut config.signal, self.0.path());
        siren_core::config::Table::resolve_paths(&mut config.objective, self.0.path());
        Poisson::open(&config, &Device::Cpu)
    }

    fn message(&self, tables: &str) -> String {
        self.open(tables).err().unwrap().to_string()
    }
}

/// Steps of 1/255 survive 8 bits.
fn ramp(row: usize, column: usize) -> f32 {
    (2 * row + 3 * column) as f32 / 255.0
}

#[test]
fn a_ramp_has_the_same_slope_everywhere_and_no_curvature() {
    let desk = Desk::new();
    desk.draw("ramp.png", (9, 17), ramp);
    let inner = (4 * 17 + 8) * 3;
    for stencil in ["sobel", "central"] {
        let signal = format!("[signal]\npath = 'ramp.png'\nstencil = '{stencil}'");
        let poisson = desk.open(&signal).unwrap();
        let targets = poisson.field_targets();
        // Per pixel 2 · 2/255 down and 2 · 3/255 to the right; there are 8 and 16 intervals in 2 units.
        let expected = [4.0 / 255.0 * 4.0, 6.0 / 255.0 * 8.0, 0.0];
        for (target, expected) in targets[inner..inner + 3].iter().zip(expected) {
            // Pixels are rounded to single precision, and curvature is a difference of theirs times 64.
            assert!((target - expected).abs() < 1e-5, "{target} {expected}");
        }
        let authors = desk
            .open(&format!("{signal}\nscaling = 'authors'"))
            .unwrap();
        let expected = [10.0 * 8.0 * 4.0 / 255.0, 10.0 * 8.0 * 6.0 / 255.0];
        for (target, expected) in authors.field_targets()[inner..].iter().zip(expected) {
            assert!((target - expected).abs() < 1e-4, "{target} {expected}");
        }
    }
}

#[test]
fn the_slopes_of_a_checkerboard_are_seen_by_the_spectral_derivative_alone() {
    let desk = Desk::new();
    desk.draw("board.png", (8, 8), |row, column| {
        ((row + column) % 2) as f32
    });
    let steepness = |stencil: &str| {
        let signal = format!("[signal]\npath = 'board.png'\nstencil = '{stencil}'");
        let targets = desk.open(&signal).unwrap().field_targets();
        targets.chunks(3).map(|t| t[0].powi(2)).sum::<f64>()
    };
    let share = |stencil: &str| steepness(stencil) / steepness("spectral");
    assert!(share("central") < 0.1, "{}", share("central"));
    assert!(share("sobel") < 0.01, "{}", share("sobel"));
}

#[test]
fn another_picture_or_blend_has_another_checksum() {
    let desk = Desk::new();
    desk.draw("a.png", (8, 8), ramp);
    desk.draw("b.png", (8, 8), |row, column| ramp(column, row));
    let a = "[signal]\npath = 'a.png'\n";
    let mut found = std::collections::BTreeSet::new();
    let tables = [
        a.to_owned(),
        "[signal]\npath = 'b.png'".to_owned(),
        format!("{a}resize = 7"),
        format!("{a}[signal.blend]\npath = 'b.png'"),
        format!("{a}[signal.blend]\npath = 'b.png'\nweight = 0.4"),
        format!("{a}stencil = 'sobel'"),
    ];
    for table in &tables {
        found.insert(desk.open(table).unwrap().checksum());
    }
    assert_eq!(found.len(), tables.len());
    let central = desk.open(&format!("{a}stencil = 'central'")).unwrap();
    assert!(found.contains(&central.checksum()));
}

#[test]
fn a_blend_takes_each_picture_where_the_mask_says() {
    let desk = Desk::new();
    desk.draw("a.png", (8, 8), ramp);
    desk.draw("b.png", (8, 8), |row, column| ramp(column, row));
    desk.draw("mask.png", (8, 8), |_, column| {
        f32::from(u8::from(column > 3))
    });
    let blend = "[signal]\npath = 'a.png'\nstencil = 'sobel'\n[signal.blend]\npath = 'b.png'\n";
    let slope =
        |poisson: &Poisson, column: usize| poisson.targets.first[0][3 * 8 + column] * 255.0 / 16.0;
    let masked = desk.open(&format!("{blend}mask = 'mask.png'")).unwrap();
    assert!((slope(&masked, 1) - 2.0).abs() < 1e-5 && (slope(&masked, 6) - 3.0).abs() < 1e-5);
    let even = desk.open(blend).unwrap();
    assert!((slope(&even, 1) - 2.5).abs() < 1e-5);
    assert!(even.is_blend && even.truth.values.iter().all(|y| (0.0..=1.0).contains(y)));
}

#[test]
fn what_cannot_be_blended_or_fitted_is_said_with_its_file() {
    let desk = Desk::new();
    desk.draw("a.png", (8, 8), ramp);
    desk.draw("wide.png", (8, 9), ramp);
    desk.draw("black.png", (8, 8), |_, _| 0.0);
    let blend = "[signal]\npath = 'a.png'\n[signal.blend]\n";
    for (tables, words) in [
        (format!("{blend}path = 'wide.png'"), ["wide.png", "8 × 9"]),
        (
            format!("{blend}path = 'a.png'\nmask = 'black.png'"),
            ["black.png", "black everywhere"],
        ),
        (
            format!("{blend}path = 'none.png'"),
            ["none.png", "No such file"],
        ),
        (
            "[signal]\npath = 'black.png'".to_owned(),
            ["black.png", "same color"],
        ),
        (
            "[signal]\npath = 'a.png'\n[objective.anchor]\npixels = { mask = 'black.png' }"
                .to_owned(),
            ["objective.anchor.pixels", "at least one pixel"],
        ),
    ] {
        let message = desk.message(&tables);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn a_single_row_asks_for_nothing_across_it() {
    let desk = Desk::new();
    desk.draw("row.png", (1, 20), ramp);
    let poisson = desk
        .open("[signal]\npath = 'row.png'\n[objective]\nlaplacian = 1.0")
        .unwrap();
    assert!(poisson.field_targets().iter().all(|x| x.is_finite()));
    assert!(
        poisson
            .field_targets()
            .chunks(3)
            .all(|t| t[0].abs() < 1e-12)
    );
    assert_eq!(poisson.constraints().unwrap().len(), 1);
}
