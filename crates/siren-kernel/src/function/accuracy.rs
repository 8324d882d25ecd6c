//! Tests: the functions of single precision against those of double precision, at every SIMD level of this machine.

use pulp::{Scalar, Simd, WithSimd};

use super::{Pointwise, SELU_ALPHA, SELU_SCALE};
use crate::{Level, Real};

/// A function of one row, to be run at some SIMD level.
trait Row {
    fn run<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]);
}

/// The error of single against exact numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    /// In units in the last place of the exact number rounded to single precision.
    ulp: f64,
    absolute: f64,
}

struct Dispatch<'a, R> {
    row: &'a R,
    x: &'a [f32],
}

impl<R: Row> WithSimd for Dispatch<'_, R> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut out = vec![0.0; self.x.len()];
        self.row.run(simd, self.x, &mut out);
        out
    }
}

/// What `row` makes of `x` at every level that this machine has, the scalar one first.
fn at_every_level(row: &impl Row, x: &[f32]) -> Vec<(Level, Vec<f32>)> {
    let at = |level: Level| (level, level.dispatch(Dispatch { row, x }));
    Level::available().map(at).collect()
}

/// The distance from `|exact|`, rounded, to the next single-precision number.
fn ulp(exact: f64) -> f64 {
    let rounded = (exact as f32).abs().max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(rounded.to_bits() + 1)) - f64::from(rounded)
}

fn worst(row: &impl Row, x: &[f32], exact: impl Fn(f64) -> f64) -> Vec<(Level, Worst)> {
    let exact: Vec<f64> = x.iter().map(|&x| exact(f64::from(x))).collect();
    let results = at_every_level(row, x).into_iter();
    let measure = |found: Vec<f32>| {
        let mut worst = Worst::default();
        for (&found, &exact) in found.iter().zip(&exact) {
            let error = (f64::from(found) - exact).abs();
            worst.absolute = worst.absolute.max(error);
            worst.ulp = worst.ulp.max(error / ulp(exact));
        }
        worst
    };
    results
        .map(|(level, found)| (level, measure(found)))
        .collect()
}

/// Numbers from `low` to `high`, some 2²⁰ of them: evenly spaced ones, and evenly spaced bit patterns, which crowd at zero.
fn sweep(low: f32, high: f32) -> Vec<f32> {
    const COUNT: u32 = 1 << 19;
    let even = (0..=COUNT).map(|i| low + (high - low) * (i as f32 / COUNT as f32));
    let patterns = |end: f32| {
        let step = (end.abs().to_bits() / COUNT).max(1) as usize;
        let bits = (0..=end.abs().to_bits()).step_by(step);
        bits.map(move |bits| f32::from_bits(bits).copysign(end))
    };
    let crowded = patterns(low).chain(patterns(high));
    even.chain(crowded)
        .filter(|x| (low..=high).contains(x))
        .collect()
}

macro_rules! row {
    ($name:ident, $function:expr) => {
        struct $name;
        impl Row for $name {
            #[inline(always)]
            fn run<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = $function(simd, x);
                }
            }
        }
    };
}

row!(Exp, f32::exp_below_zero);
row!(ExpM1, f32::exp_m1_below_zero);
row!(Ln1p, f32::ln_1p_below_one);
row!(Tanh, f32::hyperbolic_tangent);
row!(Gaussian, f32::gaussian);

struct Sine;
impl Row for Sine {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        f32::sin_slice(simd, 1.0, x, out);
    }
}

struct SineOfPair;
impl Row for SineOfPair {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        let mut cosine = vec![0.0; x.len()];
        f32::sin_cos_slice(simd, 1.0, x, [(1.0, out), (1.0, &mut cosine)]);
    }
}

struct CosineOfPair;
impl Row for CosineOfPair {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        let mut sine = vec![0.0; x.len()];
        f32::sin_cos_slice(simd, 1.0, x, [(1.0, &mut sine), (1.0, out)]);
    }
}

/// Asserts that the errors of `row` over `x` stay within `bound` at every level.
fn stays_within(bound: Worst, row: &impl Row, x: &[f32], exact: impl Fn(f64) -> f64) {
    for (level, worst) in worst(row, x, exact) {
        let good = worst.ulp <= bound.ulp && worst.absolute <= bound.absolute;
        assert!(good, "{level}: {worst:?}, above {bound:?}");
    }
}

