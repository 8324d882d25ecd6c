//! Jets at many points with what a backward pass needs: the seam for a caller who differentiates by itself, such as PyTorch.

use std::sync::{Mutex, PoisonError};

use candle_core::Tensor;
use rayon::prelude::*;
use siren_kernel::network::Order;

use super::backend::{Accumulate, Threads};
use super::gradients::{FlatGradient, Gradients, differentiate};
use super::jet::Jet;
use super::network::Network;
use super::prepared::Prepared;
use crate::error::{Error, Result};

/// Points are cut into at most so many parts, and the gradients of the parts are added in pairs: sums do not depend on the number of threads.
const PARTS: usize = 16;

/// Jets of a network at `n` points, and all that one backward pass needs. Made by [`Network::forward`].
///
/// The activations of all points are in memory at once, unlike in [`train`](crate::train): a caller of the backward pass has its gradients only
/// after it has seen all jets.
pub struct ForwardPass {
    network: Network,
    params: Tensor,
    coords: Tensor,
    order: Order,
    jet: Jet,
    threads: Threads,
    /// Taken by the first backward pass.
    parts: Mutex<Option<Vec<Part>>>,
}

/// Adjacent points.
struct Part {
    first: usize,
    /// Jets `(m, c, 1 + d + K)` of the chunks, whose backward passes add to the sum.
    chunks: Vec<Tensor>,
    sum: Box<dyn Accumulate>,
}

impl Network {
    /// Computes the jets at `coords (n, d)` for parameters `params (P,)`, and keeps what a backward pass needs. The threads of the current rayon
    /// pool share the work.
    ///
    /// # Errors
    /// [`Error::Shape`] if the coordinates, the parameters or the traces do not fit the network.
    pub fn forward(&self, params: &Tensor, coords: &Tensor, order: &Order) -> Result<ForwardPass> {
        let (params, coords) = (params.detach(), coords.detach());
        let prepared = self.prepare(&params, Gradients::Tracked)?;
        prepared.check_tracked(&coords, order)?;
        let parts = prepared.parts(&coords, order)?;
        let chunks: Vec<Tensor> = parts
            .iter()
            .flat_map(|part| part.chunks.iter().map(Tensor::detach))
            .collect();
        let jet = if chunks.is_empty() {
            prepared.evaluate(&coords, order)?
        } else {
            Jet::from_packed(Tensor::cat(&chunks, 0)?, order, self.in_features())
        };
        Ok(ForwardPass {
            network: self.clone(),
            params,
            coords,
            order: order.clone(),
            jet,
            threads: prepared.threads(),
            parts: Mutex::new(Some(parts)),
        })
    }
}

impl Prepared<'_> {
    /// Computes the jets at `coords (n, d)` part by part.
    fn parts(&self, coords: &Tensor, order: &Order) -> Result<Vec<Part>> {
        let points = coords.dim(0)?;
        let size = self.backend.chunk_points(self.plan, order);
        let chunks = points.div_ceil(size);
        let count = chunks.min(PARTS);
        let part = |index: usize| {
            let [first, end] = [index, index + 1].map(|i| (i * chunks / count * size).min(points));
            let mut part = Part {
                first,
                chunks: Vec::new(),
                sum: self.pass.accumulator()?,
            };
            for start in (first..end).step_by(size) {
                let chunk = coords.narrow(0, start, size.min(end - start))?;
                part.chunks.push(part.sum.jets(&chunk, order)?);
            }
            Ok(part)
        };
        match self.backend.threads() {
            Threads::Many => (0..count).into_par_iter().map(part).collect(),
            Threads::One => (0..count).map(part).collect(),
        }
    }
}

impl Part {
    /// Returns the gradient of the loss whose gradient with respect to all jets is `d_jets`.
    fn backward(mut self, d_jets: &Tensor) -> Result<Box<dyn Accumulate>> {
        let mut start = self.first;
        for chunk in self.chunks {
            let count = chunk.dim(0)?;
            let d_chunk = d_jets.narrow(0, start, count)?;
            let store = differentiate(&(&chunk * &d_chunk)?.sum_all()?)?;
            self.sum.collect(&store)?;
            start += count;
        }
        Ok(self.sum)
    }
}

impl ForwardPass {
    /// Returns the jets.
    #[must_use]
    pub fn jet(&self) -> &Jet {
        &self.jet
    }

