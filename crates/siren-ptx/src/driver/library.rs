//! Finding the dynamic library from a test.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Changes with every change of this crate's sources. Cargo compiles library and dynamic library in one go, so both carry the same text: a
/// dynamic library that contains it is the one that belongs to the code that is running.
#[used]
static FINGERPRINT: &str = concat!("siren-ptx-sources:", env!("SIREN_PTX_SOURCES"), ":end");

/// An error of [`library_folder`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// No dynamic library of these sources beside the test.
    #[error("no dynamic library of this build of siren-ptx in {}: run the test through Cargo", .0.display())]
    NotFound(PathBuf),
    /// Reading or writing failed.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LibraryError + '_ {
    move |error| LibraryError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Names under which a program loads the driver.
const DRIVER_NAMES: [&str; 2] = ["libcuda.so", "libcuda.so.1"];
/// Names of the libraries of CUDA 12 and 13 that a device of candle opens.
const TOOLKIT_NAMES: [&str; 5] = [
    "libcublas.so.12",
    "libcublas.so.13",
    "libcublasLt.so.12",
    "libcublasLt.so.13",
    "libcurand.so.10",
];

/// Fills `folder` with the stand-in under the driver's names, `libcuda.so` and `libcuda.so.1`, for a child process whose `LD_LIBRARY_PATH`
/// it is.
///
/// The dynamic library is found beside the running test, in Cargo's folder `deps`, where a development dependency on this crate puts it. It
/// must have been built from the same sources as the code that calls.
///
/// # Errors
///
/// If there is no such library, or if it cannot be copied.
pub fn library_folder(folder: &Path) -> Result<(), LibraryError> {
    copies(folder, &DRIVER_NAMES)
}

/// As [`library_folder`], for programs that are linked to cuBLAS and cuRAND, such as those with candle's CUDA tensors: the same dynamic library
/// under their names too. The libraries can be opened; products and random numbers are errors.
///
/// # Errors
///
/// As [`library_folder`].
pub fn library_folder_with_toolkit(folder: &Path) -> Result<(), LibraryError> {
    copies(folder, &DRIVER_NAMES)?;
    copies(folder, &TOOLKIT_NAMES)
}

/// Copies the dynamic library to `folder` under each of the names.
fn copies(folder: &Path, names: &[&str]) -> Result<(), LibraryError> {
    let test = env::current_exe().map_err(at(Path::new("the running program")))?;
    let beside = test.parent().unwrap_or(Path::new("."));
    let places = [
        beside.to_owned(),
        beside.join("deps"),
        beside.join("../deps"),
    ];
    for place in places {
        if let Some(library) = find(&place)? {
            for name in names {
                let target = folder.join(name);
                fs::copy(&library, &target).map_err(at(&target))?;
            }
            return Ok(());
        }
    }
    Err(LibraryError::NotFound(beside.to_owned()))
}

/// The dynamic library of these sources in a folder.
fn find(folder: &Path) -> Result<Option<PathBuf>, LibraryError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(None);
    };
    for entry in entries {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let is_library = path.extension().is_some_and(|end| end == "so");
        if is_library && name.is_some_and(|name| name.starts_with("libsiren_ptx")) {
            let content = fs::read(&path).map_err(at(&path))?;
            if content
                .windows(FINGERPRINT.len())
                .any(|window| window == FINGERPRINT.as_bytes())
            {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}
