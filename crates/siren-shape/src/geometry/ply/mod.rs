//! Points and meshes in PLY files, ascii and binary.

mod values;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ply_rs_bw::parser::{Parser, Reader};
use ply_rs_bw::ply::{DefaultElement, ElementDef, Encoding, Header, PropertyType};
use siren_core::{Error, Result};

use self::values::{AsciiValues, At, BinaryValues, Endianness, Values};
use super::Geometry;
use super::assemble::RawMesh;
use super::collect::{FileNormals, Normals, PointCollector, check_position};
use super::polygon::Polygons;

/// Names of the properties of a vertex that are read, in this order.
const VERTEX: [&str; 6] = ["x", "y", "z", "nx", "ny", "nz"];

/// Names of the list of the corners of a face.
const CORNERS: [&str; 2] = ["vertex_indices", "vertex_index"];

/// Reads a PLY file: `x y z` and, if there are all three, `nx ny nz` of the element `vertex`, and the faces. All other elements and
/// properties are ignored.
///
/// The header is parsed by a library. The values are not: its reader of ascii files refuses numbers such as `.5` and ignores values after the
/// last property of a line.
///
/// # Errors
/// [`Error::Signal`] with the line or the element that cannot be used; [`Error::Io`].
pub(super) fn read(path: &Path, normals: FileNormals, notes: &mut Vec<String>) -> Result<Geometry> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut reader = Reader::new(BufReader::with_capacity(1 << 16, file));
    let header = Parser::<DefaultElement>::new().read_header(&mut reader);
    let header = header.map_err(|error| {
        let message = error.to_string();
        // The lines after the first one repeat what the library tried to parse.
        let first = message.lines().next().unwrap_or_default();
        Error::signal(
            path,
            format!("the header is not one of a PLY file: {first}"),
        )
    })?;
    check_elements(&header).map_err(|message| Error::signal(path, message))?;
    // The header ends before the line that the library counts.
    let lines_read = (reader.line() as u64).saturating_sub(1);
    let reader = reader.into_inner();
    let content = Content::new(&header, normals);
    let order = match header.encoding {
        Encoding::Ascii => {
            let values = AsciiValues::new(path, reader, lines_read);
            return read_elements(path, values, &header, content)?.finish(path, normals, notes);
        }
        Encoding::BinaryLittleEndian => Endianness::LittleEndian,
        Encoding::BinaryBigEndian => Endianness::BigEndian,
    };
    let values = BinaryValues::new(path, reader, order);
    read_elements(path, values, &header, content)?.finish(path, normals, notes)
}

/// Checks that there are vertices with positions, and that faces are lists of corners. The error is a message.
fn check_elements(header: &Header) -> Result<(), String> {
    let Some(vertex) = header.elements.get("vertex") else {
        return Err("has no element `vertex`, expected one with the properties x y z".to_owned());
    };
    for name in &VERTEX[..3] {
        match vertex.properties.get(*name).map(|p| &p.data_type) {
            Some(PropertyType::Scalar(_)) => {}
            _ => {
                return Err(format!(
                    "the element `vertex` has no number `{name}`, expected x y z"
                ));
            }
        }
    }
    if let Some(empty) = header.elements.values().find(|e| e.properties.is_empty())
        && empty.count > 0
    {
        return Err(format!("the element `{}` has no properties", empty.name));
    }
    let has_faces = |name: &str| header.elements.get(name).is_some_and(|e| e.count > 0);
    if has_faces("face") {
        let face = &header.elements["face"];
        let is_list = |name: &&str| {
            let property = face.properties.get(*name).map(|p| &p.data_type);
            matches!(property, Some(PropertyType::List(_, _)))
        };
        if !CORNERS.iter().any(is_list) {
            return Err("the element `face` has no list `vertex_indices`".to_owned());
        }
    } else if has_faces("tristrips") {
        return Err(
            "holds strips of triangles (`tristrips`), expected the element `face`: convert it, for example with MeshLab".to_owned(),
        );
    }
    Ok(())
}

/// Reads all elements.
fn read_elements(
    path: &Path,
    mut values: impl Values,
    header: &Header,
    mut content: Content,
) -> Result<Content> {
    for element in header.elements.values() {
        match element.name.as_str() {
            "vertex" => read_vertices(path, &mut values, element, &mut content)?,
            "face" => read_faces(&mut values, element, &mut content.mesh.polygons)?,
            _ => {
                let nothing = vec![PropertyUse::Skipped; element.properties.len()];
                for index in 0..element.count {
                    read_element(
                        &mut values,
                        element,
                        index,
                        &nothing,
                        &mut PropertyValues::default(),
                    )?;
                }
            }
        }
    }
    values.finish()?;
    Ok(content)
}

/// What is read of a file.
struct Content {
    /// The vertices of a file that declares no faces.
    points: Option<PointCollector>,
    mesh: RawMesh,
    has_normals: bool,
}

