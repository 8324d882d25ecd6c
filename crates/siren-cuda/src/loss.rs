//! Squared errors of jets on the device.

use siren_kernel::network::Order;

use crate::arguments::SquareError;
use crate::array::DeviceArray;
use crate::device::Buffer;
use crate::error::Result;
use crate::fields::Fields;
use crate::gradient::{Gradient, check_length};
use crate::kernels::THREADS;

/// Targets of some components of the jets, and how much their squared errors count.
pub struct SquareTargets<'a> {
    /// Targets `(b, n, c, t)` of `t` components.
    pub targets: &'a DeviceArray,
    /// The first of these components.
    pub first: usize,
    /// Number `t` of these components. Targets of components that the jets do not have do not count.
    pub count: usize,
    /// Factor of the squared errors of each component of the jets in the loss, `(1 + d + K,)`.
    pub factors: &'a [f32],
}

impl Fields {
    /// Adds the gradient of `Σ fₖ (Φₖ − tₖ)²`, over all fields, points, channels and components `k`, to `gradient`, and returns the sum of
    /// the squared errors of each component, `(1 + d + K,)`, without its factor; 0 for a component without a target.
    ///
    /// Nothing but these sums is copied from the device. Their order depends on the sizes alone.
    ///
    /// # Errors
    /// As [`forward`](Self::forward) and [`backward`](Self::backward).
    pub fn square_error(
        &self,
        coords: &DeviceArray,
        order: &Order,
        targets: &SquareTargets<'_>,
        gradient: &mut Gradient,
    ) -> Result<Vec<f64>> {
        let (plan, device) = (&self.plan, &self.device);
        let components = order.components(plan.in_features);
        let rows = coords.len() / plan.in_features;
        let expected = rows * plan.out_features * targets.count;
        check_length("targets", expected, targets.targets.len())?;
        check_length("factors of components", components, targets.factors.len())?;
        let (jets, tape) = self.forward_on_device(coords, order)?;
        let d_jets: Buffer<f32> = device.uninitialized(jets.len(), "a gradient of jets")?;
        let blocks = rows.div_ceil(THREADS);
        let sums: Buffer<f32> = device.uninitialized(blocks * components, "sums of errors")?;
        let factors = device.upload(targets.factors)?;
        let argument = SquareError {
            jets: device.address(&jets.buffer),
            d_jets: device.address(&d_jets),
            targets: device.address(&targets.targets.buffer),
            factors: device.address(&factors),
            sums: device.address(&sums),
            rows: rows as i64,
            channels: plan.out_features as i32,
            components: components as i32,
            first: targets.first as i32,
            target_count: targets.count as i32,
        };
        device.launch(self.precision, [blocks, 1, 1], &argument)?;
        self.backward_on_device(&tape, &device.view_of(&d_jets), gradient)?;
        let mut totals = vec![0.0; components];
        for block in device.download(&sums)?.chunks(components) {
            for (total, &sum) in totals.iter_mut().zip(block) {
                *total += f64::from(sum);
            }
        }
        Ok(totals)
    }
}
