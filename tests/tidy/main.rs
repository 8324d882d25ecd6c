//! Rules that neither rustc nor clippy nor a crate boundary can hold: dependencies and their features, the order of the modules of
//! `siren-core`, and the text of files. CONTRIBUTING.md lists all rules with the tool that holds each.

mod boundaries;
mod features;
mod licenses;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap()
}

/// Returns the output of `cargo tree` with `arguments`.
fn cargo_tree(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the files with one of `extensions` in `folder` of the workspace and all folders below it, with their text.
fn files(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = Path::new(folder).join(&name);
        if root().join(&path).is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.extend(files(path.to_str().unwrap(), extensions));
            }
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|one| extension == *one))
        {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn assert_none(offenders: &[String], advice: &str) {
    assert!(
        offenders.is_empty(),
        "{advice}\n  {}\n",
        offenders.join("\n  ")
    );
}
