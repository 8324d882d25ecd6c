//! The model: an encoder, a hypernetwork, and the shape of the fields whose parameters it gives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use siren_core::config::Table as _;
use siren_core::field::tensor::into_storage;
use siren_core::field::{Encoding, Layout, Network, Order, Parameters, Role};
use siren_core::train::{Blueprint, Loss, Model, TermReport, Time, differentiate};
use siren_core::{Error, Result};

use crate::config::{HyperModel, HyperObjective};
use crate::context::Contexts;
use crate::encoder::{self, encode};
use crate::hypernetwork::{self, fields};
use crate::layers::{Pass, nothing};
use crate::reconstruction::Reconstruction;

/// Most parameters: 4 GiB of them in single precision, and three times that for the optimizer.
const MAX_PARAMETERS: usize = 1 << 30;

/// Context pixels → latent code → parameters → field.
pub struct HyperNetwork {
    config: HyperModel,
    parameters: Parameters,
    /// Network of the fields whose parameters are predicted.
    field: Network,
    /// Network of the set encoder.
    set: Network,
    /// Allocation that the next gradient may be written to.
    memory: Mutex<CpuStorage>,
}

/// What a pass gives.
pub struct Predicted {
    /// Codes, `(b, z)`.
    pub latents: Tensor,
    /// Parameters of the fields, `(b, P)`.
    pub fields: Tensor,
}

impl HyperNetwork {
    /// Latent codes and fields of these contexts.
    ///
    /// # Errors
    /// If they are of other pictures than the model was made for.
    pub fn predict(&self, contexts: &Contexts) -> Result<Predicted> {
        let predicted = self.differentiable(&self.frozen(), contexts, None)?;
        Ok(Predicted {
            latents: predicted.latents.detach(),
            fields: predicted.fields.detach(),
        })
    }

    /// The parameters `(b, P)` of the fields of these codes `(b, z)`.
    ///
    /// # Errors
    /// If the codes are of another size.
    pub fn fields(&self, latents: &Tensor) -> Result<Tensor> {
        let layout = self.field.layout();
        Ok(fields(&self.config, &self.frozen(), layout, latents)?.detach())
    }

    /// Values `(b, n, c)` of fields with parameters `(b, P)` at `coords (n, d)`, the same for all.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn values(&self, fields: &Tensor, coords: &Tensor) -> Result<Tensor> {
        let coords = batched(coords, fields.dim(0)?)?;
        self.field
            .batch_jet(fields, &coords, &Order::Value)?
            .value()
    }

    /// Its `[model]` table.
    #[must_use]
    pub fn config(&self) -> &HyperModel {
        &self.config
    }

    /// Returns the network of the fields whose parameters are predicted.
    #[must_use]
    pub fn field(&self) -> &Network {
        &self.field
    }

    /// Codes `(b, z)` and parameters `(b, P)` with a way back for gradients, which ends in `latents` where these are given.
    pub(crate) fn differentiable(
        &self,
        pass: &Pass<'_>,
        contexts: &Contexts,
        latents: Option<&Tensor>,
    ) -> Result<Predicted> {
        let latents = match latents {
            Some(latents) => latents.clone(),
            None => encode(&self.config, &self.set, pass, contexts)?,
        };
        let fields = fields(&self.config, pass, self.field.layout(), &latents)?;
        Ok(Predicted { latents, fields })
    }

    /// A pass that leaves no gradient in the parameters.
    pub(crate) fn frozen(&self) -> Pass<'_> {
        Pass::frozen(&self.parameters)
    }

    fn assemble(
        blueprint: Blueprint<'_, HyperModel>,
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
            memory: Mutex::new(nothing()),
        })
    }

    fn memory(&self) -> MutexGuard<'_, CpuStorage> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same coordinates for every picture, `(b, n, d)`.
fn batched(coords: &Tensor, pictures: usize) -> Result<Tensor> {
    let (points, dims) = coords.dims2()?;
    let coords = coords.unsqueeze(0)?.expand((pictures, points, dims))?;
    Ok(coords.contiguous()?)
}

/// Returns the entries of a model, how each of them is drawn, and their layout. `shared` holds the initial parameters of one field.
fn entries(
    blueprint: Blueprint<'_, HyperModel>,
    field: &Network,
    shared: Vec<f64>,
) -> Result<(Vec<encoder::Start>, Layout)> {
    blueprint.model.validate()?;
    let mut entries = encoder::entries(blueprint.model, blueprint.shape)?;
    let own = hypernetwork::entries(blueprint.model, field.layout(), shared);
    entries.extend(own);
    let total: u128 = entries.iter().map(|(_, shape, _)| elements(shape)).sum();
    if total > MAX_PARAMETERS as u128 {
        let expected = format!(
            "less, with `field.hidden_features`, for {MAX_PARAMETERS} parameters at most; here there are {total}"
        );
        return Err(Error::invalid(
            "model.hyper_features",
            blueprint.model.hyper_features,
            &expected,
        ));
    }
    let is_weight = |name: &str| name.ends_with(".weight");
    let weights = entries
        .iter()
        .filter(|(name, _, _)| is_weight(name))
        .count();
    let mut layout = Layout::default();
    let mut index = 0;
    for (name, shape, _) in &entries {
        index += usize::from(is_weight(name));
        let role = match is_weight(name) {
            true if shape.len() == 2 && (2..weights).contains(&index) => Role::HiddenWeight,
            true => Role::OuterWeight,
            false if name.ends_with(".bias") => Role::Bias,
            false => Role::Encoding,
        };
        layout.push(name, shape, role);
    }
    Ok((entries, layout))
}

