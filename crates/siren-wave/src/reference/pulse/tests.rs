use super::*;

/// Dawson's integral `e^{−x²} ∫₀ˣ e^{s²} ds` by Rybicki's sum, whose error is `e^{−(π/2h)²}`.
fn dawson(x: f64) -> f64 {
    let h = 0.2;
    let middle = 2.0 * (0.5 * x / h).round();
    let sum: f64 = (-41..=41)
        .step_by(2)
        .map(|odd| {
            let n = f64::from(odd);
            (-(x - (middle + n) * h).powi(2)).exp() / (middle + n)
        })
        .sum();
    sum / PI.sqrt()
}

/// Averages the wave along a line, `1 − 2z D(z)` with `z = s/√(2σ)`, over the directions: `J₀(κr)` is the mean of `cos(κ r cos θ)`.
fn mean_over_directions(pulse: &GaussianPulse, distance: f64, time: f64) -> f64 {
    let count = 4000;
    let sum: f64 = (0..count)
        .map(|index| {
            let angle = PI * (f64::from(index) + 0.5) / f64::from(count);
            let along = distance * angle.cos() + pulse.speed * time;
            let z = along / (2.0 * pulse.variance).sqrt();
            1.0 - 2.0 * z * dawson(z)
        })
        .sum();
    pulse.amplitude * sum / f64::from(count)
}

#[test]
fn the_sum_for_dawsons_integral_meets_published_values() {
    for (x, value) in [
        (1.0, 0.538_079_506_912_768_4),
        (2.0, 0.301_340_388_923_791_97),
    ] {
        assert!((dawson(x) - value).abs() < 1e-14, "{x}: {}", dawson(x));
    }
}

#[test]
fn the_integral_is_the_gaussian_at_time_zero_and_the_mean_over_directions_later() {
    for variance in [5e-4, 5e-3, 0.05] {
        let pulse = GaussianPulse {
            variance,
            ..GaussianPulse::paper()
        };
        for distance in [0.0, 0.01, 0.3, 1.0, 2.0] {
            let start = pulse.at(distance, 0.0).unwrap();
            let error = (start.displacement - pulse.initial([distance, 0.0])).abs();
            assert!(
                error < 1e-13 * pulse.amplitude,
                "{variance} {distance} {error:e}"
            );
            assert!(start.velocity.abs() < f64::MIN_POSITIVE);
            for time in [0.01, 0.25, 1.0, 2.0] {
                let exact = mean_over_directions(&pulse, distance, time);
                let error = (pulse.at(distance, time).unwrap().displacement - exact).abs();
                assert!(
                    error < 2e-13 * pulse.amplitude,
                    "{variance} {distance} {time} {error:e}"
                );
            }
        }
    }
}

#[test]
fn tables_meet_the_integral_at_every_distance_and_beyond_the_table() {
    for variance in [5e-4, 0.05] {
        let pulse = GaussianPulse {
            center: [0.3, -0.2],
            variance,
            speed: 1.5,
            ..GaussianPulse::paper()
        };
        for profile in pulse.profiles(&[0.0, 0.25, 1.3]).unwrap() {
            for step in 0..60 {
                let offset = 0.0437 * f64::from(step);
                let point = [0.3 - 0.6 * offset, -0.2 + 0.8 * offset];
                let (table, exact) = (
                    profile.at(point).unwrap(),
                    pulse.at(offset, profile.time()).unwrap(),
                );
                let error = (table.displacement - exact.displacement).abs() / pulse.amplitude;
                assert!(error < 1e-10, "{offset} {error:e}");
                let scale = pulse.amplitude * pulse.speed / variance.sqrt();
                let error = (table.velocity - exact.velocity).abs() / scale;
                assert!(error < 1e-10, "{offset} {error:e}");
            }
        }
    }
}

#[test]
fn the_velocity_is_the_derivative_in_time() {
    let pulse = GaussianPulse::paper();
    let step = 1e-4;
    for distance in [0.0, 0.2, 0.31] {
        let at = |time| pulse.at(distance, time).unwrap();
        let difference = (at(0.3 + step).displacement - at(0.3 - step).displacement) / (2.0 * step);
        assert!((difference - at(0.3).velocity).abs() < 1e-4 * 0.02 / 5e-4_f64.sqrt());
    }
    // The wave has left the center but for its wake, of the order of −σ/t².
    let wake = pulse.at(0.0, 1.0).unwrap().displacement;
    assert!((wake / (-0.02 * 5e-4) - 1.0).abs() < 2e-3, "{wake:e}");
}

#[test]
fn pulses_that_cannot_be_integrated_are_refused() {
    let pulse = GaussianPulse::paper();
    for wrong in [
        GaussianPulse {
            variance: 0.0,
            ..pulse
        },
        GaussianPulse {
            variance: f64::NAN,
            ..pulse
        },
        GaussianPulse {
            speed: 0.0,
            ..pulse
        },
        GaussianPulse {
            amplitude: f64::INFINITY,
            ..pulse
        },
        GaussianPulse {
            center: [f64::NAN, 0.0],
            ..pulse
        },
    ] {
        assert!(
            matches!(wrong.at(0.1, 0.1), Err(Error::InvalidValue { .. })),
            "{wrong:?}"
        );
    }
    assert!(pulse.profiles(&[0.1, f64::NAN]).is_err());
    let profile = &pulse.profiles(&[0.1]).unwrap()[0];
    assert!(profile.at([f64::NAN, 0.0]).is_err());
    assert!(profile.at([f64::INFINITY, 0.0]).is_err());
}
