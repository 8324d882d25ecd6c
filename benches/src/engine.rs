//! Engines in Rust: the fused field of this workspace, and the same field from candle's own operations.

#![expect(
    clippy::disallowed_methods,
    reason = "times candle's own backward pass, which the peers call too"
)]

use std::ops::Range;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use siren_core::config::Source;
use siren_core::field::{FieldEngine, FieldShape, Jet, Level, Order, Siren, SirenConfig};
use siren_core::objective::{
    Coefficients, Constraint, Context, JetSquares, Law, Objective, SquareTerm, Term,
};
use siren_core::optimizer::{GaussNewtonConfig, OptimizerConfig};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{Blueprint, Model, Precision, Task, TrainConfig, Trainer};
use siren_hyper::{Hyper, HyperNetwork};
use siren_run::{Config, ConfigOf, Domain};
use siren_shape::config::SirenLossConfig;
use siren_wave::objective::Region;

use crate::bare::BareStep;
use crate::case::{Case, HIDDEN_LAYERS, Kind};
use crate::helmholtz;
use crate::inputs;

/// Takes a step and returns its loss. Engines agree on the losses of training steps of fields; steps of other kinds return none.
type Step = Box<dyn FnMut() -> Result<Option<f64>>>;

/// Measurements of one step.
pub struct Measured {
    /// Time up to the completion of all work on the device.
    pub seconds: f64,
    /// The loss before the step, where engines can be compared by it.
    pub loss: Option<f64>,
}

/// An engine that is ready to take steps of one case.
pub struct Engine {
    step: Step,
    device: Device,
}

/// Returns why an engine does not support a case, if it does not. `has_level` tells whether the user chose a SIMD level.
pub fn refusal(engine: &str, case: &Case, has_level: bool, device: &str) -> Option<&'static str> {
    match (engine, case.kind) {
        ("jax_jit", _) if device != "cpu" => Some("JAX is timed on the CPU only"),
        (_, Kind::Hyper) if device != "cpu" => Some("hypernetworks are timed on the CPU only"),
        (engine, Kind::GaussNewton) if !["fused", "peak"].contains(&engine) => {
            Some("not supported: this engine has no Gauss-Newton steps")
        }
        ("candle", _) if device != "cpu" && !cfg!(feature = "candle-cuda") => {
            Some("not supported: this program was built without the feature `candle-cuda`")
        }
        ("fused", _) if device != "cpu" && case.precision == Precision::Double => {
            Some("double precision is timed on the CPU only")
        }
        ("candle", Kind::Hyper) => Some("not supported: candle has no hypernetworks"),
        ("bare", kind) if !BareStep::supports(kind) => {
            Some("not supported: kernels alone are timed for values, gradients and Laplacians")
        }
        ("fused", Kind::Hyper) if has_level => {
            Some("not supported: hypernetworks run at the best SIMD level only")
        }
        _ => None,
    }
}

impl Engine {
    /// Prepares a case with the field as this workspace trains it: one operation of the CPU or of an NVIDIA device.
    pub fn fused(case: &Case, level: Option<Level>, engine: &FieldEngine) -> Result<Self> {
        let step = if case.kind == Kind::Hyper {
            Self::hyper_step(case)?
        } else {
            Self::field_step(case, level, engine)?
        };
        // Every step ends with a copy to the CPU, so there is no other device to wait for.
        let device = Device::Cpu;
        Ok(Self { step, device })
    }

    /// Makes a step of a field: a rendering, a batched loss with its gradient, or a training step.
    fn field_step(case: &Case, level: Option<Level>, engine: &FieldEngine) -> Result<Step> {
        let device = &Device::Cpu;
        let field = engine_field(case, level, engine)?;
        let order = order(case);
        Ok(match case.kind {
            Kind::GaussNewton => {
                let constraints = constraints(case, device)?;
                let config = TrainConfig {
                    optimizer: OptimizerConfig::GaussNewton(GaussNewtonConfig::default()),
                    ..TrainConfig::default()
                };
                let (case, engine) = (case.clone(), engine.clone());
                // Always the first step: later ones differ in their trials of the damping.
                Box::new(move || {
                    let field = engine_field(&case, level, &engine)?;
                    let mut trainer = Trainer::new(field, &config)?;
                    Ok(Some(trainer.step(&constraints)?.loss))
                })
            }
            Kind::Render => {
                let (coords, _) = inputs::grid(case, device)?;
                Box::new(move || {
                    field.evaluate(&coords, &order)?;
                    Ok(None)
                })
            }
            Kind::Batched => {
                let (coords, targets) = inputs::grid(case, device)?;
                let initial = field.parameters().flat()?;
                let params = Tensor::stack(&vec![initial; case.fields], 0)?;
                let params = Var::from_tensor(&params)?;
                Box::new(move || {
                    let [loss, _] = field.network().batch_square_error(
                        params.as_tensor(),
                        &coords,
                        &targets,
                    )?;
                    loss.backward()?;
                    Ok(None)
                })
            }
            _ => {
                let constraints = constraints(case, device)?;
                let config = TrainConfig {
                    precision: products(engine, case),
                    ..TrainConfig::default()
                };
                let mut trainer = Trainer::new(field, &config)?;
                Box::new(move || Ok(Some(trainer.step(&constraints)?.loss)))
            }
        })
    }

