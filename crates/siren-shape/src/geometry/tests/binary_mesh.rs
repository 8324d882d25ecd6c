//! Meshes in binary files: PLY, STL, glTF.

use super::super::{Geometry, Mesh};
use super::{Opened, mesh, points, refusal, tetrahedron};

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Returns a tetrahedron as a binary PLY file with faces of different lengths of lists.
fn ply(is_big_endian: bool) -> Vec<u8> {
    let order = if is_big_endian { "big" } else { "little" };
    let mut bytes = format!(
        "ply\nformat binary_{order}_endian 1.0\nelement vertex 4\nproperty float x\nproperty short y\nproperty double z\n\
         property uchar skipped\nelement face 4\nproperty list ushort uint vertex_indices\nend_header\n"
    )
    .into_bytes();
    let mut push = |mut value: Vec<u8>| {
        if is_big_endian {
            value.reverse();
        }
        bytes.extend(value);
    };
    for [x, y, z] in tetrahedron().vertices {
        push((x as f32).to_le_bytes().to_vec());
        push((y as i16).to_le_bytes().to_vec());
        push(z.to_le_bytes().to_vec());
        push(vec![200]);
    }
    for face in tetrahedron().faces {
        push(3_u16.to_le_bytes().to_vec());
        for corner in face {
            push(corner.to_le_bytes().to_vec());
        }
    }
    bytes
}

#[test]
fn binary_ply_files_of_both_byte_orders_are_read() {
    for is_big_endian in [false, true] {
        let (mesh, notes) = mesh("a.ply", ply(is_big_endian));
        assert_eq!(mesh, tetrahedron());
        assert!(notes.is_empty());
    }
}

#[test]
fn a_binary_ply_file_that_is_cut_short_or_too_long_is_refused() {
    let whole = ply(false);
    let message = refusal("a.ply", &whole[..whole.len() - 1]);
    let words = "`vertex_indices` of `face` 3 (counted from 0): the file ends within it";
    assert!(message.contains(words), "{message}");
    let longer = [whole.as_slice(), &[1, 2, 3]].concat();
    assert!(refusal("a.ply", longer).contains("bytes after the last element"));
    let padded = [whole.as_slice(), b"\r\n"].concat();
    assert_eq!(mesh("a.ply", padded).0, tetrahedron());
}

/// Returns a tetrahedron as a binary STL file whose comment starts with `solid`.
fn stl() -> Vec<u8> {
    let mut bytes = b"solid of a program that does not know better".to_vec();
    bytes.resize(80, b' ');
    bytes.extend(4_u32.to_le_bytes());
    let Mesh {
        vertices, faces, ..
    } = tetrahedron();
    for face in faces {
        bytes.extend(floats(&[0.0; 3]));
        for corner in face {
            bytes.extend(floats(&vertices[corner as usize].map(|c| c as f32)));
        }
        bytes.extend([0, 0]);
    }
    bytes
}

#[test]
fn a_binary_stl_file_is_read_with_shared_vertices() {
    let (mesh, notes) = mesh("a.stl", stl());
    assert_eq!((mesh.vertices.len(), mesh.faces.len()), (4, 4));
    assert!((mesh.area() - tetrahedron().area()).abs() < 1e-12);
    assert_eq!(
        notes,
        ["a.stl: joined 8 of 12 vertices with others at the same position"]
    );
    let padded = [stl(), vec![0; 7]].concat();
    let mut opened = Opened::new("a.stl", [b"x".as_slice(), &padded[1..]].concat());
    assert_eq!(opened.open().unwrap(), Geometry::Mesh(mesh));
    assert!(opened.notes()[0].contains("ignored 7 bytes after the last of 4"));
}

#[test]
fn a_binary_stl_file_that_is_damaged_is_refused() {
    let mut bytes = stl();
    bytes[0] = b'x';
    let short = refusal("a.stl", &bytes[..bytes.len() - 1]);
    assert!(
        short.contains("claims 4 triangles, which take 284 bytes, but holds 283"),
        "{short}"
    );
    assert!(refusal("a.stl", "hello").contains("no STL file"));
    bytes[84 + 50 + 12..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let message = refusal("a.stl", bytes);
    assert!(
        message.contains("triangle 1 (counted from 0): x is NaN"),
        "{message}"
    );
}

/// Returns a binary glTF file of a JSON text and a buffer.
fn glb(json: &str, buffer: &[u8]) -> Vec<u8> {
    let mut json = json.as_bytes().to_vec();
    json.resize(json.len().next_multiple_of(4), b' ');
    let mut buffer = buffer.to_vec();
    buffer.resize(buffer.len().next_multiple_of(4), 0);
    let len = |len: usize| (len as u32).to_le_bytes();
    let mut bytes = b"glTF\x02\0\0\0".to_vec();
    bytes.extend(len(12 + 8 + json.len() + 8 + buffer.len()));
    bytes.extend(len(json.len()));
    bytes.extend(b"JSON");
    bytes.extend(json);
    bytes.extend(len(buffer.len()));
    bytes.extend(b"BIN\0");
    bytes.extend(buffer);
    bytes
}

/// A right triangle in z = 0 with normals and 16-bit indices. `NODES` and `MODE` are replaced by tests.
const SCENE: &str = r#"{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": NODES,
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "mode": MODE}]}],
    "buffers": [{"byteLength": 80}], "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 36},
    {"buffer": 0, "byteOffset": 72, "byteLength": 6}],
    "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [1, 2, 0]},
    {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC3"},
    {"bufferView": 2, "componentType": 5123, "count": 3, "type": "SCALAR"}]}"#;

