//! Meshes in text files: OBJ, ascii PLY, ascii STL.

use super::super::Geometry;
use super::{Opened, mesh, points, refusal};

const SQUARE: &str = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n";

#[test]
fn faces_of_an_obj_file_are_read_in_all_their_forms() {
    for faces in [
        "f 1 2 3 4\n",
        "f 1/1 2/2 3/3 4/4",
        "f 1//1 2//1 3//1 4//1\n",
        "f -4 -3 -2 -1\n",
        "f 1 2 \\\n3 4\n",
        "g one\nf 1 2 3\no two\nusemtl m\ns off\nf 1 3 4 # a comment\nl 1 2\np 1\n",
    ] {
        let text = format!("mtllib none.mtl\n{SQUARE}vn 0 0 2\nvt 0 0\n{faces}");
        let (mesh, notes) = mesh("a.obj", text);
        assert_eq!(mesh.vertices.len(), 4, "{faces}");
        assert_eq!(mesh.faces, [[0, 1, 2], [0, 2, 3]], "{faces}");
        assert!(notes.is_empty(), "{notes:?}");
        let normals = faces.contains("//").then(|| vec![[0.0, 0.0, 1.0]; 4]);
        assert_eq!(mesh.normals, normals);
    }
    // Coordinates keep the precision of f64, and vertices may have weights or colors.
    let far = "v 1000000.0000001 0 0 1 0.5 0.5 0.5\nv 1 0 0 1.0\nv 1 1 0 0.1 0.2 0.3\nf 1 2 3\n";
    assert_eq!(
        mesh("a.obj", far).0.vertices[..1],
        [[1_000_000.000_000_1, 0.0, 0.0]]
    );
}

#[test]
fn normals_that_differ_at_a_vertex_are_ignored() {
    let normals = "vn 0 0 1\nvn 1 0 0\n";
    let text = format!("{SQUARE}{normals}f 1//1 2//1 3//1\nf 1//2 3//2 4//2\n");
    assert_eq!(mesh("a.obj", text).0.normals, None);
}

#[test]
fn vertices_at_one_position_are_joined_and_useless_ones_and_flat_faces_dropped() {
    let text = "v 9 9 9\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 0 0\nv 0 1 -0\nv 1 1 0\nv 2 0 0\n\
                f 2 3 4\nf 5 7 6\nf 2 2 3\nf 2 3 8\nf 3 5 7\n";
    let (mesh, notes) = mesh("a.obj", text);
    let expected = [
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [1.0, 1.0, 0.0],
    ];
    assert_eq!(mesh.vertices, expected);
    assert_eq!(mesh.faces, [[0, 1, 2], [1, 3, 2]]);
    assert_eq!(
        notes,
        [
            "a.obj: dropped 3 of 5 triangles, which are degenerate (a repeated corner or no area)",
            "a.obj: joined 2 of 8 vertices with others at the same position",
            "a.obj: dropped 2 vertices that belong to no face",
        ]
    );
}

#[test]
fn a_mesh_file_without_faces_gives_points_and_a_note() {
    let (cloud, notes) = points(
        "a.obj",
        format!("{SQUARE}vn 0 0 2\nvn 0 0 2\nvn 0 0 2\nvn 2 0 0\n"),
    );
    assert_eq!(cloud.points.len(), 4);
    assert_eq!(cloud.normals.unwrap()[3..], [[1.0, 0.0, 0.0]]);
    assert_eq!(
        notes,
        ["a.obj: holds no faces: its 4 vertices are used as points"]
    );
}

#[test]
fn positions_of_an_obj_file_without_faces_are_kept_whatever_its_normals_are() {
    let text = format!("{SQUARE}vn 0 0 0\nvn 0 0 2\nvn 0 0 0\nvn nan 0 0\n");
    let (cloud, _) = points("a.obj", &text);
    assert_eq!(cloud.points, [[1.0, 0.0, 0.0]]);
    let opened = Opened::new("a.obj", text);
    let path = opened.folder.path().join("a.obj");
    let geometry = Geometry::open_positions(&path, &mut Vec::new()).unwrap();
    let Geometry::Points(cloud) = geometry else {
        panic!("{geometry:?}");
    };
    let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    assert_eq!(cloud.points, square.map(|[x, y]| [x, y, 0.0]));
    assert_eq!(cloud.normals, None);
}

