//! Scalar expressions of one argument, with exact derivatives: the activations, once for all languages.

use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

use siren_core::field::{Pointwise, SOFTPLUS_THRESHOLD};

/// Elementary function of an [`Expression`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Sine,
    Cosine,
    Exponential,
    Logarithm,
    HyperbolicTangent,
}

/// An expression of one argument z.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    /// z.
    Argument,
    Constant(f64),
    Sum(Rc<Self>, Rc<Self>),
    Product(Rc<Self>, Rc<Self>),
    Quotient(Rc<Self>, Rc<Self>),
    Call(Function, Rc<Self>),
    /// `above` where `condition` is greater than `bound`, `below` elsewhere.
    Select {
        condition: Rc<Self>,
        bound: f64,
        above: Rc<Self>,
        below: Rc<Self>,
    },
}

use Expression::{Argument, Constant};

impl Add for Expression {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Constant(a), Constant(b)) => Constant(a + b),
            (Constant(0.0), x) | (x, Constant(0.0)) => x,
            (a, b) => Self::Sum(Rc::new(a), Rc::new(b)),
        }
    }
}

impl Mul for Expression {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        match (self, other) {
            (Constant(a), Constant(b)) => Constant(a * b),
            (Constant(0.0), _) | (_, Constant(0.0)) => Constant(0.0),
            (Constant(1.0), x) | (x, Constant(1.0)) => x,
            (Constant(a), Self::Product(b, c)) if matches!(*b, Constant(_)) => {
                Constant(a) * (*b).clone() * (*c).clone()
            }
            (a, b @ Constant(_)) => b * a,
            (a, b) => Self::Product(Rc::new(a), Rc::new(b)),
        }
    }
}

impl Div for Expression {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        match self {
            Constant(0.0) => Constant(0.0),
            x => Self::Quotient(Rc::new(x), Rc::new(other)),
        }
    }
}

impl Neg for Expression {
    type Output = Self;

    fn neg(self) -> Self {
        Constant(-1.0) * self
    }
}

impl Sub for Expression {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Expression {
    fn call(self, function: Function) -> Self {
        Self::Call(function, Rc::new(self))
    }

    fn sin(self) -> Self {
        self.call(Function::Sine)
    }

    fn exp(self) -> Self {
        self.call(Function::Exponential)
    }

    fn squared(self) -> Self {
        self.clone() * self
    }

    /// Returns `above` where the expression is greater than `bound`, `below` elsewhere.
    fn select(self, bound: f64, above: Self, below: Self) -> Self {
        if above == below {
            return above;
        }
        Self::Select {
            condition: Rc::new(self),
            bound,
            above: Rc::new(above),
            below: Rc::new(below),
        }
    }

    fn min(self, bound: f64) -> Self {
        self.clone().select(bound, Constant(bound), self)
    }

    fn abs(self) -> Self {
        self.clone().select(0.0, self.clone(), -self)
    }

