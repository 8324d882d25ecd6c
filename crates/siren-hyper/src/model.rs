//! The model: an encoder, a hypernetwork, and the network of the fields whose parameters the hypernetwork computes.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use siren_core::config::Table as _;
use siren_core::field::tensor::into_storage;
use siren_core::field::{Encoding, FieldEngine, Layout, Network, Order, Parameters};
use siren_core::ranks::Ranks;
use siren_core::train::{Blueprint, Loss, Model, TermReport, Time, differentiate};
use siren_core::{Error, Result};

use crate::config::{HyperModelConfig, HyperObjectiveConfig};
use crate::context::ContextBatch;
use crate::encoder::{self, encode};
use crate::hypernetwork::{self, fields};
use crate::init::EntryInit;
use crate::layers::{Pass, empty_storage};
use crate::reconstruction::Reconstruction;

/// Largest number of parameters: 4 GiB in single precision, and three times that with the state of Adam.
const MAX_PARAMETERS: usize = 1 << 30;

/// Names of the terms of the loss.
const TERMS: [&str; 3] = ["value_mse", "latent_prior", "weight_prior"];

/// An encoder from context pixels to a latent code `(z,)`, and a hypernetwork from the code to the parameters `(P,)` of a field.
pub struct HyperNetwork {
    config: HyperModelConfig,
    parameters: Parameters,
    /// Network of the fields whose parameters are predicted.
    field: Network,
    /// Network of the set encoder.
    set: Network,
    /// Allocation that the next gradient is written to.
    gradient_buffer: Mutex<CpuStorage>,
}

/// Result of a forward pass for `b` pictures.
pub struct Predicted {
    /// Latent codes, `(b, z)`.
    pub latents: Tensor,
    /// Parameters of the fields, `(b, P)`.
    pub fields: Tensor,
}

impl HyperNetwork {
    /// Computes the latent codes and the field parameters of contexts.
    ///
    /// # Errors
    /// If the pictures have another size or another number of channels than those of the model, or have no codes in an auto-decoder.
    pub fn predict(&self, contexts: &ContextBatch) -> Result<Predicted> {
        let predicted = self.differentiable(&self.frozen()?, contexts, None)?;
        Ok(Predicted {
            latents: predicted.latents.detach(),
            fields: predicted.fields.detach(),
        })
    }

    /// Computes the field parameters `(b, P)` of latent codes `(b, z)`.
    ///
    /// # Errors
    /// If the codes have another size than those of the model.
    pub fn fields(&self, latents: &Tensor) -> Result<Tensor> {
        let layout = self.field.layout();
        Ok(fields(&self.config, &self.frozen()?, layout, latents)?.detach())
    }

    /// Computes the values `(b, n, c)` of fields with parameters `(b, P)` at `coords (n, 2)`, the same for all fields.
    ///
    /// # Errors
    /// If the shapes do not fit the network of the fields.
    pub fn values(&self, fields: &Tensor, coords: &Tensor) -> Result<Tensor> {
        let coords = repeated(coords, fields.dim(0)?)?;
        self.field
            .batch_jet(fields, &coords, &Order::Value)?
            .value()
    }

    /// Returns the `[model]` table that the model was made from.
    #[must_use]
    pub fn config(&self) -> &HyperModelConfig {
        &self.config
    }

    /// Returns the network of the fields whose parameters are predicted.
    #[must_use]
    pub fn field(&self) -> &Network {
        &self.field
    }