#[test]
fn a_bad_line_of_an_obj_file_is_refused_with_its_number() {
    for (lines, words) in [
        (
            "f 1 2 5\n",
            "line 5 names vertex 4 (counted from 0), but the file holds 4",
        ),
        (
            "f 1 2 3\nf 0 1 2\n",
            "line 6: `0` is not an index, expected one from 1 to 4",
        ),
        ("f -5 1 2\n", "line 5: `-5` is not an index"),
        (
            "f 1 2 99999999999\n",
            "line 5: `99999999999` is not an index",
        ),
        ("f 1 2 x\n", "line 5: `x` is not an index"),
        ("f 1 2\n", "line 5: a face with 2 corners"),
        ("v 1 2\nf 1 2 3\n", "line 5: ends early, expected 3 numbers"),
        ("v 1 nan 2\nf 1 2 3\n", "line 5: y is NaN"),
        ("v 1 2 3 0.5\nf 1 2 3\n", "line 5: has the weight 0.5"),
        ("v 1 2 3 4 5\nf 1 2 3\n", "line 5: has 5 numbers"),
        ("surf 0 1 0 1\n", "line 5: `surf`: curves"),
        ("f 1 2 2\n", "all 1 faces are degenerate"),
    ] {
        let message = refusal("a.obj", format!("{SQUARE}{lines}"));
        assert!(message.contains(words), "{lines}: {message}");
    }
    assert!(refusal("a.obj", "# nothing\n").contains("holds no vertices"));
}

const PLY: &str = "ply\r\nformat ascii 1.0\r\ncomment made by hand\r\nelement vertex 4\r\nproperty uchar red\r\nproperty float x\r\n\
                   property double y\r\nproperty float z\r\nproperty list uchar float weights\r\nelement edge 1\r\nproperty int v\r\n\
                   element face 2\r\nproperty uchar flags\r\nproperty list uchar int vertex_index\r\nend_header\r\n\
                   7 0 0 0 2 1 1\r\n7 1. 0 0 0\r\n\r\n7 1 1 .0 0\r\n7 -0 1e0 0 1 5\r\n3\r\n0 3 0 1 2\r\n1 3 0 2 3\r\n";

