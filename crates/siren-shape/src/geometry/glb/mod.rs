//! Meshes in binary glTF files (`.glb`).

mod accessor;
mod transform;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use gltf::mesh::Mode;
use gltf::{Document, Gltf, Node, Primitive};
use siren_core::{Error, Result};

use self::accessor::{read_indices, read_vectors};
use self::transform::Transform;
use super::Geometry;
use super::assemble::RawMesh;
use super::collect::{FileNormals, check_position};

/// First bytes of the binary form.
const MAGIC: &[u8] = b"glTF";

/// Bytes before the first chunk.
const HEADER: u32 = 12;

/// Reads the triangles of all nodes of the default scene (the first one if none is the default), with the nodes' transforms, as one mesh.
/// Points and lines, materials, skins and morph targets are ignored.
///
/// # Errors
/// [`Error::Signal`] for a file that is damaged, or whose data are elsewhere or compressed; [`Error::Io`].
pub(super) fn read(path: &Path, normals: FileNormals, notes: &mut Vec<String>) -> Result<Geometry> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let fail = |message: String| Error::signal(path, message);
    let len = bytes.get(8..).and_then(<[u8]>::first_chunk);
    let len = len.map_or(0, |&len| u32::from_le_bytes(len));
    // The parser subtracts the header's length without a check.
    if !bytes.starts_with(MAGIC) || len < HEADER {
        return Err(fail(
            "is no binary glTF file, or is cut short: copy it again, or export it as .glb"
                .to_owned(),
        ));
    }
    let file = parse(&bytes).map_err(fail)?;
    drop(bytes);
    let scene = Scene {
        blob: file.blob.as_deref().unwrap_or_default(),
        mesh: RawMesh {
            place: "triangle",
            ..RawMesh::default()
        },
        starts: HashMap::new(),
        skipped: 0,
        has_normals: true,
    };
    let mesh = scene.read(&file).map_err(fail)?;
    if mesh.skipped > 0 {
        notes.push(format!(
            "{}: ignored {} primitives that are points or lines",
            path.display(),
            mesh.skipped
        ));
    }
    if mesh.mesh.vertices.is_empty() {
        return Err(fail("holds no triangles".to_owned()));
    }
    mesh.mesh.finish(path, normals, notes)
}

/// Parses a file and checks that all its indices are in range. The error is a message.
fn parse(bytes: &[u8]) -> Result<Gltf, String> {
    let describe = |error: gltf::Error| {
        format!("cannot be read as glTF, it is damaged or uses an unknown extension: {error}")
    };
    let Gltf { document, blob } = Gltf::from_slice_without_validation(bytes).map_err(describe)?;
    let json = document.into_json();
    // The library's own check of positions panics on an index that is out of range.
    let count = json.accessors.len();
    let primitives = json.meshes.iter().flat_map(|mesh| &mesh.primitives);
    let mut accessors = primitives.flat_map(|primitive| primitive.attributes.values());
    if let Some(index) = accessors.find(|index| index.value() >= count) {
        return Err(format!(
            "names accessor {} (counted from 0) of {count}: the file is damaged",
            index.value()
        ));
    }
    let document = Document::from_json(json).map_err(describe)?;
    Ok(Gltf { document, blob })
}

/// The vertices and triangles of the nodes so far. Errors of its methods are messages.
struct Scene<'a> {
    blob: &'a [u8],
    mesh: RawMesh,
    /// First vertex of the positions of a node, by the indices of node and accessor.
    starts: HashMap<(usize, usize), u32>,
    /// Number of primitives without triangles.
    skipped: usize,
    has_normals: bool,
}

