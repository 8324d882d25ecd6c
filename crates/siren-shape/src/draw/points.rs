//! Pictures of point clouds.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::num::NonZero;

use image::RgbImage;
use kiddo::{ImmutableKdTree, SquaredEuclidean};
use nalgebra::Vector3;
use rayon::prelude::*;

use super::light::{self, Surface};
use super::palette::linear_from_srgb;
use super::shade::{BACK, FRONT, side_by_side};
use super::view::{ScreenPoints, project};
use super::visible::{Disk, VisibilityBuffer};
use super::{Color, mix};
use crate::geometry::PointCloud;
use crate::geometry::vector::is_finite;

/// Rows and columns of samples in a pixel.
const SUPERSAMPLING: usize = 3;
/// Number of points that are drawn; more do not change a picture.
const MOST_POINTS: usize = 1_000_000;
/// A point and its nearest neighbors, whose distance is the spacing of the points around it.
const NEIGHBORHOOD: NonZero<usize> = NonZero::new(9).unwrap();
/// Radius of disks, which close the surface, and of balls, which remain apart, in units of the spacing.
const DISK_RADIUS: f32 = 0.68;
const BALL_RADIUS: f32 = 0.5;
/// Component toward the viewer of normals that clearly point away.
const OUTLINE: f32 = -0.3;
/// sRGB colors of points without normals, near and far.
const NEAR: Color = [0.58, 0.58, 0.59];
const FAR: Color = [0.84, 0.84, 0.85];

/// Draws the points from the front (+z) and from behind, y up, side by side. Each view has `size` × `size` pixels.
///
/// Points with normals are drawn as disks that are shaded like a surface, orange if their normals clearly point away from the viewer. Points
/// without normals are small gray balls, lighter the farther away they are. The radii follow the distances of neighbors, within limits.
/// Points that are not finite are left out, and only every `k`th of more than a million points is drawn.
pub(crate) fn cloud_views(cloud: &PointCloud, size: u32) -> RgbImage {
    let cloud = thinned(cloud);
    let side = size as usize * SUPERSAMPLING;
    let views = project(&cloud.points, side).map(|[front, behind]| {
        // The same from all sides.
        let spacings = spacings(&front, side);
        let draw = |projection: &ScreenPoints| {
            let view = CloudView {
                cloud: &cloud,
                projection,
                spacings: &spacings,
            };
            view.draw(side)
        };
        let (front, behind) = rayon::join(|| draw(&front), || draw(&behind));
        [front, behind]
    });
    side_by_side(views, size)
}

/// Returns at most [`MOST_POINTS`] points at equal distances in the list.
fn thinned(cloud: &PointCloud) -> Cow<'_, PointCloud> {
    let stride = cloud.points.len().div_ceil(MOST_POINTS);
    if stride <= 1 {
        return Cow::Borrowed(cloud);
    }
    let normals = cloud.normals.as_ref();
    Cow::Owned(PointCloud {
        points: cloud.points.iter().step_by(stride).copied().collect(),
        normals: normals.map(|normals| normals.iter().step_by(stride).copied().collect()),
    })
}

/// Returns the distance of every point from the farthest of its nearest neighbors at other places, in samples, from the width of a pixel
/// to a share of the picture.
fn spacings(projection: &ScreenPoints, side: usize) -> Vec<f32> {
    let least = SUPERSAMPLING as f32;
    let most = (side as f32 / 32.0).max(least);
    let positions: Vec<[f64; 3]> = projection
        .positions
        .par_iter()
        .map(|p| p.map(f64::from))
        .collect();
    let finite = positions.par_iter().filter(|&&p| is_finite(p));
    let mut places: Vec<_> = finite.copied().collect();
    // Points are often repeated, once for every triangle of a mesh.
    places.par_sort_unstable_by(|p, q| p.partial_cmp(q).unwrap_or(Ordering::Equal));
    places.dedup();
    let Ok(tree) = ImmutableKdTree::<f64, 3>::new_from_slice(&places) else {
        return vec![most; positions.len()];
    };
    let spacing = |p: &[f64; 3]| {
        if !is_finite(*p) || places.len() < NEIGHBORHOOD.get() {
            return most;
        }
        let search = tree.query(p);
        let found = search
            .nearest_n::<SquaredEuclidean<f64>>(NEIGHBORHOOD)
            .execute();
        let distances = found.iter().map(|item| item.distance.sqrt() as f32);
        distances.fold(0.0, f32::max).clamp(least, most)
    };
    positions.par_iter().map(spacing).collect()
}

/// A point cloud as seen from one side.
struct CloudView<'a> {
    cloud: &'a PointCloud,
    projection: &'a ScreenPoints,
    spacings: &'a [f32],
}

impl CloudView<'_> {
    fn draw(&self, side: usize) -> RgbImage {
        let mut visible = VisibilityBuffer::new(side);
        let points = self.projection.positions.iter().zip(self.spacings);
        for (index, (&position, &spacing)) in (0..u32::MAX).zip(points) {
            match self.normal(index as usize) {
                Some(normal) => {
                    let radius = DISK_RADIUS * spacing;
                    visible.draw_disk(index, position, &Disk { normal, radius });
                }
                None => visible.draw_ball(index, position, BALL_RADIUS * spacing),
            }
        }
        light::render(&visible, SUPERSAMPLING, |point, row, column| {
            self.surface(point, [column as f32 + 0.5, row as f32 + 0.5], side)
        })
    }

    /// Returns a point's normal, of length 1: right, up, toward the viewer. `None` if it is missing, not finite or 0.
    fn normal(&self, point: usize) -> Option<Vector3<f32>> {
        let normal = *self.cloud.normals.as_ref()?.get(point)?;
        let normal = self.projection.viewpoint.components(normal).cast::<f32>();
        let normal = normal.try_normalize(0.0)?;
        normal.iter().all(|x| x.is_finite()).then_some(normal)
    }

    /// Returns color and normal of a point at a place in the picture.
    fn surface(&self, point: usize, place: [f32; 2], side: usize) -> Surface {
        if let Some(normal) = self.normal(point) {
            // Disks at the outline that just turn away stick out beside the surface.
            let color = if normal.z > OUTLINE { FRONT } else { BACK };
            return Surface {
                albedo: linear_from_srgb(color),
                normal: if normal.z >= 0.0 { normal } else { -normal },
            };
        }
        let [x, y, z] = self
            .projection
            .positions
            .get(point)
            .copied()
            .unwrap_or_default();
        let radius = BALL_RADIUS * self.spacings.get(point).copied().unwrap_or_default();
        // Turned toward the viewer, since balls of full depth look like noise.
        let normal = Vector3::new(place[0] - x, y - place[1], 1.5 * radius);
        Surface {
            albedo: linear_from_srgb(mix(FAR, NEAR, 0.5 + z / side as f32)),
            normal: normal.try_normalize(0.0).unwrap_or_else(Vector3::z),
        }
    }
}
