//! A field made ready for many calls with the same parameters.

use std::sync::{Arc, Mutex};

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use rayon::prelude::*;

use super::jet::{Jet, Order};
use super::operation::{JetOperation, PackedWeights, Sum, Tape, lock};
use super::siren::Siren;
use super::{composed, frequency};
use crate::error::{Error, Result};

/// Points evaluated at once where no gradient is wanted.
const EVALUATION_CHUNK: usize = 4096;

/// A field with its weights packed.
pub struct Prepared<'a> {
    pub(super) field: &'a Siren,
    /// `None` where candle's own operations serve.
    packed: Option<PackedWeights>,
    /// What the operation is applied to, with its graph back to the field's own parameters.
    tracked: Tensor,
    /// The same as the end of all graphs, where an accumulator takes the gradient on.
    leaf: Var,
    differentiable: bool,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(field: &'a Siren, differentiable: bool) -> Result<Self> {
        let Siren {
            plan,
            params,
            level,
            ..
        } = field;
        // Candle's own operations take learned frequencies as they are; the kernel does not know them.
        let on_cpu = params.device().is_cpu();
        let learned = on_cpu && plan.layers.iter().any(|layer| layer.frequency.is_some());
        let mut tracked = params.as_tensor().clone();
        let mut leaf = params.clone();
        if learned {
            tracked = frequency::effective(plan, &tracked)?;
            leaf = Var::from_tensor(&tracked.detach())?;
        }
        let pack = || PackedWeights::new(*level, plan, leaf.as_tensor());
        Ok(Self {
            field,
            packed: on_cpu.then(pack).transpose()?,
            tracked,
            leaf,
            differentiable,
        })
    }

    /// As [`Siren::jet`].
    ///
    /// # Errors
    /// As [`Siren::jet`]; also if it was not prepared to be differentiable.
    pub fn jet(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.check(coords, order)?;
        self.apply(&coords.detach(), order, None)
    }

    fn check(&self, coords: &Tensor, order: &Order) -> Result<()> {
        self.field.check(coords, order)?;
        if !self.differentiable {
            return Err(Error::Shape {
                what: "prepared field",
                expected: "one prepared to be differentiable".to_owned(),
                got: "one prepared for evaluation".to_owned(),
            });
        }
        Ok(())
    }

    /// A gradient in the parameters, zero so far.
    #[must_use]
    pub fn accumulator(&self) -> Accumulator<'_> {
        let Siren {
            plan,
            pools,
            params,
            ..
        } = self.field;
        Accumulator {
            prepared: self,
            sum: Arc::new(Mutex::new(Sum::zero(plan, pools, params.dtype()))),
            outside: None,
        }
    }

    /// As [`jet`](Self::jet), with `accumulator` as the place for the gradient in the parameters.
    ///
    /// # Errors
    /// As [`jet`](Self::jet).
    pub fn jet_into(
        &self,
        coords: &Tensor,
        order: &Order,
        accumulator: &Accumulator<'_>,
    ) -> Result<Jet> {
        self.check(coords, order)?;
        self.apply(&coords.detach(), order, Some(&accumulator.sum))
    }

    /// As [`Siren::evaluate`].
    ///
    /// # Errors
    /// As [`Siren::jet`].
    pub fn evaluate(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.field.check(coords, order)?;
        let coords = coords.detach();
        let points = coords.dim(0)?;
        let on_cpu = self.packed.is_some();
        let size = if on_cpu {
            EVALUATION_CHUNK
        } else {
            self.field.chunk_points(order)
        };
        let chunk = |start: usize| {
            let chunk = coords.narrow(0, start, size.min(points - start))?;
            Ok(self.apply(&chunk, order, None)?.packed().clone())
        };
        let starts: Vec<usize> = (0..points).step_by(size).collect();
        // A device is shared by no threads: it is parallel in itself.
        let parts: Result<Vec<Tensor>> = if on_cpu {
            starts.into_par_iter().map(chunk).collect()
        } else {
            starts.into_iter().map(chunk).collect()
        };
        let parts = parts?;
        let packed = match parts.as_slice() {
            [] => return Ok(self.field.empty_jet(order)?),
            [only] => only.clone(),
            _ => Tensor::cat(&parts, 0)?,
        };
        Ok(Jet::from_packed(packed, order, self.field.plan.in_features))
    }

    /// The fused operation on the CPU; candle's own operations elsewhere.
    fn apply(&self, coords: &Tensor, order: &Order, sum: Option<&Arc<Mutex<Sum>>>) -> Result<Jet> {
        let differentiable = self.differentiable;
        let Siren {
            plan, pools, level, ..
        } = self.field;
        let params = match sum {
            Some(_) => self.leaf.as_tensor(),
            None => &self.tracked,
        };
        let packed = match &self.packed {
            Some(packed) => {
                let operation = JetOperation {
                    plan: Arc::clone(plan),
                    order: order.clone(),
                    pools: Arc::clone(pools),
                    level: *level,
                    differentiable,
                    packed: packed.clone(),
                    tape: Mutex::new(Tape::Empty),
                    accumulator: sum.cloned(),
                };
                let coords = coords.contiguous()?;
                if differentiable {
                    coords.apply_op2(params, operation)?
                } else {
                    coords.apply_op2_no_bwd(params, &operation)?
                }
            }
            None if differentiable => composed::jet(plan, coords, params, order)?,
            None => composed::jet(plan, coords, &params.detach(), order)?,
        };
        Ok(Jet::from_packed(packed, order, plan.in_features))
    }
}

/// A gradient in the parameters, summed over the reverse passes of [`Prepared::jet_into`]: one buffer for many chunks,
/// where candle's own store would be filled and copied for each.
pub struct Accumulator<'a> {
    prepared: &'a Prepared<'a>,
    sum: Arc<Mutex<Sum>>,
    /// What came by way of candle's store: all of it where candle's own operations serve.
    outside: Option<Tensor>,
}

impl Accumulator<'_> {
    /// Adds what a reverse pass left in candle's store.
    ///
    /// # Errors
    /// Only from candle.
    pub fn add(&mut self, gradients: &GradStore) -> Result<()> {
        if let Some(gradient) = gradients.get(&self.prepared.leaf) {
            self.outside = Some(match self.outside.take() {
                Some(sum) => (sum + gradient)?,
                None => gradient.clone(),
            });
        }
        Ok(())
    }

    /// Adds the sum of another accumulator of the same field.
    ///
    /// # Errors
    /// Only from candle.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        let taken = lock(&other.sum).take();
        lock(&self.sum).add(taken, &self.prepared.field.pools);
        self.outside = match (self.outside.take(), other.outside) {
            (Some(sum), Some(more)) => Some((sum + more)?),
            (sum, more) => sum.or(more),
        };
        Ok(())
    }

    /// The sum, flat `(P,)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn finish(self) -> Result<Tensor> {
        if let Some(outside) = self.outside {
            return Ok(outside);
        }
        let Siren {
            plan,
            pools,
            params,
            ..
        } = self.prepared.field;
        let sum = lock(&self.sum).take().finish(plan, pools)?;
        let sum = sum.to_device(params.device())?;
        let params = params.as_detached_tensor();
        Ok(frequency::pull_back(plan, &params, &sum)?)
    }
}