impl Scene<'_> {
    /// Reads the nodes of a file.
    fn read(mut self, file: &Gltf) -> Result<Self, String> {
        let scene = file.default_scene().or_else(|| file.scenes().next());
        let roots: Vec<Node<'_>> = if let Some(scene) = scene {
            scene.nodes().collect()
        } else {
            let children = file.nodes().flat_map(|node| node.children());
            let children: HashSet<usize> = children.map(|child| child.index()).collect();
            file.nodes()
                .filter(|node| !children.contains(&node.index()))
                .collect()
        };
        let mut visited = HashSet::new();
        let mut waiting: Vec<(Node<'_>, Transform)> = roots
            .into_iter()
            .rev()
            .map(|root| (root, Transform::identity()))
            .collect();
        while let Some((node, parent)) = waiting.pop() {
            if !visited.insert(node.index()) {
                return Err(format!(
                    "node {} has two parents, expected a tree of nodes",
                    node.index()
                ));
            }
            let transform = parent.then(&node.transform().matrix());
            for primitive in node.mesh().iter().flat_map(gltf::Mesh::primitives) {
                self.read_primitive(&node, &primitive, &transform)
                    .map_err(|message| format!("node {}: {message}", node.index()))?;
            }
            let children: Vec<Node<'_>> = node.children().collect();
            waiting.extend(children.into_iter().rev().map(|child| (child, transform)));
        }
        if !self.has_normals {
            self.mesh.normals = None;
        }
        Ok(self)
    }

    fn read_primitive(
        &mut self,
        node: &Node<'_>,
        primitive: &Primitive<'_>,
        transform: &Transform,
    ) -> Result<(), String> {
        let triangle: fn(usize) -> [usize; 3] = match primitive.mode() {
            Mode::Triangles => |i| [3 * i, 3 * i + 1, 3 * i + 2],
            Mode::TriangleStrip => |i| [i, i + 1 + i % 2, i + 2 - i % 2],
            Mode::TriangleFan => |i| [i + 1, i + 2, 0],
            _ => {
                self.skipped += 1;
                return Ok(());
            }
        };
        let start = self.read_vertices(node, primitive, transform)?;
        let vertices = self.mesh.vertices.len() as u32 - start;
        let indices = match primitive.indices() {
            Some(accessor) => read_indices(&accessor, self.blob)?,
            None => (0..vertices).collect(),
        };
        let count = if primitive.mode() == Mode::Triangles {
            if !indices.len().is_multiple_of(3) {
                return Err(format!(
                    "has {} indices, expected a multiple of 3 for triangles",
                    indices.len()
                ));
            }
            indices.len() / 3
        } else {
            indices.len().saturating_sub(2)
        };
        if let Some(index) = indices.iter().find(|&&index| index >= vertices) {
            return Err(format!(
                "a triangle names vertex {index} (counted from 0) of {vertices}"
            ));
        }
        for index in 0..count {
            let [a, b, c] = triangle(index).map(|corner| start + indices[corner]);
            // A reflection turns triangles inside out.
            let corners = if transform.is_reflection() {
                [a, c, b]
            } else {
                [a, b, c]
            };
            self.mesh.polygons.push(&corners, index as u64);
        }
        Ok(())
    }

    /// Reads the vertices of a primitive, unless another primitive of the node has the same, and returns the index of the first one.
    fn read_vertices(
        &mut self,
        node: &Node<'_>,
        primitive: &Primitive<'_>,
        transform: &Transform,
    ) -> Result<u32, String> {
        let positions = primitive.get(&gltf::Semantic::Positions);
        let positions = positions.ok_or("has a primitive without positions")?;
        let key = (node.index(), positions.index());
        if let Some(&start) = self.starts.get(&key) {
            return Ok(start);
        }
        let start = self.mesh.vertices.len();
        let positions = read_vectors(&positions, self.blob)?;
        u32::try_from(start + positions.len()).map_err(|_| "has too many vertices".to_owned())?;
        for (&position, index) in positions.iter().zip(0..) {
            let turned = transform.point(position);
            // First the position of the file: a transformed one is NaN on all axes.
            check_position(position)
                .and_then(|()| check_position(turned))
                .map_err(|message| format!("vertex {index} (counted from 0): {message}"))?;
            self.mesh.vertices.push(turned);
        }
        if let Some(normals) = primitive.get(&gltf::Semantic::Normals) {
            let normals = read_vectors(&normals, self.blob)?;
            let turned = normals.iter().map(|&normal| transform.normal(normal));
            let all = self.mesh.normals.get_or_insert_default();
            all.extend(turned);
        }
        let normals = self.mesh.normals.as_ref().map_or(0, Vec::len);
        self.has_normals &= normals == self.mesh.vertices.len();
        self.starts.insert(key, start as u32);
        Ok(start as u32)
    }
}