    /// Returns a copy of the model, which no later step changes.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn snapshot(&self) -> Result<Self> {
        Ok(Self {
            config: self.config.clone(),
            parameters: self.parameters.copy()?,
            field: self.field.clone(),
            set: self.set.clone(),
            gradient_buffer: Mutex::new(empty_storage()),
        })
    }

    /// Computes codes `(b, z)` and field parameters `(b, P)`, differentiable in the parameters of `pass`. Given `latents` replace the codes
    /// of the encoder; the result is then differentiable in them too.
    pub(crate) fn differentiable(
        &self,
        pass: &Pass<'_>,
        contexts: &ContextBatch,
        latents: Option<&Tensor>,
    ) -> Result<Predicted> {
        let latents = match latents {
            Some(latents) => latents.clone(),
            None => encode(&self.config, &self.set, pass, contexts)?,
        };
        let fields = fields(&self.config, pass, self.field.layout(), &latents)?;
        Ok(Predicted { latents, fields })
    }

    /// Returns a pass without a gradient with respect to the parameters.
    pub(crate) fn frozen(&self) -> Result<Pass<'_>> {
        Pass::frozen(&self.parameters)
    }

    /// Computes the training loss of a batch, its terms, and its gradient: the mean squared error over all pixels, plus the weighted mean
    /// squares of the latent codes and of the field parameters.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn reconstruction_loss(
        &self,
        contexts: &ContextBatch,
        objective: &HyperObjectiveConfig,
    ) -> Result<Loss> {
        self.partial_loss(contexts, objective, 1.0)
    }

    /// Computes the part of the loss of a batch that the pictures of this rank contribute.
    fn own_loss(
        &self,
        contexts: &ContextBatch,
        constraint: &Reconstruction,
        ranks: &Ranks,
    ) -> Result<Loss> {
        let pictures = contexts.observed.len();
        if ranks.count() == 1 {
            return self.reconstruction_loss(contexts, &constraint.objective);
        }
        let bound = |rank: usize| rank * pictures / ranks.count();
        let own = bound(ranks.rank())..bound(ranks.rank() + 1);
        if own.is_empty() {
            return self.no_loss();
        }
        let part = own.len() as f64 / pictures as f64;
        self.partial_loss(&contexts.narrow(own)?, &constraint.objective, part)
    }

    /// Returns the loss of no picture.
    fn no_loss(&self) -> Result<Loss> {
        let terms = TERMS.map(|name| TermReport {
            name: name.to_owned(),
            mean: 0.0,
        });
        Ok(Loss {
            value: 0.0,
            terms: terms.into(),
            gradient: self.parameters.var()?.zeros_like()?.into(),
        })
    }

    /// Computes the loss, its terms and its gradient of pictures that are some part of a batch, as their part of those of the batch.
    fn partial_loss(
        &self,
        contexts: &ContextBatch,
        objective: &HyperObjectiveConfig,
        part: f64,
    ) -> Result<Loss> {
        let buffer = std::mem::replace(&mut *self.gradient_buffer(), empty_storage());
        let pass = Pass::with_buffer(&self.parameters, buffer)?;
        let Predicted { latents, fields } = self.differentiable(&pass, contexts, None)?;
        let coords = repeated(&contexts.coords, fields.dim(0)?)?;
        let [error, weights] =
            self.field
                .batch_square_error(&fields, &coords, &contexts.pictures)?;
        let terms = [
            (1.0, error),
            (objective.latent_prior, latents.sqr()?.mean_all()?),
            (objective.weight_prior, weights),
        ];
        let mut loss = (&terms[0].1 * (terms[0].0 * part))?;
        for (weight, mean) in &terms[1..] {
            loss = (loss + (mean * (weight * part))?)?;
        }
        let gradient = pass.gradient(&differentiate(&loss)?)?;
        let scalar = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.to_scalar::<f64>();
        let mut reports = Vec::new();
        for (name, (_, mean)) in TERMS.iter().zip(&terms) {
            reports.push(TermReport {
                name: (*name).to_owned(),
                mean: scalar(mean)? * part,
            });
        }
        Ok(Loss {
            value: scalar(&loss)?,
            terms: reports,
            gradient: gradient.into(),
        })
    }

    fn assemble(
        blueprint: Blueprint<'_, HyperModelConfig>,
        layout: Layout,
        field: Network,
        parameters: &Tensor,
    ) -> Result<Self> {
        let device = parameters.device();
        Ok(Self {
            config: blueprint.model.clone(),
            set: encoder::set::network(blueprint.model, blueprint.shape, device)?,
            parameters: Parameters::new(parameters, layout)?,
            field,
            gradient_buffer: Mutex::new(empty_storage()),
        })
    }

    fn gradient_buffer(&self) -> MutexGuard<'_, CpuStorage> {
        self.gradient_buffer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Repeats coordinates `(n, d)` for every picture: `(b, n, d)`.
fn repeated(coords: &Tensor, pictures: usize) -> Result<Tensor> {
    let (points, dims) = coords.dims2()?;
    let coords = coords.unsqueeze(0)?.expand((pictures, points, dims))?;
    Ok(coords.contiguous()?)
}

