//! The wave equation in a known medium, from an initial pulse or a source.

mod ansatz;
#[cfg(feature = "cli")]
mod artifacts;
mod config;
mod constraints;
mod frames;
mod points;
mod samples;

#[cfg(feature = "cli")]
use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::Constraint;
use siren_core::signal::Stream;
use siren_core::train::TrainConfig;
use siren_core::{Error, Result};

pub use self::ansatz::{Ansatz, AnsatzValue, Event, InitialPulse};
pub use self::config::{
    BorderCondition, Excitation, Initial, RickerConfig, SoftInitialConfig, WaveEquationConfig,
};
use self::frames::{Frame, Scene};
use self::points::{REACH, Spread, SpreadShape};
use crate::Point;
use crate::checks;
use crate::field::{MotionFacts, WaveMetadata};
use crate::medium::Medium;
use crate::objective::ResidualNorm;
use crate::receivers::Role;
use crate::sampler::Draws;
use crate::scores::{RELATIVE_ERROR_PERCENT, percent_of, squared_norm};
use crate::signal::{INPUT_SIDE, Placement, Setup, WaveProblem, only_source, training};

/// Variance of the paper's pulse.
const DEFAULT_VARIANCE: f64 = 5e-4;
/// Variance from which narrow pulses are sharpened.
const WIDE_VARIANCE: f64 = 0.01;

/// The wave equation in a known medium.
pub(crate) struct WaveEquationProblem {
    medium: Medium,
    config: WaveEquationConfig,
    pulse: InitialPulse,
    norm: ResidualNorm,
    points: Points,
    reference: OnceLock<Vec<Frame>>,
}

/// Numbers of points, and when they are drawn.
#[derive(Clone, Copy, Debug)]
struct Points {
    domain: usize,
    front: usize,
    front_weight: f64,
    seed: u64,
    hold: u64,
}

/// The problem at one step: its pulse may be wider than at the end, and its last time earlier.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stage {
    pulse: InitialPulse,
    last: f64,
}

impl WaveEquationProblem {
    /// Makes the problem of a config.
    ///
    /// # Errors
    /// Those of the medium; [`Error::InvalidValue`] for values that do not go together.
    pub(crate) fn new(
        setup: Setup<'_>,
        config: &WaveEquationConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let Setup {
            signal,
            objective,
            seed,
        } = setup;
        let velocity = signal.units.reference_velocity;
        let medium = Medium::from_config(&signal.medium, "signal.medium", velocity, notes)?;
        let sources = signal.sources.points("signal.sources", Role::Source)?;
        checks::check_positions("signal.sources", &sources, None)?;
        let pulse = InitialPulse {
            center: only_source(&sources)?,
            amplitude: config.amplitude,
            variance: signal.source_variance.unwrap_or(DEFAULT_VARIANCE),
        };
        check_variance(pulse.variance)?;
        if config.border == BorderCondition::Open {
            let (radius, last) = (REACH * pulse.variance.sqrt(), config.duration);
            notes.extend(checks::border_note(
                pulse.center,
                radius,
                medium.min(),
                last,
            ));
        }
        Ok(Self {
            medium,
            config: config.clone(),
            pulse,
            norm: objective.norm,
            points: Points {
                domain: objective.points,
                front: objective.source_points,
                front_weight: objective.source_weight,
                seed,
                hold: objective.hold_points,
            },
            reference: OnceLock::new(),
        })
    }

    /// Returns steps at the start with the initial state alone.
    fn start_steps(&self) -> u64 {
        match self.config.initial {
            Initial::Soft(soft) => soft.start_steps,
            Initial::Hard => 0,
        }
    }

    /// Returns the problem at a step.
    fn stage(&self, step: u64) -> Stage {
        let share = |step: u64, steps: u64| {
            if step < steps {
                step as f64 / steps as f64
            } else {
                1.0
            }
        };
        let target = self.pulse.variance;
        let sharpened = share(step, self.config.sharpen_steps);
        let variance = if target < WIDE_VARIANCE {
            WIDE_VARIANCE * (target / WIDE_VARIANCE).powf(sharpened)
        } else {
            target
        };
        let grown = (step + 1).saturating_sub(self.start_steps());
        Stage {
            pulse: InitialPulse {
                variance,
                ..self.pulse
            },
            last: self.config.duration * share(grown, self.config.grow_steps),
        }
    }

    /// Returns how waves are made of the field, for a pulse.
    fn ansatz(&self, pulse: InitialPulse) -> Ansatz {
        if self.config.initial != Initial::Hard {
            return Ansatz::Field;
        }
        let slowness = self.medium.squared_slowness(pulse.center).sqrt();
        Ansatz::Blend {
            pulse: self.initial(pulse),
            unit: pulse.amplitude,
            time: pulse.variance.sqrt() * slowness,
        }
    }

