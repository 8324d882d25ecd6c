use siren_core::field::SirenConfig;
use siren_core::objective::{Coefficients, Context, Law};
use siren_core::signal::Sample;

use super::*;
use crate::config::{
    CircleMediumConfig, Equation, MediumConfig, WaveObjectiveConfig, WaveSignalConfig,
};

fn problem(signal: &WaveSignalConfig, config: &WaveEquationConfig) -> Arc<WaveEquationProblem> {
    let objective = WaveObjectiveConfig {
        equation: Equation::Wave(config.clone()),
        points: 200,
        source_points: 100,
        ..WaveObjectiveConfig::default()
    };
    let setup = Setup {
        signal,
        objective: &objective,
        seed: 3,
    };
    Arc::new(WaveEquationProblem::new(setup, config, &mut Vec::new()).unwrap())
}

fn wide() -> WaveSignalConfig {
    WaveSignalConfig {
        source_variance: Some(0.01),
        ..WaveSignalConfig::default()
    }
}

fn network() -> Siren {
    let config = SirenConfig {
        hidden_features: 16.into(),
        hidden_layers: 1,
        first_omega_0: siren_core::field::Omega::Given(3.0),
        hidden_omega_0: 3.0,
        ..SirenConfig::default()
    };
    let mut rng = Stream::PARAMETERS.rng(5, 0);
    let shape = FieldShape::new(3, 1);
    config
        .init(shape, &mut rng, DType::F64, &Device::Cpu)
        .unwrap()
}

fn residuals(constraint: &Constraint, field: &Siren) -> (Sample, Vec<f64>) {
    let sample = constraint.sampler.draw(0).unwrap();
    let Law::Pointwise(objective) = &constraint.law else {
        panic!("{} is a functional", constraint.name)
    };
    let order = objective.order();
    let context = Context {
        jet: &field.evaluate(sample.coords(), order).unwrap(),
        sample: &sample,
        step: 0,
        progress: 0.0,
        coefficients: &Coefficients::default(),
    };
    let term = objective.terms(&context).unwrap().remove(0);
    let values = term.residuals.unwrap().flatten_all().unwrap();
    let values = values.to_vec1().unwrap();
    (sample, values)
}

#[test]
fn residuals_are_those_of_the_wave_that_is_scored_by_differences_to_second_order() {
    let circle = WaveSignalConfig {
        medium: MediumConfig::Circle(CircleMediumConfig {
            radius: 0.3,
            ..CircleMediumConfig::default()
        }),
        ..wide()
    };
    let ricker = WaveEquationConfig {
        excitation: Excitation::Ricker(RickerConfig { frequency: 4.0 }),
        ..WaveEquationConfig::default()
    };
    let soft = WaveEquationConfig {
        initial: Initial::Soft(SoftInitialConfig::default()),
        ..WaveEquationConfig::default()
    };
    for (signal, config) in [
        (wide(), WaveEquationConfig::default()),
        (circle.clone(), WaveEquationConfig::default()),
        (circle, ricker),
        (wide(), soft),
    ] {
        let (problem, field) = (problem(&signal, &config), network());
        let constraints = problem.constraints(DType::F64, &Device::Cpu).unwrap();
        // The residuals of the interior are weighted.
        let front = constraints.iter().find(|c| c.name == "front").unwrap();
        let (sample, found) = residuals(front, &field);
        let events: Vec<f64> = sample.coords().flatten_all().unwrap().to_vec1().unwrap();
        let wave = |[t, x, y]: Event| problem.wave_at(&field, t, &[[x, y]]).unwrap()[0];
        let unit = problem.pulse.amplitude / problem.pulse.variance;
        let mut error = [0.0_f64; 2];
        for (&[t, x, y], found) in events.as_chunks::<3>().0.iter().zip(&found).take(40) {
            let m = problem.medium.squared_slowness([x, y]);
            for (error, h) in error.iter_mut().zip([4e-3, 2e-3]) {
                let middle = wave([t, x, y]);
                let second = |a: Event, b: Event| (wave(a) + wave(b) - 2.0 * middle) / (h * h);
                let acceleration = second([t + h, x, y], [t - h, x, y]);
                let laplacian =
                    second([t, x + h, y], [t, x - h, y]) + second([t, x, y + h], [t, x, y - h]);
                let source = problem.source(problem.pulse, [t, x, y]);
                let expected = (acceleration - laplacian / m - source) / unit;
                *error = error.max((expected - found).abs());
            }
        }
        let ratio = error[0] / error[1];
        assert!(
            error[1] < 1e-2 && (3.5..4.5).contains(&ratio),
            "{config:?} {error:?}"
        );
    }
}

#[test]
fn fields_start_at_the_pulse_at_rest() {
    let (problem, field) = (problem(&wide(), &WaveEquationConfig::default()), network());
    for point in [[0.0, 0.0], [0.1, 0.05], [0.7, -0.3]] {
        let wave = |t: f64| problem.wave_at(&field, t, &[point]).unwrap()[0];
        assert_eq!(wave(0.0).to_bits(), problem.pulse.value(point).to_bits());
        let velocity = (wave(1e-5) - wave(-1e-5)) / 2e-5;
        assert!(velocity.abs() < 1e-9, "{velocity}");
    }
}

