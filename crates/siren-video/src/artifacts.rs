//! Artifacts of a finished run.

use std::fmt::Write;
use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::file::write_atomically;
use siren_picture::Size;
use siren_run::Exhibit;

use crate::Video;
use crate::evaluate::psnr;
use crate::field::picture;
use crate::render::Playback;
use crate::sink;
use crate::voxels::level_from_value;

/// Writes the artifacts of a finished run: `comparison.gif` (clip, fit and ten times their difference side by side), `frames.csv` (PSNR of
/// every frame), and the middle frame of the clip (`target.png`) and of the fit (`value.png`). Returns how a page shows them.
///
/// # Errors
/// If the field cannot be evaluated or a file cannot be written.
pub(crate) fn write_artifacts(video: &Video, field: &Siren, folder: &Path) -> Result<Vec<Exhibit>> {
    let playback = Playback::of_clip(video);
    let (size, channels) = (playback.size(), video.clip().channels());
    let wide = Size {
        height: size.height,
        width: 3 * size.width,
    };
    let mut sink = sink::create(&folder.join("comparison.gif"), wide, playback.rate())?;
    let mut table = "frame,psnr_db\n".to_owned();
    for index in 0..playback.frames() {
        let (target, values) = (video.clip().frame(index), playback.values(field, index)?);
        let fit: Vec<u8> = values.iter().map(|&y| level_from_value(y as f32)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{index},{}", psnr(target, &values));
        if index == playback.frames() / 2 {
            for (name, levels) in [("target.png", target), ("value.png", &fit)] {
                let values = levels.iter().map(|&level| f32::from(level) / 255.0);
                picture(values.collect(), size, channels).save(folder.join(name))?;
            }
        }
        sink.push(&side_by_side(target, &fit, size.width * channels))?;
    }
    sink.finish()?;
    write_atomically(&folder.join("frames.csv"), table.as_bytes())?;
    Ok(vec![
        Exhibit::clip("Clip", "comparison.gif").captioned(
            "From the left: target, fit, and ten times their absolute difference, in the 256 colors of a GIF file.",
        ),
        Exhibit::comparison("Middle frame", "target.png", "value.png"),
    ])
}

/// Returns two frames with rows of `row` levels and ten times their difference, side by side.
fn side_by_side(target: &[u8], fit: &[u8], row: usize) -> Vec<u8> {
    let mut joined = Vec::with_capacity(target.len() * 3);
    for (target, fit) in target.chunks_exact(row).zip(fit.chunks_exact(row)) {
        joined.extend_from_slice(target);
        joined.extend_from_slice(fit);
        let pairs = target.iter().zip(fit);
        joined.extend(pairs.map(|(a, b)| a.abs_diff(*b).saturating_mul(10)));
    }
    joined
}
