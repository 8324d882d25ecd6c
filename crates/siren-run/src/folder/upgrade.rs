//! Conversions of run folders that older programs wrote: config keys that have moved, and optimizer states with other tensors.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{Parameters, Role};
use siren_core::optimizer::{Group, OptimizerState};
use toml::{Table, Value};

/// Moves the keys of an older config to their present tables, and returns whether there were any.
///
/// `train.betas`, `train.epsilon`, `train.weight_decay` and `train.muon` become settings of `train.optimizer`, and `field.scale_0` a setting
/// of `field.activation`.
pub(crate) fn upgrade_config(config: &mut Table) -> bool {
    let train = config.get_mut("train").and_then(Value::as_table_mut);
    let is_train_changed = train.is_some_and(upgrade_optimizer);
    let field = config.get_mut("field").and_then(Value::as_table_mut);
    field.is_some_and(upgrade_activation) || is_train_changed
}

fn upgrade_optimizer(train: &mut Table) -> bool {
    let mut settings = Table::new();
    for key in ["betas", "epsilon", "weight_decay"] {
        if let Some(value) = train.remove(key) {
            settings.insert(key.to_owned(), value);
        }
    }
    let muon = train.remove("muon");
    if settings.is_empty() && muon.is_none() {
        return false;
    }
    let kind = match train.get("optimizer").and_then(Value::as_str) {
        Some(kind) => kind.to_owned(),
        None => "adam".to_owned(),
    };
    let decay = settings.get("weight_decay").cloned();
    let mut optimizer = Table::from_iter([(kind, Value::Table(settings))]);
    if let Some(Value::Table(mut muon)) = muon {
        muon.extend(decay.map(|decay| ("weight_decay".to_owned(), decay)));
        muon.insert("others".to_owned(), Value::Table(optimizer));
        optimizer = Table::from_iter([("muon".to_owned(), Value::Table(muon))]);
    }
    train.insert("optimizer".to_owned(), Value::Table(optimizer));
    true
}

fn upgrade_activation(field: &mut Table) -> bool {
    let Some(scale) = field.remove("scale_0") else {
        return false;
    };
    if let Some(Value::String(name)) = field.get("activation").cloned() {
        let settings = Table::from_iter([("scale".to_owned(), scale)]);
        let activation = Table::from_iter([(name, Value::Table(settings))]);
        field.insert("activation".to_owned(), Value::Table(activation));
    }
    true
}

