//! Every selection of packages gives a dependency the same features, so that each is compiled once a profile.
//!
//! Where one selection differs, Cargo compiles the dependency again and everything above it, candle-core last: minutes. The cure is a line in
//! `crates/workspace-hack/Cargo.toml`.

use std::collections::BTreeSet;
use std::process::Command;

/// Everything that any command builds; the selections below must ask for nothing else.
const ALL: &[&str] = &["--workspace", "--features", "siren-tests/ffmpeg"];

/// What `cargo xtask` and the tests build: kinds, with FFmpeg and without, sweeps, benchmarks, all tests.
const SELECTIONS: &[&[&str]] = &[
    &["--package", "siren-core"],
    &["--package", "siren-image"],
    &["--package", "siren-audio"],
    &["--package", "siren-video"],
    &["--package", "siren-video", "--features", "ffmpeg"],
    &["--package", "siren-poisson"],
    &["--package", "siren-hyper"],
    &["--package", "siren-sweep"],
    &["--package", "siren-bench"],
    &["--workspace"],
];

/// `name version features` of every dependency from a registry.
fn dependencies(selection: &[&str], edges: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none", "--no-dedupe"])
        .args(["--format", "{p} {f}", "--edges", edges])
        .args(selection)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Packages of the workspace are followed by their folder.
    let foreign = text
        .lines()
        .filter(|line| !line.contains(" (/") && !line.contains(":\\"));
    foreign.map(str::to_owned).collect()
}

/// Dependencies that `selection` compiles otherwise than `all` does.
fn compiled_again(selection: &BTreeSet<String>, all: &BTreeSet<String>) -> Vec<String> {
    selection.difference(all).cloned().collect()
}

#[test]
fn every_selection_of_packages_compiles_dependencies_alike() {
    let all = dependencies(ALL, "normal,build,dev");
    assert!(all.iter().any(|line| line.starts_with("candle-core v")));
    for selection in SELECTIONS {
        for edges in ["normal,build", "normal,build,dev"] {
            let offenders = compiled_again(&dependencies(selection, edges), &all);
            assert!(
                offenders.is_empty(),
                "`cargo build {}` would compile these again; name their missing features in crates/workspace-hack/Cargo.toml:\n  {}\n",
                selection.join(" "),
                offenders.join("\n  ")
            );
        }
    }
}

#[test]
fn a_feature_that_one_selection_lacks_is_found() {
    let set = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
    let all = set(&["candle v1 default", "syn v3 full,visit-mut"]);
    let lacking = set(&["candle v1 default", "syn v3 full"]);
    assert_eq!(compiled_again(&lacking, &all), ["syn v3 full"]);
}