#[test]
fn the_field_zero_has_an_error_of_100_percent_in_all_frames_of_an_open_plane() {
    let soft = WaveEquationConfig {
        initial: Initial::Soft(SoftInitialConfig::default()),
        ..WaveEquationConfig::default()
    };
    let problem = problem(&WaveSignalConfig::default(), &soft);
    let field = network();
    field
        .parameters()
        .set(&field.parameters().flat().unwrap().zeros_like().unwrap())
        .unwrap();
    let metrics = problem.evaluate(&field).unwrap();
    let names: Vec<&str> = metrics.iter().map(|m| m.metric.name.as_ref()).collect();
    assert_eq!(
        names,
        [
            "relative_error_percent",
            "relative_error_percent_at_0.05",
            "relative_error_percent_at_0.1",
            "relative_error_percent_at_0.15",
            "relative_error_percent_at_0.25",
        ]
    );
    assert!(metrics.iter().all(|m| (m.value - 100.0).abs() < 1e-9));
}

#[test]
fn times_grow_and_pulses_narrow_over_the_steps_that_the_config_says() {
    let config = WaveEquationConfig {
        initial: Initial::Soft(SoftInitialConfig {
            start_steps: 10,
            ..SoftInitialConfig::default()
        }),
        grow_steps: 100,
        sharpen_steps: 40,
        ..WaveEquationConfig::default()
    };
    let problem = problem(&WaveSignalConfig::default(), &config);
    let last = |step| problem.stage(step).last;
    assert!((last(59) - 0.2).abs() < 1e-12 && (last(500) - 0.4).abs() < 1e-12);
    let variance = |step| problem.stage(step).pulse.variance;
    assert!((variance(0) - 0.01).abs() < 1e-12 && (variance(40) - 5e-4).abs() < 1e-12);
    assert!((variance(20) / (0.01 * 5e-4_f64).sqrt() - 1.0).abs() < 1e-9);
    let times = |step| {
        let constraints = problem.constraints(DType::F64, &Device::Cpu).unwrap();
        let initial = constraints.iter().find(|c| c.name == "initial").unwrap();
        let events: Vec<f64> = initial
            .sampler
            .draw(step)
            .unwrap()
            .coords()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let times = events.into_iter().step_by(3);
        times.fold(0.0_f64, |most, t| most.max(t.abs()))
    };
    assert!((times(9) - 0.001).abs() < 1e-12);
    assert!(times(10).abs() < 1e-300);
    let constraints = problem.constraints(DType::F64, &Device::Cpu).unwrap();
    assert!(constraints[0].weight.at(9).abs() < 1e-300);
    assert!((constraints[0].weight.at(10) - 1.0).abs() < 1e-12);
}

#[test]
fn waves_that_reach_an_open_border_are_noted() {
    let notes = |duration: f64, border: BorderCondition| {
        let (signal, objective) = (WaveSignalConfig::default(), WaveObjectiveConfig::default());
        let config = WaveEquationConfig {
            duration,
            border,
            ..WaveEquationConfig::default()
        };
        let setup = Setup {
            signal: &signal,
            objective: &objective,
            seed: 0,
        };
        let mut notes = Vec::new();
        WaveEquationProblem::new(setup, &config, &mut notes).unwrap();
        notes
    };
    assert!(notes(0.4, BorderCondition::Open).is_empty());
    assert!(notes(1.2, BorderCondition::Absorbing).is_empty());
    assert!(notes(1.2, BorderCondition::Open)[0].contains("reach the border at t = 0.888"));
}

#[test]
fn errors_of_a_source_term_are_relative_to_the_largest_frame_and_those_of_a_pulse_to_their_own() {
    let field = network();
    let ricker = WaveEquationConfig {
        excitation: Excitation::Ricker(RickerConfig { frequency: 4.0 }),
        ..WaveEquationConfig::default()
    };
    for (config, is_own) in [(WaveEquationConfig::default(), true), (ricker, false)] {
        let problem = problem(&wide(), &config);
        let frames = problem.reference().unwrap();
        let norms: Vec<f64> = frames.iter().map(|f| squared_norm(&f.values)).collect();
        let largest = norms.iter().copied().fold(0.0, f64::max);
        let metrics = problem.evaluate(&field).unwrap();
        assert_eq!(metrics.len(), frames.len() + 1);
        for ((frame, measured), own) in frames.iter().zip(&metrics[1..]).zip(norms) {
            let wave = problem.wave_at(&field, frame.time, &frames::points());
            let pairs = wave.unwrap().into_iter().zip(&frame.values);
            let difference: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
            let norm = if is_own { own } else { largest };
            let expected = 100.0 * (difference / norm).sqrt();
            assert!((measured.value / expected - 1.0).abs() < 1e-9);
        }
    }
}
