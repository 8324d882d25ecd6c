//! A temporary working directory for the programs under test, and functions that write test files into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Rgb, RgbImage};
use siren_audio::Sound;
use siren_shape::Mesh;
use tempfile::TempDir;

use super::program::{Ended, program};

/// File contents by path relative to a folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A temporary folder that is the working directory of the programs under test, so that command lines can use short relative paths.
pub struct Desk {
    folder: TempDir,
    kind: &'static str,
}

impl Desk {
    /// Creates an empty folder for runs of the kind `image`.
    pub fn new() -> Self {
        Self::of_kind("image")
    }

    /// Creates an empty folder for runs of this kind.
    pub fn of_kind(kind: &'static str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            kind,
        }
    }

    /// Returns the absolute path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Returns the column of `evaluation.csv` of a run that has one of these names: a number for each evaluation.
    pub fn scores(&self, run: &str, names: &[&str]) -> Vec<f64> {
        let text = String::from_utf8(self.read(&format!("{run}/evaluation.csv"))).unwrap();
        let mut rows = text.lines().map(|row| row.split(','));
        let column = rows.next().unwrap().position(|name| names.contains(&name));
        let score = |mut row: std::str::Split<'_, char>| row.nth(column.unwrap()).unwrap().parse();
        rows.map(|row| score(row).unwrap()).collect()
    }

    /// Writes an RGB picture with a ramp in each channel. The extension selects the format.
    pub fn write_picture(&self, name: &str, height: u32, width: u32) {
        let ramp = |x: u32, of: u32| (x * 255 / of) as u8;
        let pixel = |x, y| Rgb([ramp(x, width), ramp(y, height), ramp(x + y, width + height)]);
        let picture = RgbImage::from_fn(width, height, pixel);
        picture.save(self.path(name)).unwrap();
    }

    /// Writes a clip as a folder of square PNG frames in which a bright vertical bar moves to the right.
    pub fn write_clip(&self, name: &str, frames: u32, side: u32) {
        fs::create_dir(self.path(name)).unwrap();
        for frame in 0..frames {
            let pixel = |x: u32, y: u32| match x.abs_diff(frame * side / frames) {
                0..3 => Rgb([250, 220, 200]),
                _ => Rgb([20, (y * 255 / side) as u8, 120]),
            };
            let picture = RgbImage::from_fn(side, side, pixel);
            picture
                .save(self.path(&format!("{name}/{frame}.png")))
                .unwrap();
        }
    }

    /// Writes an octahedron, a closed mesh. The extension selects the format.
    pub fn write_shape(&self, name: &str) {
        let corner =
            |axis: usize, sign: f64| std::array::from_fn(|i| if i == axis { sign } else { 0.0 });
        let vertices = (0..6).map(|i| corner(i / 2, if i % 2 == 0 { 1.0 } else { -1.0 }));
        let faces = (0..8_u32).map(|octant| {
            let [x, y, z] = [octant & 1, 2 + (octant >> 1 & 1), 4 + (octant >> 2)];
            // An octant with an odd number of negative signs is a mirror image.
            if octant.count_ones() % 2 == 0 {
                [x, y, z]
            } else {
                [x, z, y]
            }
        });
        let mesh = Mesh {
            vertices: vertices.collect(),
            faces: faces.collect(),
            normals: None,
        };
        mesh.save(&self.path(name)).unwrap();
    }

    /// Writes a stereo sound at 8 kHz whose left channel rises and whose right channel falls.
    pub fn write_sound(&self, name: &str, frames: u16) {
        let rising = (0..frames).map(|frame| f32::from(frame) / f32::from(frames));
        let samples = rising.flat_map(|y| [y, 0.5 - 0.5 * y]);
        let sound = Sound::new(8000, 2, samples.collect()).unwrap();
        sound.save(self.path(name)).unwrap();
    }

    /// Returns the command `siren-<kind>` with the arguments of `line`, which are separated by single spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program(self.kind));
        command
            .args(line.split(' '))
            .current_dir(self.folder.path());
        command
    }

    /// Runs `siren-<kind>` with the arguments of `line` and waits until it exits.
    pub fn run(&self, line: &str) -> Ended {
        self.command(line).output().unwrap().into()
    }

    /// Reads all files under a folder.
    pub fn files(&self, name: &str) -> Files {
        let folder = self.path(name);
        let relative = |path: &Path| path.strip_prefix(&folder).unwrap().display().to_string();
        files_under(&folder)
            .into_iter()
            .map(|path| (relative(&path), fs::read(&path).unwrap()))
            .collect()
    }

    /// Removes a folder with all its files.
    pub fn remove(&self, name: &str) {
        fs::remove_dir_all(self.path(name)).unwrap();
    }
}

/// Returns the paths of all files under a folder, sorted.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
