//! Fuzz targets: every parser of bytes that a stranger may have written. A target reads bytes and returns; it must not panic, hang, or take
//! memory out of proportion.
//!
//! `tests/mutations.rs` calls them with mutations of `torture/corpus` in every test run, and `fuzz/` with inputs that libFuzzer finds.

mod targets;

use std::fs;
use std::path::Path;

use siren_audio::{Audio, Sound};
use siren_core::config::Source;
use siren_core::field::Siren;
use siren_core::file::ArrayHeader;
use siren_hyper::Hyper;
use siren_image::{ColorMode, Image, Picture};
use siren_poisson::Poisson;
use siren_ptx::Module;
use siren_run::{ConfigOf, Domain, Weights};
use siren_shape::{Geometry, Shape};
use siren_video::{Clip, Video};
use siren_wave::Waves;
use siren_wave::medium::{Medium, MediumConfig, MediumFileConfig};
use siren_wave::recording::Recording;
use tempfile::TempDir;

pub use self::targets::TARGETS;

/// A fuzz target with the files from which mutations start.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name; that of its file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Reads the bytes.
    pub run: fn(&[u8]),
    /// Folders and files of the corpus, relative to the workspace. Folders are searched for files with one of the extensions.
    pub corpus: &'static [&'static str],
    /// Extensions of the files of the corpus that the target reads.
    pub extensions: &'static [&'static str],
    /// Parts of the format, which mutations insert.
    pub words: &'static [&'static [u8]],
}

/// Reads a config of every kind.
pub fn config(data: &[u8]) {
    let source = Source {
        origin: "fuzzed.toml".to_owned(),
        text: String::from_utf8_lossy(data).into_owned(),
    };
    parse::<Image>(&source);
    parse::<Audio>(&source);
    parse::<Video>(&source);
    parse::<Poisson>(&source);
    parse::<Shape>(&source);
    parse::<Waves>(&source);
    parse::<Hyper>(&source);
}

fn parse<D: Domain>(source: &Source) {
    if let Ok(config) = ConfigOf::<D>::parse(source, D::KIND, &[]) {
        // What can be read can be written, and is the same afterwards.
        let text = config.to_toml().unwrap_or_default();
        let again = Source {
            origin: source.origin.clone(),
            text,
        };
        assert!(ConfigOf::<D>::parse(&again, D::KIND, &[]).is_ok());
    }
}

/// Reads weights: a field, a checkpoint, or tensors.
pub fn safetensors(data: &[u8]) {
    with_file(data, "safetensors", |path| {
        let _ = Weights::read(path);
        let _ = Siren::open(path);
    });
}

/// Reads weights that PyTorch wrote.
pub fn pth(data: &[u8]) {
    with_file(data, "pth", |path| {
        let _ = Weights::read(path);
    });
}

/// Reads a picture of any format.
pub fn picture(data: &[u8]) {
    with_file(data, "picture", |path| {
        let _ = Picture::open(path, ColorMode::Rgb);
    });
}

/// Reads a sound of any format.
pub fn sound(data: &[u8]) {
    with_file(data, "sound", |path| {
        let _ = Sound::open(path);
    });
}

/// Reads a clip of any format.
pub fn clip(data: &[u8]) {
    with_file(data, "clip", |path| {
        let _ = Clip::open(path);
    });
}

/// Reads a NumPy array as a clip, as points and as a medium.
pub fn npy(data: &[u8]) {
    let _ = ArrayHeader::read(&mut &*data);
    with_file(data, "npy", |path| {
        let _ = Clip::open(path);
        let _ = Geometry::open(path, &mut Vec::new());
        read_medium(path);
    });
}

fn read_medium(path: &Path) {
    let config = MediumConfig::File(MediumFileConfig {
        path: path.to_path_buf(),
        ..MediumFileConfig::default()
    });
    let _ = Medium::from_config(&config, "signal.medium", Some(1500.0), &mut Vec::new());
}

/// Reads MATLAB's files as a medium and as a recording.
pub fn mat(data: &[u8]) {
    with_file(data, "mat", |path| {
        read_medium(path);
        let _ = Recording::open(path);
    });
}

/// Reads a PLY file.
pub fn ply(data: &[u8]) {
    geometry(data, "ply");
}

/// Reads an OBJ file.
pub fn obj(data: &[u8]) {
    geometry(data, "obj");
}

/// Reads an STL file.
pub fn stl(data: &[u8]) {
    geometry(data, "stl");
}

/// Reads a binary glTF file.
pub fn glb(data: &[u8]) {
    geometry(data, "glb");
}

/// Reads points as text of every kind.
pub fn points(data: &[u8]) {
    for extension in ["xyz", "csv", "pts"] {
        geometry(data, extension);
    }
}

fn geometry(data: &[u8], extension: &str) {
    with_file(data, extension, |path| {
        let _ = Geometry::open(path, &mut Vec::new());
    });
}

/// Parses the text of a kernel.
pub fn ptx(data: &[u8]) {
    let _ = Module::parse(&String::from_utf8_lossy(data));
}

/// Calls a reader with a file of these bytes, in memory where the system has such a folder.
fn with_file(data: &[u8], extension: &str, read: impl FnOnce(&Path)) {
    thread_local! {
        static FOLDER: Option<TempDir> = folder();
    }
    FOLDER.with(|folder| {
        let Some(folder) = folder else { return };
        let path = folder.path().join("fuzzed").with_extension(extension);
        if fs::write(&path, data).is_ok() {
            read(&path);
        }
    });
}

fn folder() -> Option<TempDir> {
    let memory = Path::new("/dev/shm");
    let folder = tempfile::Builder::new()
        .prefix("siren-fuzz-")
        .tempdir_in(memory);
    folder.or_else(|_| tempfile::tempdir()).ok()
}
