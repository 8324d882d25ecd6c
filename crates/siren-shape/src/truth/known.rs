//! Surfaces that are known.

use rand_chacha::ChaCha8Rng;
use siren_core::Result;

use super::{MeshDistance, SignRule, at_each};
use crate::Vector;
use crate::geometry::{Mesh, PointCloud, Topology};
use crate::scene::Scene;

/// A surface that is known, so that a fit can be compared with it, and its distance can be fitted.
pub enum Truth {
    /// The embedded shape.
    Scene(Scene),
    /// A mesh with its distance.
    Mesh(Box<KnownMesh>),
}

/// A mesh with its distance.
pub struct KnownMesh {
    mesh: Mesh,
    topology: Topology,
    distance: MeshDistance,
}

impl Truth {
    /// Makes the truth of a mesh.
    ///
    /// # Errors
    /// As [`MeshDistance::new`].
    pub fn of_mesh(mesh: Mesh) -> Result<Self> {
        let topology = mesh.topology();
        let distance = MeshDistance::with_rule(&mesh, SignRule::of(&topology))?;
        Ok(Self::Mesh(Box::new(KnownMesh {
            mesh,
            topology,
            distance,
        })))
    }

    /// Returns whether triangles agree on their sides, as far as they have common edges.
    pub(crate) fn is_oriented(&self) -> bool {
        match self {
            Self::Scene(_) => true,
            Self::Mesh(known) => {
                known.topology.misoriented_edges == 0 && known.topology.non_manifold_edges == 0
            }
        }
    }

    /// Returns the signed distances `(n,)` at positions `(n, 3)`, negative inside.
    #[must_use]
    pub fn signed_distances(&self, positions: &[Vector]) -> Vec<f64> {
        match self {
            Self::Scene(scene) => at_each(positions, |p| scene.signed_distance(p)),
            Self::Mesh(known) => known.distance.signed_distances(positions),
        }
    }

    /// Draws points, uniformly by area, with normals.
    #[must_use]
    pub fn sample(&self, count: usize, rng: &mut ChaCha8Rng) -> PointCloud {
        match self {
            Self::Scene(scene) => scene.sample(count, rng),
            Self::Mesh(known) => known.mesh.sample(count, rng),
        }
    }

    /// Returns remarks on a mesh whose inside is not certain.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let Self::Mesh(known) = self else {
            return Vec::new();
        };
        if known.distance.sign_rule() == SignRule::PseudoNormals {
            return Vec::new();
        }
        let topology = &known.topology;
        let branches = topology.non_manifold_edges + topology.non_manifold_vertices;
        let open = format!(
            "note: the mesh is not a closed surface ({} boundary edges, {branches} edges and vertices where it branches): its inside is where \
             the generalized winding number is at least ½",
            topology.boundary_edges,
        );
        let is_open = topology.boundary_edges + branches > 0;
        let mixed = format!(
            "warning: the triangles on both sides of {} edges of the mesh disagree about the outside: inside and normals are wrong there; make \
             them agree first, for example with MeshLab's “Re-Orient all faces coherently”",
            topology.misoriented_edges
        );
        let remarks = is_open.then_some(open).into_iter();
        remarks
            .chain((topology.misoriented_edges > 0).then_some(mixed))
            .collect()
    }
}
