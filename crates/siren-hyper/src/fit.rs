//! Fitting the latent code of a picture: what an auto-decoder does for want of an encoder, and what others may do to improve on theirs.

use candle_core::{Tensor, Var};
use siren_core::Result;
use siren_core::train::{Model, differentiate};

use crate::config::{Encoder, HyperObjective};
use crate::context::Contexts;
use crate::model::HyperNetwork;

/// Of Adam.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

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
        let latents = Var::from_tensor(&start)?;
        let (targets, mask) = contexts.as_targets()?;
        // Each picture's own mean, so that a code does not depend on which others are fitted beside it.
        let channels = targets.dim(2)? as f64;
        let counts = (mask.sum_keepdim((1, 2))?.maximum(1.0)? * channels)?;
        let weights = mask.broadcast_div(&counts)?;
        let prior = objective.latent_prior / self.config().latent_features as f64;
        let [mut first, mut second] = [start.zeros_like()?, start.zeros_like()?];
        for step in 0..steps {
            let pass = self.pass();
            let predicted = self.differentiable(&pass, contexts, Some(latents.as_tensor()))?;
            let values = self.values(&predicted.fields, &contexts.coords)?;
            let misfit = (values - &targets)?
                .sqr()?
                .broadcast_mul(&weights)?
                .sum_all()?;
            let loss = (misfit + (latents.sqr()?.sum_all()? * prior)?)?;
            let store = differentiate(&loss)?;
            let Some(gradient) = store.get(&latents) else {
                break;
            };
            let gradient = gradient.detach();
            let t = (step + 1) as f64;
            first = ((first * BETAS[0])? + (&gradient * (1.0 - BETAS[0]))?)?;
            second = ((second * BETAS[1])? + (gradient.sqr()? * (1.0 - BETAS[1]))?)?;
            let root = (second.affine(1.0 / (1.0 - BETAS[1].powf(t)), 0.0)?.sqrt()? + EPSILON)?;
            let turn = std::f64::consts::PI * step as f64 / steps as f64;
            let rate = self.config().fit_learning_rate * 0.5 * (1.0 + turn.cos())
                / (1.0 - BETAS[0].powf(t));
            latents.set(&(latents.as_detached_tensor() - (first.div(&root)? * rate)?)?)?;
        }
        Ok(latents.as_detached_tensor())
    }
}
