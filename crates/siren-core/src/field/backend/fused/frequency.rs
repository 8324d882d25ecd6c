//! Frequencies that are learned: `sin(s ω₀ (W h + b))` with one more parameter `s` a layer, which starts at 1.
//!
//! The kernel knows nothing of them. It is given the parameters of the same network without `s`, whose weights and biases are
//! `s W` and `s b` (the *effective* parameters), and the gradient it returns is carried back by the chain rule:
//!
//! ```text
//! W̄ = s W̄ₑ      b̄ = s b̄ₑ      s̄ = Σ W ∘ W̄ₑ + Σ b ∘ b̄ₑ
//! ```

use candle_core::{D, Result, Tensor};

use siren_kernel::network::{Dense, Plan};

/// Replaces the last-axis entries of a layer with learned frequency by `f(entries, s)`, where `f` also knows whose they are.
fn by_layer(
    plan: &Plan,
    params: &Tensor,
    scaled: impl Fn(&Dense, &Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let part = |range: std::ops::Range<usize>| params.narrow(D::Minus1, range.start, range.len());
    let mut parts = Vec::new();
    let mut done = 0;
    for layer in &plan.layers {
        let Some(at) = layer.frequency else { continue };
        // The layout puts weight, bias and frequency one behind the other.
        let all = layer.weight.start..at + 1;
        if done < all.start {
            parts.push(part(done..all.start)?);
        }
        parts.push(scaled(layer, &part(all.clone())?, &part(at..at + 1)?)?);
        done = all.end;
    }
    if done == 0 {
        return Ok(params.clone());
    }
    if done < plan.parameters {
        parts.push(part(done..plan.parameters)?);
    }
    Tensor::cat(&parts, D::Minus1)?.contiguous()
}

/// Whether there is one at all.
pub(super) fn is_learned(plan: &Plan) -> bool {
    plan.layers.iter().any(|layer| layer.frequency.is_some())
}

/// The effective parameters of `params (…, P)`, differentiable; without learned frequencies they are `params` itself.
pub(super) fn effective(plan: &Plan, params: &Tensor) -> Result<Tensor> {
    by_layer(plan, params, |layer, own, s| {
        let count = layer.weight.len() + layer.bias.len();
        let scaled = own.narrow(D::Minus1, 0, count)?.broadcast_mul(s)?;
        Tensor::cat(&[&scaled, s], D::Minus1)
    })
}

/// The gradient in `params (P,)`, from that in their effective parameters.
pub(super) fn pull_back(plan: &Plan, params: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    by_layer(plan, gradient, |layer, own, _| {
        let count = layer.weight.len() + layer.bias.len();
        let own = own.narrow(0, 0, count)?;
        let frequency = layer.weight.start + count;
        let s = params.narrow(0, frequency, 1)?;
        let theta = params.narrow(0, layer.weight.start, count)?;
        let d_frequency = (&own * theta)?.sum_keepdim(0)?;
        Tensor::cat(&[own.broadcast_mul(&s)?, d_frequency], 0)
    })
}
