//! From a task and a config to a fitted model.

use std::ops::ControlFlow;

use candle_core::{DType, Device};

use super::start::prepare;
use super::{Blueprint, Model, StepReport, Task, TrainConfig, Trainer};
use crate::error::{Error, Result};
use crate::field::{FieldEngine, SirenConfig};
use crate::metrics::Metrics;
use crate::signal::Stream;

/// Settings of a fit besides those of the signal; the tables of a config file of the same names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitConfig<M = crate::config::NoTable> {
    /// Seed of all random numbers of the fit.
    pub seed: u64,
    /// The network.
    pub field: SirenConfig,
    /// The encoder and the hypernetwork, of models that have them.
    pub model: M,
    /// Steps, learning rate, optimizer.
    pub train: TrainConfig,
}

/// A model on its way to a task: made, then stepped until it is good enough.
pub struct Fit<'a, T: Task> {
    task: &'a T,
    trainer: Trainer<T::Model>,
    constraints: Vec<<T::Model as Model>::Constraint>,
}

impl<'a, T: Task> Fit<'a, T> {
    /// Draws a model on the CPU.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value of the config is out of range, or `"auto"` for a signal that does not vary; the errors of the
    /// task.
    pub fn new(task: &'a T, config: &FitConfig<<T::Model as Model>::Config>) -> Result<Self> {
        Self::on(task, config, config.train.precision.dtype(), &Device::Cpu)
    }

    /// Draws a model on the CPU whose fields an engine computes.
    ///
    /// # Errors
    /// As [`new`](Self::new); also if the engine does not compute in the precision of the config.
    pub fn by(
        task: &'a T,
        config: &FitConfig<<T::Model as Model>::Config>,
        engine: &FieldEngine,
    ) -> Result<Self> {
        let engine = config.train.precision.engine(engine)?;
        let dtype = config.train.precision.dtype();
        Self::draw(task, config, dtype, &Device::Cpu, &engine)
    }

    /// Draws a model in `f32` or `f64` on a device.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(
        task: &'a T,
        config: &FitConfig<<T::Model as Model>::Config>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        Self::draw(task, config, dtype, device, &FieldEngine::Cpu)
    }

    /// Draws a model in `f32` or `f64` on a device of candle, whose fields an engine computes.
    fn draw(
        task: &'a T,
        config: &FitConfig<<T::Model as Model>::Config>,
        dtype: DType,
        device: &Device,
        engine: &FieldEngine,
    ) -> Result<Self> {
        let mut field = config.field.clone();
        resolve(&mut field, task, config.train.learning_rate)?;
        let blueprint = Blueprint {
            field: &field,
            model: &config.model,
            shape: task.shape(),
        };
        let mut rng = Stream::PARAMETERS.rng(config.seed, 0);
        let model = T::Model::init(blueprint, &mut rng, dtype, device)?.on(engine)?;
        Ok(Self {
            task,
            trainer: Trainer::new(prepare(task, model, config.seed)?, &config.train)?,
            constraints: task.constraints(dtype, device)?,
        })
    }

    /// Takes one step.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn step(&mut self) -> Result<StepReport> {
        self.trainer.step(&self.constraints)
    }

    /// Takes the steps that the config asks for.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn run(&mut self) -> Result<()> {
        self.trainer.run(&self.constraints)
    }

    /// Takes the steps that the config asks for, and calls `after_step` after each; `Break` ends the fit.
    ///
    /// # Errors
    /// As [`Trainer::step`], and those of `after_step`.
    pub fn run_with(
        &mut self,
        after_step: impl FnMut(&T::Model, &StepReport) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.trainer.run_with(&self.constraints, after_step)
    }

    /// Returns whether all steps of the config are taken, or all tiles rest.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.trainer.is_finished()
    }

    /// Returns the model as it is now.
    #[must_use]
    pub fn model(&self) -> &T::Model {
        self.trainer.model()
    }

    /// Scores the model as it is now.
    ///
    /// # Errors
    /// Only from candle.
    pub fn evaluate(&self) -> Result<Metrics> {
        self.task.evaluate(self.trainer.model())
    }

    /// Returns the fitted model.
    #[must_use]
    pub fn into_model(self) -> T::Model {
        self.trainer.into_model()
    }
}

/// Replaces every `"auto"` of a network by numbers from the spectrum of a task's signal, and gives a mosaic the grid of the signal.
///
/// # Errors
/// [`Error::InvalidValue`] if the signal does not vary, or may not be looked at as a whole.
pub fn resolve(field: &mut SirenConfig, task: &impl Task, learning_rate: f64) -> Result<()> {
    if let Some(mosaic) = &mut field.mosaic
        && mosaic.asks_for_grid()
        && let Some(grid) = task.grid()
    {
        let axes = 0..grid.sides().len();
        mosaic.extents = axes.map(|axis| grid.extent(axis)).collect();
        mosaic.sides = grid.sides().to_vec();
    }
    field.lay_tiles(task.shape(), task.points_per_step())?;
    let Some(key) = field.asks_for_spectrum() else {
        return Ok(());
    };
    let Some(spectrum) = task.spectrum()? else {
        let expected =
            "a number: the signal does not vary, so it has no spectrum to compute one from";
        return Err(Error::invalid(key, "auto", expected));
    };
    let (centroid, nyquist) = (spectrum.centroid, spectrum.nyquist);
    field.resolve(centroid, nyquist, task.shape(), learning_rate);
    Ok(())
}
