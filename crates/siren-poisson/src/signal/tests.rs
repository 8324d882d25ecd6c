use siren_core::config::Source;
use siren_run::{ConfigOf, Domain};

use super::*;

/// Temporary folder of pictures that configs refer to.
struct PictureFolder(tempfile::TempDir);

impl PictureFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a gray picture with the values `value(row, column)`.
    fn save(&self, name: &str, height: usize, width: usize, value: impl Fn(usize, usize) -> f32) {
        let pixels = (0..height * width).map(|at| value(at / width, at % width));
        let picture = Picture {
            height,
            width,
            channels: 1,
            values: pixels.collect(),
        };
        picture.save(self.0.path().join(name)).unwrap();
    }

    /// Opens the signal of a config with these tables.
    fn open(&self, tables: &str) -> Result<Poisson> {
        let source = Source {
            origin: "a.toml".to_owned(),
            text: format!("kind = 'poisson'\n{tables}\n"),
        };
        let mut config = ConfigOf::<Poisson>::parse(&source, "poisson", &[])?;
        siren_core::config::Table::resolve_paths(&mut config.signal, self.0.path());
        siren_core::config::Table::resolve_paths(&mut config.objective, self.0.path());
        Poisson::open(&config)
    }

    /// Returns the message of the error that [`open`](Self::open) returns.
    fn error_message(&self, tables: &str) -> String {
        self.open(tables).err().unwrap().to_string()
    }
}

/// A ramp in multiples of 1/255, which 8 bits represent exactly.
fn ramp(row: usize, column: usize) -> f32 {
    (2 * row + 3 * column) as f32 / 255.0
}

#[test]
fn the_targets_of_a_ramp_are_its_slopes_and_a_zero_laplacian() {
    let folder = PictureFolder::new();
    folder.save("ramp.png", 9, 17, ramp);
    // Index of the target of the pixel at the center.
    let center = (4 * 17 + 8) * 3;
    for stencil in ["sobel", "central"] {
        let signal = format!("[signal]\npath = 'ramp.png'\nstencil = '{stencil}'");
        let poisson = folder.open(&signal).unwrap();
        let targets = poisson.field_targets();
        // The slopes per pixel are 2 · 2/255 downward and 2 · 3/255 to the right; 8 and 16 intervals span 2 units.
        let expected = [4.0 / 255.0 * 4.0, 6.0 / 255.0 * 8.0, 0.0];
        for (target, expected) in targets[center..center + 3].iter().zip(expected) {
            // Pixels have single precision, and their second difference is multiplied by 64.
            assert!((target - expected).abs() < 1e-5, "{target} {expected}");
        }
        let authors = folder
            .open(&format!("{signal}\nscaling = 'authors'"))
            .unwrap();
        let expected = [10.0 * 8.0 * 4.0 / 255.0, 10.0 * 8.0 * 6.0 / 255.0];
        for (target, expected) in authors.field_targets()[center..].iter().zip(expected) {
            assert!((target - expected).abs() < 1e-4, "{target} {expected}");
        }
    }
}

#[test]
fn finite_differences_lose_the_slopes_of_a_checkerboard_and_the_spectral_derivative_does_not() {
    let folder = PictureFolder::new();
    folder.save("board.png", 8, 8, |row, column| ((row + column) % 2) as f32);
    let steepness = |stencil: &str| {
        let signal = format!("[signal]\npath = 'board.png'\nstencil = '{stencil}'");
        let targets = folder.open(&signal).unwrap().field_targets();
        targets.chunks(3).map(|t| t[0].powi(2)).sum::<f64>()
    };
    let share = |stencil: &str| steepness(stencil) / steepness("spectral");
    assert!(share("central") < 0.1, "{}", share("central"));
    assert!(share("sobel") < 0.01, "{}", share("sobel"));
}

#[test]
fn the_checksum_depends_on_the_pictures_and_on_the_blend() {
    let folder = PictureFolder::new();
    folder.save("a.png", 8, 8, ramp);
    folder.save("b.png", 8, 8, |row, column| ramp(column, row));
    let a = "[signal]\npath = 'a.png'\n";
    let mut checksums = std::collections::BTreeSet::new();
    let tables = [
        a.to_owned(),
        "[signal]\npath = 'b.png'".to_owned(),
        format!("{a}resize = 7"),
        format!("{a}[signal.blend]\npath = 'b.png'"),
        format!("{a}[signal.blend]\npath = 'b.png'\nweight = 0.4"),
        format!("{a}stencil = 'sobel'"),
    ];
    for table in &tables {
        checksums.insert(folder.open(table).unwrap().checksum());
    }
    assert_eq!(checksums.len(), tables.len());
    let central = folder.open(&format!("{a}stencil = 'central'")).unwrap();
    assert!(checksums.contains(&central.checksum()));
}

#[test]
fn a_blend_uses_the_second_picture_where_the_mask_is_white() {
    let folder = PictureFolder::new();
    folder.save("a.png", 8, 8, ramp);
    folder.save("b.png", 8, 8, |row, column| ramp(column, row));
    folder.save("mask.png", 8, 8, |_, column| {
        f32::from(u8::from(column > 3))
    });
    let blend = "[signal]\npath = 'a.png'\nstencil = 'sobel'\n[signal.blend]\npath = 'b.png'\n";
    let slope =
        |poisson: &Poisson, column: usize| poisson.targets.first[0][3 * 8 + column] * 255.0 / 16.0;
    let masked = folder.open(&format!("{blend}mask = 'mask.png'")).unwrap();
    assert!((slope(&masked, 1) - 2.0).abs() < 1e-5 && (slope(&masked, 6) - 3.0).abs() < 1e-5);
    let even = folder.open(blend).unwrap();
    assert!((slope(&even, 1) - 2.5).abs() < 1e-5);
    assert!(even.is_blend && even.truth.values.iter().all(|y| (0.0..=1.0).contains(&y)));
}

#[test]
fn errors_of_blends_and_uniform_pictures_name_the_file_or_key() {
    let folder = PictureFolder::new();
    folder.save("a.png", 8, 8, ramp);
    folder.save("wide.png", 8, 9, ramp);
    folder.save("black.png", 8, 8, |_, _| 0.0);
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
        let message = folder.error_message(&tables);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn a_single_row_has_zero_targets_along_the_other_axis() {
    let folder = PictureFolder::new();
    folder.save("row.png", 1, 20, ramp);
    let poisson = folder
        .open("[signal]\npath = 'row.png'\n[objective]\nlaplacian = 1.0")
        .unwrap();
    assert!(poisson.field_targets().iter().all(|x| x.is_finite()));
    assert!(
        poisson
            .field_targets()
            .chunks(3)
            .all(|t| t[0].abs() < 1e-12)
    );
    assert_eq!(
        poisson.constraints(DType::F32, &Device::Cpu).unwrap().len(),
        1
    );
}
