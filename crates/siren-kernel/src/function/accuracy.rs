//! Tests of the single-precision functions against double precision, at every SIMD level of the processor.

use pulp::{Scalar, Simd, WithSimd};

use super::{Elementary, Pointwise, SELU_ALPHA, SELU_SCALE, Scaled};
use crate::{Level, Real};

/// A function that maps a row elementwise, at any SIMD level.
trait RowFunction {
    fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]);
}

/// Largest errors of single-precision results.
#[derive(Clone, Copy, Debug, Default)]
struct LargestErrors {
    /// In units in the last place of the exact value rounded to single precision.
    ulp: f64,
    absolute: f64,
}

struct Dispatch<'a, F> {
    function: &'a F,
    x: &'a [f32],
}

impl<F: RowFunction> WithSimd for Dispatch<'_, F> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut out = vec![0.0; self.x.len()];
        self.function.apply(simd, self.x, &mut out);
        out
    }
}

/// Applies `function` to `x` at every available level, the scalar one first.
fn at_every_level(function: &impl RowFunction, x: &[f32]) -> Vec<(Level, Vec<f32>)> {
    let apply = |level: Level| (level, level.dispatch(Dispatch { function, x }));
    Level::available().map(apply).collect()
}

/// Returns the distance from `|exact|`, rounded, to the next larger single-precision number.
fn ulp(exact: f64) -> f64 {
    let rounded = (exact as f32).abs().max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(rounded.to_bits() + 1)) - f64::from(rounded)
}

/// Returns the largest errors of `function` over `x` at every available level.
fn largest_errors(
    function: &impl RowFunction,
    x: &[f32],
    exact: impl Fn(f64) -> f64,
) -> Vec<(Level, LargestErrors)> {
    let exact: Vec<f64> = x.iter().map(|&x| exact(f64::from(x))).collect();
    let results = at_every_level(function, x).into_iter();
    let measure = |found: Vec<f32>| {
        let mut largest = LargestErrors::default();
        for (&found, &exact) in found.iter().zip(&exact) {
            let error = (f64::from(found) - exact).abs();
            largest.absolute = largest.absolute.max(error);
            largest.ulp = largest.ulp.max(error / ulp(exact));
        }
        largest
    };
    results
        .map(|(level, found)| (level, measure(found)))
        .collect()
}

/// Returns about 2²⁰ values from `low` to `high`: evenly spaced values, and evenly spaced bit patterns, which are dense near zero.
fn sweep(low: f32, high: f32) -> Vec<f32> {
    const COUNT: u32 = 1 << 19;
    let even = (0..=COUNT).map(|i| low + (high - low) * (i as f32 / COUNT as f32));
    let patterns = |end: f32| {
        let step = (end.abs().to_bits() / COUNT).max(1) as usize;
        let bits = (0..=end.abs().to_bits()).step_by(step);
        bits.map(move |bits| f32::from_bits(bits).copysign(end))
    };
    let dense_near_zero = patterns(low).chain(patterns(high));
    even.chain(dense_near_zero)
        .filter(|x| (low..=high).contains(x))
        .collect()
}

macro_rules! row_function {
    ($name:ident, $function:expr) => {
        struct $name;
        impl RowFunction for $name {
            #[inline(always)]
            fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = $function(simd, x);
                }
            }
        }
    };
}

row_function!(Exp, f32::exp_below_zero);
row_function!(ExpM1, f32::exp_m1_below_zero);
row_function!(Ln1p, f32::ln_1p_below_one);
row_function!(Tanh, f32::hyperbolic_tangent);
row_function!(Gaussian, f32::gaussian);

struct Sine;
impl RowFunction for Sine {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        f32::sin_slice(simd, 1.0, x, out);
    }
}

#[inline(always)]
fn unscaled(out: &mut [f32]) -> Scaled<'_, f32> {
    Scaled { factor: 1.0, out }
}

struct SineOfPair;
impl RowFunction for SineOfPair {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        let mut cosine = vec![0.0; x.len()];
        f32::sin_cos_slice(simd, 1.0, x, unscaled(out), unscaled(&mut cosine));
    }
}

