//! Parts and unions of clouds.

use super::PointCloud;

impl PointCloud {
    /// Returns the points whose indices `keep` accepts, in order.
    pub(crate) fn filtered(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.points.len())
            .filter(|&index| keep(index))
            .collect();
        Self {
            points: kept.iter().map(|&index| self.points[index]).collect(),
            normals: self
                .normals
                .as_ref()
                .map(|normals| kept.iter().map(|&index| normals[index]).collect()),
        }
    }

    /// Returns every second, third and so on of the points, at least `count` of them, or all if there are fewer than `2 count`.
    pub(crate) fn thinned(&self, count: usize) -> Self {
        let step = (self.points.len() / count).max(1);
        self.filtered(|index| index.is_multiple_of(step))
    }

    /// Returns the points of both; normals if both have them.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let normals = self.normals.as_ref().zip(other.normals.as_ref());
        Self {
            points: [self.points.as_slice(), &other.points].concat(),
            normals: normals.map(|(own, others)| [own.as_slice(), others].concat()),
        }
    }
}
