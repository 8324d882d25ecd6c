//! The cases of the oracle: every activation, order, encoding and class of widths, and how large errors may be.

use siren_cuda::{Device, Precision, Result};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order, Trace, Waves};

use super::cases::{NetworkCase, NetworkOutcome, Sizes, gradient_error, jet_error, plan};

const ACTIVATIONS: [Pointwise; 13] = [
    Pointwise::Linear,
    Pointwise::Sine { omega: 30.0 },
    Pointwise::Finer { omega: 5.0 },
    Pointwise::HyperbolicSine { omega: 5.0 },
    Pointwise::Gabor {
        omega: 10.0,
        scale: 5.0,
    },
    Pointwise::Sinc { omega: 5.0 },
    Pointwise::Gaussian { scale: 2.0 },
    Pointwise::Silu,
    Pointwise::Relu,
    Pointwise::Tanh,
    Pointwise::Sigmoid,
    Pointwise::Softplus,
    Pointwise::Exponential {
        scale: 1.0507,
        alpha: 1.6733,
    },
];

/// Widths of [`every_kind`].
pub const WIDTHS: [usize; 6] = [5, 32, 33, 64, 70, 16];
/// Largest error in exact mode, as a multiple of the error of the CPU in single precision.
pub const MOST_SINGLE_ERRORS: f64 = 4.0;
/// Error of single precision below which it is a coincidence.
const LEAST_SINGLE_ERROR: f64 = 1e-6;
/// Largest error in fast mode, for activations without jumps, unless single precision has a large error too.
const MOST_FAST_ERROR: f64 = 2e-2;
/// Largest error in fast mode as a multiple of that of single precision, where that is more: half of the quotient 2¹³ of their units in the last
/// place. A second derivative of a sinc of Gaussians, which nearly cancels, needs 2,000.
const MOST_SINGLE_ERRORS_FAST: f64 = 4096.0;

fn encodings(dims: usize) -> Vec<Features> {
    let component = |i: usize, j: usize| 3.0 * ((5 * i + 3 * j) as f64).sin();
    let frequency = |i| (0..dims).map(|j| component(i, j)).collect();
    vec![
        Features::Identity,
        Features::nerf(dims, 3),
        Features::Sinusoids {
            include_input: false,
            waves: Waves {
                angular_frequencies: (0..9).map(frequency).collect(),
                interleaved: false,
            },
        },
        Features::Rbf {
            centers: 37,
            first_center: 0,
            first_sigma: 37 * dims,
        },
    ]
}

fn orders(dims: usize) -> Vec<Order> {
    let mut matrix = vec![0.0; dims * dims];
    matrix[0] = -1.5;
    if dims > 1 {
        (matrix[1], matrix[dims]) = (0.75, 0.75);
    }
    let mixed = Trace::new(dims, &matrix).into_iter();
    let traces: Vec<Trace> = [Trace::laplacian(dims)].into_iter().chain(mixed).collect();
    vec![
        Order::Value,
        Order::Gradient,
        Order::laplacian(dims),
        Order::hessian(dims),
        Order::Traces(traces.into()),
    ]
}

/// A case of the oracle, not drawn yet.
pub struct OracleCase {
    pub sizes: Sizes,
    pub features: Features,
    pub order: Order,
    pub pointwise: Pointwise,
    seed: u64,
}

impl OracleCase {
    /// Draws parameters, coordinates and an upstream gradient.
    pub fn draw(&self) -> NetworkCase {
        let plan = plan(self.sizes, self.features.clone(), self.pointwise);
        NetworkCase::draw(self.sizes, plan, self.order.clone(), self.seed)
    }

    /// Returns the sizes and what the network is made of, such as `2 coordinates -> 64 x 2 -> 1, NeRF features, Gradient, Relu; 1 fields of 65 points`.
    pub fn name(&self) -> String {
        let features = match self.features {
            Features::Identity => "no",
            Features::Sinusoids {
                include_input: true,
                ..
            } => "NeRF",
            Features::Sinusoids { .. } => "Fourier",
            Features::Rbf { .. } => "RBF",
        };
        let order = match &self.order {
            Order::Traces(traces) => format!("{} traces", traces.len()),
            order => format!("{order:?}"),
        };
        let Sizes {
            dims,
            width,
            hidden,
            channels,
            points,
            fields,
        } = self.sizes;
        let layers = hidden + 1;
        let pointwise = self.pointwise;
        format!(
            "{dims} coordinates -> {width} x {layers} -> {channels}, {features} features, {order}, {pointwise:?}; {fields} fields of {points} points"
        )
    }

    /// Returns whether no slope jumps: where one does, an input rounded to 11 bits may lie on the other side.
    pub fn is_smooth(&self) -> bool {
        !matches!(
            self.pointwise,
            Pointwise::Relu | Pointwise::Exponential { .. } | Pointwise::Finer { .. }
        )
    }

    /// Computes the case on the CPU and on a device.
    pub fn compare(&self, device: &Device) -> Result<Errors> {
        let case = self.draw();
        let expected = case.on_cpu::<f64>();
        let components = case.order.components(case.plan.in_features);
        let errors = |found: &NetworkOutcome| {
            [
                jet_error(found, &expected, components),
                gradient_error(found, &expected),
            ]
        };
        Ok(Errors {
            single: errors(&case.on_cpu::<f32>()),
            exact: errors(&case.on(device, Precision::Exact)?),
            fast: errors(&case.on(device, Precision::Fast)?),
            is_smooth: self.is_smooth(),
        })
    }
}

