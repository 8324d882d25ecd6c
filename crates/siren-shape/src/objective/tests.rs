//! Terms at points whose values, gradients and Laplacians are known: those of `Φ(x, y, z) = a sin x + b`.

use std::f64::consts::FRAC_PI_2;

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::field::{FieldShape, Order, Siren, SirenConfig};
use siren_core::objective::{Coefficients, Constraint, Context, Objective, Term};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};

use super::*;
use crate::config::{DigsLossConfig, HeatLossConfig, SirenLossConfig};

/// The field `a sin x + b`: ∇Φ = (a cos x, 0, 0), ΔΦ = −a sin x.
#[derive(Clone, Copy)]
struct Wave {
    a: f64,
    b: f64,
}

impl Wave {
    fn field(self) -> Siren {
        let config = SirenConfig {
            hidden_features: 1.into(),
            hidden_layers: 0,
            first_omega_0: 1.0.into(),
            hidden_omega_0: 1.0,
            ..SirenConfig::default()
        };
        let find = |name: &str| {
            let (values, shape): (Vec<f64>, &[usize]) = match name {
                "net.net.0.0.weight" => (vec![1.0, 0.0, 0.0], &[1, 3]),
                "net.net.0.0.bias" => (vec![0.0], &[1]),
                "net.net.1.0.weight" => (vec![self.a], &[1, 1]),
                "net.net.1.0.bias" => (vec![self.b], &[1]),
                other => panic!("{other}"),
            };
            Some(Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        };
        let shape = FieldShape::new(3, 1);
        config.load(shape, find, DType::F64, &Device::Cpu).unwrap()
    }

    /// Returns the terms of `objective` at the point (x, 0.3, −0.2) of `sample`, at a share of the steps.
    fn terms(self, objective: &dyn Objective, sample: &Sample, progress: f64) -> Result<Vec<Term>> {
        let jet = self
            .field()
            .jet(sample.coords(), objective.order_at(progress))?;
        objective.terms(&Context {
            jet: &jet,
            sample,
            step: 0,
            progress,
            coefficients: &Coefficients::default(),
        })
    }

    /// Returns the largest magnitude in the gradient of the loss with respect to the parameters.
    fn largest_gradient(self, objective: impl Objective + 'static, x: f64) -> f64 {
        let trainer = Trainer::new(self.field(), &TrainConfig::default()).unwrap();
        let constraint = Constraint::new("volume", WholeSampler::new(at(x)), objective);
        let loss = trainer.loss_and_gradient(&[constraint]).unwrap();
        let gradient = loss.gradient.tensor().unwrap();
        let gradient = gradient.to_vec1::<f64>().unwrap();
        gradient
            .into_iter()
            .fold(0.0, |largest, g| largest.max(g.abs()))
    }
}

/// Returns a sample of the point (x, 0.3, −0.2).
fn at(x: f64) -> Sample {
    Sample::new(Tensor::new(&[[x, 0.3, -0.2]], &Device::Cpu).unwrap()).unwrap()
}

fn names(terms: &[Term]) -> Vec<&str> {
    terms.iter().map(|term| &*term.name).collect()
}

/// Returns weight and value of a term.
fn term(terms: &[Term], name: &str) -> [f64; 2] {
    let term = terms.iter().find(|term| term.name == name).unwrap();
    [term.weight, term.per_point.to_vec1::<f64>().unwrap()[0]]
}

fn assert_close(found: [f64; 2], expected: [f64; 2]) {
    for (a, b) in found.into_iter().zip(expected) {
        assert!(
            (a - b).abs() < 1e-12 * b.abs().max(1.0),
            "{found:?}, not {expected:?}"
        );
    }
}

#[test]
fn a_weight_is_linear_between_two_shares_of_the_steps() {
    let fading = Fading {
        first: 100.0,
        last: 20.0,
        from: 0.2,
        to: 0.6,
    };
    for (progress, weight) in [
        (0.0, 100.0),
        (0.2, 100.0),
        (0.3, 80.0),
        (0.5, 40.0),
        (0.6, 20.0),
        (0.99, 20.0),
    ] {
        assert!((fading.at(progress) - weight).abs() < 1e-12, "{progress}");
    }
    // No transition: the weight jumps.
    let jump = Fading { to: 0.2, ..fading };
    for (progress, weight) in [(0.1, 100.0), (0.2, 20.0)] {
        assert!((jump.at(progress) - weight).abs() < 1e-12, "{progress}");
    }
}

#[test]
fn the_terms_of_the_surface_are_those_of_the_paper() {
    let wave = Wave { a: 2.0, b: -1.5 };
    let x = 0.4_f64;
    let normals = Tensor::new(&[[0.6, 0.8, 0.0]], &Device::Cpu).unwrap();
    let sample = at(x).with_column(NORMALS, normals).unwrap();
    let loss = SirenLossConfig::default();
    let terms = wave.terms(&loss.on_surface(), &sample, 0.0).unwrap();
    assert_eq!(names(&terms), ["surface", "normal", "eikonal"]);
    let value = 2.0 * x.sin() - 1.5;
    assert!(value < 0.0, "the magnitude is tested");
    assert_close(term(&terms, "surface"), [loss.surface, -value]);
    // The gradient is (2 cos x, 0, 0), of direction (1, 0, 0).
    assert_close(term(&terms, "normal"), [loss.normal, 0.4]);
    assert_close(
        term(&terms, "eikonal"),
        [0.5 * loss.eikonal, 2.0 * x.cos() - 1.0],
    );

    let terms = wave.terms(&loss.in_volume(), &sample, 0.0).unwrap();
    assert_eq!(names(&terms), ["off_surface", "eikonal"]);
    assert_close(
        term(&terms, "off_surface"),
        [loss.off_surface, (100.0 * value).exp()],
    );
}

#[test]
fn without_normals_the_loss_has_the_other_terms_and_needs_no_column() {
    let wave = Wave { a: 2.0, b: -1.5 };
    let loss = SirenLossConfig::default();
    let terms = wave
        .terms(&loss.on_surface_without_normals(), &at(0.4), 0.0)
        .unwrap();
    assert_eq!(names(&terms), ["surface", "eikonal"]);
    assert_close(
        term(&terms, "surface"),
        [loss.surface, 1.5 - 2.0 * 0.4_f64.sin()],
    );
    let error = wave.terms(&loss.on_surface(), &at(0.4), 0.0).unwrap_err();
    assert!(error.to_string().contains(NORMALS), "{error}");
}

#[test]
fn a_divergence_ends_and_laplacians_are_no_longer_computed() {
    let loss = DigsLossConfig {
        divergence: 80.0,
        fade_from: 0.2,
        fade_to: 0.6,
        ..DigsLossConfig::default()
    };
    let objective = loss.in_volume();
    let wave = Wave { a: 3.0, b: 0.0 };
    let at_point = |progress: f64| wave.terms(&objective, &at(0.7), progress).unwrap();
    for (progress, weight) in [(0.0, 80.0), (0.2, 80.0), (0.4, 40.0), (0.59, 2.0)] {
        assert_eq!(
            objective.order_at(progress),
            &Order::laplacian(3),
            "{progress}"
        );
        let terms = at_point(progress);
        assert_eq!(names(&terms), ["off_surface", "eikonal", "divergence"]);
        assert_close(term(&terms, "divergence"), [weight, 3.0 * 0.7_f64.sin()]);
    }
    for progress in [0.6, 0.8, 0.999] {
        assert_eq!(objective.order_at(progress), &Order::Gradient, "{progress}");
        assert_eq!(names(&at_point(progress)), ["off_surface", "eikonal"]);
    }
    let never = DigsLossConfig {
        divergence: 0.0,
        ..loss
    };
    assert_eq!(never.in_volume().order(), &Order::Gradient);
}

#[test]
fn a_divergence_beyond_its_bounds_is_the_bound_and_has_no_gradient() {
    let weight = Fading {
        first: 1.0,
        last: 1.0,
        from: 0.0,
        to: 1.0,
    };
    // At x = π/2 the Laplacian is −a.
    for (a, expected) in [
        (0.04, 0.1),
        (-0.04, 0.1),
        (0.2, 0.2),
        (-3.0, 3.0),
        (49.0, 49.0),
        (51.0, 50.0),
        (-70.0, 50.0),
    ] {
        let objective = VolumeLoss::new(0.0, 0.0).with_divergence(weight);
        let wave = Wave { a, b: 0.0 };
        let terms = wave.terms(&objective, &at(FRAC_PI_2), 0.0).unwrap();
        assert_close(term(&terms, "divergence"), [1.0, expected]);
        let gradient = wave.largest_gradient(objective, FRAC_PI_2);
        let is_within = (0.1..50.0).contains(&a.abs());
        // The derivative of |a sin x| with respect to a is 1 here.
        assert_eq!(gradient >= 1.0 - 1e-12, is_within, "{a}: {gradient}");
        assert!(is_within || gradient == 0.0, "{a}: {gradient}");
    }
}

#[test]
fn the_screened_energy_is_divided_by_the_density_of_the_points() {
    let loss = HeatLossConfig {
        heat: 6.0,
        final_heat: 1.0,
        fade_to: 0.5,
        absorption: 15.0,
        ..HeatLossConfig::default()
    };
    let wave = Wave { a: 0.2, b: -0.1 };
    let density = Tensor::new(&[0.25], &Device::Cpu).unwrap();
    let sample = at(0.3).with_column(DENSITY, density).unwrap();
    // By hand: Φ = 0.2 · 0.29552 − 0.1 = −0.04090, ‖∇Φ‖ = 0.2 · 0.95534 = 0.19107,
    // ½ exp(−30 · 0.04090) (0.03651 + 1) / 0.25 = ½ · 0.29321 · 1.03651 · 4 = 0.6078.
    for (progress, weight) in [(0.0, 6.0), (0.25, 3.5), (0.5, 1.0), (0.9, 1.0)] {
        let terms = wave.terms(&loss.in_volume(), &sample, progress).unwrap();
        assert_eq!(names(&terms), ["heat", "eikonal"]);
        let [found_weight, found] = term(&terms, "heat");
        assert!(
            (found_weight - weight).abs() < 1e-12,
            "{progress}: {found_weight}"
        );
        assert!((found - 0.6078).abs() < 1e-4, "{found}");
    }
    assert_eq!(loss.in_volume().order(), &Order::Gradient);
    let error = wave.terms(&loss.in_volume(), &at(0.3), 0.0).unwrap_err();
    assert!(error.to_string().contains(DENSITY), "{error}");
}

#[test]
fn the_gradient_of_the_eikonal_term_is_finite_where_the_field_is_flat() {
    let gradient = Wave { a: 0.0, b: 1.0 }.largest_gradient(VolumeLoss::new(0.0, 1.0), 0.3);
    assert!(gradient.is_finite(), "{gradient}");
}