struct CosineOfPair;
impl RowFunction for CosineOfPair {
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        let mut sine = vec![0.0; x.len()];
        f32::sin_cos_slice(simd, 1.0, x, unscaled(&mut sine), unscaled(out));
    }
}

/// Asserts that the errors of `function` over `x` are at most `max_ulp` units in the last place at every level.
fn assert_ulp_errors_below(
    max_ulp: f64,
    function: &impl RowFunction,
    x: &[f32],
    exact: impl Fn(f64) -> f64,
) {
    for (level, errors) in largest_errors(function, x, exact) {
        assert!(
            errors.ulp <= max_ulp,
            "{level}: {errors:?}, above {max_ulp} ulp"
        );
    }
}

#[test]
fn exponentials_are_accurate_to_two_ulp_wherever_they_are_normal() {
    let normal = sweep(-87.33, 0.0);
    assert_ulp_errors_below(1.1, &Exp, &normal, f64::exp);
    let all = sweep(-200.0, 0.0);
    assert_ulp_errors_below(1.1, &ExpM1, &all, f64::exp_m1);
    let smallest = f64::from(f32::MIN_POSITIVE);
    for (_, found) in at_every_level(&Exp, &all) {
        let tail = all.iter().zip(&found).filter(|(x, _)| **x < -87.33);
        let mut wrong =
            tail.filter(|&(&x, &e)| (f64::from(e) - f64::from(x).exp()).abs() > smallest);
        assert_eq!(wrong.next(), None);
    }
    let not_flushed = sweep(-6.78, 6.78);
    assert_ulp_errors_below(1.6, &Gaussian, &not_flushed, |z| (-z * z).exp());
}

#[test]
fn the_logarithm_and_the_hyperbolic_tangent_are_accurate_to_three_ulp() {
    let unit = sweep(0.0, 1.0);
    assert_ulp_errors_below(2.1, &Ln1p, &unit, f64::ln_1p);
    let all = sweep(-30.0, 30.0);
    assert_ulp_errors_below(2.6, &Tanh, &all, f64::tanh);
}

/// Returns a sweep of `±limit`, and the floating-point values nearest to every multiple of π/2.
fn angles(limit: f32) -> Vec<f32> {
    let quarter = std::f64::consts::FRAC_PI_2;
    let quadrants = (f64::from(limit) / quarter) as i32;
    let zeros = (-quadrants..=quadrants).map(|n| (f64::from(n) * quarter) as f32);
    let near = zeros.flat_map(|zero| [zero.next_down(), zero, zero.next_up()]);
    sweep(-limit, limit).into_iter().chain(near).collect()
}

/// Without fused multiply-add the reduced angle loses a few digits. Near the zeros of the sine only the absolute error is then small.
#[test]
fn sine_and_cosine_are_accurate_to_two_ulp_or_one_ten_millionth() {
    for limit in [3.2, 100.0, 16_384.0] {
        let x = angles(limit);
        let check = |found: Vec<(Level, LargestErrors)>| {
            for (level, errors) in found {
                let max_ulp = if level == Level::Scalar {
                    f64::INFINITY
                } else {
                    1.6
                };
                let good = errors.ulp <= max_ulp && errors.absolute <= 1e-7;
                assert!(good, "{level}, up to {limit}: {errors:?}");
            }
        };
        check(largest_errors(&Sine, &x, f64::sin));
        check(largest_errors(&SineOfPair, &x, f64::sin));
        check(largest_errors(&CosineOfPair, &x, f64::cos));
    }
}