fn buffer() -> Vec<u8> {
    let positions = floats(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    let normals = floats(&[0.0, 0.0, 5.0, 0.0, 0.0, 5.0, 0.0, 0.0, 5.0]);
    let indices: Vec<u8> = [0_u16, 1, 2].iter().flat_map(|i| i.to_le_bytes()).collect();
    [positions, normals, indices].concat()
}

fn scene(nodes: &str, mode: &str) -> Vec<u8> {
    glb(
        &SCENE.replace("NODES", nodes).replace("MODE", mode),
        &buffer(),
    )
}

#[test]
fn nodes_of_a_glb_file_are_joined_with_their_transforms() {
    // The child is moved in the parent's frame, which is scaled by 2; the other child is reflected in x.
    let nodes = r#"[{"children": [1, 2], "scale": [2, 2, 2]}, {"mesh": 0, "translation": [0, 0, 5]}, {"mesh": 0, "scale": [-1, 1, 1]}]"#;
    for mode in ["4", "5", "6"] {
        let (mesh, notes) = mesh("a.glb", scene(nodes, mode));
        assert_eq!(
            mesh.vertices,
            [
                [0.0, 0.0, 10.0],
                [2.0, 0.0, 10.0],
                [0.0, 4.0, 10.0],
                [0.0, 0.0, 0.0],
                [-2.0, 0.0, 0.0],
                [0.0, 4.0, 0.0]
            ]
        );
        assert_eq!(mesh.normals, Some(vec![[0.0, 0.0, 1.0]; 6]));
        // Both triangles are counterclockwise from above.
        let area = |[a, b, c]: [u32; 3]| {
            let [a, b, c] = [a, b, c].map(|index| mesh.vertices[index as usize]);
            (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        };
        assert_eq!(
            mesh.faces.iter().map(|&f| area(f)).collect::<Vec<_>>(),
            [8.0; 2]
        );
        assert!(notes.is_empty(), "{notes:?}");
    }
    let without_scene = SCENE.replace(r#""scene": 0, "scenes": [{"nodes": [0]}], "#, "");
    let json = without_scene.replace("NODES", nodes).replace("MODE", "4");
    assert_eq!(mesh("a.glb", glb(&json, &buffer())).0.faces.len(), 2);
}

#[test]
fn a_glb_file_that_is_damaged_or_keeps_its_data_elsewhere_is_refused() {
    let node = r#"[{"mesh": 0}]"#;
    let json = SCENE.replace("NODES", node).replace("MODE", "4");
    for (from, to, words) in [
        (
            "\"byteOffset\": 72",
            "\"byteOffset\": 79",
            "reaches beyond the embedded buffer",
        ),
        (
            "\"byteOffset\": 36",
            "\"byteOffset\": 18446744073709551615",
            "reaches beyond",
        ),
        (
            "\"count\": 3, \"type\": \"SCALAR\"",
            "\"count\": 4, \"type\": \"SCALAR\"",
            "reaches beyond",
        ),
        (
            "5126, \"count\": 3, \"type\": \"VEC3\", \"min\"",
            "5123, \"count\": 3, \"type\": \"VEC3\", \"min\"",
            "without quantization",
        ),
        (
            "{\"byteLength\": 80}",
            "{\"byteLength\": 80, \"uri\": \"a.bin\"}",
            "as a single .glb",
        ),
        ("\"mode\": 4", "\"mode\": 0", "holds no triangles"),
        (
            "[{\"mesh\": 0}]",
            "[{\"mesh\": 0, \"children\": [0]}]",
            "node 0 has two parents",
        ),
        ("{\"nodes\": [0]}", "{\"nodes\": [0, 0]}", "two parents"),
        ("\"indices\": 2", "\"indices\": 9", "cannot be read as glTF"),
        (
            "\"POSITION\": 0",
            "\"POSITION\": 9",
            "names accessor 9 (counted from 0) of 3",
        ),
    ] {
        assert!(json.contains(from), "{from}");
        let message = refusal("a.glb", glb(&json.replace(from, to), &buffer()));
        assert!(message.contains(words), "{words}: {message}");
    }
    let mut out_of_range = buffer();
    out_of_range[74] = 3;
    let message = refusal("a.glb", glb(&json, &out_of_range));
    assert!(
        message.contains("names vertex 3 (counted from 0) of 3"),
        "{message}"
    );
    assert!(refusal("a.glb", "{}").contains("no binary glTF file"));
}

#[test]
fn no_prefix_of_a_binary_file_makes_a_reader_panic() {
    let scene = scene(r#"[{"mesh": 0}]"#, "4");
    for (name, whole) in [("a.ply", ply(true)), ("a.stl", stl()), ("a.glb", scene)] {
        for len in 1..whole.len() {
            assert!(
                Opened::new(name, &whole[..len]).open().is_err(),
                "{name} {len}"
            );
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            // Either result is fine.
            let _ = Opened::new(name, damaged).open();
        }
    }
}

#[test]
fn points_of_a_binary_ply_file_keep_their_normals() {
    let header = "ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n\
                  property float nx\nproperty float ny\nproperty float nz\nend_header\n";
    let values = floats(&[1.0, 2.0, 3.0, 0.0, -3.0, 0.0]);
    let (cloud, _) = points("a.ply", [header.as_bytes(), &values].concat());
    assert_eq!(cloud.points, [[1.0, 2.0, 3.0]]);
    assert_eq!(cloud.normals, Some(vec![[0.0, -1.0, 0.0]]));
}
