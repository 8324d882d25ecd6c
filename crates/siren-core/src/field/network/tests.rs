use super::*;
use crate::field::Siren;
use crate::field::backend::Double;
use crate::objective::{Constraint, ValueMse};
use crate::signal::{Sample, Stream, WholeSampler};
use crate::train::{TrainConfig, Trainer};

/// Puts the example of a backend in the place of the chosen one: the one line that a new backend needs.
fn on_double(network: Network) -> Network {
    network.hosted(Arc::new(Double))
}

#[test]
fn a_backend_of_one_file_evaluates_and_trains_networks() {
    let config = SirenConfig {
        hidden_features: 24,
        hidden_layers: 1,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: 2,
        out_features: 1,
        samples_per_side: None,
    };
    let mut rng = Stream::PARAMETERS.rng(0, 0);
    let network = config.network(shape, &mut rng, &Device::Cpu).unwrap();
    let params = network.draw_parameters(&mut rng);
    let params = Tensor::new(params.as_slice(), &Device::Cpu).unwrap();
    let coords = (0..600).map(|i| (0.7 * f64::from(i)).sin() as f32);
    let coords = Tensor::from_iter(coords, &Device::Cpu).unwrap();
    let coords = coords.reshape((300, 2)).unwrap();
    let targets = coords.narrow(1, 0, 1).unwrap();
    let train = |network: &Network| {
        let field = Siren::new(network.clone(), &params.to_dtype(DType::F32).unwrap());
        let mut trainer = Trainer::new(field.unwrap(), &TrainConfig::default()).unwrap();
        let sample = Sample::with_targets(coords.clone(), targets.clone()).unwrap();
        let constraints = [Constraint::new(
            "points",
            WholeSampler::new(sample),
            ValueMse,
        )];
        for _ in 0..3 {
            trainer.step(&constraints).unwrap();
        }
        let order = Order::laplacian(2);
        let jet = trainer.model().evaluate(&coords, &order).unwrap();
        jet.packed()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let (chosen, double) = (train(&network), train(&on_double(network)));
    let scale = chosen.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
    for (a, b) in chosen.iter().zip(&double) {
        assert!((a - b).abs() < 1e-4 * scale, "{a} and {b}");
    }
    assert_ne!(chosen, double);
}