#[test]
fn an_ascii_ply_file_is_read_and_other_elements_and_properties_are_skipped() {
    let (mesh, notes) = mesh("a.ply", PLY);
    let corners = [
        [0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [1.0, 1.0, 0.0],
        [0.0, 1.0, 0.0],
    ];
    assert_eq!(mesh.vertices, corners);
    assert_eq!(mesh.faces, [[0, 1, 2], [0, 2, 3]]);
    assert!(notes.is_empty());
}

#[test]
fn a_ply_file_without_faces_gives_points_with_normals() {
    let header = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float nz\nproperty float x\nproperty float y\n\
                  property float z\nproperty float nx\nproperty float ny\n";
    let rows = "end_header\n0 1 2 3 0 -4\n2 4 5 6 0 0\n";
    let (cloud, notes) = points("a.ply", format!("{header}{rows}"));
    assert_eq!(cloud.points, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(cloud.normals, Some(vec![[0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]));
    assert!(notes.is_empty());
    let faces = "element face 0\nproperty list uchar int vertex_indices\n";
    let (same, notes) = points("a.ply", format!("{header}{faces}{rows}"));
    assert_eq!(same, cloud);
    assert_eq!(
        notes,
        ["a.ply: holds no faces: its 2 vertices are used as points"]
    );
}

#[test]
fn a_bad_ascii_ply_file_is_refused_with_the_line() {
    for (from, to, words) in [
        (
            "7 1. 0 0 0",
            "7 1. nan 0 0",
            "vertex 1 (counted from 0): y is NaN",
        ),
        (
            "7 1. 0 0 0",
            "7 1. 0",
            "line 17: `z` of `vertex`: the line ends before it",
        ),
        (
            "7 1. 0 0 0",
            "7 1. 0 0 0 9",
            "line 17: has more values than the element `vertex`",
        ),
        (
            "7 1. 0 0 0",
            "7 1. 0 0 -1",
            "line 17: `weights` of `vertex`: has a list of -1 values",
        ),
        (
            "7 1. 0 0 0",
            "7 one 0 0 0",
            "line 17: `x` of `vertex`: `one` is not a number",
        ),
        (
            "1 3 0 2 3",
            "1 3 0 2 4",
            "face 1 names vertex 4 (counted from 0), but the file holds 4",
        ),
        ("1 3 0 2 3", "1 3 0 2 -3", "names vertex -3"),
        (
            "1 3 0 2 3\r\n",
            "",
            "claims 2 of the element `face` in its header, but ends after 1",
        ),
        (
            "1 3 0 2 3\r\n",
            "1 3 0 2 3\r\n1 3 0 2 3\r\n",
            "line 24: follows the last element",
        ),
        ("float x", "float w", "has no number `x`"),
        (
            "element vertex",
            "element vertices",
            "has no element `vertex`",
        ),
        (
            "list uchar int vertex_index",
            "int vertex_index",
            "no list `vertex_indices`",
        ),
        (
            "format ascii",
            "format text",
            "the header is not one of a PLY file",
        ),
        (
            "element edge 1\r\nproperty int v\r\n",
            "element edge 1\r\n",
            "`edge` has no properties",
        ),
    ] {
        assert!(PLY.contains(from), "{from}");
        let message = refusal("a.ply", PLY.replace(from, to));
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[test]
fn a_ply_file_of_strips_or_with_a_damaged_header_is_refused() {
    let strips = PLY.replace("element face", "element tristrips");
    assert!(refusal("a.ply", strips).contains("strips of triangles"));
    let cut = &PLY[..120];
    assert!(refusal("a.ply", cut).contains("end_header"));
}

const FACET: &str = "  facet normal 0 0 1\n    outer loop\n      vertex 0 0 0\n      vertex 1 0 0\n      vertex 0 1 0\n    endloop\n  endfacet\n";

#[test]
fn an_ascii_stl_file_of_several_solids_is_read_as_one_mesh() {
    let second = FACET
        .replace("vertex 0 0 0", "VERTEX 1 1 0.0")
        .to_uppercase();
    let text = format!("solid\n{FACET}endsolid\nsolid b c\r\n{second}endsolid b\n");
    let (mesh, _) = mesh("a.stl", text);
    assert_eq!(mesh.vertices.len(), 4);
    assert_eq!(mesh.faces, [[0, 1, 2], [3, 1, 2]]);
}

#[test]
fn a_bad_ascii_stl_file_is_refused_with_the_line() {
    let whole = format!("solid a\n{FACET}endsolid a\n");
    for (from, to, words) in [
        ("vertex 1 0 0", "vertex 1 0", "line 5: has 2 numbers"),
        (
            "vertex 1 0 0",
            "vertex 1 x 0",
            "line 5: `x` is not a number",
        ),
        ("vertex 1 0 0", "vertex 1 inf 0", "line 5: y is inf"),
        (
            "      vertex 1 0 0\n",
            "",
            "line 7: ends a facet without 3 vertices",
        ),
        (
            "    endloop",
            "vertex 1 2 3\n endloop",
            "line 7: `vertex` is not expected",
        ),
        ("endsolid a\n", "", "ends without `endsolid`"),
        ("  endfacet\nendsolid a\n", "", "ends without `endsolid`"),
        (FACET, "", "holds no triangles"),
        ("outer", "inner", "line 3: `inner` is not expected"),
    ] {
        let message = refusal("a.stl", whole.replace(from, to));
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[test]
fn no_prefix_of_a_file_makes_a_reader_panic() {
    let obj = format!("{SQUARE}f 1 2 3 4\n");
    let stl = format!("solid a\n{FACET}endsolid a\n");
    for (name, text) in [("a.ply", PLY), ("a.obj", &obj), ("a.stl", &stl)] {
        for len in 1..text.len() {
            match Opened::new(name, &text[..len]).open() {
                Ok(Geometry::Mesh(mesh)) => assert!(!mesh.faces.is_empty()),
                Ok(Geometry::Points(cloud)) => assert!(!cloud.points.is_empty()),
                Err(error) => assert!(error.to_string().contains(name)),
            }
        }
    }
}
