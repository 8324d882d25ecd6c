//! The examples run, and leave the files that they name.

use siren_audio::{Sound, SoundField};

#[path = "../examples/fit_sound.rs"]
mod fit_sound;

#[test]
fn fit_sound_renders_a_quarter_of_a_second_at_48_khz_and_saves_the_field() {
    fit_sound::main().unwrap();
    let folder = std::env::temp_dir();
    let rendered = Sound::open(folder.join("fit_sound.wav")).unwrap();
    // 5511 intervals at 22,050 Hz are 11,996.7 intervals at 48,000 Hz.
    assert_eq!((rendered.rate(), rendered.frames()), (48_000, 11_997));
    let field = SoundField::open(folder.join("fit_sound.safetensors")).unwrap();
    assert_eq!(field.render(48_000).unwrap(), rendered);
    let loudest = rendered.peak() / field.metadata().peak;
    assert!((0.8..1.2).contains(&loudest), "{loudest}");
}
