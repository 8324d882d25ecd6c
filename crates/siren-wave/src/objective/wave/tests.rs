use candle_core::{DType, Device};
use siren_core::field::{FieldShape, Siren, SirenConfig};
use siren_core::objective::Coefficients;

use super::*;
use crate::reference::pulse::GaussianPulse;

/// A term `amplitude · sin(frequency t + k · x + phase)`.
struct PlaneWave {
    amplitude: f64,
    frequency: f64,
    k: [f64; 2],
    phase: f64,
}

/// Makes the field that is a sum of plane waves: one layer of sines.
fn field(waves: &[PlaneWave]) -> Siren {
    let config = SirenConfig {
        hidden_features: waves.len().into(),
        hidden_layers: 0,
        ..SirenConfig::default()
    };
    let tensor =
        |rows: Vec<f64>, shape: &[usize]| Tensor::from_vec(rows, shape, &Device::Cpu).unwrap();
    let weights = waves
        .iter()
        .flat_map(|w| [w.frequency / 30.0, w.k[0] / 30.0, w.k[1] / 30.0]);
    let weights = tensor(weights.collect(), &[waves.len(), 3]);
    let biases = tensor(
        waves.iter().map(|w| w.phase / 30.0).collect(),
        &[waves.len()],
    );
    let amplitudes = tensor(
        waves.iter().map(|w| w.amplitude).collect(),
        &[1, waves.len()],
    );
    let find = |name: &str| {
        Some(match name {
            "net.net.0.0.weight" => weights.clone(),
            "net.net.0.0.bias" => biases.clone(),
            "net.net.1.0.weight" => amplitudes.clone(),
            _ => tensor(vec![0.0], &[1]),
        })
    };
    config
        .load(FieldShape::new(3, 1), find, DType::F64, &Device::Cpu)
        .unwrap()
}

fn tensor<const N: usize>(rows: &[[f64; N]]) -> Tensor {
    Tensor::from_slice(rows.as_flattened(), (rows.len(), N), &Device::Cpu).unwrap()
}

/// Returns the largest residual of each term.
fn residuals(objective: &dyn Objective, field: &Siren, sample: &Sample) -> Vec<f64> {
    let jet = field.evaluate(sample.coords(), objective.order()).unwrap();
    let context = Context {
        jet: &jet,
        sample,
        step: 0,
        progress: 0.0,
        coefficients: &Coefficients::default(),
    };
    let largest = |term: &Term| {
        let values = term.residuals.as_ref().unwrap().flatten_all().unwrap();
        let values: Vec<f64> = values.to_vec1().unwrap();
        values.iter().fold(0.0_f64, |most, x| most.max(x.abs()))
    };
    objective
        .terms(&context)
        .unwrap()
        .iter()
        .map(largest)
        .collect()
}

fn plane(speed: f64) -> Siren {
    field(&[PlaneWave {
        amplitude: 0.7,
        frequency: -5.0 * speed,
        k: [3.0, 4.0],
        phase: 0.3,
    }])
}

#[test]
fn a_plane_wave_satisfies_the_equation_at_its_own_speed_alone() {
    let events = [[0.1, 0.2, -0.3], [0.35, -0.8, 0.5], [0.0, 0.0, 0.9]];
    let sample = Sample::new(tensor(&events)).unwrap();
    for speed in [1.0, 2.0] {
        let equation = WaveEquation::uniform(speed, ResidualNorm::Mse).unwrap();
        let found = residuals(&equation, &plane(speed), &sample);
        assert!(found[0] < 1e-12, "{found:?}");
        let other = residuals(&equation, &plane(speed * 1.1), &sample);
        assert!(other[0] > 0.5, "{other:?}");
    }
    let medium = sample.with_column(MEDIUM, tensor(&[[0.25]; 3])).unwrap();
    let varying = WaveEquation::varying(ResidualNorm::Mse).unwrap();
    let found = residuals(&varying, &plane(2.0), &medium);
    assert!(found[0] < 1e-12, "{found:?}");
    assert!(residuals(&varying, &plane(1.0), &medium)[0] > 10.0);
}

