//! The examples run, and leave the files that they name.

use siren_video::{Clip, ClipField};

#[path = "../examples/fit_clip.rs"]
mod fit_clip;

#[test]
fn fit_clip_renders_the_disc_in_the_middle_of_its_way_and_saves_the_field() {
    fit_clip::main().unwrap();
    let folder = std::env::temp_dir();
    let rendered = Clip::open(folder.join("fit_clip.gif")).unwrap();
    // 15 intervals at 16 frames per second are 23.4 intervals at 25.
    assert_eq!(
        (rendered.frames(), rendered.height(), rendered.width()),
        (24, 96, 96)
    );
    let field = ClipField::open(folder.join("fit_clip.safetensors")).unwrap();
    // Orange at the center and blue in a corner, at half of the duration.
    let colors = field.values(&[0.0, 0.0, 0.0, 0.0, -1.0, -1.0]).unwrap();
    assert!(colors[0] > 0.3 && colors[2] < 0.0, "{colors:?}");
    assert!(colors[3] < -0.3 && colors[5] > -0.5, "{colors:?}");
}
