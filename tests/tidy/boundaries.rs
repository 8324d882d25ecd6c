//! Which crates may depend on which, and which modules of `siren-core` may use which.

use std::fs;

use crate::{assert_none, cargo_tree, files, root};

/// What the domain crates of pictures may depend on.
const PICTURES: &[&str] = &["siren-core", "siren-picture", "siren-run"];

/// The packages of the workspace that each package may depend on. `siren-bench` and `siren-tests` may depend on all.
const PACKAGES: [(&str, &[&str]); 21] = [
    ("siren-workspace-hack", &[]),
    ("xtask", &[]),
    // It starts the programs and links none of them.
    ("siren-torture", &[]),
    ("siren-kernel", &["siren-workspace-hack"]),
    ("siren-ptx", &["siren-workspace-hack"]),
    // The interpreter of kernels is for tests.
    (
        "siren-cuda",
        &["siren-kernel", "siren-ptx", "siren-workspace-hack"],
    ),
    (
        "siren-core",
        &[
            "siren-cuda",
            "siren-kernel",
            "siren-ptx",
            "siren-workspace-hack",
        ],
    ),
    ("siren-export", &["siren-core"]),
    ("siren-report", &[]),
    (
        "siren-run",
        &[
            "siren-core",
            "siren-export",
            "siren-report",
            "siren-workspace-hack",
        ],
    ),
    ("siren-sweep", &["siren-core", "siren-report", "siren-run"]),
    ("siren-picture", &["siren-core", "siren-run"]),
    ("siren-audio", &["siren-core", "siren-run"]),
    ("siren-image", PICTURES),
    ("siren-poisson", PICTURES),
    ("siren-video", PICTURES),
    ("siren-shape", &["siren-core", "siren-run"]),
    ("siren-wave", PICTURES),
    (
        "siren-hyper",
        &["siren-core", "siren-kernel", "siren-picture", "siren-run"],
    ),
    // It holds the programs of all kinds.
    (
        "siren",
        &[
            "siren-core",
            "siren-run",
            "siren-sweep",
            "siren-audio",
            "siren-hyper",
            "siren-image",
            "siren-poisson",
            "siren-shape",
            "siren-video",
            "siren-wave",
        ],
    ),
    // It offers what all domains have.
    (
        "siren-python",
        &[
            "siren-core",
            "siren-run",
            "siren-audio",
            "siren-hyper",
            "siren-image",
            "siren-poisson",
            "siren-shape",
            "siren-video",
            "siren-wave",
        ],
    ),
];

/// The command line, the terminal and signal handlers: what a library must not bring.
const PROGRAM: &[&str] = &["clap", "ctrlc", "indicatif", "siren-run"];

/// Packages that a selection must not depend on, directly or through others.
const EXCLUDED: [(&str, &[&str]); 16] = [
    ("xtask", &["candle-core"]),
    ("siren-torture", &["candle-core"]),
    (
        "siren-report",
        &["candle-core", "clap", "siren-workspace-hack"],
    ),
    ("siren-kernel", &["candle-core", "siren-workspace-hack"]),
    (
        "siren-core",
        &[
            "clap",
            "ctrlc",
            "indicatif",
            "siren-ptx",
            "siren-run",
            "sysinfo",
        ],
    ),
    ("siren-ptx", &["candle-core", "siren-workspace-hack"]),
    (
        "siren-cuda",
        &["candle-core", "siren-ptx", "siren-workspace-hack"],
    ),
    ("siren-core --no-default-features", &["cudarc"]),
    ("siren-picture", PROGRAM),
    ("siren-audio --no-default-features", PROGRAM),
    ("siren-image --no-default-features", PROGRAM),
    ("siren-poisson --no-default-features", PROGRAM),
    ("siren-video --no-default-features", PROGRAM),
    ("siren-shape --no-default-features", PROGRAM),
    ("siren-hyper --no-default-features", PROGRAM),
    ("siren-wave --no-default-features", PROGRAM),
];

/// The other top-level modules of `siren-core` that each of them may use.
const MODULES: [(&str, &[&str]); 12] = [
    ("error", &[]),
    ("ranks", &["error"]),
    ("config", &["error"]),
    ("file", &["error"]),
    ("metrics", &["error"]),
    ("random", &[]),
    ("signal", &["config", "error", "random"]),
    ("field", &["config", "error", "random"]),
    ("objective", &["config", "error", "field", "signal"]),
    ("optimizer", &["config", "error", "field", "ranks"]),
    (
        "train",
        &[
            "config",
            "error",
            "field",
            "metrics",
            "objective",
            "optimizer",
            "ranks",
            "signal",
        ],
    ),
    ("saved", &["config", "error", "field", "file", "signal"]),
];

