//! Hidden layers without an activation.

use siren_kernel::network::{Chunk, GradientSum, Order, Packed, Plan, Workspace};
use siren_kernel::{Level, Pointwise, Real};

/// Returns the gradient of `3 (2 x + 1) + 5` with respect to its four parameters.
fn gradient<T: Real>(level: Level) -> Vec<f64> {
    let plan = Plan::dense(1, &[1, 1], Pointwise::Linear);
    let params = [2.0, 1.0, 3.0, 5.0].map(T::of);
    let packed = Packed::new(level, &plan, &params);
    let coords = [T::of(0.5)];
    let chunk = Chunk {
        plan: &plan,
        order: &Order::Value,
        coords: &coords,
        params: &params,
        packed: &packed,
        level,
    };
    let (mut workspace, mut jets) = (Workspace::default(), [T::of(0.0)]);
    chunk.forward(&mut jets, &mut workspace);
    assert_eq!(jets, [T::of(11.0)]);
    let mut sum = GradientSum::zero(&plan, None);
    chunk.backward(&[T::of(1.0)], &mut workspace, &mut sum);
    sum.flat(&plan).iter().map(|x| x.to_double()).collect()
}

#[test]
fn the_gradient_passes_through_a_hidden_layer_without_an_activation() {
    for level in Level::available() {
        assert_eq!(gradient::<f32>(level), [1.5, 3.0, 2.0, 1.0], "{level}");
    }
    assert_eq!(gradient::<f64>(Level::Scalar), [1.5, 3.0, 2.0, 1.0]);
}
