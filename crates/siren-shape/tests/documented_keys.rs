//! The tables of keys in the documentation of the crate agree with the config structs.

#[path = "../../../tests/support/documented_keys.rs"]
mod keys;

use siren_shape::config::{ShapeObjectiveConfig, ShapeSignalConfig};

const DOCUMENTATION: &str = include_str!("../src/lib.rs");

#[test]
fn every_key_is_documented_with_its_default() {
    let mut signal = keys::documented(DOCUMENTATION, "| key of `[signal]` |");
    let defaults = ShapeSignalConfig::default();
    let named = ShapeSignalConfig {
        path: Some("scan.ply".into()),
        truth: Some("mesh.ply".into()),
        ..defaults.clone()
    };
    assert!(keys::written(&named).keys().eq(signal.keys()), "{signal:?}");
    signal.retain(|_, default| default != keys::NONE);
    assert_eq!(signal, keys::written(&defaults));
    let objective = keys::documented(DOCUMENTATION, "| key of `[objective]` |");
    assert_eq!(objective, keys::written(&ShapeObjectiveConfig::default()));
}
