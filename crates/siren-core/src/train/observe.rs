//! Who is called during a training, and how it is stopped.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StepReport;
use crate::error::Result;

/// Called after every step. Closures `|model, report| …` are observers.
pub trait Observer<M> {
    /// Looks at the model after a step, and says whether the training goes on.
    ///
    /// # Errors
    /// Any; the training then ends with it.
    fn after_step(&mut self, model: &M, report: &StepReport) -> Result<ControlFlow<()>>;
}

impl<M, F: FnMut(&M, &StepReport) -> Result<ControlFlow<()>>> Observer<M> for F {
    fn after_step(&mut self, model: &M, report: &StepReport) -> Result<ControlFlow<()>> {
        self(model, report)
    }
}

/// Asks a training to stop after its current step, from any thread. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct StopToken(Arc<AtomicBool>);

impl StopToken {
    /// Makes a token that asks for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop, and returns whether that was asked before.
    #[expect(
        clippy::must_use_candidate,
        reason = "the request is the effect; most callers need no answer"
    )]
    pub fn stop(&self) -> bool {
        self.0.swap(true, Ordering::SeqCst)
    }

    /// Returns whether to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A stop token alone is an observer that ends the training once it asks for that.
impl<M> Observer<M> for StopToken {
    fn after_step(&mut self, _model: &M, _report: &StepReport) -> Result<ControlFlow<()>> {
        Ok(if self.is_stopped() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}
