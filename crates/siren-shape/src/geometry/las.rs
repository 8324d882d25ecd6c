//! Points in LAS and LAZ files.

use std::path::Path;

use las::{PointDataBuilder, Reader};
use siren_core::{Error, Result};

use super::PointCloud;
use super::collect::{Normals, PointCollector};

/// Points that are read at once.
const POINTS_PER_CHUNK: u64 = 1 << 16;

/// Reads the positions of all points. The format has no normals.
///
/// # Errors
/// [`Error::Signal`] for a file that is damaged or of another format.
pub(super) fn read_points(path: &Path, notes: &mut Vec<String>) -> Result<PointCloud> {
    let fail = |error: las::Error| {
        Error::signal(
            path,
            format!("cannot be read as LAS or LAZ, it is damaged or cut short: {error}"),
        )
    };
    let mut reader = Reader::from_path(path).map_err(fail)?;
    let claimed = reader.header().number_of_points();
    let mut chunk = PointDataBuilder::new().for_header(reader.header()).build();
    let mut collector = PointCollector::new(Normals::Absent);
    let mut count: u64 = 0;
    loop {
        let read = reader
            .fill_points(POINTS_PER_CHUNK, &mut chunk)
            .map_err(fail)?;
        if read == 0 {
            break;
        }
        for ((x, y), z) in chunk.x().zip(chunk.y()).zip(chunk.z()) {
            let pushed = collector.push([x, y, z], [0.0; 3]);
            pushed.map_err(|message| {
                Error::signal(path, format!("point {count} (counted from 0): {message}"))
            })?;
            count += 1;
        }
    }
    if count != claimed {
        return Err(Error::signal(
            path,
            format!(
                "claims {claimed} points in its header, but holds {count}: the file is cut short; copy it again"
            ),
        ));
    }
    collector.finish(path, notes)
}

#[cfg(test)]
mod tests {
    use las::{Point, Writer};

    use super::*;

    #[test]
    fn positions_of_las_and_laz_files_are_read_to_their_resolution() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["points.las", "points.laz"] {
            let path = folder.path().join(name);
            let mut writer = Writer::from_path(&path, las::Header::default()).unwrap();
            for i in 0..5 {
                let point = Point {
                    x: f64::from(i) + 0.25,
                    y: -2.0,
                    z: 1e4,
                    ..Point::default()
                };
                writer.write_point(point).unwrap();
            }
            writer.close().unwrap();
            let cloud = read_points(&path, &mut Vec::new()).unwrap();
            assert_eq!(cloud.points.len(), 5);
            for (i, &[x, y, z]) in cloud.points.iter().enumerate() {
                assert!((x - i as f64 - 0.25).abs() < 1e-3, "{name}: {x}");
                assert!((y + 2.0).abs() < 1e-3 && (z - 1e4).abs() < 1e-3);
            }
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
            let error = read_points(&path, &mut Vec::new()).unwrap_err().to_string();
            assert!(error.contains("cut short"), "{error}");
        }
    }
}
