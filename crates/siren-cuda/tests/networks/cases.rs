//! Networks, and their jets and gradients by the reference implementation in double precision.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use siren_cuda::{Device, Precision, Result};
use siren_kernel::network::{Chunk, Dense, Features, GradientSum, Order, Packed, Plan, Workspace};
use siren_kernel::{Level, Pointwise, Real};
use std::sync::Arc;

/// A batch of fields with points and an upstream gradient.
pub struct NetworkCase {
    pub plan: Arc<Plan>,
    pub order: Order,
    pub fields: usize,
    /// `(b, P)`.
    pub params: Vec<f32>,
    /// `(b, n, d)`.
    pub coords: Vec<f32>,
    /// `(b, n, c, 1 + d + K)`.
    pub d_jets: Vec<f32>,
}

/// Sizes of a network.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub dims: usize,
    pub width: usize,
    /// Layers between the first and the last.
    pub hidden: usize,
    pub channels: usize,
    pub points: usize,
    pub fields: usize,
}

/// Jets and gradient of a case.
pub struct NetworkOutcome {
    pub jets: Vec<f64>,
    pub gradient: Vec<f64>,
}

impl NetworkOutcome {
    /// Returns a checksum of all bits.
    pub fn checksum(&self) -> u64 {
        let values = self.jets.iter().chain(&self.gradient);
        values.fold(0_u64, |sum, value| {
            sum.rotate_left(5).wrapping_add(value.to_bits())
        })
    }
}

/// Returns a plan with layers of equal width.
pub fn plan(sizes: Sizes, features: Features, pointwise: Pointwise) -> Plan {
    let Sizes {
        dims,
        width,
        hidden,
        channels,
        ..
    } = sizes;
    let mut end = match features {
        Features::Rbf { centers, .. } => centers * (dims + 1),
        _ => 0,
    };
    let mut fan_in = features.count(dims);
    let mut layers = Vec::new();
    for index in 0..hidden + 2 {
        let is_last = index == hidden + 1;
        let fan_out = if is_last { channels } else { width };
        let weight = end..end + fan_out * fan_in;
        let bias = weight.end..weight.end + fan_out;
        end = bias.end;
        layers.push(Dense {
            fan_in,
            fan_out,
            weight,
            bias,
            frequency: None,
            pointwise: if is_last {
                Pointwise::Linear
            } else {
                pointwise
            },
        });
        fan_in = fan_out;
    }
    Plan {
        in_features: dims,
        out_features: channels,
        features,
        layers,
        parameters: end,
    }
}

impl NetworkCase {
    /// Draws parameters, coordinates in [−1, 1] and an upstream gradient.
    pub fn draw(sizes: Sizes, plan: Plan, order: Order, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = |bound: f64| rng.random_range(-bound..bound) as f32;
        let mut params = Vec::new();
        for _ in 0..sizes.fields {
            let mut field = vec![0.0; plan.parameters];
            if let Features::Rbf {
                centers,
                first_center,
                first_sigma,
            } = plan.features
            {
                for value in &mut field[first_center..first_sigma] {
                    *value = uniform(1.0);
                }
                for value in &mut field[first_sigma..first_sigma + centers] {
                    *value = 1.5 + uniform(0.5);
                }
            }
            for (index, layer) in plan.layers.iter().enumerate() {
                let omega = match layer.pointwise {
                    Pointwise::Sine { omega }
                    | Pointwise::Sinc { omega }
                    | Pointwise::Gabor { omega, .. } => omega,
                    Pointwise::Finer { omega } | Pointwise::HyperbolicSine { omega } => 2.0 * omega,
                    _ => 1.0,
                };
                let bound = if index == 0 {
                    1.0 / layer.fan_in as f64
                } else {
                    (6.0 / layer.fan_in as f64).sqrt() / omega
                };
                for value in &mut field[layer.weight.start..layer.bias.end] {
                    *value = uniform(bound);
                }
            }
            params.extend(field);
        }
        let rows = sizes.fields * sizes.points;
        let coords = (0..rows * sizes.dims).map(|_| uniform(1.0)).collect();
        let jets = rows * sizes.channels * order.components(sizes.dims);
        let d_jets = (0..jets).map(|_| uniform(1.0)).collect();
        Self {
            plan: Arc::new(plan),
            order,
            fields: sizes.fields,
            params,
            coords,
            d_jets,
        }
    }

    /// Computes the case with the CPU kernels in the precision of `T`, at the scalar level.
    pub fn on_cpu<T: Real>(&self) -> NetworkOutcome {
        let convert = |values: &[f32]| values.iter().map(|&x| T::of(f64::from(x))).collect();
        let level = Level::Scalar;
        let mut outcome = NetworkOutcome {
            jets: Vec::new(),
            gradient: Vec::new(),
        };
        for field in 0..self.fields {
            let of_field = |values: &[f32]| -> Vec<T> {
                let each = values.len() / self.fields;
                convert(&values[field * each..][..each])
            };
            let (params, coords, d_jets) = (
                of_field(&self.params),
                of_field(&self.coords),
                of_field(&self.d_jets),
            );
            let packed = Packed::new(level, &self.plan, &params);
            let chunk = Chunk {
                plan: &self.plan,
                order: &self.order,
                coords: &coords,
                params: &params,
                packed: &packed,
                level,
            };
            let mut workspace = Workspace::default();
            let mut jets = vec![T::of(0.0); d_jets.len()];
            chunk.forward(&mut jets, &mut workspace);
            let mut sum = GradientSum::zero(&self.plan, None);
            chunk.backward(&d_jets, &mut workspace, &mut sum);
            let widened = |values: &[T]| values.iter().map(|x| x.to_double()).collect::<Vec<f64>>();
            outcome.jets.extend(widened(&jets));
            outcome.gradient.extend(widened(sum.flat(&self.plan)));
        }
        outcome
    }

    /// Computes the case on a device.
    pub fn on(&self, device: &Device, precision: Precision) -> Result<NetworkOutcome> {
        let fields = device.fields(&self.plan, &self.params, precision)?;
        let (jets, tape) = fields.forward(&self.coords, &self.order)?;
        let mut gradient = fields.gradient()?;
        fields.backward(&tape, &self.d_jets, &mut gradient)?;
        let widened = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        Ok(NetworkOutcome {
            jets: widened(jets),
            gradient: widened(gradient.read()?),
        })
    }
}

/// Returns the largest error of each component of the jets, relative to the largest magnitude of that component.
pub fn jet_error(found: &NetworkOutcome, expected: &NetworkOutcome, components: usize) -> f64 {
    let errors = (0..components).map(|c| {
        let of = |jets: &'_ [f64]| {
            jets.iter()
                .skip(c)
                .step_by(components)
                .copied()
                .collect::<Vec<_>>()
        };
        let (found, expected) = (of(&found.jets), of(&expected.jets));
        let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        // NaN must not vanish in a maximum.
        let error = differences.fold(0.0, |most: f64, x| if x <= most { most } else { x });
        if error == 0.0 {
            0.0
        } else {
            error / largest.max(f64::MIN_POSITIVE)
        }
    });
    errors.fold(0.0, |most: f64, x| if x <= most { most } else { x })
}

/// Returns the error of the gradient relative to its norm.
pub fn gradient_error(found: &NetworkOutcome, expected: &NetworkOutcome) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let difference = square(
        &mut found
            .gradient
            .iter()
            .zip(&expected.gradient)
            .map(|(a, b)| a - b),
    );
    (difference / square(&mut expected.gradient.iter().copied())).sqrt()
}
