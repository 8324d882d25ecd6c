//! How a caller watches a run and stops it.

use siren_core::metrics::Metric;
use siren_core::train::StopToken;

/// Callbacks of a run, on the thread that computes it: [`note`](Self::note) as needed, then [`started`](Self::started), then
/// [`stepped`](Self::stepped) after every step, followed by [`evaluated`](Self::evaluated) if the model was evaluated, and at the end
/// [`finished`](Self::finished). Every method does nothing by default.
pub trait RunObserver: Send {
    /// Called before the first step. The run named `name` continues after `step` steps, 0 for a new run, up to `steps` in total.
    fn started(&mut self, _name: &str, _step: u64, _steps: u64) {}

    /// Called after step number `step`, counted from 1. `loss` is the value before the step.
    fn stepped(&mut self, _step: u64, _loss: f64) {}

    /// Called when more tiles of a mosaic rest than before (`train.rest_db`), after the step that decided it; in a resumed run, also before its first
    /// step, if any rest.
    fn rested(&mut self, _resting: usize, _tiles: usize) {}

    /// Called after the model was evaluated at `step`. `value` is that of the headline metric `metric`, NaN if it was not measured.
    fn evaluated(&mut self, _step: u64, _loss: f64, _metric: &Metric, _value: f64) {}

    /// Called after the last step, before the artifacts are written, or when the run was stopped. Not called after an error.
    fn finished(&mut self) {}

    /// Called with a remark for the user, such as a part of the signal's file that is not used.
    fn note(&mut self, _text: &str) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl RunObserver for Silent {}

/// The observer of a run, and the token that stops it. Both belong to one run: others go on.
pub struct Hooks<'a> {
    /// Called while the run goes on.
    pub observer: &'a mut dyn RunObserver,
    /// Stops the run after its current step, which is then saved. The token may be set from any thread.
    pub stop: StopToken,
}
