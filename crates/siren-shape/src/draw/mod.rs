//! Pictures: meshes and point clouds from two sides, and slices of scalar functions.

mod bar;
mod light;
mod palette;
mod points;
mod shade;
mod slices;
#[cfg(test)]
mod tests;
mod view;
mod visible;

pub(crate) use self::palette::ColorMap;
pub(crate) use self::points::cloud_views;
pub(crate) use self::shade::{Paint, painted_views, two_views};
pub(crate) use self::slices::{deviations_picture, slice_points, slices_picture};

/// Red, green and blue.
type Color = [f32; 3];

/// Returns `from + weight (to − from)`.
fn mix(from: Color, to: Color, weight: f32) -> Color {
    std::array::from_fn(|k| from[k] + weight * (to[k] - from[k]))
}
