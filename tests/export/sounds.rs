//! Sounds that a page plays: what reaches the loudspeaker, sample by sample, against the field.

use serde_json::{Value, json};
use siren_audio::{Audio, AudioMetadata, SoundField};
use siren_core::field::{MosaicConfig, Siren, SirenConfig};
use siren_run::Recorded as _;
use siren_run::portable::Format;

use crate::browser::{Engine, assert_is_quiet, chromium, open};
use crate::fields::{assert_close, field, text};

/// Keeps what a page schedules: when, at which rate, and the samples of each channel. The clock of the page waits for the next block, which it
/// would else schedule later if this computer is too busy to compute it in time.
const EAVESDROP: &str = "window.heard = [];
let end = Infinity;
const clock = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, 'currentTime').get;
Object.defineProperty(BaseAudioContext.prototype, 'currentTime', { get() { return Math.min(clock.call(this), end - 0.1); } });
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  const { buffer } = this, channels = [...Array(buffer.numberOfChannels).keys()].map((c) => Array.from(buffer.getChannelData(c)));
  heard.push({ at, rate: buffer.sampleRate, context: this.context.sampleRate, channels });
  end = at + buffer.duration;
  return start.call(this, at);
};";

fn config() -> SirenConfig {
    SirenConfig {
        hidden_features: 16.into(),
        hidden_layers: 1,
        first_omega_0: 300.0.into(),
        ..SirenConfig::default()
    }
}

fn sound(rate: u32, frames: usize) -> SoundField {
    sound_of(&config(), rate, frames)
}

fn sound_of(config: &SirenConfig, rate: u32, frames: usize) -> SoundField {
    let metadata = AudioMetadata {
        rate,
        frames,
        peak: 0.7,
    };
    SoundField::new(field(config, 1, 2), metadata).unwrap()
}

fn page(sound: &SoundField) -> String {
    let portable = Audio::portable(&sound.metadata(), sound.siren()).unwrap();
    text(&portable, Format::Page)
}

/// Returns the samples `(frames, 2)` that follow one another without a gap in what a page has scheduled.
fn joined(heard: &Value, rate: f64) -> Vec<f64> {
    let blocks = heard.as_array().unwrap();
    let mut samples: Vec<f64> = Vec::new();
    let origin = blocks[0]["at"].as_f64().unwrap();
    for block in blocks {
        assert_eq!(block["rate"].as_f64(), Some(rate));
        assert_eq!(block["context"].as_f64(), Some(rate));
        let at = block["at"].as_f64().unwrap() - origin;
        let expected = (samples.len() / 2) as f64 / rate;
        assert!(
            (at - expected).abs() < 0.01 / rate,
            "{at} s, not {expected}"
        );
        let channels: Vec<Vec<f64>> = serde_json::from_value(block["channels"].clone()).unwrap();
        let frames = channels[0].iter().zip(&channels[1]);
        samples.extend(frames.flat_map(|(a, b)| [a, b]));
    }
    samples
}

/// Returns amplitudes `(n, 2)` of a field at the given samples.
fn expected(sound: &SoundField, samples: impl Iterator<Item = f64>) -> Vec<f64> {
    let last = (sound.metadata().frames - 1) as f64;
    let coords: Vec<f64> = samples.map(|sample| 2.0 * sample / last - 1.0).collect();
    let params = sound.siren().parameters().flat().unwrap();
    let params = params
        .to_dtype(siren_core::candle_core::DType::F64)
        .unwrap();
    let double = Siren::new(sound.siren().network().clone(), &params).unwrap();
    let peak = f64::from(sound.metadata().peak);
    let values = double.values(&coords).unwrap();
    values.into_iter().map(|value| peak * value).collect()
}

const READY: &str = "document.body.dataset.state === 'done'";
const LABEL: &str = "document.querySelector('#sound button').textContent";

#[test]
fn the_space_key_plays_the_whole_sound_in_blocks_that_join_and_ends_by_itself() {
    if chromium().is_none() {
        return;
    }
    let mosaic = SirenConfig {
        mosaic: Some(MosaicConfig {
            tile: vec![2000],
            overlap: 100.0,
            sides: vec![20_001],
            extents: vec![1.0],
            ..MosaicConfig::default()
        }),
        ..config()
    };
    let fields = [
        (config(), Engine::WebGl2),
        (config(), Engine::WebGpu),
        (mosaic, Engine::WebGpu),
    ];
    for (config, engine) in fields {
        let sound = sound_of(&config, 8000, 20_001);
        let mut browser = open(&page(&sound), engine);
        browser.wait_for(READY);
        browser.value(EAVESDROP);
        assert_eq!(browser.value(LABEL), json!("Play"));
        browser.press(" ", 32);
        assert_eq!(browser.value(LABEL), json!("Stop"));
        browser.wait_for("heard.length >= 1 && !document.querySelector('#head').hidden");
        browser.wait_for(&format!("{LABEL} === 'Play'"));
        let played = joined(&browser.value("heard"), 8000.0);
        let whole = expected(&sound, (0..20_001).map(f64::from));
        assert_close(&format!("{engine:?}"), &played, &whole, 1e-4);
        assert_is_quiet(&mut browser);
    }
}

#[test]
fn a_page_that_is_zoomed_in_plays_what_is_visible_and_stops_when_asked() {
    if chromium().is_none() {
        return;
    }
    let sound = sound(16_000, 160_001);
    let mut browser = open(&page(&sound), Engine::WebGl2);
    browser.wait_for(READY);
    browser.value(EAVESDROP);
    // A tenth of ten seconds, from the third to the fourth.
    browser.value(
        "Object.assign(sirenViewer.view, { zoom: 10, center: [-0.3] }); sirenViewer.refresh(); 0",
    );
    browser.wait_for(READY);
    assert_eq!(browser.value(LABEL), json!("Play 3.00 to 4.00 s"));
    browser.value("document.querySelector('#sound button').focus()");
    browser.press(" ", 32);
    browser.wait_for("heard.length >= 1");
    assert_eq!(browser.value(LABEL), json!("Stop"));
    let played = joined(&browser.value("heard"), 16_000.0);
    // Blocks are of a second: the last sample is a block of its own, and may not have been scheduled.
    let visible = expected(
        &sound,
        (48_000..48_000 + played.len() / 2).map(|i| i as f64),
    );
    assert!((16_000..=16_001).contains(&(played.len() / 2)));
    assert_close("visible samples", &played, &visible, 1e-4);
    browser.value("document.querySelector('#sound button').click()");
    assert_eq!(browser.value("sirenViewer.sound.context"), json!(null));
    assert_eq!(browser.value(LABEL), json!("Play 3.00 to 4.00 s"));
    assert_is_quiet(&mut browser);
}

#[test]
fn a_sound_of_few_samples_per_second_is_played_at_a_multiple_of_its_rate() {
    if chromium().is_none() {
        return;
    }
    let sound = sound(500, 251);
    let mut browser = open(&page(&sound), Engine::WebGl2);
    browser.wait_for(READY);
    browser.value(EAVESDROP);
    browser.press(" ", 32);
    browser.wait_for("heard.length === 1");
    let played = joined(&browser.value("heard"), 8000.0);
    let finer = expected(&sound, (0..4001).map(|i| f64::from(i) / 16.0));
    assert_close("finer samples", &played, &finer, 1e-4);
    assert_is_quiet(&mut browser);
}