    /// Returns the derivative with respect to z.
    pub(crate) fn derivative(&self) -> Self {
        let owned = |e: &Rc<Self>| Self::clone(e);
        match self {
            Argument => Constant(1.0),
            Constant(_) => Constant(0.0),
            Self::Sum(a, b) => a.derivative() + b.derivative(),
            Self::Product(a, b) => a.derivative() * owned(b) + owned(a) * b.derivative(),
            Self::Quotient(a, b) => (a.derivative() - self.clone() * b.derivative()) / owned(b),
            Self::Call(function, of) => {
                let inner = of.derivative();
                let outer = match function {
                    Function::Sine => owned(of).call(Function::Cosine),
                    Function::Cosine => -owned(of).sin(),
                    Function::Exponential => self.clone(),
                    Function::Logarithm => return inner / owned(of),
                    Function::HyperbolicTangent => Constant(1.0) - self.clone().squared(),
                };
                inner * outer
            }
            Self::Select {
                condition,
                bound,
                above,
                below,
            } => owned(condition).select(*bound, above.derivative(), below.derivative()),
        }
    }
}

/// Returns the expression of an activation.
pub(crate) fn activation(function: Pointwise) -> Expression {
    let z = Argument;
    let omega_z = |omega: f64| Constant(omega) * Argument;
    let bell = |scale: f64| (Constant(-scale * scale) * Argument.squared()).exp();
    // 1 / (1 + e⁻ᶻ) by the hyperbolic tangent, which does not overflow.
    let sigmoid = || {
        let half = (Constant(0.5) * Argument).call(Function::HyperbolicTangent);
        Constant(0.5) + Constant(0.5) * half
    };
    match function {
        Pointwise::Linear => z,
        Pointwise::Sine { omega } => omega_z(omega).sin(),
        Pointwise::Finer { omega } => ((z.clone().abs() + Constant(1.0)) * omega_z(omega)).sin(),
        Pointwise::HyperbolicSine { omega } => {
            let twice = Constant(2.0) * z;
            let sinh = twice.clone().exp() - (-twice).exp();
            (Constant(0.5 * omega) * sinh).sin()
        }
        Pointwise::Gabor { omega, scale } => bell(scale) * omega_z(omega).call(Function::Cosine),
        Pointwise::Sinc { omega } => sinc(&omega_z(omega)),
        Pointwise::Gaussian { scale } => bell(scale),
        Pointwise::Silu => z * sigmoid(),
        Pointwise::Relu => z.clone().select(0.0, z, Constant(0.0)),
        Pointwise::Tanh => z.call(Function::HyperbolicTangent),
        Pointwise::Sigmoid => sigmoid(),
        Pointwise::Softplus => {
            let curved = Constant(1.0) + z.clone().min(SOFTPLUS_THRESHOLD).exp();
            let curved = curved.call(Function::Logarithm);
            z.clone().select(SOFTPLUS_THRESHOLD, z, curved)
        }
        Pointwise::Exponential { scale, alpha } => {
            let below = z.clone().min(0.0).exp() - Constant(1.0);
            let above = Constant(scale) * z.clone();
            z.select(0.0, above, Constant(scale * alpha) * below)
        }
    }
}

/// Returns `sin(u)/u`: a power series in u² for |u| ≤ 1, where derivatives of the quotient lose digits.
fn sinc(u: &Expression) -> Expression {
    let size = u.clone().abs();
    let series = (0..7).rev().fold(Constant(0.0), |sum, k| {
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let factorial: f64 = (1..=2 * k + 1).map(f64::from).product();
        Constant(sign / factorial) + u.clone().squared() * sum
    });
    let far = size.clone().select(1.0, u.clone(), Constant(1.0));
    size.select(1.0, far.clone().sin() / far, series)
}

/// Returns the first expression, then its derivatives up to an order.
pub(crate) fn derivatives(function: Pointwise, order: usize) -> Vec<Expression> {
    let mut all = vec![activation(function)];
    for _ in 0..order {
        let next = all.last().map_or(Constant(0.0), Expression::derivative);
        all.push(next);
    }
    all
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use siren_core::rand_chacha::ChaCha8Rng;
    use siren_core::rand_chacha::rand_core::SeedableRng as _;

    use super::*;
    use siren_core::field::{Activation, FieldShape, SirenConfig};

    /// Returns the value of an expression.
    fn evaluate(expression: &Expression, z: f64) -> f64 {
        let at = |e: &Expression| evaluate(e, z);
        match expression {
            Argument => z,
            Constant(c) => *c,
            Expression::Sum(a, b) => at(a) + at(b),
            Expression::Product(a, b) => at(a) * at(b),
            Expression::Quotient(a, b) => at(a) / at(b),
            Expression::Call(function, of) => match function {
                Function::Sine => at(of).sin(),
                Function::Cosine => at(of).cos(),
                Function::Exponential => at(of).exp(),
                Function::Logarithm => at(of).ln(),
                Function::HyperbolicTangent => at(of).tanh(),
            },
            Expression::Select {
                condition,
                bound,
                above,
                below,
            } => at(if at(condition) > *bound { above } else { below }),
        }
    }

    #[test]
    fn every_activation_has_the_values_and_derivatives_of_the_fields() {
        for activation in Activation::ALL {
            let config = SirenConfig {
                activation,
                hidden_features: 1.into(),
                hidden_layers: 0,
                first_omega_0: 3.0.into(),
                ..SirenConfig::default()
            };
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            let shape = FieldShape::new(1, 1);
            let field = config.init(shape, &mut rng, DType::F64, &Device::Cpu);
            let field = field.unwrap();
            let flat = field.parameters().flat().unwrap();
            let flat = flat.to_vec1::<f64>().unwrap();
            let [w, b, v, c] = flat[..] else {
                panic!("{flat:?}")
            };
            let network = field.network();
            let order = derivatives(network.plan().layers[0].pointwise, 2);
            // Where the hyperbolic sine of H-SIREN is large, the sine of it has no digits left.
            let spacing = if activation == Activation::HSiren {
                0.05
            } else {
                0.31
            };
            for x in (-30..=30).map(|i| spacing * f64::from(i) / w.abs().max(0.1)) {
                let z = w * x + b;
                let expected: [f64; 3] =
                    [0, 1, 2].map(|k| v * w.powi(k as i32) * evaluate(&order[k], z));
                let found = [
                    field.values(&[x]).unwrap()[0] - c,
                    field.gradients(&[x]).unwrap()[0],
                    field.laplacians(&[x]).unwrap()[0],
                ];
                let largest = expected.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
                for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
                    assert!(
                        (found - expected).abs() < 1e-6 * largest,
                        "derivative {k} of {activation:?} at {z}: {found} {expected}"
                    );
                }
            }
        }
    }
}
