//! Who watches a run, and how it is stopped.

use siren_core::metrics::Metric;
use siren_core::train::StopToken;

/// Called while a run goes on. Every method does nothing by default.
pub trait RunObserver: Send {
    /// A run named `name` begins after `step` of `steps` steps.
    fn started(&mut self, _name: &str, _step: u64, _steps: u64) {}

    /// A step was taken; `loss` is that before it.
    fn stepped(&mut self, _step: u64, _loss: f64) {}

    /// The model was scored; `value` is that of the headline metric.
    fn evaluated(&mut self, _step: u64, _loss: f64, _metric: &Metric, _value: f64) {}

    /// The steps are over, or the run was stopped.
    fn finished(&mut self) {}

    /// There is something that the user should know.
    fn note(&mut self, _text: &str) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl RunObserver for Silent {}

/// The observer of a run, and the token that stops it after its current step.
pub struct Hooks<'a> {
    /// Called while the run goes on.
    pub observer: &'a mut dyn RunObserver,
    /// Stops the run; another run has another token.
    pub stop: StopToken,
}
