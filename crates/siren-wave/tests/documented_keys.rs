//! The tables of keys in the documentation of the crate agree with the config structs.

#[path = "../../../tests/support/documented_keys.rs"]
mod keys;

use siren_wave::config::{PositionsConfig, WaveObjectiveConfig, WaveSignalConfig};

const DOCUMENTATION: &str = include_str!("../src/lib.rs");

#[test]
fn every_key_is_documented_with_its_default() {
    let mut signal = keys::documented(DOCUMENTATION, "| key of `[signal]` |");
    let defaults = WaveSignalConfig::default();
    let named = WaveSignalConfig {
        source_variance: Some(1e-4),
        recording: Some("recording.mat".into()),
        receivers: Some(PositionsConfig::Points(vec![[0.5, 0.0]])),
        ..defaults.clone()
    };
    assert!(keys::written(&named).keys().eq(signal.keys()), "{signal:?}");
    let mut expected = keys::written(&defaults);
    signal.retain(|_, default| default != keys::NONE);
    expected.retain(|_, default| default != keys::NONE);
    assert_eq!(signal, expected);
    let objective = keys::documented(DOCUMENTATION, "| key of `[objective]` |");
    assert_eq!(objective, keys::written(&WaveObjectiveConfig::default()));
}
