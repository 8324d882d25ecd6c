//! The inverse Hessian of the self-scaled Broyden method.

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::symmetric::{PackedSymmetric, SymmetricUpdate, packed_len};
use super::vector::{difference, dot, negated};
use super::{CurvaturePair, InverseHessian, check_evaluations};
use crate::error::{Error, Result};
use crate::optimizer::OptimizerState;

/// Most parameters. The matrix then has 1 GiB.
const MOST_PARAMETERS: usize = 16_384;
/// Name of the state tensor.
const TENSOR: &str = "inverse_hessian";

/// Settings of the self-scaled Broyden method (Al-Baali 1998; for fields that solve equations, Urbán, Stefanou & Pons 2025,
/// arXiv 2405.04230), for networks of at most 16384 parameters: it holds `4 P²` bytes for `P` parameters, and so does each checkpoint.
///
/// A step takes about three evaluations of loss and gradient.
///
/// `train.learning_rate` scales the first length that a line search tries, in the first step and after a restart alone: the search finds the
/// lengths of all steps. `train.schedule` has no other effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SsBroydenConfig {
    /// Most evaluations of loss and gradient in one line search.
    pub max_evaluations: usize,
}

impl Default for SsBroydenConfig {
    fn default() -> Self {
        Self {
            max_evaluations: 25,
        }
    }
}

impl SsBroydenConfig {
    /// Checks every value; `key` is the key of the table.
    pub(in crate::optimizer) fn validate(&self, key: &str) -> Result<()> {
        check_evaluations(key, self.max_evaluations)
    }
}

/// The inverse Hessian `H (P, P)` of the self-scaled Broyden family: with the step `s` and the gradient difference `y`,
///
/// ```text
/// H ← (H − H y yᵀH / yᵀHy + φ (yᵀHy) v vᵀ) / τ + s sᵀ / sᵀy        v = s / sᵀy − H y / yᵀHy
///
/// b = sᵀH⁻¹s / sᵀy        h = yᵀHy / sᵀy        a = b h − 1        ρ = min(1, h (1 − √(a / (1 + a))))
/// θ = max((ρ − 1) / a, min(1 / ρ, (1 − b) / b))        σ = 1 + θ a        φ = (1 − θ) / σ
/// τ = min(1, 1/b) · min(σ^(−1/(P − 1)), 1/θ) if θ > 0, min(min(1, 1/b) · σ^(−1/(P − 1)), σ) if not; h / σ if H is the identity
/// ```
///
/// (Urbán, Stefanou & Pons 2025, equations 13 to 23). As `s = −α H g`, `sᵀH⁻¹s = −α sᵀg`.
pub(in crate::optimizer) struct SelfScaledBroyden {
    parameters: usize,
    /// `None` is the identity.
    matrix: Option<PackedSymmetric>,
}

impl SelfScaledBroyden {
    /// Makes the identity.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there are too many parameters.
    pub(in crate::optimizer) fn new(parameters: usize) -> Result<Self> {
        if parameters <= MOST_PARAMETERS {
            return Ok(Self {
                parameters,
                matrix: None,
            });
        }
        let gigabytes = |parameters: usize| parameters as f64 * parameters as f64 * 4e-9;
        let expected = format!(
            "an optimizer for the {parameters} parameters of this model: `ssbroyden` would take {:.1} GB of memory for them, and is for at most \
             {MOST_PARAMETERS} ({:.1} GB); use `lbfgs`",
            gigabytes(parameters),
            gigabytes(MOST_PARAMETERS)
        );
        Err(Error::invalid("train.optimizer", "ssbroyden", &expected))
    }
}

