//! Shaded pictures of meshes.

use image::{RgbImage, imageops};
use nalgebra::Vector3;

use super::Color;
use super::bar;
use super::light::{self, Surface};
use super::palette::{ColorMap, linear_from_srgb};
use super::view::{ScreenPoints, project};
use super::visible::{Triangle, VisibilityBuffer};
use crate::geometry::{Mesh, Vector};

/// Rows and columns of samples in a pixel.
const SUPERSAMPLING: usize = 3;
/// sRGB color of the outside of a surface.
pub(super) const FRONT: Color = [0.76, 0.81, 0.88];
/// sRGB color of the inside, which is seen through holes or if triangles have the wrong orientation.
pub(super) const BACK: Color = [0.96, 0.50, 0.24];
/// The inside of a painted surface, in a color that no map has.
const PAINTED_BACK: Color = [0.45, 0.62, 0.32];

/// Values at the vertices and their colors.
pub(crate) struct Paint<'a> {
    /// One value a vertex. A missing or non-finite value is gray.
    pub(crate) values: &'a [f32],
    /// Colors of the values.
    pub(crate) map: ColorMap,
}

/// Draws the mesh from the front (+z) and from behind, y up, side by side. Each view has `size` × `size` pixels.
///
/// Surfaces are shaded with the normals of the vertices, or of the faces if the vertices have none. The back of a face is orange.
/// Faces with a corner that is not finite, or that does not exist, are left out.
pub(crate) fn two_views(mesh: &Mesh, size: u32) -> RgbImage {
    side_by_side(mesh_views(mesh, size, None), size)
}

/// Draws the mesh as [`two_views`] does, in the colors of values at the vertices, with a color bar at the right. The back of a face is
/// green.
pub(crate) fn painted_views(mesh: &Mesh, size: u32, paint: &Paint) -> RgbImage {
    let views = side_by_side(mesh_views(mesh, size, Some(paint)), size);
    bar::with_color_bar(&views, paint.map)
}

/// Places two views side by side. Without views, the picture shows the background.
pub(super) fn side_by_side(views: Option<[RgbImage; 2]>, size: u32) -> RgbImage {
    let empty = || {
        light::render(&VisibilityBuffer::new(size as usize), 1, |_, _, _| {
            Surface {
                albedo: FRONT,
                normal: Vector3::z(),
            }
        })
    };
    let [front, behind] = views.unwrap_or_else(|| [empty(), empty()]);
    let mut picture = RgbImage::new(2 * size, size);
    imageops::replace(&mut picture, &front, 0, 0);
    imageops::replace(&mut picture, &behind, i64::from(size), 0);
    picture
}

fn mesh_views(mesh: &Mesh, size: u32, paint: Option<&Paint>) -> Option<[RgbImage; 2]> {
    let side = size as usize * SUPERSAMPLING;
    let [front, behind] = project(&mesh.vertices, side)?;
    let draw = |projection: &ScreenPoints| {
        let view = MeshView {
            mesh,
            projection,
            paint,
        };
        light::render(&view.visible(side), SUPERSAMPLING, |face, row, column| {
            view.surface(face, row, column)
        })
    };
    let (front, behind) = rayon::join(|| draw(&front), || draw(&behind));
    Some([front, behind])
}

/// A mesh as seen from one side.
struct MeshView<'a> {
    mesh: &'a Mesh,
    projection: &'a ScreenPoints,
    paint: Option<&'a Paint<'a>>,
}

impl MeshView<'_> {
    fn visible(&self, side: usize) -> VisibilityBuffer {
        let mut visible = VisibilityBuffer::new(side);
        for (index, face) in self.mesh.faces.iter().enumerate() {
            if let (Ok(index), Some(corners)) = (u32::try_from(index), self.corners(face)) {
                visible.draw_triangle(index, corners);
            }
        }
        visible
    }

    /// Returns the corners on the screen, if they exist.
    fn corners(&self, face: &[u32; 3]) -> Option<[[f32; 3]; 3]> {
        let corner = |k: usize| self.projection.positions.get(face[k] as usize).copied();
        Some([corner(0)?, corner(1)?, corner(2)?])
    }

    /// Returns color and normal of a face at a pixel.
    fn surface(&self, face: usize, row: usize, column: usize) -> Surface {
        let nothing = Surface {
            albedo: FRONT,
            normal: Vector3::z(),
        };
        let Some(face) = self.mesh.faces.get(face) else {
            return nothing;
        };
        let Some(corners) = self.corners(face) else {
            return nothing;
        };
        let Some(triangle) = Triangle::new(corners) else {
            return nothing;
        };
        let weights = triangle.weights(row, column);
        let flat = flat_normal(corners);
        let is_front = flat.z > 0.0;
        let outward = self.smooth_normal(face, weights).unwrap_or(flat);
        let normal = if is_front { outward } else { -outward };
        Surface {
            albedo: linear_from_srgb(self.color(face, weights, is_front)),
            normal: normal.cast(),
        }
    }

    /// Interpolates the normals of the corners. Returns `None` if one is missing or not finite, or if they cancel.
    fn smooth_normal(&self, face: &[u32; 3], weights: [f64; 3]) -> Option<Vector3<f64>> {
        let normals: &[Vector] = self.mesh.normals.as_ref()?;
        let mut sum = Vector3::zeros();
        for (&corner, weight) in face.iter().zip(weights) {
            let normal = *normals.get(corner as usize)?;
            sum += self.projection.viewpoint.components(normal) * weight;
        }
        let length = sum.norm();
        (length.is_finite() && length > 0.0).then(|| sum / length)
    }

    fn color(&self, face: &[u32; 3], weights: [f64; 3], is_front: bool) -> Color {
        match (self.paint, is_front) {
            (None, true) => FRONT,
            (None, false) => BACK,
            (Some(_), false) => PAINTED_BACK,
            (Some(paint), true) => {
                let value = |&corner: &u32| {
                    let value = paint.values.get(corner as usize).copied();
                    f64::from(value.unwrap_or(f32::NAN))
                };
                let terms = face.iter().map(value).zip(weights);
                let value: f64 = terms.map(|(value, weight)| value * weight).sum();
                paint.map.color(value as f32)
            }
        }
    }
}

/// Returns the normal of a triangle that is counterclockwise from outside: right, up, toward the viewer.
fn flat_normal(corners: [[f32; 3]; 3]) -> Vector3<f64> {
    // Rows grow downward.
    let [a, b, c] = corners.map(|[x, y, z]| Vector3::new(x, -y, z).cast::<f64>());
    let normal = (b - a).cross(&(c - a));
    normal.try_normalize(0.0).unwrap_or_else(Vector3::z)
}