/// A bound in units in the last place alone.
fn last_places(ulp: f64) -> Worst {
    let absolute = f64::INFINITY;
    Worst { ulp, absolute }
}

#[test]
fn exponentials_are_within_two_units_in_the_last_place_wherever_they_are_normal_numbers() {
    let normal = sweep(-87.33, 0.0);
    stays_within(last_places(1.1), &Exp, &normal, f64::exp);
    let all = sweep(-200.0, 0.0);
    stays_within(last_places(1.1), &ExpM1, &all, f64::exp_m1);
    let smallest = f64::from(f32::MIN_POSITIVE);
    for (_, found) in at_every_level(&Exp, &all) {
        let tail = all.iter().zip(&found).filter(|(x, _)| **x < -87.33);
        let mut wrong =
            tail.filter(|&(&x, &e)| (f64::from(e) - f64::from(x).exp()).abs() > smallest);
        assert_eq!(wrong.next(), None);
    }
    let lit = sweep(-6.78, 6.78);
    stays_within(last_places(1.6), &Gaussian, &lit, |z| (-z * z).exp());
}

#[test]
fn the_logarithm_and_the_hyperbolic_tangent_are_within_three_units_in_the_last_place() {
    let unit = sweep(0.0, 1.0);
    stays_within(last_places(2.1), &Ln1p, &unit, f64::ln_1p);
    let all = sweep(-30.0, 30.0);
    stays_within(last_places(2.6), &Tanh, &all, f64::tanh);
}

/// A sweep up to `±limit`, with the nearest numbers to every multiple of π/2.
fn angles(limit: f32) -> Vec<f32> {
    let quarter = std::f64::consts::FRAC_PI_2;
    let quadrants = (f64::from(limit) / quarter) as i32;
    let zeros = (-quadrants..=quadrants).map(|n| (f64::from(n) * quarter) as f32);
    let near = zeros.flat_map(|zero| [zero.next_down(), zero, zero.next_up()]);
    sweep(-limit, limit).into_iter().chain(near).collect()
}

/// Without fused multiply-add a few digits of the reduced angle are lost, which shows near the zeros of the sine: there only
/// the absolute error is small.
#[test]
fn sine_and_cosine_are_within_two_units_in_the_last_place_or_one_ten_millionth() {
    for limit in [3.2, 100.0, 16_384.0] {
        let x = angles(limit);
        let check = |found: Vec<(Level, Worst)>| {
            for (level, worst) in found {
                let ulp = if level == Level::Scalar {
                    f64::INFINITY
                } else {
                    1.6
                };
                let good = worst.ulp <= ulp && worst.absolute <= 1e-7;
                assert!(good, "{level}, up to {limit}: {worst:?}");
            }
        };
        check(worst(&Sine, &x, f64::sin));
        check(worst(&SineOfPair, &x, f64::sin));
        check(worst(&CosineOfPair, &x, f64::cos));
    }
}

