//! Color bars.

use image::{Rgb, RgbImage, imageops};

use super::palette::{ColorMap, pixel_from_srgb};

const BACKGROUND: Rgb<u8> = Rgb([255; 3]);
const INK: Rgb<u8> = Rgb([60; 3]);
/// Sizes in pixels: the gap beside the bar, the bar, a tick, and a dot of a digit.
const GAP: u32 = 12;
const WIDTH: u32 = 14;
const TICK: u32 = 4;
const DOT: u32 = 2;
/// Width of the labels: seven characters.
const LABEL: u32 = 7 * ADVANCE;
/// Distance of two characters.
const ADVANCE: u32 = 4 * DOT;
/// Number of intervals between the ticks.
const INTERVALS: u32 = 4;

/// Returns the picture with the colors of `map` at its right, and the values at their ends and in between.
pub(super) fn with_color_bar(picture: &RgbImage, map: ColorMap) -> RgbImage {
    let (width, height) = picture.dimensions();
    let left = width + GAP;
    let total = left + WIDTH + TICK + DOT + LABEL;
    let mut result = RgbImage::from_pixel(total, height, BACKGROUND);
    imageops::replace(&mut result, picture, 0, 0);
    // Digits at the ends reach half their height beyond the bar.
    let margin = 3 * DOT;
    let Some(length) = height
        .checked_sub(2 * margin + 1)
        .filter(|&length| length > 0)
    else {
        return result;
    };
    let [low, high] = map.limits();
    for step in 0..=length {
        let value = low + (high - low) * step as f32 / length as f32;
        let y = height - 1 - margin - step;
        for x in left..left + WIDTH {
            result.put_pixel(x, y, pixel_from_srgb(map.color(value)));
        }
    }
    for tick in 0..=INTERVALS {
        let share = tick as f32 / INTERVALS as f32;
        let y = height - 1 - margin - tick * length / INTERVALS;
        for x in left + WIDTH..left + WIDTH + TICK {
            result.put_pixel(x, y, INK);
        }
        let label = label(low + (high - low) * share);
        write(&mut result, &label, left + WIDTH + TICK + DOT, y);
    }
    result
}

/// Returns a number with two significant digits.
pub(super) fn label(value: f32) -> String {
    let short = format!("{value:.1e}");
    let is_plain = value == 0.0 || (0.001..10_000.0).contains(&value.abs());
    match short.parse::<f64>() {
        Ok(rounded) if is_plain => rounded.to_string(),
        _ => short,
    }
}

/// Writes a number whose middle is at the height `y`.
fn write(picture: &mut RgbImage, text: &str, left: u32, y: u32) {
    let (width, height) = picture.dimensions();
    for (index, character) in (0..).zip(text.chars()) {
        for (row, dots) in (0..).zip(glyph(character)) {
            for column in 0..3 {
                if dots >> (2 - column) & 1 == 0 {
                    continue;
                }
                for dot in 0..DOT * DOT {
                    let x = left + index * ADVANCE + column * DOT + dot % DOT;
                    let y = (y + row * DOT + dot / DOT).saturating_sub(2 * DOT + DOT / 2);
                    if x < width && y < height {
                        picture.put_pixel(x, y, INK);
                    }
                }
            }
        }
    }
}

/// Returns the five rows of three dots of a character of a number. Other characters are blank.
fn glyph(character: char) -> [u8; 5] {
    match character {
        '0' => [0b111, 0b101, 0b101, 0b101, 0b111],
        '1' => [0b010, 0b110, 0b010, 0b010, 0b111],
        '2' => [0b111, 0b001, 0b111, 0b100, 0b111],
        '3' => [0b111, 0b001, 0b111, 0b001, 0b111],
        '4' => [0b101, 0b101, 0b111, 0b001, 0b001],
        '5' => [0b111, 0b100, 0b111, 0b001, 0b111],
        '6' => [0b111, 0b100, 0b111, 0b101, 0b111],
        '7' => [0b111, 0b001, 0b010, 0b010, 0b010],
        '8' => [0b111, 0b101, 0b111, 0b101, 0b111],
        '9' => [0b111, 0b101, 0b111, 0b001, 0b111],
        '-' => [0, 0, 0b111, 0, 0],
        '.' => [0, 0, 0, 0, 0b010],
        'e' => [0, 0b111, 0b110, 0b100, 0b111],
        _ => [0; 5],
    }
}
