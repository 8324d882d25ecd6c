use super::*;

fn ramp(height: usize, width: usize, channels: usize) -> Picture {
    let count = height * width * channels;
    Picture {
        height,
        width,
        channels,
        values: (0..=255)
            .cycle()
            .take(count)
            .map(|v: u8| f32::from(v) / 255.0)
            .collect(),
    }
}

#[test]
fn a_crop_is_centered_and_a_crop_out_of_bounds_is_an_error() {
    let picture = ramp(5, 8, 3);
    let crop = picture.crop_center(2, 3).unwrap();
    assert_eq!((crop.height, crop.width), (2, 3));
    let row = picture.values.part((8 + 2) * 3..(8 + 5) * 3);
    assert_eq!(crop.values.part(0..9), row);
    assert_eq!(picture.crop_center(5, 8).unwrap(), picture);
    for (height, width) in [(6, 8), (5, 9), (0, 3), (usize::MAX, 1)] {
        let error = picture.crop_center(height, width).unwrap_err();
        assert!(matches!(error, Error::InvalidValue { .. }));
        assert!(error.to_string().contains("5x8"), "{error}");
    }
    assert!(picture.crop_box(4, 0, 2, 2).is_err());
    assert!(picture.crop_box(usize::MAX, 0, 2, 2).is_err());
}

#[test]
fn halving_averages_pixels_and_uniform_pictures_stay_uniform() {
    let columns = [0.0, 0.0, 1.0, 1.0];
    let picture = Picture {
        height: 2,
        width: 4,
        channels: 1,
        values: columns.repeat(2).into(),
    };
    // Triangle filters of half width 2, centered at 1 and 3: weights 1/8, 3/8, 3/8, 1/8, truncated at the border.
    let half = picture.resize(1, 2);
    assert!((half.values.at(0) - 1.0 / 7.0).abs() < 1e-6, "{half:?}");
    assert!((half.values.at(1) - 6.0 / 7.0).abs() < 1e-6);
    let uniform = Picture {
        values: vec![0.7; 63].into(),
        ..ramp(7, 3, 3)
    };
    for value in uniform.resize(4, 9).values.iter() {
        assert!((value - 0.7).abs() < 1e-6);
    }
    assert_eq!(uniform.resize(0, 9).height, 1);
}

#[test]
fn the_shorter_side_is_resized_as_torchvision_does() {
    for ((height, width), side, expected) in [
        ((321, 481), 256, (256, 383)),
        ((481, 321), 256, (383, 256)),
        ((512, 512), 256, (256, 256)),
    ] {
        let picture = ramp(height, width, 1).resize_shorter_side(side).unwrap();
        assert_eq!((picture.height, picture.width), expected);
    }
}

#[test]
fn a_resized_picture_beyond_the_size_limits_is_an_error() {
    for ((height, width), side) in [((16, 160), 2000), ((9, 9), 10_001), ((9, 9), 0)] {
        let error = ramp(height, width, 1).resize_shorter_side(side);
        let message = error.unwrap_err().to_string();
        assert!(message.contains("`signal.resize`"), "{message}");
    }
}

#[test]
fn luma_has_the_weights_of_itu_601() {
    let picture = Picture {
        height: 1,
        width: 4,
        channels: 3,
        values: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0].into(),
    };
    let luma = picture.luma();
    assert_eq!((luma.channels, luma.luma() == luma), (1, true));
    for (value, expected) in luma.values.iter().zip([0.299, 0.587, 0.114, 1.0]) {
        assert!((value - expected).abs() < 1e-6);
    }
}

#[test]
fn lossless_formats_preserve_the_saved_values() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["png", "WEBP", "bmp", "tif", "tiff", "ppm", "pgm", "pnm"] {
        for channels in [1, 3] {
            if (extension, channels) == ("pgm", 3) {
                continue;
            }
            let picture = ramp(9, 31, channels);
            let path = folder.path().join("a").with_extension(extension);
            picture.save(&path).unwrap();
            let color = [ColorMode::Gray, ColorMode::Rgb][channels / 2];
            let read = Picture::open(&path, color).unwrap();
            assert_eq!(read.channels, channels);
            for (a, b) in read.values.iter().zip(picture.values.iter()) {
                assert!((a - b).abs() < 1e-6, "{extension} {channels}");
            }
            std::fs::remove_file(path).unwrap();
        }
    }
    for (name, channels, magic) in [("a.pgm", 1, "P5"), ("a.ppm", 3, "P6"), ("b.ppm", 1, "P6")] {
        let path = folder.path().join(name);
        ramp(3, 5, channels).save(&path).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(magic.as_bytes()));
    }
    let rgb_as_pgm = ramp(3, 5, 3).save(folder.path().join("b.pgm"));
    assert!(rgb_as_pgm.unwrap_err().to_string().contains(".ppm"));
    ramp(3, 3, 1)
        .save(folder.path().join("no_extension"))
        .unwrap();
    let file = std::fs::read(folder.path().join("no_extension")).unwrap();
    assert!(file.starts_with(b"\x89PNG"));
}

#[test]
fn the_error_for_an_unknown_extension_lists_the_supported_ones() {
    let folder = tempfile::tempdir().unwrap();
    let error = ramp(2, 2, 3).save(folder.path().join("a.xcf")).unwrap_err();
    assert!(error.to_string().contains(".xcf"), "{error}");
    assert!(error.to_string().contains(".png"), "{error}");
    let missing = ramp(2, 2, 3).save(folder.path().join("no/a.png"));
    assert!(matches!(missing, Err(Error::Io { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_picture_in_a_file_is_cropped_resized_and_saved_as_one_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    for channels in [1, 3] {
        let memory = ramp(30, 50, channels);
        let file = memory.clone().into_file().unwrap();
        assert!(matches!(file.values, Values::File(_)));
        assert_eq!(file, memory);
        assert_eq!(
            file.crop_box(3, 4, 20, 30).unwrap(),
            memory.crop_box(3, 4, 20, 30).unwrap()
        );
        assert_eq!(file.resize(7, 9), memory.resize(7, 9));
        assert_eq!(file.luma(), memory.luma());
        assert_eq!(file.pixel(29, 49), memory.pixel(29, 49));
        for name in ["a.png", "a.bmp"] {
            let saved = [&file, &memory].map(|picture| {
                let path = folder.path().join(name);
                picture.save(&path).unwrap();
                std::fs::read(&path).unwrap()
            });
            assert_eq!(saved[0], saved[1], "{name}");
        }
        let again = file.into_memory(Path::new("a")).unwrap();
        assert!(!matches!(again.values, Values::File(_)));
        assert_eq!(again, memory);
    }
}