#[test]
fn huge_and_non_finite_angles_follow_the_standard_library() {
    let x = [
        1e5_f32,
        -3e7,
        2e9,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    let follows = |row: &dyn Fn() -> Vec<(Level, Vec<f32>)>, exact: fn(f32) -> f32| {
        for (level, found) in row() {
            for (&x, &found) in x.iter().zip(&found) {
                let exact = exact(x);
                let good = (found - exact).abs() < 1e-6 || found.is_nan() && exact.is_nan();
                assert!(good, "{level}: {found} at {x}");
            }
        }
    };
    follows(&|| at_every_level(&Sine, &x), f32::sin);
    follows(&|| at_every_level(&SineOfPair, &x), f32::sin);
    follows(&|| at_every_level(&CosineOfPair, &x), f32::cos);
    // Alone in a row, NaN takes the polynomial.
    for (level, found) in at_every_level(&Sine, &[f32::NAN]) {
        assert!(found[0].is_nan(), "{level}");
    }
}

#[test]
fn exponentials_have_the_limits_of_the_real_line_and_pass_nan_on() {
    const X: [f32; 4] = [f32::NEG_INFINITY, -1e30, -0.0, f32::NAN];
    let same = |found: Vec<(Level, Vec<f32>)>, expected: &[f32]| {
        for (level, found) in found {
            for (found, expected) in found.iter().zip(expected) {
                let same = found.to_bits() == expected.to_bits();
                assert!(
                    same || found.is_nan() && expected.is_nan(),
                    "{level}: {found}"
                );
            }
        }
    };
    same(at_every_level(&Exp, &X), &[0.0, 0.0, 1.0, f32::NAN]);
    same(at_every_level(&ExpM1, &X), &[-1.0, -1.0, 0.0, f32::NAN]);
    same(at_every_level(&Gaussian, &X), &[0.0, 0.0, 1.0, f32::NAN]);
    same(at_every_level(&Tanh, &X), &[-1.0, -1.0, -0.0, f32::NAN]);
    let positive = X.map(|x| -x);
    same(at_every_level(&Tanh, &positive), &[1.0, 1.0, 0.0, f32::NAN]);
    same(at_every_level(&Ln1p, &[0.0, f32::NAN]), &[0.0, f32::NAN]);
}

fn every_pointwise() -> Vec<Pointwise> {
    let (omega, scale) = (3.0, 1.0);
    vec![
        Pointwise::Linear,
        Pointwise::Sine { omega },
        Pointwise::Finer { omega },
        Pointwise::HyperbolicSine { omega },
        Pointwise::Gabor { omega, scale },
        Pointwise::Sinc { omega },
        Pointwise::Gaussian { scale },
        Pointwise::Silu,
        Pointwise::Relu,
        Pointwise::Tanh,
        Pointwise::Sigmoid,
        Pointwise::Softplus,
        Pointwise::Exponential { scale, alpha: 1.0 },
        Pointwise::Exponential {
            scale: SELU_SCALE,
            alpha: SELU_ALPHA,
        },
    ]
}

/// All that the two passes may ask for at a row of `z`: σ to its second derivative, then its first to its third.
struct Passes<'a, T>(Pointwise, &'a [T]);

impl<T: Real> WithSimd for Passes<'_, T> {
    type Output = [Vec<T>; 6];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<T>; 6] {
        let Self(pointwise, z) = self;
        let mut rows = [(); 6].map(|()| vec![T::of(-7.0); z.len()]);
        let [a, b, c, d, e, f] = &mut rows;
        pointwise.derivatives(simd, z, 0, &mut [a, b, c]);
        pointwise.derivatives(simd, z, 1, &mut [d, e, f]);
        rows
    }
}

/// How far from 0 the arguments go: where the phase grows faster than the argument, so does its rounding.
fn reach(pointwise: Pointwise) -> f32 {
    match pointwise {
        Pointwise::Finer { .. } => 1.5,
        Pointwise::HyperbolicSine { .. } => 1.0,
        _ => 30.03,
    }
}

/// With ω = 3 no derivative of the sine is above 27, and the rounding of `ωz`, at most 4e-6 up to 90, moves none by more than 27
/// times that; where derivatives are larger, so may errors be.
#[test]
fn every_derivative_that_a_pass_may_ask_for_follows_double_precision() {
    for pointwise in every_pointwise() {
        let z: Vec<f32> = (-3003..=3003)
            .map(|i| i as f32 / 3003.0 * reach(pointwise))
            .collect();
        let exact: Vec<f64> = z.iter().map(|&z| f64::from(z)).collect();
        let exact = Scalar.vectorize(Passes(pointwise, &exact));
        for level in Level::available() {
            let rows = level.dispatch(Passes(pointwise, &z));
            for (index, (row, exact)) in rows.iter().zip(&exact).enumerate() {
                let largest = exact.iter().fold(27.0_f64, |most, x| most.max(x.abs()));
                for ((z, &found), exact) in z.iter().zip(row).zip(exact) {
                    let close = (f64::from(found) - exact).abs() < 1.2e-4 * largest / 27.0;
                    assert!(
                        close,
                        "{pointwise:?}, row {index}: {found}, not {exact}, at {z}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_preactivation_that_is_no_number_is_never_hidden() {
    for pointwise in every_pointwise() {
        let [value, ..] = Level::best().dispatch(Passes(pointwise, &[f32::NAN; 37]));
        assert!(value.iter().all(|v| v.is_nan()), "{pointwise:?}");
    }
}
