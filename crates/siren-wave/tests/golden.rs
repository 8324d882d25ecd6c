//! The losses of the Helmholtz equation and of its inverse problem against golden tensors of the authors' code (`tests/golden`).
//!
//! The authors' terms are sums over points and channels, not means. Where the source is not zero, they are multiplied by `N / 1000` for the
//! number `N` of points; the difference from the recorded values, by `N`.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, SirenConfig};
use siren_core::objective::{Constraint, Objective};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{TrainConfig, Trainer};
use siren_wave::config::{ShotChoice, UnknownMedium};
use siren_wave::objective::{
    Helmholtz, InverseHelmholtz, MEDIUM, OFFSET, RECORDED, REMAINDER, RecordedError, Region,
    ResidualNorm, SHOTS, STRETCH, UNKNOWN,
};
use siren_wave::pml::Pml;

/// Points `N`.
const POINTS: usize = 60;
/// The authors' layer. It overlaps the square in which the medium of the inverse problem is unknown.
const PML: Pml = Pml {
    width: 0.5,
    strength: 5.0,
};
/// Half the side of the square in which the authors' medium is unknown.
const UNKNOWN_HALF: f64 = 0.75;

/// Golden tensors by name, and the type in which they are used.
struct Golden {
    tensors: HashMap<String, Tensor>,
    dtype: DType,
}

/// A constraint whose loss is a sum over points times a factor, as the authors'.
struct GoldenTerm {
    name: &'static str,
    constraint: Constraint,
}

/// Points whose source is zero, or is not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SourceAt {
    On,
    Off,
}

impl SourceAt {
    fn term(self) -> &'static str {
        match self {
            Self::On => "diff_constraint_on",
            Self::Off => "diff_constraint_off",
        }
    }

    fn factor(self) -> f64 {
        match self {
            Self::On => POINTS as f64 / 1e3,
            Self::Off => 1.0,
        }
    }
}

impl Golden {
    fn read(file: &str, dtype: DType) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        Self {
            tensors: candle_core::safetensors::load(folder.join(file), &Device::Cpu).unwrap(),
            dtype,
        }
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.tensors[name].flatten_all().unwrap().to_vec1().unwrap()
    }

    fn rows(&self, name: &str) -> Vec<Vec<f64>> {
        self.tensors[name].to_vec2().unwrap()
    }

    fn wavenumber(&self) -> f64 {
        self.values("wavenumber")[0]
    }

    /// Makes a tensor `(n, width)` of the rows at some points.
    fn column(&self, rows: &[Vec<f64>], points: &[usize]) -> Tensor {
        let chosen: Vec<f64> = points.iter().flat_map(|&at| rows[at].clone()).collect();
        let shape = (points.len(), rows[0].len());
        let tensor = Tensor::from_vec(chosen, shape, &Device::Cpu).unwrap();
        tensor.to_dtype(self.dtype).unwrap()
    }

    /// Returns the sample of the total formulation at some points: no offset, and the negative source as the remainder.
    fn sample(&self, points: &[usize]) -> Sample {
        let coords = self.rows("coords");
        let source = self.column(&self.rows("source_boundary_values"), points);
        let stretch: Vec<Vec<f64>> = coords.iter().map(|at| stretch(at)).collect();
        let sample = Sample::new(self.column(&coords, points)).unwrap();
        let sample = sample.with_column(OFFSET, source.zeros_like().unwrap());
        let sample = sample
            .unwrap()
            .with_column(REMAINDER, source.neg().unwrap());
        let sample = sample
            .unwrap()
            .with_column(STRETCH, self.column(&stretch, points));
        sample.unwrap()
    }

    fn trainer(&self, channels: usize) -> Trainer {
        let config = SirenConfig {
            hidden_features: 24.into(),
            hidden_layers: 2,
            ..SirenConfig::default()
        };
        let find = |name: &str| self.tensors.get(&format!("init.{name}")).cloned();
        let field = config.load(FieldShape::new(2, channels), find, self.dtype, &Device::Cpu);
        Trainer::new(field.unwrap(), &TrainConfig::default()).unwrap()
    }

    /// Returns the points at which the named values are zero in all channels, or in none.
    fn points(&self, name: &str, source: SourceAt) -> Vec<usize> {
        let rows = self.rows(name);
        let is_chosen = |row: &[f64]| match source {
            SourceAt::On => row.iter().all(|&value| value != 0.0),
            SourceAt::Off => row.iter().all(|&value| value == 0.0),
        };
        let chosen: Vec<usize> = (0..POINTS).filter(|&at| is_chosen(&rows[at])).collect();
        assert!((1..POINTS).contains(&chosen.len()));
        chosen
    }

    /// Asserts that the terms and the gradient of their sum are the golden ones, within a relative error.
    fn assert_equal(&self, channels: usize, terms: Vec<GoldenTerm>, bound: f64) {
        let trainer = self.trainer(channels);
        let mut errors = Vec::new();
        let mut constraints = Vec::new();
        for GoldenTerm { name, constraint } in terms {
            let only = [constraint];
            let found = trainer.loss_and_gradient(&only).unwrap().value;
            errors.push((name, error(&[found], &self.values(&format!("term.{name}")))));
            constraints.extend(only);
        }
        let found = trainer.loss_and_gradient(&constraints).unwrap().gradient;
        let layout = trainer.model().parameters().layout();
        let expected = layout.join(|name| self.tensors.get(&format!("grad.{name}")).cloned());
        let found = found.tensor().unwrap();
        let found: Vec<f64> = found.to_dtype(DType::F64).unwrap().to_vec1().unwrap();
        let expected: Vec<f64> = expected.unwrap().to_vec1().unwrap();
        errors.push(("gradient", error(&found, &expected)));
        for (name, error) in &errors {
            assert!(*error <= bound, "{name} off by {error:e}: {errors:?}");
        }
    }
}

