//! Pictures, masks and crops that are refused, and pictures that are read in spite of a peculiarity.

use std::fs;

use image::codecs::gif::GifEncoder;
use image::{Frame, GrayImage, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

use super::{Case, assert_refused_cleanly, desk};
use crate::support::desk::Desk;

/// Computes the CRC-32 of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

/// Returns a PNG file whose header claims another size than the data have, with a valid checksum.
fn with_claimed_size(png: &[u8], height: u32, width: u32) -> Vec<u8> {
    let mut forged = png.to_vec();
    forged[16..20].copy_from_slice(&width.to_be_bytes());
    forged[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&forged[12..29]);
    forged[29..33].copy_from_slice(&crc.to_be_bytes());
    forged
}

#[test]
fn a_file_that_is_not_a_usable_picture_is_refused_by_name() {
    let desk = desk();
    for name in ["whole.png", "whole.jpg"] {
        desk.write_picture(name, 64, 48);
        let bytes = desk.read(name);
        let name = name.replace("whole", "cut");
        desk.write(&name, &bytes[..bytes.len() * 2 / 3]);
    }
    let png = desk.read("whole.png");
    assert_eq!(crc32(&png[12..29]).to_be_bytes(), png[29..33]);
    desk.write("huge.png", with_claimed_size(&png, 60_000, 60_000));
    desk.write("none.png", with_claimed_size(&png, 0, 48));
    desk.write("header.png", &png[..33]);
    let mut flipped = png.clone();
    flipped[png.len() / 2] ^= 0x10;
    desk.write("flipped.png", flipped);
    desk.write("empty.png", "");
    desk.write("text.png", "This is not a picture.\n");
    fs::create_dir(desk.path("folder.png")).unwrap();
    let cases: &[Case] = &[
        (
            "signal={path='absent.png'}",
            &["absent.png", "No such file"],
        ),
        ("signal={path='cut.png'}", &["cut.png", "PNG", "cut short"]),
        (
            "signal={path='cut.jpg'}",
            &["cut.jpg", "JPEG", "of 64", "cut short"],
        ),
        (
            "signal={path='header.png'}",
            &["header.png", "PNG", "cut short"],
        ),
        (
            "signal={path='flipped.png'}",
            &["flipped.png", "PNG", "damaged"],
        ),
        (
            "signal={path='huge.png'}",
            &["huge.png", "60000x60000", "65535", "1000 million"],
        ),
        ("signal={path='none.png'}", &["none.png"]),
        ("signal={path='empty.png'}", &["empty.png", "empty"]),
        ("signal={path='text.png'}", &["text.png", "not a picture"]),
        ("signal={path='folder.png'}", &["folder.png", "is a folder"]),
    ];
    for (set, words) in cases {
        let line = format!("run good.toml --out run --set {set}");
        assert_refused_cleanly(&desk, &line, words);
    }
}

#[test]
fn a_mask_or_crop_that_does_not_fit_is_refused_with_the_right_size() {
    let desk = desk();
    desk.write_picture("small.png", 10, 12);
    GrayImage::new(16, 16).save(desk.path("black.png")).unwrap();
    let cases: &[Case] = &[
        (
            "signal.observed={mask='small.png'}",
            &["small.png", "10 × 12", "the mask", "16 × 16"],
        ),
        (
            "signal.observed={mask='absent.png'}",
            &["absent.png", "No such file"],
        ),
        (
            "signal.observed={mask='black.png'}",
            &["signal.observed", "at least one pixel"],
        ),
        (
            "signal.observed={fraction=1e-12}",
            &["signal.observed", "at least one pixel"],
        ),
        ("signal.crop=17", &["signal.crop", "17", "16 × 16"]),
        (
            "signal={path='small.png',crop_box=[0,3,10,10]}",
            &["signal.crop_box", "[0, 3, 10, 10]", "10 × 12"],
        ),
        ("signal.crop=0", &["signal.crop", "1 to"]),
        (
            "signal={path='small.png',resize=15000}",
            &["signal.resize", "15000", "15000 × 18000"],
        ),
    ];
    for (set, words) in cases {
        let line = format!("run good.toml --out run --set {set}");
        assert_refused_cleanly(&desk, &line, words);
    }
}

/// Runs `good.toml` with these options and returns the summary and the target picture.
fn fit(desk: &Desk, sets: &str) -> (toml::Table, RgbImage) {
    desk.run(&format!("run good.toml --out run {sets}"))
        .assert_success();
    let summary: toml::Table = String::from_utf8(desk.read("run/summary.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let target = image::open(desk.path("run/artifacts/target.png"))
        .unwrap()
        .to_rgb8();
    desk.remove("run");
    (summary, target)
}

#[test]
fn a_jpeg_without_its_end_marker_is_fitted_like_the_complete_file() {
    let desk = desk();
    desk.write_picture("whole.jpg", 64, 48);
    let bytes = desk.read("whole.jpg");
    desk.write("cut.jpg", &bytes[..bytes.len() - 2]);
    let [(_, whole), (_, cut)] =
        ["whole", "cut"].map(|name| fit(&desk, &format!("--set signal.path={name}.jpg")));
    assert_eq!(whole.dimensions(), (48, 64));
    assert_eq!(cut, whole);
}

#[test]
fn a_note_says_that_the_first_frame_of_an_animation_is_fitted() {
    let desk = desk();
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new(&mut file);
    for shade in [255, 0] {
        let frame = RgbaImage::from_pixel(9, 8, Rgba([shade, 0, 0, 255]));
        encoder.encode_frame(Frame::new(frame)).unwrap();
    }
    drop(encoder);
    desk.write("two.gif", file);
    desk.write_picture("one.gif", 8, 9);
    let note = |name: &str| {
        let run = desk.run(&format!("run good.toml --out run --set signal.path={name}"));
        let note = run
            .assert_success()
            .stderr
            .contains("contains more than one picture; only the first is read");
        let target = image::open(desk.path("run/artifacts/target.png"))
            .unwrap()
            .to_rgb8();
        desk.remove("run");
        (note, *target.get_pixel(0, 0))
    };
    assert_eq!(note("two.gif"), (true, Rgb([255, 0, 0])));
    assert!(!note("one.gif").0);
}

#[test]
fn transparent_and_black_pixels_of_a_mask_are_hidden() {
    let desk = desk();
    let opaque = |x, y| Luma([if x < 5 && y < 7 { 255_u8 } else { 0 }]);
    GrayImage::from_fn(16, 16, opaque)
        .save(desk.path("opaque.png"))
        .unwrap();
    // Opaque white pixels are observed. White pixels of opacity 100 / 255, opaque black and transparent pixels are hidden.
    let painted = |x: u32, y: u32| match opaque(x, y).0[0] {
        255 => LumaA([255_u8, 255]),
        _ if x > 9 => LumaA([255, 100]),
        _ if y > 9 => LumaA([0, 255]),
        _ => LumaA([255, 0]),
    };
    let painted = image::ImageBuffer::from_fn(16, 16, painted);
    painted.save(desk.path("painted.png")).unwrap();
    let run = |mask: &str| {
        fit(
            &desk,
            &format!("--set signal.observed={{mask='{mask}.png'}}"),
        )
        .0
    };
    let metrics = |summary: toml::Table| summary["metrics"].clone();
    assert_eq!(metrics(run("painted")), metrics(run("opaque")));
}

#[test]
fn automatic_omega_is_computed_for_the_smallest_pictures() {
    let desk = desk();
    let omega = |name: &str| {
        desk.run(&format!(
            "run good.toml --out run --set signal.path={name} --set field.first_omega_0=auto"
        ))
        .assert_success();
        let config: toml::Table = String::from_utf8(desk.read("run/config.toml"))
            .unwrap()
            .parse()
            .unwrap();
        desk.remove("run");
        config["field"]["first_omega_0"].as_float().unwrap()
    };
    let shades = [[200, 13], [90, 151], [7, 42]];
    for (width, height) in [(2, 2), (1, 2), (2, 1), (2, 3), (3, 2)] {
        let picture = GrayImage::from_fn(width, height, |x, y| {
            Luma([shades[(x % 3) as usize][(y % 2) as usize] + y as u8])
        });
        picture.save(desk.path("tiny.png")).unwrap();
        let found = omega("tiny.png");
        assert!((1.5..4.0).contains(&found), "{width} {height}: {found}");
    }
    for (name, width, height) in [("point.png", 1, 1), ("flat.png", 2, 2)] {
        GrayImage::from_pixel(width, height, Luma([9]))
            .save(desk.path(name))
            .unwrap();
        let line = format!(
            "run good.toml --out run --set signal.path={name} --set field.first_omega_0=auto"
        );
        assert_refused_cleanly(&desk, &line, &["first_omega_0", "does not vary"]);
    }
}
