//! Points in NumPy arrays.

use siren_core::file::{ArrayElement, ArrayHeader};

use super::{points, refusal};

/// Returns a file with a header and elements.
fn file(header: &ArrayHeader, elements: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.write(&mut bytes).unwrap();
    bytes.extend(elements.into_iter().flatten());
    bytes
}

fn header(element: &str, shape: &[usize]) -> ArrayHeader {
    ArrayHeader {
        element_type: element.to_owned(),
        ..ArrayHeader::c_order(shape, ArrayElement::FLOAT32)
    }
}

/// Encodes an element.
type Encode = fn(i32) -> Vec<u8>;

#[test]
fn arrays_of_all_types_byte_orders_and_both_orders_are_read() {
    // More rows than are read at once, so that the borders of chunks are tested.
    let rows = 40_000_i32;
    let value = |row: i32, column: i32| row % 100 - 7 * column;
    let expected: Vec<[f64; 3]> = (0..rows)
        .map(|row| [0, 1, 2].map(|column| f64::from(value(row, column))))
        .collect();
    for is_fortran in [false, true] {
        let values: Vec<i32> = if is_fortran {
            (0..3)
                .flat_map(|c| (0..rows).map(move |r| value(r, c)))
                .collect()
        } else {
            (0..rows)
                .flat_map(|r| (0..3).map(move |c| value(r, c)))
                .collect()
        };
        let encoders: [(&str, Encode); 7] = [
            ("<f4", |v| (v as f32).to_le_bytes().to_vec()),
            (">f4", |v| (v as f32).to_be_bytes().to_vec()),
            ("<f8", |v| f64::from(v).to_le_bytes().to_vec()),
            (">f8", |v| f64::from(v).to_be_bytes().to_vec()),
            ("|i1", |v| (v as i8).to_le_bytes().to_vec()),
            (">i2", |v| (v as i16).to_be_bytes().to_vec()),
            ("<i8", |v| i64::from(v).to_le_bytes().to_vec()),
        ];
        for (name, encode) in encoders {
            let mut header = header(name, &[rows as usize, 3]);
            header.is_fortran = is_fortran;
            let (cloud, _) = points("a.npy", file(&header, values.iter().map(|&v| encode(v))));
            assert!(cloud.points == expected, "{name}, {is_fortran}");
        }
    }
}

#[test]
fn six_columns_are_positions_and_normals() {
    let row = [1.0, 2.0, 3.0, 0.0, -5.0, 0.0].map(|v: f64| v.to_le_bytes().to_vec());
    let (cloud, _) = points("a.npy", file(&header("<f8", &[1, 6]), row));
    assert_eq!(cloud.points, [[1.0, 2.0, 3.0]]);
    assert_eq!(cloud.normals, Some(vec![[0.0, -1.0, 0.0]]));
}

#[test]
fn an_array_that_is_cut_short_or_of_another_shape_or_type_is_refused() {
    let zeros = |count: usize| vec![vec![0; 4]; count];
    for (element, shape, count, words) in [
        (
            "<f4",
            &[3, 3][..],
            8,
            "claims 3 rows of 12 bytes in its header, but holds 32 bytes",
        ),
        ("<f4", &[3, 3], 10, "but holds 40 bytes"),
        (
            "<f4",
            &[usize::MAX, 3],
            9,
            "claims 18446744073709551615 rows",
        ),
        ("<f4", &[3, 4], 12, "shape [3, 4], expected (n, 3)"),
        ("<f4", &[3, 7], 21, "points.T"),
        ("<f4", &[9], 9, "shape [9]"),
        ("<f4", &[0, 3], 0, "holds no points"),
        (
            "<f2",
            &[2, 3],
            3,
            "type <f2, expected integers, float32 or float64",
        ),
        ("|b1", &[4, 3], 3, "type |b1"),
    ] {
        let message = refusal("a.npy", file(&header(element, shape), zeros(count)));
        assert!(message.contains(words), "{message}");
    }
    assert!(refusal("a.npy", "1 2 3").contains("header of the NumPy array"));
    let mut values = [0.0_f32; 6].map(|v| v.to_le_bytes().to_vec());
    values[4] = f32::NAN.to_le_bytes().to_vec();
    let message = refusal("a.npy", file(&header("<f4", &[2, 3]), values));
    assert!(
        message.contains("row 1 (counted from 0): y is NaN"),
        "{message}"
    );
}
