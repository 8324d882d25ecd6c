//! Run folders of older programs: config keys that have moved, and optimizer states of another form.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{Parameters, Role};
use siren_core::optimizer::{Group, OptimizerState};
use toml::{Table, Value};

/// Moves the keys of an older config to where they are now, and returns whether there were any.
///
/// `train.betas`, `train.epsilon`, `train.weight_decay` and `train.muon` are settings of `train.optimizer`; `field.scale_0` is a setting of
/// `field.activation`.
pub(crate) fn config(config: &mut Table) -> bool {
    let train = config.get_mut("train").and_then(Value::as_table_mut);
    let moved = train.is_some_and(optimizer);
    let field = config.get_mut("field").and_then(Value::as_table_mut);
    field.is_some_and(activation) || moved
}

fn optimizer(train: &mut Table) -> bool {
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

fn activation(field: &mut Table) -> bool {
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

/// Returns an optimizer state in the form of `wanted`: older checkpoints of Muon hold its momentum in the first moment of all parameters.
pub(crate) fn optimizer_state(
    state: OptimizerState,
    wanted: &OptimizerState,
    parameters: &Parameters,
) -> Result<OptimizerState> {
    let has_momentum = |state: &OptimizerState| {
        let mut names = state.tensors.iter().map(|(name, _)| name);
        names.any(|name| name.starts_with("momentum."))
    };
    let is_whole = |(_, tensor): &(String, Tensor)| tensor.dims() == [parameters.len()];
    if has_momentum(&state) || !has_momentum(wanted) || !state.tensors.iter().all(is_whole) {
        return Ok(state);
    }
    let layout = parameters.layout();
    let others = Group::of_role(layout, Role::HiddenWeight).complement(layout.len());
    let mut tensors = Vec::new();
    for (name, whole) in &state.tensors {
        let parts = others.ranges().iter();
        let parts = parts.map(|range| whole.narrow(0, range.start, range.len()));
        let parts = parts.collect::<candle_core::Result<Vec<_>>>()?;
        tensors.push((name.clone(), Tensor::cat(&parts, 0)?));
        if name == "first_moment" {
            for entry in layout.of_role(Role::HiddenWeight) {
                let momentum = whole.narrow(0, entry.range.start, entry.range.len())?;
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
    use super::*;

    fn upgraded(text: &str) -> (bool, Table) {
        let mut table: Table = text.parse().unwrap();
        let changed = config(&mut table);
        (changed, table)
    }

    #[test]
    fn keys_that_have_moved_are_found_where_they_are_now() {
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
    fn a_config_of_this_program_stays_as_it_is() {
        for text in [
            "",
            "[train]\noptimizer = 'adam'\n",
            "[train.optimizer.muon]\n[field]\nactivation = 'sine'\n",
        ] {
            assert_eq!(upgraded(text), (false, text.parse().unwrap()), "{text}");
        }
    }
}
