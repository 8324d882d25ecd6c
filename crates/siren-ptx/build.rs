//! Gives library and dynamic library a common fingerprint of their sources, by which a test recognizes the dynamic library of its own build.

use std::path::Path;
use std::{fs, io};

/// FNV-1a.
fn hash(bytes: &[u8], state: u64) -> u64 {
    bytes.iter().fold(state, |state, &byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn hash_folder(folder: &Path, mut state: u64) -> io::Result<u64> {
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        state = if path.is_dir() {
            hash_folder(&path, state)?
        } else {
            hash(&fs::read(&path)?, state)
        };
    }
    Ok(state)
}

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    println!(
        "cargo::rustc-env=SIREN_PTX_SOURCES={:016x}",
        hash_folder(Path::new("src"), 0xcbf2_9ce4_8422_2325)?
    );
    Ok(())
}
