use std::f64::consts::PI;

use super::*;
use crate::reference::pulse::GaussianPulse;

const ORDERS: [LeapfrogOrder; 2] = [LeapfrogOrder::Second, LeapfrogOrder::Fourth];

fn grid(side: usize, function: impl Fn(Point) -> f64) -> Vec<f64> {
    let coordinate = |index: usize| -1.0 + 2.0 * index as f64 / (side as f64 - 1.0);
    (0..side * side)
        .map(|at| function([coordinate(at % side), coordinate(at / side)]))
        .collect()
}

fn uniform(side: usize, order: LeapfrogOrder, border: WaveBorder) -> TimeSolver {
    TimeSolver {
        border,
        order,
        ..TimeSolver::new(side, vec![1.0; side * side])
    }
}

fn relative_error(values: &[f64], exact: &[f64]) -> f64 {
    let sum: f64 = values.iter().zip(exact).map(|(a, b)| (a - b).powi(2)).sum();
    let norm: f64 = exact.iter().map(|b| b * b).sum();
    (sum / norm).sqrt()
}

fn largest_difference(values: &[f64], exact: &[f64]) -> f64 {
    values
        .iter()
        .zip(exact)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

fn pulse_error(side: usize, order: LeapfrogOrder, pulse: &GaussianPulse) -> f64 {
    let initial = InitialWave::at_rest(grid(side, |point| pulse.initial(point)));
    let solver = uniform(side, order, WaveBorder::Neumann);
    let record = solver.run(&initial, &[0.25]).unwrap();
    let profile = &pulse.profiles(&[0.25]).unwrap()[0];
    let exact = grid(side, |point| profile.at(point).unwrap().displacement);
    relative_error(&record.snapshots[0].values, &exact)
}

/// At a time step of `0.45 h/c` instead of 0.67, the error at 257² is 8 %: those in space and time have opposite signs.
#[test]
fn second_order_errs_by_five_percent_for_the_pulse_of_the_paper_and_converges() {
    let pulse = GaussianPulse::paper();
    let [coarse, middle, fine] =
        [257, 513, 1025].map(|side| pulse_error(side, LeapfrogOrder::Second, &pulse));
    assert!((coarse - 0.0494).abs() < 5e-4, "{coarse}");
    let rate = (middle / fine).log2();
    assert!((rate - 2.0).abs() < 0.2, "{rate}");
}

#[test]
fn fourth_order_meets_the_pulse_of_the_paper_to_a_hundredth() {
    let pulse = GaussianPulse::paper();
    let [coarse, fine] = [257, 513].map(|side| pulse_error(side, LeapfrogOrder::Fourth, &pulse));
    assert!(coarse < 0.01, "{coarse}");
    let rate = (coarse / fine).log2();
    assert!((rate - 4.0).abs() < 0.4, "{rate}");
}

#[test]
fn standing_waves_of_both_borders_swing_at_their_frequencies() {
    for (border, wave) in [
        (WaveBorder::Dirichlet, f64::sin as fn(f64) -> f64),
        (WaveBorder::Neumann, f64::cos),
    ] {
        let shape = |[x, y]: Point| wave(PI * (x + 1.0)) * wave(0.5 * PI * (y + 1.0));
        let omega = PI * 1.25_f64.sqrt();
        let times = [0.0, 0.001, 0.7, 1.234_567, 3.0];
        for (order, bound) in ORDERS.into_iter().zip([2e-3, 3e-6]) {
            let side = 101;
            let initial = InitialWave {
                displacement: grid(side, shape),
                velocity: grid(side, |point| 2.0 * omega * shape(point)),
            };
            let record = uniform(side, order, border).run(&initial, &times).unwrap();
            for snapshot in &record.snapshots {
                let (sine, cosine) = (omega * snapshot.time).sin_cos();
                let error = initial
                    .displacement
                    .iter()
                    .zip(&snapshot.values)
                    .map(|(u, value)| (value - u * (cosine + 2.0 * sine)).abs())
                    .fold(0.0, f64::max);
                assert!(
                    error < bound,
                    "{border:?} {order:?} {} {error:e}",
                    snapshot.time
                );
            }
            let error = largest_difference(&record.snapshots[0].values, &initial.displacement);
            assert!(
                error < 1e-15,
                "the snapshot at zero is the initial wave: {error:e}"
            );
        }
    }
}

#[test]
fn energy_is_conserved_by_reflecting_borders_and_leaves_through_absorbing_ones() {
    let side = 65;
    let medium = grid(side, |[x, y]| {
        if x > 0.2 {
            4.0
        } else {
            1.0 + 0.3 * (3.0 * y).sin()
        }
    });
    let initial = InitialWave {
        displacement: grid(side, |[x, y]| (-40.0 * (x * x + (y - 0.3).powi(2))).exp()),
        velocity: grid(side, |[x, y]| (-40.0 * ((x - 0.2).powi(2) + y * y)).exp()),
    };
    let times: Vec<f64> = (0..=40).map(|step| 0.25 * f64::from(step)).collect();
    for order in ORDERS {
        for border in [
            WaveBorder::Dirichlet,
            WaveBorder::Neumann,
            WaveBorder::default(),
            WaveBorder::Absorbing { width: 0.0 },
        ] {
            let solver = TimeSolver {
                border,
                order,
                ..TimeSolver::new(side, medium.clone())
            };
            let record = solver.run(&initial, &times).unwrap();
            let energies: Vec<f64> = record.snapshots.iter().map(|shot| shot.energy).collect();
            assert!(energies[0] > 0.1);
            if matches!(border, WaveBorder::Absorbing { .. }) {
                assert!(energies[40] < 1e-3 * energies[0], "{order:?} {energies:?}");
            } else {
                let drift = energies
                    .iter()
                    .map(|energy| (energy / energies[0] - 1.0).abs())
                    .fold(0.0, f64::max);
                assert!(drift < 1e-11, "{order:?} {border:?} {drift:e}");
            }
        }
    }
}

/// The whole plane is the truth. Until `t = 0.6` the errors are those of the finite differences; at 2 the pulse has crossed the domain.
#[test]
fn a_layer_of_a_quarter_reflects_less_than_half_a_percent_where_its_end_alone_reflects_a_tenth() {
    let pulse = GaussianPulse {
        center: [0.2, -0.1],
        amplitude: 1.0,
        variance: 4e-3,
        speed: 1.0,
    };
    let side = 129;
    let initial = InitialWave::at_rest(grid(side, |point| pulse.initial(point)));
    let times = [0.6, 1.5, 2.0, 20.0];
    let exact: Vec<Vec<f64>> = pulse
        .profiles(&times)
        .unwrap()
        .iter()
        .map(|profile| grid(side, |point| profile.at(point).unwrap().displacement))
        .collect();
    let peak = exact[0].iter().fold(0.0, |most: f64, u| most.max(u.abs()));
    for order in ORDERS {
        let errors = |width| {
            let border = WaveBorder::Absorbing { width };
            let record = uniform(side, order, border).run(&initial, &times).unwrap();
            let pairs = record.snapshots.iter().zip(&exact);
            pairs
                .map(|(shot, exact)| largest_difference(&shot.values, exact) / peak)
                .collect::<Vec<_>>()
        };
        let (layer, end) = (errors(0.25), errors(0.0));
        assert!(layer[2] < 4e-3 && layer[3] < 1e-4, "{order:?} {layer:?}");
        assert!(end[1] > 0.1 && end[1] < 0.2, "{order:?} {end:?}");
    }
}

/// A front of half the height moves right, two thirds of it pass the jump, and it takes `½ + ½ · 2` to the receiver.
#[test]
fn a_front_arrives_behind_a_jump_when_its_speed_says() {
    let side = 401;
    let receiver = [0.5, 0.113];
    let solver = TimeSolver {
        border: WaveBorder::Neumann,
        receivers: vec![receiver, [-0.2, 0.0]],
        ..TimeSolver::new(side, grid(side, |[x, _]| if x > 0.0 { 4.0 } else { 1.0 }))
    };
    let initial = InitialWave::at_rest(grid(side, |[x, _]| {
        (-0.5 * (x + 0.5).powi(2) / 2.5e-3).exp()
    }));
    let record = solver.run(&initial, &[1.7]).unwrap();
    for (trace, arrival, height) in [
        (&record.traces[0], 1.5, 1.0 / 3.0),
        (&record.traces[1], 0.3, 0.5),
    ] {
        let window = (arrival + 0.15) / record.time_step;
        let peak = (0..window as usize)
            .max_by(|&a, &b| trace[a].total_cmp(&trace[b]))
            .unwrap();
        let time = peak as f64 * record.time_step;
        assert!((time - arrival).abs() < 2.0 * solver.spacing(), "{time}");
        assert!(
            (trace[peak] - height).abs() < 0.01 * height,
            "{}",
            trace[peak]
        );
    }
}

/// The wave of a point source is `1/2π ∫ w(t − r cosh q) dq`, the convolution with `1/(2π √(t² − r²))`.
#[test]
fn a_source_sends_its_wavelet_as_the_green_function_says() {
    let side = 201;
    let distance = 0.5;
    for (order, bound) in ORDERS.into_iter().zip([0.05, 2e-3]) {
        let wavelet = Ricker::causal(4.0);
        let solver = TimeSolver {
            sources: vec![PulsedSource {
                position: [-0.2, 0.1],
                strength: 3.0,
                wavelet,
            }],
            receivers: vec![[-0.2 + 0.6 * distance, 0.1 + 0.8 * distance]],
            ..uniform(side, order, WaveBorder::Neumann)
        };
        let record = solver
            .run(&InitialWave::at_rest(vec![0.0; side * side]), &[1.0])
            .unwrap();
        let exact: Vec<f64> = (0..record.traces[0].len())
            .map(|step| {
                let time = step as f64 * record.time_step;
                let end = (time / distance).max(1.0).acosh();
                let count = 2000;
                let sum: f64 = (0..count)
                    .map(|at| {
                        let q = end * (f64::from(at) + 0.5) / f64::from(count);
                        wavelet.value(time - distance * q.cosh())
                    })
                    .sum();
                3.0 * sum * end / f64::from(count) / (2.0 * PI)
            })
            .collect();
        let error = relative_error(&record.traces[0], &exact);
        assert!(error < bound, "{order:?} {error:e}");
    }
}

#[test]
fn records_do_not_depend_on_the_number_of_threads() {
    let side = 80;
    let initial = InitialWave::at_rest(grid(side, |[x, y]| (-30.0 * (x * x + y * y)).exp()));
    for order in ORDERS {
        let solver = TimeSolver {
            order,
            sources: vec![PulsedSource {
                position: [0.3, 0.31],
                strength: 1.0,
                wavelet: Ricker::causal(3.0),
            }],
            receivers: vec![[0.11, 0.9]],
            ..TimeSolver::new(side, grid(side, |[x, y]| 1.5 + 0.4 * (5.0 * x * y).sin()))
        };
        let records = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| solver.run(&initial, &[0.1, 0.77]).unwrap())
        });
        assert!(
            records[0].snapshots[1]
                .values
                .iter()
                .all(|value| value.is_finite())
        );
        assert_eq!(records[0], records[1]);
        assert_eq!(records[0], records[2]);
    }
}

