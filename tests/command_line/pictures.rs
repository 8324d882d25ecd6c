//! Files that are no pictures, or not the right ones.

use std::fs;

use image::GrayImage;

use super::{Case, desk, refused_then_right};

/// CRC-32 as PNG chunks carry it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

/// A PNG whose header, of valid checksum, claims another size than the data have.
fn with_claimed_size(png: &[u8], height: u32, width: u32) -> Vec<u8> {
    let mut forged = png.to_vec();
    forged[16..20].copy_from_slice(&width.to_be_bytes());
    forged[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&forged[12..29]);
    forged[29..33].copy_from_slice(&crc.to_be_bytes());
    forged
}

#[test]
fn a_file_that_is_no_usable_picture_is_refused_by_name() {
    let desk = desk();
    for name in ["whole.png", "whole.jpg"] {
        desk.draw(name, 64, 48);
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
        ("signal={path='cut.jpg'}", &["cut.jpg", "JPEG", "cut short"]),
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
            &["huge.png", "60000x60000", "16384"],
        ),
        ("signal={path='none.png'}", &["none.png"]),
        ("signal={path='empty.png'}", &["empty.png", "empty"]),
        ("signal={path='text.png'}", &["text.png", "not a picture"]),
        ("signal={path='folder.png'}", &["folder.png", "is a folder"]),
    ];
    for (set, words) in cases {
        let line = format!("run good.toml --out run --set {set}");
        refused_then_right(&desk, &line, words);
    }
}

#[test]
fn a_mask_or_crop_that_does_not_fit_is_refused_with_the_right_size() {
    let desk = desk();
    desk.draw("small.png", 10, 12);
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
        refused_then_right(&desk, &line, words);
    }
}