/// Errors of a case against double precision: of the jets, and of the gradient.
#[derive(Clone, Copy, Debug)]
pub struct Errors {
    /// On the CPU in single precision.
    pub single: [f64; 2],
    pub exact: [f64; 2],
    pub fast: [f64; 2],
    pub is_smooth: bool,
}

impl Errors {
    /// Returns the larger quotient of the error in exact mode and that of single precision.
    pub fn quotient(&self) -> f64 {
        let quotient = |i: usize| self.exact[i] / self.single[i].max(LEAST_SINGLE_ERROR);
        // NaN must not vanish in a maximum.
        let (jets, gradient) = (quotient(0), quotient(1));
        if jets <= gradient { gradient } else { jets }
    }

    /// Says which error is too large, if one is. `most` is the largest error in exact mode as a multiple of that of single precision.
    pub fn fault(&self, most: f64) -> Option<String> {
        let is_below = |errors: [f64; 2], most: f64| errors.iter().all(|&error| error < most);
        let quotients = [0, 1].map(|i| self.exact[i] / self.single[i].max(LEAST_SINGLE_ERROR));
        if !is_below(quotients, most) {
            let (exact, single) = (self.exact, self.single);
            return Some(format!(
                "errors {exact:?}, on the CPU in single precision {single:?}"
            ));
        }
        let is_small = |i: usize| {
            let most = MOST_FAST_ERROR.max(MOST_SINGLE_ERRORS_FAST * self.single[i]);
            self.fast[i] < most
        };
        let is_coarse = self.is_smooth && !(is_small(0) && is_small(1));
        is_coarse.then(|| format!("errors in fast mode {:?}", self.fast))
    }
}

/// Returns every activation with every order and encoding. Widths differ from case to case; each of `0..WIDTHS.len()` as `shift` gives a case another
/// one, and all together give it every one.
pub fn every_kind(shift: usize) -> Vec<OracleCase> {
    let mut cases: Vec<OracleCase> = Vec::new();
    for (f, features) in encodings(2).into_iter().enumerate() {
        for (o, order) in orders(2).into_iter().enumerate() {
            for (a, pointwise) in ACTIVATIONS.into_iter().enumerate() {
                let number = cases.len() + 1;
                cases.push(OracleCase {
                    sizes: Sizes {
                        dims: 2,
                        width: WIDTHS[(a + o + f + shift) % WIDTHS.len()],
                        hidden: 1,
                        channels: 1 + number % 3,
                        points: 64 + number % 7,
                        fields: 1 + number % 2,
                    },
                    features: features.clone(),
                    order: order.clone(),
                    pointwise,
                    seed: number as u64,
                });
            }
        }
    }
    cases
}

/// Returns networks of every class of widths up to 200 and of 1 to 4 coordinates.
pub fn every_width() -> Vec<OracleCase> {
    let widths = [1, 2, 31, 63, 65, 96, 127, 128, 129, 192, 200];
    let case = |(index, width)| {
        let dims = 1 + index % 4;
        OracleCase {
            sizes: Sizes {
                dims,
                width,
                hidden: index % 4,
                channels: [1, 3, 65, 7][index % 4],
                points: [1, 130, 77, 257][index % 4],
                fields: 1,
            },
            features: encodings(dims).swap_remove(index / 4 % 4),
            order: orders(dims).swap_remove(index % 3),
            pointwise: Pointwise::Sine { omega: 20.0 },
            seed: 1000 + index as u64,
        }
    };
    widths.into_iter().enumerate().map(case).collect()
}

/// Returns networks of every class of widths that one kernel computes, of depth 1 to 5, with every order, and batches of fields.
pub fn narrow() -> Vec<OracleCase> {
    let widths = [5, 64, 65, 96, 127, 128];
    let case = |(index, width): (usize, usize)| OracleCase {
        sizes: Sizes {
            dims: 2 + index % 2,
            width,
            hidden: index % 5,
            channels: [1, 3, 65, 128][index % 4],
            points: [1, 65, 131, 33][index % 4],
            fields: 1 + index % 2,
        },
        features: encodings(2 + index % 2).swap_remove(index % 4),
        order: orders(2 + index % 2).swap_remove(index % 5),
        pointwise: if index % 3 == 2 {
            Pointwise::Tanh
        } else {
            Pointwise::Sine { omega: 20.0 }
        },
        seed: 2000 + index as u64,
    };
    // Twice, with other orders, depths and features.
    let twice = widths.into_iter().chain(widths);
    twice.enumerate().map(case).collect()
}

/// Returns networks of 256 and 1024 features.
pub fn wide() -> Vec<OracleCase> {
    let case = |(width, order)| OracleCase {
        sizes: Sizes {
            dims: 2,
            width,
            hidden: 1,
            channels: 1,
            points: 64,
            fields: 1,
        },
        features: Features::Identity,
        order,
        pointwise: Pointwise::Sine { omega: 30.0 },
        seed: 7,
    };
    [(256, Order::laplacian(2)), (1024, Order::Value)]
        .map(case)
        .into()
}