    /// Returns the gradient with respect to the parameters of a loss, given its gradient `d_jets (n, c, 1 + d + K)` with respect to
    /// [`Jet::packed`]: one backward pass through the network, whatever derivatives the jets hold.
    ///
    /// The first call uses the activations of the forward pass and gives their memory back; a later one computes the forward pass again.
    ///
    /// # Errors
    /// [`Error::Shape`] if `d_jets` has another shape or type than the jets.
    pub fn backward(&self, d_jets: &Tensor) -> Result<FlatGradient> {
        let jets = self.jet.packed();
        if d_jets.dims() != jets.dims() || d_jets.dtype() != jets.dtype() {
            return Err(Error::Shape {
                what: "gradient with respect to jets",
                expected: format!("{:?} of {:?}", jets.dims(), jets.dtype()),
                got: format!("{:?} of {:?}", d_jets.dims(), d_jets.dtype()),
            });
        }
        let taken = self.parts.lock();
        let taken = taken.unwrap_or_else(PoisonError::into_inner).take();
        let parts = if let Some(parts) = taken {
            parts
        } else {
            let prepared = self.network.prepare(&self.params, Gradients::Tracked)?;
            prepared.parts(&self.coords, &self.order)?
        };
        let d_jets = d_jets.detach();
        let backward = |part: Part| part.backward(&d_jets);
        let sums: Result<Vec<_>> = match self.threads {
            Threads::Many => parts.into_par_iter().map(backward).collect(),
            Threads::One => parts.into_iter().map(backward).collect(),
        };
        match sum_in_pairs(sums?)? {
            Some(sum) => Ok(sum.finish()?),
            None => Ok(self.params.zeros_like()?.into()),
        }
    }
}

/// Adds neighbors until one sum is left; nothing of nothing.
fn sum_in_pairs(mut sums: Vec<Box<dyn Accumulate>>) -> Result<Option<Box<dyn Accumulate>>> {
    while sums.len() > 1 {
        let mut halves = Vec::with_capacity(sums.len().div_ceil(2));
        let mut rest = sums.into_iter();
        while let Some(mut sum) = rest.next() {
            if let Some(next) = rest.next() {
                sum.merge(next)?;
            }
            halves.push(sum);
        }
        sums = halves;
    }
    Ok(sums.pop())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::field::{FieldShape, SirenConfig};
    use crate::random::Stream;

    fn network(config: &SirenConfig, dtype: DType) -> (Network, Tensor) {
        let mut rng = Stream::PARAMETERS.rng(0, 0);
        let field = config.init(FieldShape::new(2, 3), &mut rng, dtype, &Device::Cpu);
        let field = field.unwrap();
        (field.network().clone(), field.parameters().flat().unwrap())
    }

    fn waves(shape: &[usize], frequency: f64, dtype: DType) -> Tensor {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|i| (frequency * i as f64).sin());
        let values = Tensor::from_iter(values, &Device::Cpu).unwrap();
        let values = values.reshape(shape).unwrap();
        values.to_dtype(dtype).unwrap()
    }

    #[test]
    fn a_backward_pass_gives_the_gradient_of_one_graph_and_the_second_one_the_same_bits() {
        let config = SirenConfig {
            hidden_features: 16.into(),
            hidden_layers: 1,
            learn_omega: true,
            ..SirenConfig::default()
        };
        for order in [
            Order::Value,
            Order::Gradient,
            Order::laplacian(2),
            Order::hessian(2),
        ] {
            for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-12)] {
                let (network, params) = network(&config, dtype);
                let coords = waves(&[5000, 2], 0.7, dtype);
                let d_jets = waves(&[5000, 3, order.components(2)], 1.3, dtype);
                let pass = network.forward(&params, &coords, &order).unwrap();
                let gradient = pass.backward(&d_jets).unwrap().tensor().unwrap();

                let leaf = candle_core::Var::from_tensor(&params).unwrap();
                let jet = network.jet(&leaf, &coords, &order).unwrap();
                let loss = (jet.packed() * &d_jets).unwrap().sum_all().unwrap();
                let store = differentiate(&loss).unwrap();
                let list = |tensor: &Tensor| {
                    let tensor = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
                    tensor.to_vec1::<f64>().unwrap()
                };
                assert_eq!(list(pass.jet().packed()), list(jet.packed()));
                let expected = list(store.get(&leaf).unwrap());
                let found = list(&gradient);
                let scale = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
                for (a, b) in found.iter().zip(&expected) {
                    assert!((a - b).abs() < tolerance * scale, "{order:?}: {a} and {b}");
                }
                let again = pass.backward(&d_jets).unwrap().tensor().unwrap();
                assert_eq!(list(&again), found);
            }
        }
    }

    #[test]
    fn no_points_give_no_jets_and_no_gradient_and_other_shapes_are_refused() {
        let (network, params) = network(&SirenConfig::default(), DType::F32);
        let coords = Tensor::zeros((0, 2), DType::F32, &Device::Cpu).unwrap();
        let pass = network.forward(&params, &coords, &Order::Gradient).unwrap();
        assert_eq!(pass.jet().packed().dims(), [0, 3, 3]);
        let gradient = pass.backward(pass.jet().packed()).unwrap();
        assert!(gradient.norm().unwrap().abs() < f64::EPSILON);
        for shape in [[0, 3, 1], [1, 3, 3]] {
            let d_jets = Tensor::zeros(&shape, DType::F32, &Device::Cpu).unwrap();
            assert!(pass.backward(&d_jets).is_err(), "{shape:?}");
        }
    }
}