    /// Makes the training step of a hypernetwork as a run takes it, which includes drawing the batch and the contexts.
    fn hyper_step(case: &Case) -> Result<Step> {
        let source = Source {
            origin: case.name.clone(),
            text: hyper_config(case)?,
        };
        let config: ConfigOf<Hyper> = Config::parse(&source, Hyper::KIND, &[])?;
        let domain = Hyper::open(&config)?;
        let blueprint = Blueprint {
            field: &config.field,
            model: &config.model,
            shape: domain.shape(),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let model = HyperNetwork::init(blueprint, &mut rng, DType::F32, &Device::Cpu)?;
        let mut trainer = Trainer::new(model, &config.train)?;
        let constraints = domain.constraints(DType::F32, &Device::Cpu)?;
        Ok(Box::new(move || {
            trainer.step(&constraints)?;
            Ok(None)
        }))
    }

    /// Prepares a case for the kernels of an NVIDIA device alone, without an optimizer.
    pub fn bare(case: &Case, engine: &FieldEngine) -> Result<Self> {
        let FieldEngine::Cuda { device, precision } = engine else {
            bail!("kernels alone are timed on a device `cuda:N`, not on `{engine}`");
        };
        let bare = BareStep::new(case, device, *precision)?;
        Ok(Self {
            step: Box::new(move || Ok(bare.take()?)),
            device: Device::Cpu,
        })
    }

    /// Prepares a case as a user of candle alone would write it, operation by operation and with candle's own optimizer.
    pub fn candle(case: &Case, device: &Device) -> Result<Self> {
        Ok(Self {
            step: Self::candle_step(case, device)?,
            device: device.clone(),
        })
    }

    /// Makes a step from candle's own operations.
    fn candle_step(case: &Case, device: &Device) -> Result<Step> {
        let field = field(case, device)?.composed();
        let params = ParamsAdamW {
            lr: 1e-4,
            weight_decay: 0.0,
            ..ParamsAdamW::default()
        };
        let mut optimizer = AdamW::new(vec![field.parameters().var()?.clone()], params)?;
        if matches!(case.kind, Kind::Render | Kind::Batched) {
            let (coords, targets) = inputs::grid(case, device)?;
            let case = case.clone();
            return Ok(Box::new(move || {
                if case.kind == Kind::Render {
                    field.jet(&coords, &Order::Value)?;
                    return Ok(None);
                }
                for index in 0..case.fields {
                    let jet = field.jet(&coords.get(index)?, &Order::Value)?;
                    let loss = (jet.value()? - targets.get(index)?)?.sqr()?.mean_all()?;
                    loss.backward()?;
                }
                Ok(None)
            }));
        }
        let constraints = constraints(case, device)?;
        Ok(Box::new(move || {
            let loss = loss(&field, &constraints)?;
            optimizer.step(&loss.backward()?)?;
            Ok(Some(loss.to_scalar::<f32>()?.into()))
        }))
    }

    /// Takes one step.
    pub fn step(&mut self) -> Result<Measured> {
        let start = Instant::now();
        let loss = (self.step)()?;
        self.device.synchronize()?;
        Ok(Measured {
            seconds: start.elapsed().as_secs_f64(),
            loss,
        })
    }
}

/// Returns the precision of a config for the products of an engine: a trainer takes its engine from the config.
fn products(engine: &FieldEngine, case: &Case) -> Precision {
    match engine {
        FieldEngine::Cuda {
            precision: siren_cuda::Precision::Fast,
            ..
        } => Precision::Fast,
        _ => case.precision,
    }
}

/// Returns the derivatives that a case needs.
pub fn order(case: &Case) -> Order {
    match case.kind {
        Kind::Value | Kind::Render | Kind::Batched | Kind::Hyper => Order::Value,
        Kind::Gradient | Kind::Shape => Order::Gradient,
        Kind::Laplacian => Order::laplacian(case.in_features),
        Kind::Hessian => Order::hessian(case.in_features),
        Kind::Helmholtz | Kind::GaussNewton => Region::Layer.order(),
    }
}

/// Makes the case's field.
pub fn field(case: &Case, device: &Device) -> Result<Siren> {
    let config = SirenConfig {
        hidden_features: case.width.into(),
        hidden_layers: HIDDEN_LAYERS,
        ..SirenConfig::default()
    };
    let shape = FieldShape {
        in_features: case.in_features,
        out_features: case.out_features,
        samples_per_side: None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let field = config.init(shape, &mut rng, case.precision.dtype(), device)?;
    inputs::initialize(&field, case)?;
    Ok(field)
}

/// Makes the case's field on an engine; on the CPU at a SIMD level, or at the best of this processor.
fn engine_field(case: &Case, level: Option<Level>, engine: &FieldEngine) -> Result<Siren> {
    let field = field(case, &Device::Cpu)?;
    let field = match level {
        Some(level) => field.at_level(level)?,
        None => field,
    };
    Ok(field.on(engine)?)
}

/// Returns the config of the paper's experiment with the sizes of a case. A fifth of its pictures is held out.
fn hyper_config(case: &Case) -> Result<String> {
    let hyper = case
        .hyper
        .context("the case has no sizes of a hypernetwork")?;
    let (width, fields, context) = (case.width, case.fields, hyper.context);
    let color = if case.out_features == 3 {
        "rgb"
    } else {
        "gray"
    };
    Ok(format!(
        "kind = 'hyper'
        [signal]
        pictures = {pictures}
        size = {side}
        color = '{color}'
        batch = {fields}
        context = [{context}, {above}]
        [field]
        hidden_features = {width}
        hidden_layers = {HIDDEN_LAYERS}
        [model]
        encoder = {encoder}
        encoder_features = {encoder_features}
        latent_features = {latent}
        hyper_features = {hyper_features}
        [train]
        learning_rate = 5e-5
        clip_norm = 1.0",
        pictures = fields + fields / 4 + 3,
        side = hyper.side,
        above = context + 1,
        encoder = serde_json::to_string(&hyper.encoder)?,
        encoder_features = hyper.encoder_features,
        latent = hyper.latent,
        hyper_features = hyper.hyper_features,
    ))
}

/// Returns what a training step of a field fits: the loss of the paper's shapes, the Helmholtz equation, or a mean squared error on the grid.
fn constraints(case: &Case, device: &Device) -> Result<Vec<Constraint>> {
    if case.kind == Kind::Shape {
        let loss = SirenLossConfig::default();
        let inputs::ShapeSamples { surface, volume } = inputs::shape(case, device)?;
        let surface = WholeSampler::new(surface);
        let volume = WholeSampler::new(volume);
        return Ok(vec![
            Constraint::new("surface", surface, loss.on_surface()),
            Constraint::new("volume", volume, loss.in_volume()),
        ]);
    }
    if matches!(case.kind, Kind::Helmholtz | Kind::GaussNewton) {
        return Ok(helmholtz::constraints(case, device));
    }
    let (coords, targets) = inputs::grid(case, device)?;
    let objective = MeanSquaredError {
        kind: case.kind,
        order: order(case),
        dims: case.in_features,
    };
    // By channel and component.
    let components = objective.components().len();
    let targets = targets.reshape((case.points, case.out_features, components))?;
    let sampler = WholeSampler::new(Sample::with_targets(coords, targets)?);
    Ok(vec![Constraint::new("points", sampler, objective)])
}

/// Returns the loss of a field on all points at once, as a tensor that can be differentiated.
fn loss(field: &Siren, constraints: &[Constraint]) -> Result<Tensor> {
    let mut terms = Vec::new();
    for constraint in constraints {
        let Law::Pointwise(objective) = &constraint.law else {
            bail!("`{}` is no pointwise constraint", constraint.name);
        };
        let sample = constraint.sampler.draw(0)?;
        let context = Context {
            jet: &field.jet(sample.coords(), objective.order())?,
            sample: &sample,
            step: 0,
            progress: 0.0,
            coefficients: &Coefficients::default(),
        };
        for term in objective.terms(&context)? {
            let weight = term.weight * constraint.weight.at(0);
            terms.push((term.per_point.mean_all()? * weight)?);
        }
    }
    Ok(Tensor::stack(&terms, 0)?.sum_all()?)
}

/// Mean squared error of the quantity that a case trains on: its values, gradients or second derivatives.
struct MeanSquaredError {
    kind: Kind,
    order: Order,
    dims: usize,
}

impl MeanSquaredError {
    /// Returns the components of jets that have targets.
    fn components(&self) -> Range<usize> {
        match self.kind {
            Kind::Gradient => 1..1 + self.dims,
            Kind::Laplacian | Kind::Hessian => 1 + self.dims..self.order.components(self.dims),
            _ => 0..1,
        }
    }
}

impl Objective for MeanSquaredError {
    fn order(&self) -> &Order {
        &self.order
    }

    fn squares(&self, channels: usize) -> Option<JetSquares> {
        let components = self.components();
        Some(JetSquares {
            first: components.start,
            terms: vec![SquareTerm {
                name: "mse".into(),
                weight: 1.0,
                factor: 1.0 / (channels * components.len()) as f64,
                components,
            }],
        })
    }

    fn terms(&self, context: &Context<'_>) -> siren_core::Result<Vec<Term>> {
        let targets = &context.sample.targets()?.flatten_from(1)?;
        let per_point = per_point(self.kind, context.jet, targets)?;
        Ok(vec![Term::new("mse", per_point)])
    }
}

/// Returns the squared error `(points,)` of a jet, averaged over the components of each point.
fn per_point(kind: Kind, jet: &Jet, targets: &Tensor) -> siren_core::Result<Tensor> {
    let prediction = match kind {
        Kind::Gradient => jet.gradient()?.flatten_from(1)?,
        Kind::Laplacian | Kind::Hessian => jet.traces()?.flatten_from(1)?,
        _ => jet.value()?,
    };
    Ok((prediction - targets)?.sqr()?.mean(D::Minus1)?)
}