    /// Returns the initial displacement that belongs to a pulse: that of a source term is zero.
    fn initial(&self, pulse: InitialPulse) -> InitialPulse {
        let amplitude = match self.config.excitation {
            Excitation::Pulse => pulse.amplitude,
            Excitation::Ricker(_) => 0.0,
        };
        InitialPulse { amplitude, ..pulse }
    }

    /// Returns the source term `s` at an event.
    fn source(&self, pulse: InitialPulse, [t, x, y]: Event) -> f64 {
        match self.config.excitation {
            Excitation::Pulse => 0.0,
            Excitation::Ricker(ricker) => {
                pulse.value([x, y]) / pulse.variance * ricker.wavelet().value(t)
            }
        }
    }

    /// Returns the area where waves of a stage are.
    fn spread(&self, stage: &Stage) -> Spread {
        let is_front = self.medium.is_uniform() && self.config.excitation == Excitation::Pulse;
        Spread {
            center: self.pulse.center,
            deviation: stage.pulse.variance.sqrt(),
            speed: self.medium.min().sqrt().recip(),
            shape: if is_front {
                SpreadShape::Front
            } else {
                SpreadShape::Disk
            },
        }
    }

    /// Returns the unit in which displacements are measured: squares are of relative errors, absolute values are the authors'.
    fn unit(&self) -> f64 {
        match self.norm {
            ResidualNorm::Mse => self.pulse.amplitude,
            ResidualNorm::L1 => 1.0,
        }
    }

    /// Returns the unit in which first derivatives are measured.
    fn derivative_unit(&self) -> f64 {
        match self.norm {
            ResidualNorm::Mse => self.pulse.amplitude / self.pulse.variance.sqrt(),
            ResidualNorm::L1 => 1.0,
        }
    }

    fn draws(&self, stream: &'static str) -> Draws {
        Draws {
            seed: self.points.seed,
            stream: Stream::named(stream),
            hold: self.points.hold,
        }
    }

    /// Returns the waves that fields are compared with, which are computed once.
    fn reference(&self) -> Result<&[Frame]> {
        if let Some(frames) = self.reference.get() {
            return Ok(frames);
        }
        let frames = self.scene().frames(&frames::times(self.config.duration))?;
        Ok(self.reference.get_or_init(|| frames))
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            medium: &self.medium,
            pulse: self.pulse,
            excitation: self.config.excitation,
            border: self.config.border,
        }
    }

    /// Returns the wave of a field at a time.
    pub(crate) fn wave_at(&self, field: &Siren, time: f64, points: &[Point]) -> Result<Vec<f64>> {
        self.facts().wave(field, time, points)
    }

    /// Returns the facts from which a fitted field is evaluated.
    fn facts(&self) -> MotionFacts {
        MotionFacts {
            ansatz: self.ansatz(self.pulse),
            duration: self.config.duration,
        }
    }
}

impl WaveProblem for Arc<WaveEquationProblem> {
    fn shape(&self) -> FieldShape {
        FieldShape::new(3, 1)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        self.all_constraints(&Placement {
            dtype,
            device: device.clone(),
        })
    }

    fn inputs(&self) -> Vec<f64> {
        let medium = self.medium.on_grid(INPUT_SIDE);
        medium.into_iter().chain(self.pulse.center).collect()
    }

    fn training(&self) -> TrainConfig {
        training(self.norm)
    }

    fn metadata(&self) -> WaveMetadata {
        WaveMetadata::Motion(self.facts())
    }

    #[cfg(feature = "cli")]
    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Vec<siren_run::Exhibit>> {
        artifacts::write(self, field, folder)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let points = frames::points();
        let mut metrics = Vec::new();
        let reference = self.reference()?;
        let norms = reference.iter().map(|frame| squared_norm(&frame.values));
        let largest = norms.fold(0.0, f64::max);
        for frame in reference {
            let wave = self.wave_at(field, frame.time, &points)?;
            let name = format!("{}_at_{}", RELATIVE_ERROR_PERCENT.name, frame.time);
            let norm = match self.config.excitation {
                Excitation::Pulse => squared_norm(&frame.values),
                // Its waves grow from zero: errors of early frames are relative to nothing.
                Excitation::Ricker(_) => largest,
            };
            let error = percent_of(norm, &wave, &frame.values);
            metrics.push(RELATIVE_ERROR_PERCENT.named(name).of(error));
        }
        let sum: f64 = metrics.iter().map(|measured| measured.value).sum();
        let mean = sum / metrics.len().max(1) as f64;
        metrics.insert(0, RELATIVE_ERROR_PERCENT.of(mean));
        Ok(metrics)
    }
}

/// Checks that the grid of the reference resolves a pulse.
fn check_variance(variance: f64) -> Result<()> {
    if variance >= 1e-5 {
        return Ok(());
    }
    let expected =
        "at least 1e-5 for the wave equation: the grid of its reference resolves no narrower pulse";
    Err(Error::invalid("signal.source_variance", variance, expected))
}

#[cfg(test)]
mod tests;
