//! Compares the fused operation and the trainer with tensors computed in f64 with the authors' PyTorch code (`tests/golden`; see
//! the README there).

mod compare;
mod reference;

use candle_core::{DType, Device, Tensor};
use compare::largest_error;
use reference::Reference;
use siren_core::field::{Order, Siren};
use siren_core::objective::{Constraint, Derivatives, Objective, Share, ValueMse};
use siren_core::signal::{Sample, WholeSampler};
use siren_core::train::{self, TrainConfig, Trainer};

/// One of the authors' losses: its name, the key of its target, and a function that makes the corresponding objective for d
/// coordinates.
type Loss = (&'static str, &'static str, fn(usize) -> Box<dyn Objective>);

const SHOWN: Share = Share {
    weight: 1.0,
    divisor: 1.0,
};
const UNSHOWN: Share = Share {
    weight: 0.0,
    divisor: 1.0,
};

const LOSSES: [Loss; 3] = [
    ("img", "target.img", |_| Box::new(ValueMse)),
    ("gradients", "target.gradients", |d| {
        Box::new(Derivatives::new(d, SHOWN, UNSHOWN))
    }),
    ("laplace", "target.laplace", |d| {
        Box::new(Derivatives::new(d, UNSHOWN, SHOWN))
    }),
];

/// Returns the targets of a loss: the values themselves, or `(n, 1, d + 1)` for [`Derivatives`].
///
/// The golden files hold the gradient `(n, d)` or the Laplacian `(n, 1)` alone; the other columns are zero.
fn targets(reference: &Reference, name: &str) -> Tensor {
    let given = reference.tensor(name);
    let (n, d) = reference.tensor("coords").dims2().unwrap();
    let zeros = |columns| Tensor::zeros((n, columns), DType::F64, &Device::Cpu).unwrap();
    let both = match name {
        "target.gradients" => [given, zeros(1)],
        "target.laplace" => [zeros(d), given],
        _ => return given,
    };
    Tensor::cat(&both, 1).unwrap().unsqueeze(1).unwrap()
}

/// Upper bounds of the errors, relative to the largest magnitude of the expected tensor.
struct Bounds {
    dtype: DType,
    value: f64,
    first: f64,
    second: f64,
    gradient: f64,
    adam: f64,
}

/// Bounds in f64: agreement to rounding.
const EXACT: Bounds = Bounds {
    dtype: DType::F64,
    value: 1e-10,
    first: 1e-10,
    second: 1e-10,
    gradient: 1e-10,
    adam: 1e-10,
};

/// Bounds in f32. The coordinates of the 1-D case reach ±100 and ω₀ is 30; rounding an argument of a thousand radians alone gives
/// an error of 6e-5.
const SINGLE: Bounds = Bounds {
    dtype: DType::F32,
    value: 2e-4,
    first: 5e-4,
    second: 1e-3,
    gradient: 1e-3,
    adam: 1e-3,
};

fn jets_agree(reference: &Reference, field: &Siren, bounds: &Bounds) {
    let coords = reference.tensor("coords").to_dtype(bounds.dtype).unwrap();
    let dims = coords.dims()[1];
    let jets = |order: &Order| field.evaluate(&coords, order).unwrap();
    let check = |what: &str, got: &Tensor, expected: &Tensor, bound: f64| {
        let error = largest_error(got, expected);
        assert!(
            error <= bound,
            "{}: {what} off by {error:e}",
            reference.name
        );
    };
    let hessian = jets(&Order::hessian(dims));
    let value = reference.tensor("value");
    check(
        "value",
        &jets(&Order::Value).value().unwrap(),
        &value,
        bounds.value,
    );
    check(
        "value of a jet",
        &hessian.value().unwrap(),
        &value,
        bounds.value,
    );
    let gradient = jets(&Order::Gradient).gradient().unwrap();
    check(
        "gradient",
        &gradient,
        &reference.tensor("gradient"),
        bounds.first,
    );
    let laplacian = jets(&Order::laplacian(dims))
        .traces()
        .unwrap()
        .squeeze(2)
        .unwrap();
    check(
        "Laplacian",
        &laplacian,
        &reference.tensor("laplacian"),
        bounds.second,
    );
    let expected = reference.tensor("hessian");
    let pairs: Vec<_> = (0..dims)
        .flat_map(|i| (i..dims).map(move |j| (i, j)))
        .collect();
    for (k, (i, j)) in pairs.into_iter().enumerate() {
        let entry = hessian
            .traces()
            .unwrap()
            .narrow(2, k, 1)
            .unwrap()
            .squeeze(2)
            .unwrap();
        let expected = expected.narrow(2, i, 1).unwrap().narrow(3, j, 1).unwrap();
        check(
            "Hessian",
            &entry,
            &expected.flatten_from(1).unwrap(),
            bounds.second,
        );
    }
}