impl InverseHessian for SelfScaledBroyden {
    fn is_identity(&self) -> bool {
        self.matrix.is_none()
    }

    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let opposite = negated(gradient);
        match &self.matrix {
            Some(matrix) => matrix.multiply(&opposite),
            None => opposite,
        }
    }

    fn update(&mut self, pair: CurvaturePair) {
        let (step, y) = (&pair.step, &pair.difference);
        let is_first = self.matrix.is_none();
        let matrix = self
            .matrix
            .get_or_insert_with(|| PackedSymmetric::identity(self.parameters));
        let product = matrix.multiply(y);
        let curvature = dot(step, y);
        let norm = dot(y, &product);
        let scaled = |vector: &[f64], factor: f64| -> Vec<f64> {
            vector.iter().map(|element| element * factor).collect()
        };
        let v = difference(
            &scaled(step, 1.0 / curvature),
            &scaled(&product, 1.0 / norm),
        );
        let Scaling { phi, tau } = Scaling::new(
            -pair.length * pair.slope / curvature,
            norm / curvature,
            if is_first {
                None
            } else {
                Some(self.parameters)
            },
        );
        let is_finite = matrix.update(&SymmetricUpdate {
            scale: 1.0 / tau,
            terms: [
                (-1.0 / (norm * tau), &product),
                (phi * norm / tau, &v),
                (1.0 / curvature, step),
            ],
        });
        if !is_finite {
            self.reset();
        }
    }

    fn reset(&mut self) {
        self.matrix = None;
    }

    fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let elements = self
            .matrix
            .as_ref()
            .map_or(&[][..], |matrix| matrix.elements());
        let tensor = Tensor::from_slice(elements, elements.len(), &Device::Cpu)?;
        Ok(vec![(TENSOR.to_owned(), tensor)])
    }

    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let found = state.tensors.iter().find(|(name, _)| name == TENSOR);
        let is_identity = found.is_some_and(|(_, tensor)| tensor.dims() == [0]);
        let len = if is_identity {
            0
        } else {
            packed_len(self.parameters)
        };
        let elements = state.tensor(TENSOR, &[len], &Device::Cpu)?.to_vec1()?;
        self.matrix = PackedSymmetric::from_elements(self.parameters, elements);
        Ok(())
    }
}

/// The coefficients of an update.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scaling {
    phi: f64,
    tau: f64,
}

impl Scaling {
    /// Computes the coefficients from `b` and `h`. `order` is `P`, or `None` where `H` is the identity.
    fn new(b: f64, h: f64, order: Option<usize>) -> Self {
        // Never negative but for rounding.
        let a = (b * h - 1.0).max(0.0);
        // 1 − c with c = √(a / (1 + a)), without the cancellation where `a` is large.
        let rest = 1.0 / ((1.0 + a) * (1.0 + (a / (1.0 + a)).sqrt()));
        let rho = (h * rest).min(1.0);
        let least = if a > 0.0 {
            (rho - 1.0) / a
        } else {
            f64::NEG_INFINITY
        };
        let theta = least.max(((1.0 - b) / b).min(1.0 / rho));
        let sigma = 1.0 + theta * a;
        let phi = (1.0 - theta) / sigma;
        let Some(order) = order else {
            return Self {
                phi,
                tau: h / sigma,
            };
        };
        let root = sigma.powf(-1.0 / order.saturating_sub(1).max(1) as f64);
        let shrinkage = (1.0 / b).min(1.0);
        let tau = if theta > 0.0 {
            shrinkage * root.min(1.0 / theta)
        } else {
            (shrinkage * root).min(sigma)
        };
        Self { phi, tau }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quadratic whose Hessian is that of the identity needs no change: `b = h = 1`.
    #[test]
    fn a_curvature_that_the_matrix_has_already_leaves_it_unscaled() {
        let scaling = Scaling::new(1.0, 1.0, Some(10));
        assert_eq!(scaling, Scaling { phi: 1.0, tau: 1.0 });
    }

    #[test]
    fn every_update_is_positive_definite_and_maps_the_gradient_difference_to_the_step() {
        let hessian = |x: &[f64]| vec![2.0 * x[0], 0.1 * x[1], 50.0 * x[2]];
        for length in [1e-3, 0.3, 1.0, 3.0, 1e3] {
            let mut matrix = SelfScaledBroyden::new(3).unwrap();
            for k in 0..4 {
                let gradient = [1.0, 2.0, 3.0].map(|i| (f64::from(k) + i).cos());
                let direction = matrix.direction(&gradient);
                let step: Vec<f64> = direction.iter().map(|d| d * length).collect();
                let difference = hessian(&step);
                matrix.update(CurvaturePair {
                    step: step.clone(),
                    difference: difference.clone(),
                    length,
                    slope: dot(&direction, &gradient),
                });
                let image = negated(&matrix.direction(&difference));
                let largest = step.iter().fold(0.0, |most: f64, s| most.max(s.abs()));
                for (image, step) in image.iter().zip(&step) {
                    let error = (image - step).abs() / largest;
                    assert!(error < 1e-9, "{length}: {image} {step}");
                }
                for x in [[1.0, 0.0, 0.0], [0.3, -1.0, 0.2], [-0.5, 0.5, 1.0]] {
                    assert!(dot(&x, &matrix.direction(&x)) < 0.0, "{length}: {x:?}");
                }
            }
        }
    }

    #[test]
    fn too_many_parameters_are_refused_with_the_memory_that_they_would_take() {
        let error = SelfScaledBroyden::new(100_000).err().unwrap().to_string();
        assert!(
            error.contains("100000") && error.contains("40.0 GB") && error.contains("lbfgs"),
            "{error}"
        );
    }
}
