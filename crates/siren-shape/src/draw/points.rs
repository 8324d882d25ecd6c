//! Pictures of point clouds.

use image::RgbImage;
use nalgebra::Vector3;

use super::light::{self, Surface};
use super::palette::linear_from_srgb;
use super::shade::{BACK, FRONT, side_by_side};
use super::view::{Projection, project};
use super::visible::VisibilityBuffer;
use super::{Color, mix};
use crate::geometry::PointCloud;

/// Rows and columns of samples in a pixel.
const SUPERSAMPLING: usize = 3;
/// sRGB colors of points without normals, near and far.
const NEAR: Color = [0.46, 0.46, 0.47];
const FAR: Color = [0.78, 0.78, 0.79];

/// Draws the points as small balls from the front (+z) and from behind, y up, side by side. Each view has `size` × `size` pixels.
///
/// Points with normals are shaded like a surface, orange if their normals point away from the viewer. Points without normals are gray,
/// lighter the farther away they are. Points that are not finite are left out.
pub(crate) fn cloud_views(cloud: &PointCloud, size: u32) -> RgbImage {
    let side = size as usize * SUPERSAMPLING;
    let radius = SUPERSAMPLING as f32 * ball_radius(cloud.points.len(), size);
    let views = project(&cloud.points, side).map(|[front, behind]| {
        let draw = |projection: &Projection| draw_view(cloud, projection, side, radius);
        let (front, behind) = rayon::join(|| draw(&front), || draw(&behind));
        [front, behind]
    });
    side_by_side(views, size)
}

/// Returns a radius in pixels at which evenly distributed points cover a surface, within limits.
fn ball_radius(count: usize, size: u32) -> f32 {
    let size = size as f32;
    (0.75 * size / (count.max(1) as f32).sqrt()).clamp(0.75, (size / 70.0).max(0.75))
}

fn draw_view(cloud: &PointCloud, projection: &Projection, side: usize, radius: f32) -> RgbImage {
    let mut visible = VisibilityBuffer::new(side);
    for (index, &position) in (0..u32::MAX).zip(&projection.positions) {
        visible.draw_ball(index, position, radius);
    }
    light::render(&visible, SUPERSAMPLING, |point, row, column| {
        let position = projection.positions.get(point).copied().unwrap_or_default();
        let normal = cloud.normals.as_ref().and_then(|normals| normals.get(point));
        let normal = normal.and_then(|&n| projection.viewpoint.components(n).try_normalize(0.0));
        match normal.filter(|n| n.iter().all(|x| x.is_finite())) {
            Some(normal) => {
                let (color, sign) = if normal.z >= 0.0 { (FRONT, 1.0) } else { (BACK, -1.0) };
                Surface {
                    albedo: linear_from_srgb(color),
                    normal: (normal * sign).cast(),
                }
            }
            None => Surface {
                albedo: linear_from_srgb(mix(FAR, NEAR, 0.5 + position[2] / side as f32)),
                normal: ball_normal(position, radius, row, column),
            },
        }
    })
}

/// Returns the normal of a ball at a pixel, turned toward the viewer, since a ball of full depth looks like noise.
fn ball_normal(center: [f32; 3], radius: f32, row: usize, column: usize) -> Vector3<f32> {
    let dx = column as f32 + 0.5 - center[0];
    let dy = row as f32 + 0.5 - center[1];
    Vector3::new(dx, -dy, 1.2 * radius).normalize()
}
