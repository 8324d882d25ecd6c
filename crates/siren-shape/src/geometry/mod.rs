//! Points and meshes: files of them, samples, and checks.

mod array;
mod assemble;
mod bounds;
mod check;
mod cloud;
mod collect;
mod equal;
mod glb;
#[cfg(feature = "las")]
mod las;
mod lines;
mod obj;
mod open;
mod ply;
mod polygon;
mod sample;
mod save;
mod stl;
#[cfg(test)]
mod tests;
mod text;
mod topology;
pub(crate) mod vector;

pub use self::bounds::Bounds;
pub use self::topology::Topology;

/// A position or a direction in space: x, y, z.
pub type Vector = [f64; 3];

/// Points of a surface, in the units of the user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointCloud {
    /// Positions, `n` of them.
    pub points: Vec<Vector>,
    /// Outward normals of length 1, `n` of them, if they are known.
    pub normals: Option<Vec<Vector>>,
}

/// A surface of triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// Corners of the triangles.
    pub vertices: Vec<Vector>,
    /// Triangles by the indices of their corners, counterclockwise from outside.
    pub faces: Vec<[u32; 3]>,
    /// Outward normals of length 1 at the vertices, if they are known.
    pub normals: Option<Vec<Vector>>,
}

/// What a file of points or triangles holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    /// Points without triangles.
    Points(PointCloud),
    /// Triangles.
    Mesh(Mesh),
}