impl Content {
    fn new(header: &Header, normals: FileNormals) -> Self {
        let vertex = &header.elements["vertex"];
        let is_number = |name: &&str| {
            let property = vertex.properties.get(*name).map(|p| &p.data_type);
            matches!(property, Some(PropertyType::Scalar(_)))
        };
        let has_normals = normals == FileNormals::Read && VERTEX[3..].iter().all(is_number);
        let normals = if has_normals {
            Normals::Named
        } else {
            Normals::Absent
        };
        let is_mesh = header.elements.contains_key("face");
        Self {
            points: (!is_mesh).then(|| PointCollector::new(normals)),
            mesh: RawMesh {
                normals: has_normals.then(Vec::new),
                place: "face",
                ..RawMesh::default()
            },
            has_normals,
        }
    }

    fn finish(
        self,
        path: &Path,
        normals: FileNormals,
        notes: &mut Vec<String>,
    ) -> Result<Geometry> {
        if let Some(points) = self.points {
            let cloud = points.finish(path, notes)?;
            return Ok(Geometry::Points(cloud));
        }
        self.mesh.finish(path, normals, notes)
    }
}

/// Reads the element `vertex`.
fn read_vertices(
    path: &Path,
    values: &mut impl Values,
    element: &ElementDef,
    content: &mut Content,
) -> Result<()> {
    let names = if content.has_normals {
        &VERTEX[..]
    } else {
        &VERTEX[..3]
    };
    let part = |name: &String| {
        let slot = names.iter().position(|own| own == name);
        slot.map_or(PropertyUse::Skipped, PropertyUse::Value)
    };
    let parts: Vec<PropertyUse> = element.properties.keys().map(part).collect();
    let mut record = PropertyValues::default();
    for index in 0..element.count {
        read_element(values, element, index, &parts, &mut record)?;
        let [x, y, z, nx, ny, nz] = record.values;
        let (point, normal) = ([x, y, z], [nx, ny, nz]);
        let pushed = match &mut content.points {
            Some(points) => points.push(point, normal),
            None => check_position(point),
        };
        pushed.map_err(|message| {
            Error::signal(path, format!("vertex {index} (counted from 0): {message}"))
        })?;
        if content.points.is_none() {
            content.mesh.vertices.push(point);
            if let Some(normals) = &mut content.mesh.normals {
                normals.push(normal);
            }
        }
    }
    Ok(())
}

/// Reads the element `face`.
fn read_faces(
    values: &mut impl Values,
    element: &ElementDef,
    polygons: &mut Polygons,
) -> Result<()> {
    let mut has_corners = false;
    let part = |name: &String| {
        let is_corners = !has_corners && CORNERS.contains(&name.as_str());
        has_corners |= is_corners;
        if is_corners {
            PropertyUse::Corners
        } else {
            PropertyUse::Skipped
        }
    };
    let parts: Vec<PropertyUse> = element.properties.keys().map(part).collect();
    let mut record = PropertyValues::default();
    for index in 0..element.count {
        record.corners.clear();
        read_element(values, element, index, &parts, &mut record)?;
        polygons.push(&record.corners, index as u64);
    }
    Ok(())
}

/// What to do with a property of an element.
#[derive(Clone, Copy)]
enum PropertyUse {
    Skipped,
    /// Index in [`PropertyValues::values`].
    Value(usize),
    /// Goes to [`PropertyValues::corners`].
    Corners,
}

/// The properties of an element that are read.
#[derive(Default)]
struct PropertyValues {
    values: [f64; 6],
    corners: Vec<u32>,
}

/// Reads one element. `parts` says what to do with each of its properties.
fn read_element(
    values: &mut impl Values,
    element: &ElementDef,
    index: usize,
    parts: &[PropertyUse],
    record: &mut PropertyValues,
) -> Result<()> {
    values.start(element, index)?;
    for ((name, property), &part) in element.properties.iter().zip(parts) {
        let at = At {
            element: &element.name,
            index,
            property: name,
        };
        match &property.data_type {
            PropertyType::Scalar(kind) => {
                let value = values.next(kind, &at)?;
                if let PropertyUse::Value(slot) = part {
                    record.values[slot] = value;
                }
            }
            PropertyType::List(count_kind, kind) => {
                let count = values.next(count_kind, &at)?;
                let count = whole(count).ok_or_else(|| {
                    values.error(
                        &at,
                        &format!("has a list of {count} values, expected a count"),
                    )
                })?;
                for _ in 0..count {
                    let value = values.next(kind, &at)?;
                    if matches!(part, PropertyUse::Corners) {
                        let corner = whole(value).ok_or_else(|| {
                            let message = format!("names vertex {value}, expected an index from 0");
                            values.error(&at, &message)
                        })?;
                        record.corners.push(corner);
                    }
                }
            }
        }
    }
    values.end(element)
}

/// Converts a value to an index or a count.
fn whole(value: f64) -> Option<u32> {
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}
