//! What a file lacks of its signal is stated in it, in every format.

use siren_core::field::SirenConfig;
use siren_run::portable::{Format, WeightPrecision, encode};

use crate::browser::{Engine, chromium, run};
use crate::fields::{field, picture, text};

const NOTE: &str = "It lacks <waves> & more.";

#[test]
fn every_format_states_what_its_values_lack() {
    let config = SirenConfig {
        hidden_features: 8.into(),
        hidden_layers: 1,
        ..SirenConfig::default()
    };
    let field = field(&config, 2, 3);
    let mut portable = picture(&field, 8, 8);
    let plain = text(&portable, Format::Page);
    assert!(!plain.contains("id=\"notes\""));
    portable.look.notes.push(NOTE.to_owned());
    for format in [Format::Glsl, Format::C, Format::Onnx] {
        let bytes = encode(&portable, WeightPrecision::Single, format).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(NOTE), "{format:?}");
    }
    if chromium().is_some() {
        let page = text(&portable, Format::Page);
        let script = "return document.querySelector('#notes p').innerText;";
        assert_eq!(run(&page, Engine::WebGl2, script), NOTE);
    }
}
