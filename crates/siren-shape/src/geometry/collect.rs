//! Collects the points of a file and checks each of them.

use std::path::Path;

use siren_core::{Error, Result};

use super::vector::unit;
use super::{PointCloud, Vector};

/// Largest magnitude of a coordinate. Areas and their squares stay finite.
const MAX_COORDINATE: f64 = 1e30;

/// Largest number of points or vertices: their indices have 32 bits.
const MAX_POINTS: usize = u32::MAX as usize;

/// Names of the columns of a file of points, for messages.
const COLUMNS: [&str; 6] = ["x", "y", "z", "nx", "ny", "nz"];

/// Whether a file has normals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Normals {
    Absent,
    /// The format or the file says that they are normals.
    Named,
    /// Columns 4 to 6 without names, which may be colors.
    Unnamed,
}

/// What becomes of the normals of points in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileNormals {
    Read,
    Ignored,
}

impl Normals {
    /// Returns these normals, or none if they are ignored.
    pub(super) fn unless_ignored(self, normals: FileNormals) -> Self {
        match normals {
            FileNormals::Read => self,
            FileNormals::Ignored => Self::Absent,
        }
    }

    /// Returns whether rows of this many columns have normals. The error is a message.
    pub(super) fn of_columns(columns: usize) -> Result<Self, String> {
        match columns {
            3 => Ok(Self::Absent),
            6 => Ok(Self::Unnamed),
            _ => Err(format!(
                "has {columns} columns, expected 3 (x y z) or 6 (x y z nx ny nz): remove the other columns"
            )),
        }
    }
}

/// Points that are read one by one.
pub(super) struct PointCollector {
    points: Vec<Vector>,
    /// Normals of length 1, as many as points, if the file has them.
    normals: Option<Vec<Vector>>,
    /// Number of points that were dropped because their normals have no direction.
    without_direction: usize,
    /// Whether all normals so far could be colors: integers from 0 to 255.
    may_be_colors: bool,
    /// Largest component of a normal.
    largest: f64,
}

impl PointCollector {
    pub(super) fn new(normals: Normals) -> Self {
        Self {
            points: Vec::new(),
            normals: (normals != Normals::Absent).then(Vec::new),
            without_direction: 0,
            may_be_colors: normals == Normals::Unnamed,
            largest: 0.0,
        }
    }

    /// Returns the number of points pushed.
    pub(super) fn count(&self) -> usize {
        self.points.len() + self.without_direction
    }

    /// Adds a row of the file: a position, and a normal of any length if the file has normals. The error is a message.
    pub(super) fn push(&mut self, point: Vector, normal: Vector) -> Result<(), String> {
        check_position(point)?;
        if self.count() >= MAX_POINTS {
            return Err(format!("expected at most {MAX_POINTS} points"));
        }
        if let Some(normals) = &mut self.normals {
            let is_color = |c: f64| (0.0..=255.0).contains(&c) && c.fract() == 0.0;
            self.may_be_colors &= normal.iter().all(|&c| is_color(c));
            self.largest = normal.iter().fold(self.largest, |most, &c| most.max(c));
            let Some(normal) = unit(normal) else {
                self.without_direction += 1;
                return Ok(());
            };
            normals.push(normal);
        }
        self.points.push(point);
        Ok(())
    }

    /// Returns the points, and adds a note if some were dropped.
    ///
    /// # Errors
    /// [`Error::Signal`] if there are no points, no point has a normal with a direction, or the normals are colors.
    pub(super) fn finish(mut self, path: &Path, notes: &mut Vec<String>) -> Result<PointCloud> {
        let count = self.count();
        if count == 0 {
            return Err(Error::signal(path, "holds no points"));
        }
        if self.may_be_colors && self.largest > 1.0 {
            return Err(Error::signal(
                path,
                "columns 4 to 6 are integers from 0 to 255, which are colors, expected normals: remove these columns, or set `signal.normals` to \"estimate\" or \"none\" to ignore them",
            ));
        }
        if self.points.is_empty() {
            return Err(Error::signal(
                path,
                "all normals have length 0 or are not finite: set `signal.normals` to \"estimate\" or \"none\" to ignore them",
            ));
        }
        if self.without_direction > 0 {
            notes.push(format!(
                "{}: dropped {} of {count} points ({:.2} %), whose normals have length 0 or are not finite; to keep them, set `signal.normals` to \"estimate\" or \"none\"",
                path.display(),
                self.without_direction,
                100.0 * self.without_direction as f64 / count as f64
            ));
        }
        self.points.shrink_to_fit();
        if let Some(normals) = &mut self.normals {
            normals.shrink_to_fit();
        }
        Ok(PointCloud {
            points: self.points,
            normals: self.normals,
        })
    }
}

/// Checks that a position is finite and not too far away. The error is a message.
pub(super) fn check_position(point: Vector) -> Result<(), String> {
    for (name, value) in COLUMNS.iter().zip(point) {
        if !value.is_finite() {
            return Err(format!("{name} is {value}, expected a finite number"));
        }
        if value.abs() > MAX_COORDINATE {
            return Err(format!(
                "{name} is {value:e}, expected a magnitude of at most {MAX_COORDINATE:e}: choose another unit of length"
            ));
        }
    }
    Ok(())
}
