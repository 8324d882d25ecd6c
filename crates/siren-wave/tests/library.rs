//! Fitting problems of waves as a library uses them.

use num_complex::Complex64;
use siren_core::metrics::Measured;
use siren_core::train::Fit;
use siren_wave::config::{
    AdjointSolverConfig, CircleMediumConfig, Equation, Formulation, HelmholtzConfig, InverseConfig,
    InverseSolver, MediumConfig, NetworkSolverConfig, PositionsConfig, ResidualNorm,
    WaveEquationConfig, WaveObjectiveConfig, WaveSignalConfig,
};
use siren_wave::recording::Recording;
use siren_wave::{RELATIVE_ERROR_PERCENT, Waves};

fn circle(center: [f64; 2]) -> WaveSignalConfig {
    WaveSignalConfig {
        medium: MediumConfig::Circle(CircleMediumConfig {
            center,
            ..CircleMediumConfig::default()
        }),
        sources: PositionsConfig::Points(vec![[-0.35, 0.0]]),
        ..WaveSignalConfig::default()
    }
}

fn recorded() -> WaveSignalConfig {
    WaveSignalConfig {
        receivers: Some(PositionsConfig::Points(vec![[0.4, -0.1], [0.4, 0.1]])),
        ..circle([0.0, 0.0])
    }
}

fn objective(equation: Equation) -> WaveObjectiveConfig {
    WaveObjectiveConfig {
        equation,
        points: 60,
        source_points: 20,
        ..WaveObjectiveConfig::default()
    }
}

fn inverse(solver: InverseSolver) -> Equation {
    Equation::Inverse(InverseConfig {
        half_width: 0.3,
        solver,
        ..InverseConfig::default()
    })
}

#[test]
fn the_recipe_of_every_problem_and_norm_fits_it() {
    let adjoint = AdjointSolverConfig {
        side: 65,
        ..AdjointSolverConfig::default()
    };
    let helmholtz = objective(Equation::Helmholtz(HelmholtzConfig::default()));
    let absolute = WaveObjectiveConfig {
        norm: ResidualNorm::L1,
        ..helmholtz.clone()
    };
    let network = inverse(InverseSolver::Network(NetworkSolverConfig::default()));
    for (signal, objective) in [
        (circle([0.0, 0.0]), helmholtz),
        (circle([0.0, 0.0]), absolute),
        // So close to the circle that its closed form does not hold.
        (
            circle([-0.22, 0.0]),
            objective(Equation::Helmholtz(HelmholtzConfig::default())),
        ),
        (recorded(), objective(network)),
        (
            recorded(),
            WaveObjectiveConfig {
                equation: inverse(InverseSolver::Adjoint(adjoint)),
                ..WaveObjectiveConfig::default()
            },
        ),
        (
            WaveSignalConfig::default(),
            objective(Equation::Wave(WaveEquationConfig::default())),
        ),
    ] {
        let waves = Waves::from_config(&signal, &objective, 3).unwrap();
        let mut recipe = waves.recipe();
        assert_eq!(recipe.seed, 3);
        recipe.field.hidden_features = 8.into();
        let mut fit = Fit::new(&waves, &recipe).unwrap();
        fit.step().unwrap();
        let metrics = fit.evaluate().unwrap();
        let is_finite = |measured: &Measured| measured.value.is_finite();
        assert!(metrics.iter().all(is_finite), "{metrics:?}");
        assert_eq!(metrics[0].metric, RELATIVE_ERROR_PERCENT);
    }
}

#[test]
fn a_checksum_tells_media_and_positions_apart() {
    let equation = || Equation::Helmholtz(HelmholtzConfig::default());
    let checksum = |signal: &WaveSignalConfig| {
        let waves = Waves::from_config(signal, &objective(equation()), 0);
        waves.unwrap().checksum()
    };
    let here = circle([0.0, 0.0]);
    let moved = WaveSignalConfig {
        sources: PositionsConfig::Points(vec![[-0.34, 0.0]]),
        ..here.clone()
    };
    assert_eq!(checksum(&here), checksum(&here));
    assert_ne!(checksum(&here), checksum(&circle([0.05, 0.0])));
    assert_ne!(checksum(&here), checksum(&moved));
}

