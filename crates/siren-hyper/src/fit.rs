//! Fitting latent codes to observed pixels: the codes of an auto-decoder, which has no encoder, and refined codes of an encoder.

use candle_core::{DType, Tensor};
use siren_core::Result;
use siren_core::field::{Layout, Parameters, Role};
use siren_core::optimizer::Evaluation;
use siren_core::train::{Model, ScheduleKind, TrainConfig, differentiate};

use crate::config::{Encoder, HyperObjectiveConfig};
use crate::context::ContextBatch;
use crate::model::HyperNetwork;

impl HyperNetwork {
    /// Computes codes `(b, z)` of pictures that the model was not trained on: by its encoder, or by `fit_steps` steps of
    /// [`fit_latents`](Self::fit_latents) for an auto-decoder.
    ///
    /// # Errors
    /// If the pictures have another size or another number of channels than those of the model.
    pub fn latents(
        &self,
        contexts: &ContextBatch,
        objective: &HyperObjectiveConfig,
    ) -> Result<Tensor> {
        if self.config().encoder == Encoder::AutoDecoder {
            return self.fit_latents(contexts, objective, self.config().fit_steps);
        }
        Ok(self.predict(contexts)?.latents)
    }

    /// Fits codes `(b, z)` by Adam on the mean squared error of the observed pixels plus the prior on codes.
    ///
    /// The steps start from the codes of the encoder, or from zero for an auto-decoder. The prior on the parameters of the fields is left
    /// out, because the model's own parameters do not change.
    ///
    /// # Errors
    /// If the pictures have another size or another number of channels than those of the model.
    pub fn fit_latents(
        &self,
        contexts: &ContextBatch,
        objective: &HyperObjectiveConfig,
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
        let mut layout = Layout::default();
        layout.push("codes", &[start.elem_count()], Role::Encoding);
        let codes = Parameters::new(&start.flatten_all()?, layout)?;
        let (targets, mask) = contexts.as_targets()?;
        // The error is a mean over each picture, so that a code does not depend on the other pictures of the batch.
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
        let mut optimizer = train.optimizer.init(&codes, train.learning_rate)?;
        for step in 0..train.steps {
            let mut evaluate = || {
                let latents = codes.var()?.reshape(start.shape())?;
                let predicted = self.differentiable(&self.frozen()?, contexts, Some(&latents))?;
                let values = self.values(&predicted.fields, &contexts.coords)?;
                let squared_error = (values - &targets)?
                    .sqr()?
                    .broadcast_mul(&weights)?
                    .sum_all()?;
                let loss = (squared_error + (latents.sqr()?.sum_all()? * prior)?)?;
                let gradient = match differentiate(&loss)?.get(codes.var()?) {
                    Some(gradient) => gradient.detach(),
                    None => codes.var()?.zeros_like()?,
                };
                let value = loss.to_dtype(DType::F64)?.to_scalar()?;
                Evaluation::new(value, gradient, None, step)
            };
            optimizer.step(&codes, &mut evaluate, train.learning_rate_at(step))?;
        }
        Ok(codes.flat()?.reshape(start.shape())?)
    }
}
