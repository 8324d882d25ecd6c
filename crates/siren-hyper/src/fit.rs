//! Fitting the latent code of a picture: what an auto-decoder does for want of an encoder, and what others may do to improve on theirs.

use candle_core::{Tensor, Var};
use siren_core::Result;
use siren_core::field::Layout;
use siren_core::train::{Model, Optimizer, ScheduleKind, TrainConfig, differentiate};

use crate::config::{Encoder, HyperObjective};
use crate::context::Contexts;
use crate::model::HyperNetwork;

impl HyperNetwork {
    /// Codes `(b, z)` of pictures that the model was not trained on: its encoder's, or fitted ones.
    ///
    /// # Errors
    /// If the contexts are of other pictures than the model was made for.
    pub fn latents(&self, contexts: &Contexts, objective: &HyperObjective) -> Result<Tensor> {
        if self.config().encoder == Encoder::AutoDecoder {
            return self.fit_latents(contexts, objective, self.config().fit_steps);
        }
        Ok(self.predict(contexts)?.latents)
    }

    /// Codes `(b, z)` after so many steps of Adam on the mean squared error of the seen pixels plus the prior on codes, from the
    /// encoder's, or from zero where there is none. The other prior is left out: the parameters that a code leads to are the model's.
    ///
    /// # Errors
    /// If the contexts are of other pictures than the model was made for.
    pub fn fit_latents(
        &self,
        contexts: &Contexts,
        objective: &HyperObjective,
        steps: usize,
    ) -> Result<Tensor> {
        let pictures = contexts.pictures.dim(0)?;
        let parameters = self.parameters();
        let start = if self.config().encoder == Encoder::AutoDecoder {
            let shape = (pictures, self.config().latent_features);
            Tensor::zeros(shape, parameters.dtype(), parameters.device())?
        } else {
            self.predict(contexts)?.latents
        };
        let codes = Var::from_tensor(&start.flatten_all()?)?;
        let (targets, mask) = contexts.as_targets()?;
        // Each picture's own mean, so that a code does not depend on which others are fitted beside it.
        let channels = targets.dim(2)? as f64;
        let counts = (mask.sum_keepdim((1, 2))?.maximum(1.0)? * channels)?;
        let weights = mask.broadcast_div(&counts)?;
        let prior = objective.latent_prior / self.config().latent_features as f64;
        let train = TrainConfig {
            steps: steps as u64,
            learning_rate: self.config().fit_learning_rate,
            schedule: ScheduleKind::Cosine,
            ..TrainConfig::default()
        };
        let mut layout = Layout::default();
        layout.push("codes", codes.dims());
        let mut optimizer = Optimizer::new(&train, &codes, &layout)?;
        for step in 0..train.steps {
            let latents = codes.reshape(start.shape())?;
            let predicted = self.differentiable(&self.frozen(), contexts, Some(&latents))?;
            let values = self.values(&predicted.fields, &contexts.coords)?;
            let misfit = (values - &targets)?
                .sqr()?
                .broadcast_mul(&weights)?
                .sum_all()?;
            let loss = (misfit + (latents.sqr()?.sum_all()? * prior)?)?;
            if let Some(gradient) = differentiate(&loss)?.get(&codes) {
                optimizer.step(&codes, &gradient.detach(), train.learning_rate_at(step))?;
            }
        }
        Ok(codes.as_detached_tensor().reshape(start.shape())?)
    }
}