#[test]
fn media_waves_and_times_that_make_no_sense_are_refused() {
    let side = 9;
    let solver = uniform(side, LeapfrogOrder::Fourth, WaveBorder::Dirichlet);
    let rest = InitialWave::at_rest(vec![0.0; side * side]);
    let message = |solver: &TimeSolver, initial: &InitialWave, times: &[f64]| {
        solver.run(initial, times).unwrap_err().to_string()
    };
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut changed = solver.clone();
        changed.medium[13] = wrong;
        let text = message(&changed, &rest, &[0.1]);
        assert!(text.contains("row 1, column 4"), "{text}");
    }
    let mut slow = solver.clone();
    slow.medium[0] = 1e-20;
    assert!(message(&slow, &rest, &[1.0]).contains("time steps"));
    let mut short = solver.clone();
    short.medium.pop();
    assert!(message(&short, &rest, &[0.1]).contains("9 x 9 values"));
    let tiny = uniform(4, LeapfrogOrder::Second, WaveBorder::Neumann);
    assert!(message(&tiny, &InitialWave::at_rest(vec![0.0; 16]), &[0.1]).contains("at least 5"));
    let mut wild = rest.clone();
    wild.velocity[3] = f64::NAN;
    assert!(message(&solver, &wild, &[0.1]).contains("point 3"));
    for times in [&[-0.1][..], &[0.2, 0.1], &[f64::NAN], &[f64::INFINITY]] {
        assert!(
            message(&solver, &rest, times).contains("ascending"),
            "{times:?}"
        );
    }
    let mut outside = solver.clone();
    outside.receivers = vec![[0.0, 1.1]];
    assert!(message(&outside, &rest, &[0.1]).contains("(0, 1.1)"));
    let mut wide = solver;
    wide.border = WaveBorder::Absorbing { width: f64::NAN };
    assert!(message(&wide, &rest, &[0.1]).contains("width of the absorbing border"));
}