#[test]
fn sines_of_huge_and_non_finite_angles_equal_the_standard_library() {
    let x = [
        1e5_f32,
        -3e7,
        2e9,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    let check = |found: Vec<(Level, Vec<f32>)>, exact: fn(f32) -> f32| {
        for (level, found) in found {
            for (&x, &found) in x.iter().zip(&found) {
                let exact = exact(x);
                let good = (found - exact).abs() < 1e-6 || found.is_nan() && exact.is_nan();
                assert!(good, "{level}: {found} at {x}");
            }
        }
    };
    check(at_every_level(&Sine, &x), f32::sin);
    check(at_every_level(&SineOfPair, &x), f32::sin);
    check(at_every_level(&CosineOfPair, &x), f32::cos);
    // In a row without huge angles, NaN goes through the polynomial.
    for (level, found) in at_every_level(&Sine, &[f32::NAN]) {
        assert!(found[0].is_nan(), "{level}");
    }
}

#[test]
fn exponentials_have_the_right_limits_and_propagate_nan() {
    const X: [f32; 4] = [f32::NEG_INFINITY, -1e30, -0.0, f32::NAN];
    let assert_same = |found: Vec<(Level, Vec<f32>)>, expected: &[f32]| {
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
    assert_same(at_every_level(&Exp, &X), &[0.0, 0.0, 1.0, f32::NAN]);
    assert_same(at_every_level(&ExpM1, &X), &[-1.0, -1.0, 0.0, f32::NAN]);
    assert_same(at_every_level(&Gaussian, &X), &[0.0, 0.0, 1.0, f32::NAN]);
    assert_same(at_every_level(&Tanh, &X), &[-1.0, -1.0, -0.0, f32::NAN]);
    let positive = X.map(|x| -x);
    assert_same(at_every_level(&Tanh, &positive), &[1.0, 1.0, 0.0, f32::NAN]);
    assert_same(at_every_level(&Ln1p, &[0.0, f32::NAN]), &[0.0, f32::NAN]);
}

fn all_pointwise() -> Vec<Pointwise> {
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

/// Computes all derivatives that the passes need at a row of `z`: orders 0 to 2 for the forward pass, then 1 to 3 for the backward pass.
struct AllDerivatives<'a, T> {
    pointwise: Pointwise,
    z: &'a [T],
}

impl<T: Real> WithSimd for AllDerivatives<'_, T> {
    type Output = [Vec<T>; 6];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<T>; 6] {
        let Self { pointwise, z } = self;
        let mut rows = [(); 6].map(|()| vec![T::of(-7.0); z.len()]);
        let [a, b, c, d, e, f] = &mut rows;
        pointwise.derivatives(simd, z, 0, &mut [a, b, c]);
        pointwise.derivatives(simd, z, 1, &mut [d, e, f]);
        rows
    }
}

/// Returns the largest tested argument, smaller where the phase, and with it its rounding error, grows faster than the argument.
fn largest_argument(pointwise: Pointwise) -> f32 {
    match pointwise {
        Pointwise::Finer { .. } => 1.5,
        Pointwise::HyperbolicSine { .. } => 1.0,
        _ => 30.03,
    }
}

/// The tolerance: with ω = 3 no derivative of the sine exceeds 27, and the rounding error of `ωz`, at most 4e-6 for `ωz` up to 90, changes
/// none by more than 27 times that. The tolerance scales with the largest derivative.
#[test]
fn every_derivative_in_single_precision_agrees_with_double_precision() {
    for pointwise in all_pointwise() {
        let z: Vec<f32> = (-3003..=3003)
            .map(|i| i as f32 / 3003.0 * largest_argument(pointwise))
            .collect();
        let exact: Vec<f64> = z.iter().map(|&z| f64::from(z)).collect();
        let exact = Scalar.vectorize(AllDerivatives {
            pointwise,
            z: &exact,
        });
        for level in Level::available() {
            let rows = level.dispatch(AllDerivatives { pointwise, z: &z });
            for (index, (row, exact)) in rows.iter().zip(&exact).enumerate() {
                let largest = exact.iter().fold(27.0_f64, |most, x| most.max(x.abs()));
                for ((z, &found), exact) in z.iter().zip(row).zip(exact) {
                    let close = (f64::from(found) - exact).abs() < 1.2e-4 * largest / 27.0;
                    assert!(
                        close,
                        "{pointwise:?}, row {index}: got {found} at {z}, expected {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn activations_propagate_nan() {
    for pointwise in all_pointwise() {
        let z = &[f32::NAN; 37];
        let [value, ..] = Level::best().dispatch(AllDerivatives { pointwise, z });
        assert!(value.iter().all(|v| v.is_nan()), "{pointwise:?}");
    }
}