/// Converts an optimizer state of Muon by an older program, and returns any other state unchanged.
///
/// Older states have a `first_moment` and a `second_moment` of all parameters `(P,)`; the momentum of the hidden weight matrices is part of the
/// first moment. A state with the tensors of `current` has `momentum.NAME` for each hidden matrix, and moments of the other parameters only.
///
/// # Errors
/// Only from candle.
pub(crate) fn upgrade_optimizer_state(
    state: OptimizerState,
    current: &OptimizerState,
    parameters: &Parameters,
) -> Result<OptimizerState> {
    let has_momentum = |state: &OptimizerState| {
        let mut names = state.tensors.iter().map(|(name, _)| name);
        names.any(|name| name.starts_with("momentum."))
    };
    let is_of_all = |(_, tensor): &(String, Tensor)| tensor.dims() == [parameters.len()];
    if has_momentum(&state) || !has_momentum(current) || !state.tensors.iter().all(is_of_all) {
        return Ok(state);
    }
    let layout = parameters.layout();
    let others = Group::of_role(layout, Role::HiddenWeight).complement(layout.len());
    let mut tensors = Vec::new();
    for (name, all) in &state.tensors {
        let parts = others.ranges().iter();
        let parts = parts.map(|range| all.narrow(0, range.start, range.len()));
        let parts = parts.collect::<candle_core::Result<Vec<_>>>()?;
        tensors.push((name.clone(), Tensor::cat(&parts, 0)?));
        if name == "first_moment" {
            for entry in layout.of_role(Role::HiddenWeight) {
                let momentum = all.narrow(0, entry.range.start, entry.range.len())?;
                let momentum = momentum.reshape(entry.shape.as_slice())?;
                tensors.push((format!("momentum.{}", entry.name), momentum));
            }
        }
    }
    Ok(OptimizerState {
        step: state.step,
        tensors,
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::optimizer::{MuonConfig, OptimizerConfig};
    use siren_core::signal::Stream;

    use super::*;

    fn upgraded(text: &str) -> (bool, Table) {
        let mut table: Table = text.parse().unwrap();
        let is_changed = upgrade_config(&mut table);
        (is_changed, table)
    }

    #[test]
    fn keys_that_have_moved_are_moved_to_their_present_tables() {
        let old = "[train]\noptimizer = 'adamw'\nbetas = [0.8, 0.9]\nepsilon = 1e-6\nweight_decay = 0.1\n\
                   [train.muon]\nmomentum = 0.9\n[field]\nactivation = 'wire'\nscale_0 = 7.0\n";
        let new = "[train.optimizer.muon]\nmomentum = 0.9\nweight_decay = 0.1\n\
                   [train.optimizer.muon.others.adamw]\nbetas = [0.8, 0.9]\nepsilon = 1e-6\nweight_decay = 0.1\n\
                   [field.activation.wire]\nscale = 7.0\n";
        assert_eq!(upgraded(old), (true, new.parse().unwrap()));
        let old = "[train]\nsteps = 3\noptimizer = 'adam'\nbetas = [0.9, 0.999]\n";
        let new = "[train]\nsteps = 3\n[train.optimizer.adam]\nbetas = [0.9, 0.999]\n";
        assert_eq!(upgraded(old), (true, new.parse().unwrap()));
    }

    #[test]
    fn a_config_of_this_program_is_unchanged() {
        for text in [
            "",
            "[train]\noptimizer = 'adam'\n",
            "[train.optimizer.muon]\n[field]\nactivation = 'sine'\n",
        ] {
            assert_eq!(upgraded(text), (false, text.parse().unwrap()), "{text}");
        }
    }

    /// Returns parameters `0, 1, 2, …` of a network 2 → 3 → 3 → 1, whose only hidden matrix is `net.net.1.0.weight` `(3, 3)`: elements 9 to 17
    /// of 25.
    fn parameters() -> Parameters {
        let config = SirenConfig {
            hidden_features: 3.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: 2,
            out_features: 1,
            samples_per_side: None,
        };
        let mut rng = Stream::PARAMETERS.rng(0, 0);
        let field = config
            .init(shape, &mut rng, DType::F32, &Device::Cpu)
            .unwrap();
        let layout = field.parameters().layout().clone();
        Parameters::new(&numbers(0..layout.len()), layout).unwrap()
    }

    fn numbers(range: impl Iterator<Item = usize>) -> Tensor {
        let numbers: Vec<f32> = range.map(|number| number as f32).collect();
        Tensor::new(numbers, &Device::Cpu).unwrap()
    }

    fn muon(parameters: &Parameters) -> Box<dyn siren_core::optimizer::Optimizer> {
        let config = OptimizerConfig::Muon(MuonConfig::default());
        config.init(parameters, 1e-3).unwrap()
    }

    fn elements(state: &OptimizerState, name: &str) -> Vec<f32> {
        let found = state.tensors.iter().find(|(own, _)| own == name);
        let (_, tensor) = found.unwrap_or_else(|| panic!("no tensor `{name}`"));
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn the_momentum_of_muon_is_split_from_the_first_moment_of_an_older_state() {
        let parameters = parameters();
        assert_eq!(parameters.len(), 25);
        let old = OptimizerState {
            step: 7,
            tensors: vec![
                ("first_moment".to_owned(), numbers(0..25)),
                ("second_moment".to_owned(), numbers(100..125)),
            ],
        };
        let mut optimizer = muon(&parameters);
        let current = optimizer.state().unwrap();
        let upgraded = upgrade_optimizer_state(old, &current, &parameters).unwrap();
        // The optimizer accepts the state, so no tensor is missing or has another shape.
        optimizer.restore(&upgraded).unwrap();
        let state = optimizer.state().unwrap();
        assert_eq!(state.step, 7);
        let range = |start: u16, end: u16| (start..end).map(f32::from);
        let momentum: Vec<f32> = range(9, 18).collect();
        assert_eq!(elements(&state, "momentum.net.net.1.0.weight"), momentum);
        let first: Vec<f32> = range(0, 9).chain(range(18, 25)).collect();
        assert_eq!(elements(&state, "first_moment"), first);
        let second: Vec<f32> = range(100, 109).chain(range(118, 125)).collect();
        assert_eq!(elements(&state, "second_moment"), second);
    }

    #[test]
    fn states_of_this_program_are_unchanged() {
        let parameters = parameters();
        let adam = OptimizerConfig::default().init(&parameters, 1e-3).unwrap();
        for current in [adam.state().unwrap(), muon(&parameters).state().unwrap()] {
            let state = upgrade_optimizer_state(current.clone(), &current, &parameters).unwrap();
            let shapes = |state: &OptimizerState| -> Vec<(String, Vec<usize>)> {
                let tensors = state.tensors.iter();
                let shape =
                    |(name, tensor): &(String, Tensor)| (name.clone(), tensor.dims().to_vec());
                tensors.map(shape).collect()
            };
            assert_eq!(shapes(&state), shapes(&current));
        }
    }
}