/// Returns a row of the column [`STRETCH`].
fn stretch(point: &[f64]) -> Vec<f64> {
    let at = PML.at([point[0], point[1]]);
    let factors = [
        at.second[0],
        at.second[1],
        at.first[0],
        at.first[1],
        at.zeroth,
    ];
    factors.into_iter().flat_map(|z| [z.re, z.im]).collect()
}

/// Returns the largest difference, relative to the largest expected magnitude.
fn error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    let pairs = got.iter().zip(expected);
    pairs.fold(0.0_f64, |max, (a, b)| max.max((a - b).abs())) / scale
}

/// Makes a constraint whose loss is the sum over the points of its sample times a factor.
fn summed(sample: Sample, factor: f64, law: impl Objective + 'static) -> Constraint {
    let weight = factor * sample.len() as f64;
    Constraint::new("sum", WholeSampler::new(sample), law).weighted(weight)
}

/// Compares the loss of the equation in a known medium.
fn helmholtz(dtype: DType, bound: f64) {
    let golden = Golden::read("helmholtz_loss.safetensors", dtype);
    // There is no recording.
    assert_eq!(golden.values("term.data_term"), [0.0]);
    let medium: Vec<Vec<f64>> = golden
        .rows("squared_slowness")
        .iter()
        .map(|row| vec![row[0]])
        .collect();
    let term = |source: SourceAt| {
        let points = golden.points("source_boundary_values", source);
        let sample = golden.sample(&points);
        let sample = sample.with_column(MEDIUM, golden.column(&medium, &points));
        let law = Helmholtz::new(
            "equation",
            Region::Layer,
            golden.wavenumber(),
            1.0,
            ResidualNorm::L1,
        );
        GoldenTerm {
            name: source.term(),
            constraint: summed(sample.unwrap(), source.factor(), law),
        }
    };
    golden.assert_equal(2, vec![term(SourceAt::On), term(SourceAt::Off)], bound);
}

/// Compares the loss of two shots in an unknown medium.
fn inverse(dtype: DType, bound: f64) {
    let golden = Golden::read("inverse_helmholtz_loss.safetensors", dtype);
    // −1: the medium is the network's last channel, not the given one.
    assert_eq!(golden.values("pretrain"), [-1.0]);
    let unknown: Vec<Vec<f64>> = golden
        .rows("coords")
        .iter()
        .map(|at| at[0].abs().max(at[1].abs()) <= UNKNOWN_HALF)
        .map(|is_unknown| vec![f64::from(u8::from(is_unknown))])
        .collect();
    let all: Vec<usize> = (0..POINTS).collect();
    let term = |source: SourceAt| {
        // A shot counts where its source is zero, or is not.
        let shots: Vec<Vec<f64>> = golden
            .rows("source_boundary_values")
            .iter()
            .map(|row| {
                let shot = |values: &[f64]| {
                    let is_on = values.iter().all(|&value| value != 0.0);
                    assert!(is_on || values.iter().all(|&value| value == 0.0));
                    f64::from(u8::from(is_on == (source == SourceAt::On)))
                };
                row.chunks(2).map(shot).collect()
            })
            .collect();
        let sample = golden.sample(&all);
        let sample = sample.with_column(UNKNOWN, golden.column(&unknown, &all));
        let sample = sample
            .unwrap()
            .with_column(SHOTS, golden.column(&shots, &all));
        let law = InverseHelmholtz {
            name: "equation",
            order: Region::Layer.order(),
            wavenumber: golden.wavenumber(),
            scale: 1.0,
            norm: ResidualNorm::L1,
            unknown: UnknownMedium::Channel,
            shots: ShotChoice::All,
            forward_steps: 0,
        };
        GoldenTerm {
            name: source.term(),
            constraint: summed(sample.unwrap(), source.factor(), law),
        }
    };
    let receivers = golden.points("rec_boundary_values", SourceAt::On);
    let recorded = golden.column(&golden.rows("rec_boundary_values"), &receivers);
    let sample = Sample::new(golden.column(&golden.rows("coords"), &receivers)).unwrap();
    let law = RecordedError {
        scale: 1.0,
        norm: ResidualNorm::L1,
    };
    let data = GoldenTerm {
        name: "data_term",
        constraint: summed(
            sample.with_column(RECORDED, recorded).unwrap(),
            POINTS as f64,
            law,
        ),
    };
    golden.assert_equal(
        5,
        vec![term(SourceAt::On), term(SourceAt::Off), data],
        bound,
    );
}

#[test]
fn terms_and_gradient_of_the_helmholtz_equation_equal_the_authors_in_double_precision() {
    helmholtz(DType::F64, 1e-13);
}

#[test]
fn terms_and_gradient_of_the_helmholtz_equation_equal_the_authors_in_single_precision() {
    helmholtz(DType::F32, 1e-5);
}

#[test]
fn terms_and_gradient_of_the_inverse_problem_equal_the_authors_in_double_precision() {
    inverse(DType::F64, 1e-13);
}

#[test]
fn terms_and_gradient_of_the_inverse_problem_equal_the_authors_in_single_precision() {
    inverse(DType::F32, 1e-5);
}