/// Makes the pulse as a sum of plane waves in all directions: `J₀(κr) cos κt` is the mean of `cos(κ n·x − κt)` over the directions `n`.
fn pulse(pulse: &GaussianPulse) -> Siren {
    let (nodes, directions) = (60, 64);
    let spacing = 9.0 / pulse.variance.sqrt() / f64::from(nodes);
    // The sum over the nodes lacks h²/12 times the slope of the integrand at κ = 0 (Euler and Maclaurin).
    let mut waves = vec![PlaneWave {
        amplitude: pulse.amplitude * pulse.variance * spacing * spacing / 12.0,
        frequency: 0.0,
        k: [0.0, 0.0],
        phase: std::f64::consts::FRAC_PI_2,
    }];
    for node in 1..nodes {
        let k = spacing * f64::from(node);
        let gaussian = pulse.variance * k * (-0.5 * pulse.variance * k * k).exp();
        for direction in 0..directions {
            let angle = std::f64::consts::TAU * f64::from(direction) / f64::from(directions);
            waves.push(PlaneWave {
                amplitude: pulse.amplitude * spacing * gaussian / f64::from(directions),
                frequency: -k,
                k: [k * angle.cos(), k * angle.sin()],
                phase: std::f64::consts::FRAC_PI_2,
            });
        }
    }
    field(&waves)
}

#[test]
fn the_pulse_satisfies_the_equation_and_its_initial_state() {
    let exact = GaussianPulse {
        center: [0.0, 0.0],
        amplitude: 0.02,
        variance: 0.02,
        speed: 1.0,
    };
    let field = pulse(&exact);
    let events = [[0.0, 0.1, -0.1], [0.2, 0.15, 0.1], [0.3, -0.3, 0.0]];
    let sample = Sample::new(tensor(&events)).unwrap();
    for [t, x, y] in events {
        let expected = exact.at(x.hypot(y), t).unwrap().displacement;
        let found = field.values(&[t, x, y]).unwrap()[0];
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let equation = WaveEquation::uniform(1.0, ResidualNorm::Mse).unwrap();
    assert!(residuals(&equation, &field, &sample)[0] < 1e-12);
    let points = [[0.0, 0.0, 0.0], [0.0, 0.1, 0.2], [0.0, -0.3, 0.1]];
    let targets = points.map(|[_, x, y]| [exact.initial([x, y])]);
    let scaled = Scaled {
        weight: 1.0,
        unit: 0.02,
    };
    let state = InitialState {
        norm: ResidualNorm::Mse,
        displacement: scaled,
        velocity: scaled,
    };
    let sample = Sample::with_targets(tensor(&points), tensor(&targets)).unwrap();
    let found = residuals(&state, &field, &sample);
    assert!(found[0] < 1e-4 && found[1] < 1e-4, "{found:?}");
}

/// Makes a standing wave `2 sin(kx) cos(kt)`, whose border is still for `k = π` and free for `k = π/2`.
fn standing(k: f64) -> Siren {
    let wave = |frequency| PlaneWave {
        amplitude: 1.0,
        frequency,
        k: [k, 0.0],
        phase: 0.0,
    };
    field(&[wave(k), wave(-k)])
}

fn at_border(squared_slowness: f64) -> Sample {
    let rows = |value: f64| [[value]; 2];
    Sample::new(tensor(&[[0.13, 1.0, 0.4], [0.71, 1.0, -0.2]]))
        .unwrap()
        .with_column(FACTOR, tensor(&[[1.0, 0.0, 0.0]; 2]))
        .unwrap()
        .with_column(OFFSET, tensor(&rows(0.0)))
        .unwrap()
        .with_column(OFFSET_GRADIENT, tensor(&[[0.0; 3]; 2]))
        .unwrap()
        .with_column(NORMAL, tensor(&[[1.0, 0.0]; 2]))
        .unwrap()
        .with_column(MEDIUM, tensor(&rows(squared_slowness)))
        .unwrap()
}

#[test]
fn every_condition_holds_for_a_wave_that_satisfies_it_and_for_no_other() {
    let pi = std::f64::consts::PI;
    let outgoing = |speed: f64| {
        field(&[PlaneWave {
            amplitude: 1.0,
            frequency: -3.0 * speed,
            k: [3.0, 0.0],
            phase: 0.4,
        }])
    };
    let found = |condition: Condition, field: &Siren, m: f64| {
        let law = WaveCondition::new("border", condition, 1.0, ResidualNorm::Mse);
        residuals(&law, field, &at_border(m))[0]
    };
    for (condition, right, wrong) in [
        (Condition::Still, standing(pi), standing(0.5 * pi)),
        (Condition::Free, standing(0.5 * pi), standing(pi)),
        (Condition::Absorbing, outgoing(2.0), outgoing(-2.0)),
    ] {
        let [holds, fails] = [&right, &wrong].map(|field| found(condition, field, 0.25));
        assert!(holds < 1e-12, "{condition:?}: {holds}");
        assert!(fails > 0.5, "{condition:?}: {fails}");
    }
}
