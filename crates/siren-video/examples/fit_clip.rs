//! Fits a clip of a moving disc, then asks the field for a color, a frame between two frames, and a larger clip.

use siren_core::train::Fit;
use siren_video::{Clip, Size, Video, VideoSignalConfig};

pub(crate) fn main() -> siren_core::Result<()> {
    // `Clip::open("clip.gif")` reads a file.
    let (frames, side) = (16, 24);
    let color = |voxel: usize| {
        let (frame, row, column) = (voxel / (side * side), voxel / side % side, voxel % side);
        let square = row.abs_diff(12).pow(2) + column.abs_diff(4 + frame).pow(2);
        if square < 25 {
            [240, 160, 40]
        } else {
            [30, 60, 120]
        }
    };
    let levels = (0..frames * side * side).flat_map(color).collect();
    let clip = Clip::new(frames, side, side, 3, 16.0, levels)?;

    let video = Video::new(clip, &VideoSignalConfig::default(), 0)?;
    let mut config = video.recipe();
    config.field.hidden_features = 32.into();
    config.train.steps = 200;
    let mut fit = Fit::new(&video, &config)?;
    fit.run()?;
    for score in fit.evaluate()? {
        println!("{} {:.2}", score.metric.name, score.value);
    }

    let field = video.field(fit.into_model())?;
    println!("color at the center {:?}", field.values(&[0.0, 0.0, 0.0])?);
    let (height, width) = (96, 96);
    let (folder, size) = (std::env::temp_dir(), Size { height, width });
    let between = field.frame(3.5 / 16.0, size)?;
    between.save(folder.join("fit_clip.png"))?;
    let larger = field.playback().at_rate(25.0)?.at_size(size)?;
    field.render_to(&larger, folder.join("fit_clip.gif"), |_| ())?;
    field.save(folder.join("fit_clip.safetensors"))
}
