//! Every selection of packages gives a dependency the same features, so that each is compiled once a profile.
//!
//! Where one selection differs, Cargo compiles the dependency again and everything above it, candle-core last: minutes. The cure is a line in
//! `crates/siren-workspace-hack/Cargo.toml`.

use std::collections::BTreeSet;

use crate::{assert_none, cargo_tree};

/// All packages with all features that a command enables. The selections below must ask for nothing else.
const ALL: &str = "--workspace --features siren-tests/ffmpeg";

/// The packages that `cargo xtask`, the tests and users of a library build. `xtask`, `siren-torture`, `siren-kernel` and `siren-report` are
/// left out: alone, they depend on few small crates.
const SELECTIONS: &[&str] = &[
    "--package siren-core",
    "--package siren-run",
    "--package siren-picture",
    "--package siren-image",
    "--package siren-image --no-default-features",
    "--package siren-audio",
    "--package siren-audio --no-default-features",
    "--package siren-video",
    "--package siren-video --features ffmpeg",
    "--package siren-video --no-default-features",
    "--package siren-poisson",
    "--package siren-poisson --no-default-features",
    "--package siren-shape",
    "--package siren-shape --features las",
    "--package siren-shape --no-default-features",
    "--package siren-hyper",
    "--package siren-hyper --no-default-features",
    "--package siren-wave",
    "--package siren-wave --no-default-features",
    "--package siren-python",
    "--package siren-sweep",
    "--package siren",
    "--package siren-bench",
    "--workspace",
];

/// Returns `name version features` of every dependency from a registry.
fn dependencies(selection: &str, edges: &str) -> BTreeSet<String> {
    let mut arguments = vec!["--prefix", "none", "--no-dedupe", "--format", "{p} {f}"];
    arguments.extend(["--edges", edges]);
    arguments.extend(selection.split(' '));
    let tree = cargo_tree(&arguments);
    // Cargo prints the folder of a package of the workspace.
    let from_registry = tree
        .lines()
        .filter(|line| !line.contains(" (/") && !line.contains(":\\"));
    from_registry.map(str::to_owned).collect()
}

#[test]
fn every_selection_of_packages_compiles_dependencies_alike() {
    let all = dependencies(ALL, "normal,build,dev");
    assert!(all.iter().any(|line| line.starts_with("candle-core v")));
    for selection in SELECTIONS {
        for edges in ["normal,build", "normal,build,dev"] {
            let one = dependencies(selection, edges);
            let compiled_again: Vec<String> = one.difference(&all).cloned().collect();
            assert_none(
                &compiled_again,
                &format!(
                    "`cargo build {selection}` compiles these again; name their missing features in crates/siren-workspace-hack/Cargo.toml:"
                ),
            );
        }
    }
}