#[test]
fn a_key_that_an_equation_would_ignore_is_refused() {
    let wave = Equation::Wave(WaveEquationConfig::default());
    let helmholtz = Equation::Helmholtz(HelmholtzConfig::default());
    let refused = |change: fn(&mut WaveSignalConfig), equation: &Equation| {
        let mut signal = WaveSignalConfig::default();
        change(&mut signal);
        let waves = Waves::from_config(&signal, &objective(equation.clone()), 0);
        waves.err().unwrap().to_string()
    };
    for equation in [&wave, &helmholtz] {
        let noise = refused(|signal| signal.noise = 0.1, equation);
        assert!(noise.contains("`signal.noise` is 0.1"), "{noise}");
        let recording = refused(|signal| signal.recording = Some("a.mat".into()), equation);
        assert!(
            recording.contains("`signal.recording` is a.mat"),
            "{recording}"
        );
    }
    let wavenumber = refused(|signal| signal.units.wavenumber = Some(9.0), &wave);
    assert!(
        wavenumber.contains("`signal.units.wavenumber` is 9"),
        "{wavenumber}"
    );
    let receivers = refused(
        |signal| signal.receivers = Some(PositionsConfig::Points(vec![[0.0, 0.1]])),
        &wave,
    );
    assert!(receivers.contains("`signal.receivers`"), "{receivers}");
}

#[test]
fn a_key_of_points_is_refused_beside_finite_differences() {
    let adjoint = || WaveObjectiveConfig {
        equation: inverse(InverseSolver::Adjoint(AdjointSolverConfig::default())),
        ..WaveObjectiveConfig::default()
    };
    let assert_refused = |expected: &str, change: fn(&mut WaveObjectiveConfig)| {
        let mut objective = adjoint();
        change(&mut objective);
        let waves = Waves::from_config(&recorded(), &objective, 0);
        let message = waves.err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    };
    assert_refused("`objective.norm` is l1", |c| c.norm = ResidualNorm::L1);
    assert_refused("`objective.points` is 7", |c| c.points = 7);
    assert_refused("`objective.source_points` is 7", |c| c.source_points = 7);
    assert_refused("`objective.source_weight` is 7", |c| c.source_weight = 7.0);
    assert_refused("`objective.hold_points` is 0", |c| c.hold_points = 0);
}

#[test]
fn positions_beside_a_recording_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.csv");
    let one = Complex64::new(1.0, 0.5);
    let recording = Recording::new(vec![[0.0, -0.4]], vec![[0.0, 0.4]], vec![one]);
    recording.unwrap().save(&path).unwrap();
    let objective = WaveObjectiveConfig {
        equation: inverse(InverseSolver::Adjoint(AdjointSolverConfig::default())),
        ..WaveObjectiveConfig::default()
    };
    let notes = |signal: WaveSignalConfig| {
        let signal = WaveSignalConfig {
            recording: Some(path.clone()),
            ..signal
        };
        let waves = Waves::from_config(&signal, &objective, 0).unwrap();
        waves.notes().to_vec()
    };
    assert_eq!(notes(WaveSignalConfig::default()), [""; 0]);
    let expected = "note: `signal.sources` and `signal.receivers` are ignored: `signal.recording` has its own positions";
    assert_eq!(notes(recorded()), [expected]);
}

#[test]
fn problems_without_a_solution_of_their_form_are_refused() {
    let scattered = HelmholtzConfig {
        formulation: Formulation::Scattered,
        ..HelmholtzConfig::default()
    };
    let equation = objective(Equation::Helmholtz(scattered));
    let refused = |signal: &WaveSignalConfig, objective: &WaveObjectiveConfig| {
        let waves = Waves::from_config(signal, objective, 0);
        waves.err().map(|error| error.to_string())
    };
    assert_eq!(refused(&circle([0.0, 0.0]), &equation), None);
    let in_layer = refused(&circle([0.7, 0.0]), &equation).unwrap();
    assert!(in_layer.contains("formulation` is scattered"), "{in_layer}");
    let uniform = WaveSignalConfig {
        medium: MediumConfig::Uniform,
        ..recorded()
    };
    let network = inverse(InverseSolver::Network(NetworkSolverConfig::default()));
    let nothing = refused(&uniform, &objective(network)).unwrap();
    assert!(nothing.contains("`signal.medium` is uniform"), "{nothing}");
}
