//! Parameters of a prepared network, as backends without learned frequencies see them.

use std::sync::Arc;

use candle_core::{CustomOp2, Result, Tensor, Var};
use siren_kernel::network::Plan;

use super::frequency;
use crate::field::gradients::Gradients;

/// Effective parameters `(P,)` of a network, with learned frequencies multiplied into them, in the two roles that a graph has for them. Clones
/// share them.
#[derive(Clone)]
pub(super) struct EffectiveParameters {
    plan: Arc<Plan>,
    /// The parameters, detached.
    params: Tensor,
    /// The effective parameters, with their graph back to the parameters.
    tracked: Tensor,
    /// The effective parameters as the leaf of graphs whose gradient an accumulator takes.
    leaf: Var,
    gradients: Gradients,
}

impl EffectiveParameters {
    /// Computes the effective parameters of `params (P,)`.
    pub(super) fn new(plan: &Arc<Plan>, params: &Tensor, gradients: Gradients) -> Result<Self> {
        let tracked = match gradients {
            Gradients::Tracked => frequency::effective(plan, params)?,
            Gradients::Untracked => frequency::effective(plan, &params.detach())?,
        };
        // Without learned frequencies a variable serves as the leaf itself, without a copy.
        let leaf = if frequency::is_learned(plan) {
            Var::from_tensor(&tracked.detach())?
        } else {
            Var::from_tensor(&params.contiguous()?)?
        };
        Ok(Self {
            plan: Arc::clone(plan),
            params: params.detach(),
            tracked,
            leaf,
            gradients,
        })
    }

    /// Returns the network.
    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Returns the effective parameters `(P,)`, without a graph.
    pub(super) fn leaf(&self) -> &Tensor {
        self.leaf.as_tensor()
    }

    /// Returns whether gradients with respect to the parameters are tracked.
    pub(super) fn gradients(&self) -> Gradients {
        self.gradients
    }

    /// Applies an operation on coordinates and effective parameters, differentiable in the parameters if gradients are tracked.
    pub(super) fn apply<O: CustomOp2 + Send + Sync + 'static>(
        &self,
        coords: &Tensor,
        operation: O,
    ) -> Result<Tensor> {
        let coords = coords.contiguous()?;
        match self.gradients {
            Gradients::Tracked => coords.apply_op2(&self.tracked.contiguous()?, operation),
            Gradients::Untracked => coords.apply_op2_no_bwd(&self.leaf, &operation),
        }
    }

    /// Applies an operation whose backward pass adds to a sum of its own, instead of returning a gradient to candle's store.
    pub(super) fn apply_summing<O: CustomOp2 + Send + Sync + 'static>(
        &self,
        coords: &Tensor,
        operation: O,
    ) -> Result<Tensor> {
        coords.contiguous()?.apply_op2(&self.leaf, operation)
    }

    /// Returns the gradient with respect to the parameters `(P,)` of that with respect to the effective parameters.
    pub(super) fn pull_back(&self, gradient: &Tensor) -> Result<Tensor> {
        frequency::pull_back(&self.plan, &self.params, gradient)
    }
}
