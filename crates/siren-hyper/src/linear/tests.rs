use candle_core::{CpuStorage, Device, Tensor, Var};
use siren_core::field::{Layout, Parameters, Role};
use siren_core::train::differentiate;

use crate::layers::Pass;

fn wave(shape: &[usize], frequency: f64) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|i| (frequency * i as f64).sin())
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn max_abs(tensor: &Tensor) -> f64 {
    let flat = tensor.abs().unwrap().flatten_all().unwrap();
    flat.max(0).unwrap().to_scalar().unwrap()
}

/// Returns the output, and the gradients of `Σ y²` with respect to the input and to the parameters.
fn run(pass: &Pass<'_>, x: &Tensor, layer: fn(&Pass<'_>, &Tensor) -> Tensor) -> [Tensor; 3] {
    let x = Var::from_tensor(x).unwrap();
    let y = layer(pass, &x);
    let store = differentiate(&y.sqr().unwrap().sum_all().unwrap()).unwrap();
    let d_x = store.get(&x).unwrap().clone();
    [y.detach(), d_x, pass.gradient(&store).unwrap()]
}

/// Asserts that a layer agrees with candle's operations to rounding, and that one and three threads give the same bits, whatever the
/// reused buffer contains.
fn assert_matches_candle(layout: &Layout, x: &Tensor, layer: fn(&Pass<'_>, &Tensor) -> Tensor) {
    let parameters = Parameters::new(&wave(&[layout.len()], 0.7), layout.clone()).unwrap();
    let expected = run(&Pass::composed(&parameters).unwrap(), x, layer);
    let run_on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let buffer = CpuStorage::F64(vec![f64::NAN; layout.len()]);
        let pass = Pass::with_buffer(&parameters, buffer).unwrap();
        pool.install(|| run(&pass, x, layer))
    };
    let [one, three] = [run_on(1), run_on(3)];
    for ((one, three), expected) in one.iter().zip(&three).zip(&expected) {
        assert_eq!(one.dims(), expected.dims());
        let error = max_abs(&(one - expected).unwrap()) / max_abs(expected);
        assert!(error < 1e-13, "{:?}: {error:e}", x.dims());
        assert!(max_abs(&(one - three).unwrap()).to_bits() == 0);
    }
}

#[test]
fn linear_layers_with_few_or_many_rows_match_candle_on_any_number_of_threads() {
    for (rows, inputs, outputs) in [(3, 5, 1300), (1, 4, 20_000), (700, 5, 9), (1200, 3, 1)] {
        let mut layout = Layout::default();
        layout.push("other", &[2], Role::HiddenWeight);
        layout.push("layer.weight", &[outputs, inputs], Role::HiddenWeight);
        layout.push("layer.bias", &[outputs], Role::HiddenWeight);
        let x = wave(&[rows, inputs], 1.3);
        assert_matches_candle(&layout, &x, |pass, x| pass.linear(x, "layer").unwrap());
    }
}

#[test]
fn heads_match_separate_linear_layers() {
    for (rows, inputs) in [(3, 5), (40, 16)] {
        let mut layout = Layout::default();
        for (name, outputs) in [("first", 7), ("second", 2000), ("third", 96)] {
            layout.push(
                format!("{name}.weight"),
                &[outputs, inputs],
                Role::HiddenWeight,
            );
            layout.push(format!("{name}.bias"), &[outputs], Role::HiddenWeight);
            layout.push(format!("after {name}"), &[1], Role::HiddenWeight);
        }
        let x = wave(&[rows, 3 * inputs], 1.3);
        assert_matches_candle(&layout, &x, |pass, x| {
            let names = ["first", "second", "third"].map(str::to_owned);
            pass.heads(&x.chunk(3, 1).unwrap(), &names).unwrap()
        });
    }
}
