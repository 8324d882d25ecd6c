//! Learned frequencies: `sin(s ω₀ (W h + b))` with one more parameter `s` per layer, which starts at 1.
//!
//! The kernel does not support them. It receives the *effective* parameters: those of the same network without `s`, whose weights and
//! biases are `Wₑ = s W` and `bₑ = s b`. The chain rule turns the gradient with respect to them into that with respect to the parameters:
//!
//! ```text
//! dW = s dWₑ      db = s dbₑ      ds = Σ W ∘ dWₑ + Σ b ∘ dbₑ
//! ```

use candle_core::{D, Result, Tensor};

use siren_kernel::network::{Dense, Plan};

/// Replaces, on the last axis of `params (…, P)`, the entries of every layer that has a learned frequency by `scaled(layer, entries, s)`.
fn by_layer(
    plan: &Plan,
    params: &Tensor,
    scaled: impl Fn(&Dense, &Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let part = |range: std::ops::Range<usize>| params.narrow(D::Minus1, range.start, range.len());
    let mut parts = Vec::new();
    let mut end = 0;
    for layer in &plan.layers {
        let Some(index) = layer.frequency else {
            continue;
        };
        // The layout has weight, bias and frequency of a layer in sequence.
        let entries = layer.weight.start..index + 1;
        if end < entries.start {
            parts.push(part(end..entries.start)?);
        }
        let s = part(index..index + 1)?;
        parts.push(scaled(layer, &part(entries.clone())?, &s)?);
        end = entries.end;
    }
    if end == 0 {
        return Ok(params.clone());
    }
    if end < plan.parameters {
        parts.push(part(end..plan.parameters)?);
    }
    Tensor::cat(&parts, D::Minus1)?.contiguous()
}

/// Returns whether a layer has a learned frequency.
pub(super) fn is_learned(plan: &Plan) -> bool {
    plan.layers.iter().any(|layer| layer.frequency.is_some())
}

/// Returns the effective parameters of `params (…, P)`, differentiable; without learned frequencies, `params` itself.
pub(super) fn effective(plan: &Plan, params: &Tensor) -> Result<Tensor> {
    by_layer(plan, params, |layer, entries, s| {
        let count = layer.weight.len() + layer.bias.len();
        let scaled = entries.narrow(D::Minus1, 0, count)?.broadcast_mul(s)?;
        Tensor::cat(&[&scaled, s], D::Minus1)
    })
}

/// Returns the gradient with respect to `params (P,)`, given the gradient with respect to the effective parameters.
pub(super) fn pull_back(plan: &Plan, params: &Tensor, d_effective: &Tensor) -> Result<Tensor> {
    by_layer(plan, d_effective, |layer, d_entries, _| {
        let count = layer.weight.len() + layer.bias.len();
        let d_entries = d_entries.narrow(0, 0, count)?;
        let frequency = layer.weight.start + count;
        let s = params.narrow(0, frequency, 1)?;
        let theta = params.narrow(0, layer.weight.start, count)?;
        let d_frequency = (&d_entries * theta)?.sum_keepdim(0)?;
        Tensor::cat(&[d_entries.broadcast_mul(&s)?, d_frequency], 0)
    })
}