fn elements(shape: &[usize]) -> u128 {
    shape.iter().map(|&side| side as u128).product()
}

/// Networks that a hypernetwork makes have no parameters of other kinds than weights and biases.
fn must_be_plain(blueprint: Blueprint<'_, HyperModel>) -> Result<()> {
    if let Encoding::Rbf(_) = blueprint.field.encoding {
        let expected = "another: centers are not for a hypernetwork to give";
        return Err(Error::invalid("field.encoding", "rbf", expected));
    }
    if blueprint.field.learn_omega {
        let expected = "false: frequencies are not for a hypernetwork to give";
        return Err(Error::invalid("field.learn_omega", true, expected));
    }
    Ok(())
}

impl Model for HyperNetwork {
    type Config = HyperModel;
    type Constraint = Reconstruction;

    fn init(
        blueprint: Blueprint<'_, HyperModel>,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        must_be_plain(blueprint)?;
        let field = blueprint.field.network(blueprint.shape, rng, device)?;
        // Drawn for every kind of hypernetwork, so that what is drawn next does not depend on the kind.
        let shared = field.draw_parameters(rng);
        let (entries, layout) = entries(blueprint, &field, shared)?;
        let starts = entries.iter().zip(layout.entries());
        let numbers: Vec<f64> = starts
            .flat_map(|((_, _, draw), entry)| draw(rng, entry.range.len()))
            .collect();
        let parameters = Tensor::from_vec(numbers, layout.len(), &Device::Cpu)?;
        let parameters = parameters.to_dtype(dtype)?.to_device(device)?;
        Self::assemble(blueprint, layout, field, &parameters)
    }

    fn load(
        blueprint: Blueprint<'_, HyperModel>,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        must_be_plain(blueprint)?;
        let field = blueprint
            .field
            .network_from(blueprint.shape, &find, device)?;
        let (_, layout) = entries(blueprint, &field, Vec::new())?;
        let parameters = layout.join(&find)?.to_dtype(dtype)?.to_device(device)?;
        Self::assemble(blueprint, layout, field, &parameters)
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
        if let Ok(memory) = into_storage(gradient) {
            *self.memory() = memory;
        }
    }

    fn loss_and_gradient(&self, constraints: &[Reconstruction], time: Time) -> Result<Loss> {
        let mut sum: Option<Loss> = None;
        for constraint in constraints {
            let loss =
                self.reconstruction_loss(&constraint.draw(time.step)?, &constraint.objective)?;
            sum = Some(match sum {
                Some(sum) => Loss {
                    value: sum.value + loss.value,
                    terms: [sum.terms, loss.terms].concat(),
                    gradient: (sum.gradient + loss.gradient)?,
                },
                None => loss,
            });
        }
        sum.ok_or(Error::NoConstraints)
    }
}

impl HyperNetwork {
    /// Mean squared error of all pixels, plus the priors, and the gradient.
    ///
    /// # Errors
    /// If the contexts are of other pictures than the model was made for.
    pub fn reconstruction_loss(
        &self,
        contexts: &Contexts,
        objective: &HyperObjective,
    ) -> Result<Loss> {
        let memory = std::mem::replace(&mut *self.memory(), nothing());
        let pass = Pass::within(&self.parameters, memory);
        let Predicted { latents, fields } = self.differentiable(&pass, contexts, None)?;
        let coords = batched(&contexts.coords, fields.dim(0)?)?;
        let [error, weights] =
            self.field
                .batch_square_error(&fields, &coords, &contexts.pictures)?;
        let terms = [
            ("value_mse", 1.0, error),
            (
                "latent_prior",
                objective.latent_prior,
                latents.sqr()?.mean_all()?,
            ),
            ("weight_prior", objective.weight_prior, weights),
        ];
        let mut loss = (&terms[0].2 * terms[0].1)?;
        for (_, weight, mean) in &terms[1..] {
            loss = (loss + (mean * *weight)?)?;
        }
        let gradient = pass.gradient(&differentiate(&loss)?)?;
        let number = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.to_scalar::<f64>();
        let mut reports = Vec::new();
        for (name, _, mean) in &terms {
            reports.push(TermReport {
                name: (*name).to_owned(),
                mean: number(mean)?,
            });
        }
        Ok(Loss {
            value: number(&loss)?,
            terms: reports,
            gradient,
        })
    }
}