/// Returns the entries of a model's parameters. `shared` holds the initial parameters of one field.
///
/// # Errors
/// [`Error::InvalidValue`] if a value of the `[model]` table is out of range, or there are more than [`MAX_PARAMETERS`] parameters.
fn entries(
    blueprint: Blueprint<'_, HyperModelConfig>,
    field: &Network,
    shared: Vec<f64>,
) -> Result<Vec<EntryInit>> {
    blueprint.model.validate()?;
    let mut entries = encoder::entries(blueprint.model, blueprint.shape)?;
    entries.extend(hypernetwork::entries(
        blueprint.model,
        field.layout(),
        shared,
    ));
    let total: u128 = entries.iter().map(EntryInit::len).sum();
    if total <= MAX_PARAMETERS as u128 {
        return Ok(entries);
    }
    let expected = format!(
        "a smaller width, here or in `field.hidden_features`, for {MAX_PARAMETERS} parameters at most; there are {total}"
    );
    let width = blueprint.model.hyper_features;
    Err(Error::invalid("model.hyper_features", width, &expected))
}

fn layout(entries: &[EntryInit]) -> Layout {
    let mut layout = Layout::default();
    for entry in entries {
        layout.push(&entry.name, &entry.shape, entry.role);
    }
    layout
}

/// Checks that the fields have no parameters besides weights and biases: a hypernetwork computes no others.
fn check_field(blueprint: Blueprint<'_, HyperModelConfig>) -> Result<()> {
    if let Encoding::Rbf(_) = blueprint.field.encoding {
        let expected = "another encoding: a hypernetwork does not compute centers";
        return Err(Error::invalid("field.encoding", "rbf", expected));
    }
    if blueprint.field.learn_omega {
        let expected = "false: a hypernetwork does not compute frequencies";
        return Err(Error::invalid("field.learn_omega", true, expected));
    }
    Ok(())
}

impl Model for HyperNetwork {
    type Config = HyperModelConfig;
    type Constraint = Reconstruction;
    const IS_SHARDED: bool = true;

    fn init(
        blueprint: Blueprint<'_, HyperModelConfig>,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_field(blueprint)?;
        let field = blueprint.field.network(blueprint.shape, rng, device)?;
        // Drawn for every kind of hypernetwork, so that the other initial parameters do not depend on the kind.
        let shared = field.draw_parameters(rng);
        let entries = entries(blueprint, &field, shared)?;
        let layout = layout(&entries);
        let values: Vec<f64> = entries
            .iter()
            .zip(layout.entries())
            .flat_map(|(init, entry)| (init.draw)(rng, entry.range.len()))
            .collect();
        let parameters = Tensor::from_vec(values, layout.len(), &Device::Cpu)?;
        let parameters = parameters.to_dtype(dtype)?.to_device(device)?;
        Self::assemble(blueprint, layout, field, &parameters)
    }

    fn load(
        blueprint: Blueprint<'_, HyperModelConfig>,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_field(blueprint)?;
        let field = blueprint
            .field
            .network_from(blueprint.shape, &find, device)?;
        let layout = layout(&entries(blueprint, &field, Vec::new())?);
        let parameters = layout.join(&find)?.to_dtype(dtype)?.to_device(device)?;
        Self::assemble(blueprint, layout, field, &parameters)
    }

    /// Chooses what computes the fields. Encoder and hypernetwork stay on the CPU.
    fn on(self, engine: &FieldEngine) -> Result<Self> {
        engine.must_compute(&self.parameters)?;
        Ok(Self {
            field: self.field.on(engine),
            ..self
        })
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn network(&self) -> &Network {
        &self.field
    }

    fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = self.parameters.named()?;
        all.extend(self.field.fixed_tensors()?);
        Ok(all)
    }

    fn reuse(&self, gradient: Tensor) {
        if let Ok(storage) = into_storage(gradient) {
            *self.gradient_buffer() = storage;
        }
    }

    fn loss_and_gradient(
        &self,
        constraints: &[Reconstruction],
        time: Time,
        ranks: &Ranks,
    ) -> Result<Loss> {
        let mut sum: Option<Loss> = None;
        for constraint in constraints {
            let drawn = constraint.draw(self.config.encoder, time.step);
            let own = drawn.and_then(|contexts| self.own_loss(&contexts, constraint, ranks));
            let loss = Loss::sum_among(own, ranks)?;
            sum = Some(match sum {
                Some(sum) => Loss {
                    value: sum.value + loss.value,
                    terms: [sum.terms, loss.terms].concat(),
                    gradient: sum.gradient.plus(&loss.gradient)?,
                },
                None => loss,
            });
        }
        sum.ok_or(Error::NoConstraints)
    }
}