fn losses_agree(reference: &Reference, bounds: &Bounds) {
    let dims = reference.tensor("coords").dims()[1];
    for (loss, target, objective) in LOSSES {
        if !reference.has(&format!("{loss}.loss")) {
            continue;
        }
        let targets = targets(reference, target).to_dtype(bounds.dtype).unwrap();
        let coords = reference.tensor("coords").to_dtype(bounds.dtype).unwrap();
        let sample = Sample::with_targets(coords, targets).unwrap();
        let sampler = Box::new(WholeSampler::new(sample));
        let constraints = [Constraint::boxed("points", sampler, objective(dims))];
        let field = reference.field(bounds.dtype);
        let mut trainer = Trainer::new(field, &TrainConfig::default()).unwrap();
        let train::Loss {
            value, gradient, ..
        } = trainer.loss_and_gradient(&constraints).unwrap();
        let expected = reference.scalar(&format!("{loss}.loss"));
        let error = (value - expected).abs() / expected;
        assert!(
            error <= bounds.gradient,
            "{} {loss}: loss off by {error:e}",
            reference.name
        );
        let layout = trainer.model().parameters().layout().clone();
        let expected = layout.join(|name| reference.find(&format!("{loss}.grad.{name}")));
        let error = largest_error(&gradient.tensor().unwrap(), &expected.unwrap());
        assert!(
            error <= bounds.gradient,
            "{} {loss}: gradient off by {error:e}",
            reference.name
        );
        let losses = reference
            .tensor(&format!("{loss}.adam.losses"))
            .to_vec1::<f64>()
            .unwrap();
        for expected in losses {
            let report = trainer.step(&constraints).unwrap();
            let error = (report.loss - expected).abs() / expected;
            assert!(
                error <= bounds.adam,
                "{} {loss}: Adam loss off by {error:e}",
                reference.name
            );
        }
        let after = layout.join(|name| reference.find(&format!("{loss}.adam.after.{name}")));
        let error = largest_error(trainer.model().parameters().var().unwrap(), &after.unwrap());
        assert!(
            error <= bounds.adam,
            "{} {loss}: after Adam off by {error:e}",
            reference.name
        );
    }
}

fn every_reference_agrees(bounds: &Bounds) {
    let references = Reference::all();
    assert_eq!(references.len(), 12, "golden files");
    for reference in references {
        jets_agree(&reference, &reference.field(bounds.dtype), bounds);
        losses_agree(&reference, bounds);
    }
}

#[test]
fn f64_reproduces_the_authors_values_derivatives_losses_gradients_and_adam_steps() {
    every_reference_agrees(&EXACT);
}

#[test]
fn f32_agrees_within_its_tolerances() {
    every_reference_agrees(&SINGLE);
}

#[test]
fn the_gradient_has_the_same_bits_for_any_number_of_threads() {
    let reference = Reference::all()
        .into_iter()
        .find(|r| r.name == "field_sine_2d")
        .unwrap();
    let points = 10_000;
    let coords: Vec<f32> = (0..2 * points).map(|i| (i as f32 * 0.37).sin()).collect();
    let coords = Tensor::from_vec(coords, (points, 2), &Device::Cpu).unwrap();
    let targets = coords.narrow(1, 0, 1).unwrap();
    let gradient_with = |threads: usize| {
        let sample = Sample::with_targets(coords.clone(), targets.clone()).unwrap();
        let constraints = [Constraint::new(
            "points",
            WholeSampler::new(sample),
            ValueMse,
        )];
        let trainer = Trainer::new(reference.field(DType::F32), &TrainConfig::default()).unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let loss = pool
            .install(|| trainer.loss_and_gradient(&constraints))
            .unwrap();
        loss.gradient.tensor().unwrap().to_vec1::<f32>().unwrap()
    };
    let one: Vec<u32> = gradient_with(1).into_iter().map(f32::to_bits).collect();
    for threads in [2, 3, 8] {
        let many: Vec<u32> = gradient_with(threads)
            .into_iter()
            .map(f32::to_bits)
            .collect();
        assert!(one == many, "{threads} threads give other bits than one");
    }
}
