use rand::SeedableRng;
use siren_core::field::{Entry, FieldShape, Role, SirenConfig};

use super::*;
use crate::config::{Encoder, Hypernetwork};

/// Returns the model with this encoder and this hypernetwork, in double precision, for gray pictures of 4 × 4 pixels.
fn model(encoder: Encoder, hypernetwork: Hypernetwork) -> HyperNetwork {
    let field = SirenConfig {
        hidden_features: 5.into(),
        hidden_layers: 1,
        ..SirenConfig::default()
    };
    let config = HyperModelConfig {
        encoder,
        hypernetwork,
        encoder_features: 4,
        latent_features: 3,
        hyper_features: 4,
        rank: 2,
        codes: Some(3),
        ..HyperModelConfig::default()
    };
    let blueprint = Blueprint {
        field: &field,
        model: &config,
        shape: FieldShape {
            in_features: 2,
            out_features: 1,
            samples_per_side: Some(4),
        },
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    HyperNetwork::init(blueprint, &mut rng, DType::F64, &Device::Cpu).unwrap()
}

/// Returns every pair of an encoder and a hypernetwork.
fn kinds() -> impl Iterator<Item = (Encoder, Hypernetwork)> {
    let encoders = [
        Encoder::Set,
        Encoder::Conv,
        Encoder::PartialConv,
        Encoder::AutoDecoder,
    ];
    encoders.into_iter().flat_map(|encoder| {
        let hypernetworks = [
            Hypernetwork::Full,
            Hypernetwork::LowRank,
            Hypernetwork::Shift,
        ];
        hypernetworks.map(|hypernetwork| (encoder, hypernetwork))
    })
}

#[test]
fn hidden_weights_are_all_matrices_but_the_first_and_the_last_weight_of_the_model() {
    for (encoder, hypernetwork) in kinds() {
        let model = model(encoder, hypernetwork);
        let entries = model.parameters().layout().entries();
        let kind = |entry: &Entry| entry.name.rsplit('.').next().map(str::to_owned);
        let is_weight = |entry: &Entry| kind(entry).as_deref() == Some("weight");
        let weights: Vec<_> = entries.iter().filter(|entry| is_weight(entry)).collect();
        let inner = &weights[1..weights.len() - 1];
        for entry in entries {
            let expected = match kind(entry).as_deref() {
                Some("weight") if inner.contains(&entry) && entry.shape.len() == 2 => {
                    Role::HiddenWeight
                }
                Some("weight") => Role::OuterWeight,
                Some("bias") => Role::Bias,
                _ => Role::Encoding,
            };
            let name = &entry.name;
            assert_eq!(
                entry.role, expected,
                "{encoder:?}, {hypernetwork:?}: {name}"
            );
        }
    }
}

#[test]
fn later_changes_of_a_model_do_not_change_its_snapshot() {
    let model = model(Encoder::Set, Hypernetwork::Full);
    let snapshot = model.snapshot().unwrap();
    let values = |model: &HyperNetwork| -> Vec<f64> {
        let flat = model.parameters().flat().unwrap();
        flat.to_vec1().unwrap()
    };
    let initial = values(&model);
    let flat = model.parameters().flat().unwrap();
    model.parameters().set(&(flat * 2.0).unwrap()).unwrap();
    assert_ne!(values(&model), initial);
    assert_eq!(values(&snapshot), initial);
}