/// Returns the names of the packages that `cargo tree` lists for `selection`, without those that it starts from.
fn dependencies(selection: &str, options: &[&str]) -> Vec<String> {
    let mut arguments = vec!["--prefix=depth", "--format={p}", "--package"];
    arguments.extend(selection.split(' '));
    arguments.extend(options);
    let tree = cargo_tree(&arguments);
    let packages = tree.lines().filter_map(|line| line.split(' ').next());
    let names =
        packages.map(|package| package.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    names.skip(1).map(str::to_owned).collect()
}

#[test]
fn packages_depend_only_on_those_below_them() {
    let members = cargo_tree(&["--workspace", "--depth=0", "--prefix=none", "--format={p}"]);
    let members = members.lines().filter_map(|line| line.split(' ').next());
    let members: Vec<&str> = members.filter(|name| !name.is_empty()).collect();
    assert_eq!(
        members.len(),
        PACKAGES.len() + 2,
        "the table misses some of {members:?}"
    );
    let mut offenders = Vec::new();
    for (package, allowed) in PACKAGES {
        let options = [
            "--depth=1",
            "--edges=normal,build,dev",
            "--all-features",
            "--target=all",
        ];
        for name in dependencies(package, &options) {
            if members.contains(&name.as_str()) && !allowed.contains(&name.as_str()) {
                offenders.push(format!("{package} depends on {name}"));
            }
        }
    }
    assert_none(
        &offenders,
        "remove these dependencies, or change the table:",
    );
}

#[test]
fn libraries_do_not_bring_what_belongs_to_programs() {
    let mut offenders = Vec::new();
    for (selection, excluded) in EXCLUDED {
        let found = dependencies(selection, &["--edges=normal"]);
        assert!(!found.is_empty(), "no dependencies of {selection}");
        let wrong = found
            .iter()
            .filter(|name| excluded.contains(&name.as_str()));
        offenders.extend(wrong.map(|name| format!("{selection} depends on {name}")));
    }
    assert_none(
        &offenders,
        "remove these dependencies (`cargo tree -p PACKAGE -e normal -i NAME` shows the way):",
    );
}

#[test]
fn modules_of_the_core_use_only_those_before_them() {
    let mut offenders = Vec::new();
    for (path, text) in files("crates/siren-core/src", &["rs"]) {
        let inner = path
            .strip_prefix("crates/siren-core/src")
            .unwrap()
            .with_extension("");
        let own = inner.iter().next().unwrap().to_str().unwrap();
        let entry = MODULES.iter().find(|(module, _)| *module == own);
        assert!(entry.is_some() || own == "lib", "{own} is not in the table");
        let allowed = entry.map_or(&[][..], |(_, allowed)| allowed);
        let is_allowed = |name: &str| name == own || allowed.contains(&name);
        let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in program
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let wrong = MODULES
                .iter()
                .map(|(module, _)| *module)
                .filter(|name| !is_allowed(name));
            let mut wrong = wrong.filter(|name| line.contains(&format!("crate::{name}")));
            if wrong.next().is_some() || line.contains("crate::{") {
                offenders.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert_none(
        &offenders,
        "use none of these modules there, and write one `use crate::` for each module:",
    );
}

/// Clippy reads the nearest `clippy.toml` alone, so that of `siren-core` repeats the one of the workspace.
#[test]
fn the_core_forbids_what_the_workspace_forbids() {
    let table = |path: &str| -> toml::Table {
        fs::read_to_string(root().join(path))
            .unwrap()
            .parse()
            .unwrap()
    };
    let core = table("crates/siren-core/clippy.toml");
    for (key, value) in table("clippy.toml") {
        match (&value, &core[&key]) {
            (toml::Value::Array(all), toml::Value::Array(own)) => {
                let missing: Vec<_> = all.iter().filter(|entry| !own.contains(entry)).collect();
                assert!(
                    missing.is_empty(),
                    "crates/siren-core/clippy.toml lacks {missing:?} in {key}"
                );
            }
            (all, own) => assert_eq!(all, own, "{key}"),
        }
    }
}
