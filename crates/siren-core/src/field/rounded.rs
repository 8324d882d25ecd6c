//! Networks whose training steps round operands of products to bfloat16.

use candle_core::Tensor;
use siren_kernel::Bfloat16;
use siren_kernel::network::has_rounded_layers;

use super::gradients::Gradients;
use super::network::Network;
use super::prepared::Prepared;
use super::siren::Siren;
use crate::error::{Error, Result};

impl Network {
    /// Returns whether hidden layers are wide enough for [`prepare_rounded`](Self::prepare_rounded) to round anything.
    pub(crate) fn has_rounded_layers(&self) -> bool {
        has_rounded_layers(&self.plan)
    }

    /// Packs the weights of `params (P,)` as [`prepare`](Self::prepare) with gradients; passes over values round operands of the products of hidden
    /// layers to bfloat16.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the backend does not round them.
    fn prepare_rounded(&self, params: &Tensor, arithmetic: Bfloat16) -> Result<Prepared<'_>> {
        let pass = self
            .backend
            .prepare_rounded(&self.plan, params, arithmetic)?;
        let pass = pass.ok_or_else(|| {
            let expected = "single: only networks on the CPU are trained in bfloat16";
            Error::invalid("train.precision", "bf16", expected)
        })?;
        Ok(self.prepared(pass, params, Gradients::Tracked))
    }
}

impl Siren {
    /// Prepares the field as [`prepare`](Self::prepare) with gradients, for a training step that rounds operands of products.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the backend of the network does not round them.
    pub(crate) fn prepare_rounded(&self, arithmetic: Bfloat16) -> Result<Prepared<'_>> {
        let flat = self.parameters().var()?.as_tensor();
        let own = flat.narrow(0, 0, self.network().layout().len())?;
        self.network().prepare_rounded(&own, arithmetic)
    }
}
