//! Points in text files.

use super::{Opened, points, refusal};
use crate::geometry::{Geometry, PointCloud};

const THREE: [[f64; 3]; 3] = [[1.0, 2.0, 3.0], [-4.5, 0.0, 1e-3], [7.0, 8.0, 9.0]];

#[test]
fn all_separators_line_breaks_comments_and_headers_give_the_same_points() {
    for (name, text) in [
        ("a.xyz", "1 2 3\n-4.5 0 1e-3\n7 8 9\n"),
        ("a.XYZ", "1 2 3\n-4.5 0 1e-3\n7 8 9"),
        ("a.txt", "  1\t2 \t3  \r\n-4.5 0 .001 \r\n\r\n7. 8 +9\r\n"),
        ("a.csv", "1,2,3\n-4.5,0,1E-3\n7,8,9\n"),
        ("a.csv", "1, 2, 3,\n-4.5 , 0, 1e-3,\n7, 8, 9,\n"),
        ("a.csv", "\u{feff}x;y;z\n1;2;3\n-4.5; 0;1e-3\n7;8;9\n"),
        ("a.csv", "\"X\",\"Y\",\"Z\"\n1,2,3\n-4.5,0,1e-3\n7,8,9\n"),
        ("a.csv", "east,north,height\n1,2,3\n-4.5,0,1e-3\n7,8,9\n"),
        ("a.pts", "3\n1 2 3\n-4.5 0 1e-3\n7 8 9\n"),
        (
            "a.txt",
            "# a scan\n//X Y Z\n3\n1 2 3 # first\n-4.5 0 1e-3\n\n7 8 9 // last\n",
        ),
    ] {
        let (cloud, notes) = points(name, text);
        assert_eq!(cloud.points, THREE, "{text}");
        assert_eq!(cloud.normals, None);
        assert!(notes.is_empty());
    }
    // A comment in Latin-1.
    assert_eq!(points("a.xyz", b"# caf\xe9\n1 2 3\n").0.points, [THREE[0]]);
}

#[test]
fn normals_of_any_length_become_unit_vectors_and_points_without_direction_are_dropped() {
    let text = "x y z nx ny nz\n1 2 3 0 0 -250\n4 5 6 3e-30 0 4e-30\n7 8 9 0 0 0\n1 1 1 nan 0 1\n";
    let (cloud, notes) = points("a.xyz", text);
    assert_eq!(cloud.points, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let normals = cloud.normals.unwrap();
    assert_eq!(normals[..1], [[0.0, 0.0, -1.0]]);
    assert!((normals[1][0] - 0.6).abs() < 1e-12 && (normals[1][2] - 0.8).abs() < 1e-12);
    assert_eq!(
        notes,
        [
            "a.xyz: dropped 2 of 4 points (50.00 %), whose normals have length 0 or are not finite; to keep them, set `signal.normals` to \"estimate\" or \"none\""
        ]
    );
    let none = refusal("a.xyz", "1 2 3 0 0 0\n4 5 6 0 0 0\n");
    assert!(none.contains("all normals have length 0"), "{none}");
}

#[test]
fn a_bad_line_is_refused_with_its_number_and_the_reason() {
    for (text, words) in [
        (
            "1 2 3\n4 5 nan\n",
            "line 2: z is NaN, expected a finite number",
        ),
        ("# x\n1 inf 3\n", "line 2: y is inf"),
        ("1 2 3\n1e31 2 3\n", "line 2: x is 1e31"),
        (
            "1 2 3\n4 5\n",
            "line 2: has 2 columns, expected 3 as in line 1",
        ),
        (
            "\n1 2 3\n1 2 3 4 5 6\n",
            "line 3: has 6 columns, expected 3 as in line 2",
        ),
        (
            "1 2 3 4\n",
            "line 1: has 4 columns, expected 3 (x y z) or 6",
        ),
        (
            "1 2 3\n4 five 6\n",
            "line 2: column 2: `five` is not a number",
        ),
        ("1 2 3\n\nx y z\n", "line 3: column 1: `x` is not a number"),
        ("1,,3\n", "line 1: column 2: a number is missing"),
        (
            "1,5 2,5 3,5\n",
            "line 1: separates fields in two ways (`5 2`)",
        ),
        ("1,5;2,5;3,5\n", "write decimal points, not decimal commas"),
        ("z,y,x\n1,2,3\n", "line 1: names column 3 `x`"),
        (
            "x y z r g b\n1 2 3 0 0 1\n",
            "names columns 4 to 6 `r`, `g`, `b`, expected normals",
        ),
        (
            "1 2 3 128 64 255\n4 5 6 0 0 0\n",
            "which are colors, expected normals",
        ),
        (
            "3\n1 2 3\n4 5 6\n",
            "claims 3 points in its first line, but holds 2",
        ),
        (
            "1 2 3\r4 5 6\r",
            "line 1: has carriage returns within the line",
        ),
        ("# nothing\n\n", "holds no points"),
        ("x y z\n", "holds no points"),
    ] {
        let message = refusal("a.xyz", text);
        assert!(message.contains(words), "{text:?}: {message}");
    }
}

#[test]
fn a_binary_file_or_text_in_another_encoding_is_refused() {
    let utf_16: Vec<u8> = "1 2 3\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let with_mark = [b"\xff\xfe".as_slice(), &utf_16].concat();
    for bytes in [&utf_16, &with_mark] {
        let message = refusal("a.txt", bytes);
        assert!(
            message.contains("line 1: it is a binary file or UTF-16"),
            "{message}"
        );
    }
    let latin = refusal("a.txt", b"1 2 3\n4 \xb2 6\n");
    assert!(
        latin.contains("line 2") && latin.contains("UTF-8"),
        "{latin}"
    );
    let endless = refusal("a.txt", vec![b'7'; 5 << 20]);
    assert!(endless.contains("line 1: is longer"), "{endless}");
}

#[test]
fn positions_are_read_whatever_the_columns_of_normals_hold() {
    for columns in ["0 0 0", "nan nan nan", "255 128 0", "0 0 -250"] {
        let text = format!("x y z r g b\n1 2 3 {columns}\n4 5 6 {columns}\n");
        let opened = Opened::new("a.xyz", text);
        let mut notes = Vec::new();
        let path = opened.folder.path().join("a.xyz");
        let expected = PointCloud {
            points: vec![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
            normals: None,
        };
        let geometry = Geometry::open_positions(&path, &mut notes).unwrap();
        assert_eq!(geometry, Geometry::Points(expected), "{columns}");
        assert!(notes.is_empty(), "{notes:?}");
    }
}
