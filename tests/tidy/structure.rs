//! Which module may use which, which crate may depend on which, and names that say nothing.

use crate::source::{Source, has_word, numbered, word_offsets};

/// The top-level modules of siren-core with their places in the pipeline; those of one place do not use each other,
/// except for the first two.
const STAGES: [(&str, usize); 7] = [
    ("error", 0),
    ("config", 0),
    ("signal", 1),
    ("field", 1),
    ("objective", 2),
    ("train", 3),
    ("run", 4),
];

/// What siren-core's root offers beside its modules.
const ROOT_NAMES: [&str; 2] = ["Error", "Result"];

/// What domain crates may share: the machinery, and pictures, which stand on it.
const SHARED: [&str; 2] = ["siren-core", "siren-picture"];

const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "misc", "common"];

pub fn wrong_direction(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some(inner) = source.path.strip_prefix("crates/siren-core/src/") else {
            continue;
        };
        let user = inner
            .split('/')
            .next()
            .unwrap_or(inner)
            .trim_end_matches(".rs");
        if user == "lib" {
            continue;
        }
        if place(user).is_none() {
            offenders.push(source.at(1, format!("`{user}` has no place in the pipeline")));
        }
        let depth = inner.trim_end_matches("/mod.rs").split('/').count();
        for (line, name) in root_names(source, depth) {
            if !may_use(user, name) {
                offenders.push(source.at(line, format!("`{user}` uses `crate::{name}`")));
            }
        }
    }
    offenders
}

fn place(module: &str) -> Option<usize> {
    STAGES
        .iter()
        .find(|(name, _)| *name == module)
        .map(|&(_, place)| place)
}

/// A name of the root that is no stage must be a macro, or one of the few that the root offers: other re-exports would
/// hide the stage they come from.
fn may_use(user: &str, name: &str) -> bool {
    match (place(user), place(name)) {
        (Some(own), Some(other)) => other < own || other == 0 || name == user,
        (_, None) => ROOT_NAMES.contains(&name) || !name.starts_with(char::is_uppercase),
        (None, Some(_)) => false,
    }
}

/// The names that follow `crate::`, or as many `super::` as lead from a module at `depth` to the root, with their lines.
fn root_names(source: &Source, depth: usize) -> Vec<(usize, &str)> {
    let code = &source.code;
    let line_at = |offset: usize| 1 + code[..offset].matches('\n').count();
    let mut names = Vec::new();
    for offset in word_offsets(code, "crate::") {
        let heads = path_heads(&code[offset + "crate::".len()..]);
        names.extend(heads.into_iter().map(|name| (line_at(offset), name)));
    }
    for offset in word_offsets(code, "super::") {
        let tail = code[offset..].trim_start_matches("super::");
        let steps = (code.len() - offset - tail.len()) / "super::".len();
        let is_chain_start = !code[..offset].ends_with("super::");
        // Inside an inline test module, the first `super` leads no further than to the module itself.
        if is_chain_start && steps >= depth && !source.is_test_line(line_at(offset)) {
            names.extend(
                path_heads(tail)
                    .into_iter()
                    .map(|name| (line_at(offset), name)),
            );
        }
    }
    names
}

/// The first name of each path: one for `a::b`, two for `{a::b, c::{d, e}}`.
fn path_heads(text: &str) -> Vec<&str> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let head = |path: &'_ str| path.find(|letter| !is_name(letter)).unwrap_or(path.len());
    let Some(group) = text.strip_prefix('{') else {
        return vec![&text[..head(text)]];
    };
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, letter) in group.char_indices() {
        if depth == 0 && matches!(letter, ',' | '}') {
            let path = group[start..index].trim();
            heads.extend((!path.is_empty()).then(|| &path[..head(path)]));
            start = index + 1;
        }
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

pub fn foreign_dependencies(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml"))
    {
        let folder = source.path.trim_end_matches("/Cargo.toml");
        let package = folder.trim_start_matches("crates/");
        let is_domain = folder.starts_with("crates/siren-") && package != "siren-core";
        let dependencies = dependencies(&source.text);
        for &(line, name) in &dependencies {
            let is_ours = name.starts_with("siren-");
            let is_wrong = match package {
                "xtask" => is_ours || name.starts_with("candle"),
                "siren-core" => is_ours,
                "siren-picture" => is_ours && name != "siren-core",
                _ => is_domain && is_ours && !SHARED.contains(&name),
            };
            offenders
                .extend(is_wrong.then(|| source.at(line, format!("{package} depends on {name}"))));
        }
        if is_domain && !dependencies.iter().any(|&(_, name)| name == "siren-core") {
            offenders.push(source.at(1, format!("{package} does not depend on siren-core")));
        }
    }
    offenders
}

/// The packages that a manifest names in any of its dependency tables, with their lines.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (line, text) in numbered(manifest) {
        if let Some(header) = text.trim().strip_prefix('[') {
            let (table, name) = header
                .trim_end_matches(']')
                .rsplit_once("dependencies")
                .unwrap_or(("", header));
            is_inside = header.trim_end_matches(']').ends_with("dependencies");
            if header.contains(&format!("{table}dependencies.")) {
                found.push((line, name.trim_start_matches('.')));
            }
        } else if let Some((_, package)) = text.split_once("package = \"") {
            found.push((line, package.split('"').next().unwrap_or(package)));
        } else if is_inside && text.contains('=') && !text.trim_start().starts_with('#') {
            found.push((line, text.split(['.', '=']).next().unwrap_or(text).trim()));
        }
    }
    found
}

pub fn empty_names(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources {
        let parts = source
            .path
            .split('/')
            .map(|part| part.trim_end_matches(".rs"));
        let empty = parts.filter(|part| EMPTY_NAMES.contains(part));
        offenders.extend(empty.map(|part| source.at(1, format!("`{part}`"))));
        for (line, text) in numbered(&source.code).filter(|_| source.is_rust()) {
            let is_declared = |name: &&&str| has_word(text, &format!("mod {name}"));
            offenders.extend(
                EMPTY_NAMES
                    .iter()
                    .filter(is_declared)
                    .map(|name| source.at(line, format!("mod {name}"))),
            );
        }
    }
    offenders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sources;

    fn directions(path: &str, text: &str) -> Vec<String> {
        let path = format!("crates/siren-core/src/{path}");
        let offenders = wrong_direction(&sources([(path.as_str(), text)]));
        offenders
            .iter()
            .map(|offender| offender.trim_start_matches(&path).to_owned())
            .collect()
    }

    #[test]
    fn a_use_of_what_stands_to_the_right_is_caught() {
        assert!(
            directions(
                "run/a.rs",
                "use crate::train::Trainer;\nuse crate::{Error, error::Result, run::folder};\n"
            )
            .is_empty()
        );
        assert_eq!(
            directions("field/mod.rs", "use crate::train::Trainer;\n"),
            [":1: `field` uses `crate::train`"]
        );
        assert_eq!(
            directions("objective/a.rs", "\nlet a = crate::run::f();\n"),
            [":2: `objective` uses `crate::run`"]
        );
        assert_eq!(
            directions("error.rs", "use crate::signal::A;\n"),
            [":1: `error` uses `crate::signal`"]
        );
    }

    #[test]
    fn signal_and_field_do_not_use_each_other() {
        assert_eq!(
            directions("signal/a.rs", "use crate::field::A;\n"),
            [":1: `signal` uses `crate::field`"]
        );
        assert_eq!(
            directions("field/a.rs", "use crate::signal::A;\n"),
            [":1: `field` uses `crate::signal`"]
        );
        assert!(
            directions(
                "field/a.rs",
                "use crate::field::A;\nuse crate::config::B;\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn groups_and_supers_do_not_hide_a_use() {
        let group =
            "use crate::{\n    error::{Error, Result},\n    field::jet,\n    run::folder,\n};\n";
        assert_eq!(
            directions("train/a.rs", group),
            [":1: `train` uses `crate::run`"]
        );
        assert_eq!(
            directions("field/kernel/mod.rs", "use super::super::train::A;\n"),
            [":1: `field` uses `crate::train`"]
        );
        assert!(directions("field/kernel/mod.rs", "use super::train::A;\n").is_empty());
    }

    #[test]
    fn a_reexport_of_the_root_hides_no_stage() {
        assert_eq!(
            directions("field/a.rs", "use crate::RunFolder;\n"),
            [":1: `field` uses `crate::RunFolder`"]
        );
        assert!(directions("lib.rs", "pub use crate::run::RunFolder;\n").is_empty());
    }

    #[test]
    fn a_module_without_a_place_is_caught() {
        assert_eq!(
            directions("tools/a.rs", ""),
            [":1: `tools` has no place in the pipeline"]
        );
    }

    #[test]
    fn domain_crates_that_know_each_other_are_caught() {
        let video = "[dependencies]\nsiren-core.workspace = true\n[dev-dependencies]\nsiren-image = { path = \"../siren-image\" }\n";
        let audio =
            "[package]\nname = \"siren-audio\"\n[dependencies.siren-image]\nworkspace = true\n";
        let tests = "[dependencies]\nsiren-image.workspace = true\n";
        let shared =
            "[dependencies]\nsiren-core.workspace = true\nsiren-picture.workspace = true\n";
        let files = sources([
            ("crates/siren-image/Cargo.toml", shared),
            ("crates/siren-video/Cargo.toml", video),
            ("crates/siren-audio/Cargo.toml", audio),
            ("tests/Cargo.toml", tests),
        ]);
        assert_eq!(
            foreign_dependencies(&files),
            [
                "crates/siren-video/Cargo.toml:4: siren-video depends on siren-image",
                "crates/siren-audio/Cargo.toml:3: siren-audio depends on siren-image",
                "crates/siren-audio/Cargo.toml:1: siren-audio does not depend on siren-core",
            ]
        );
    }

    #[test]
    fn a_heavy_xtask_or_a_core_that_knows_a_domain_is_caught() {
        let xtask = "[dependencies]\nanyhow.workspace = true\ncandle-core.workspace = true\n";
        let core = "[target.'cfg(unix)'.dependencies]\nimages = { package = \"siren-image\", version = \"0.1\" }\n";
        let picture = "[dependencies]\nsiren-core.workspace = true\nsiren-audio.workspace = true\n";
        let files = sources([
            ("xtask/Cargo.toml", xtask),
            ("crates/siren-core/Cargo.toml", core),
            ("crates/siren-picture/Cargo.toml", picture),
        ]);
        assert_eq!(
            foreign_dependencies(&files),
            [
                "xtask/Cargo.toml:3: xtask depends on candle-core",
                "crates/siren-core/Cargo.toml:2: siren-core depends on siren-image",
                "crates/siren-picture/Cargo.toml:3: siren-picture depends on siren-audio",
            ]
        );
    }

    #[test]
    fn empty_names_are_caught() {
        let files = sources([
            ("crates/a/src/utils/b.rs", ""),
            ("crates/a/src/misc.rs", ""),
            ("a.rs", "pub mod helpers {\n}\nmod common_path;\n"),
        ]);
        assert_eq!(
            empty_names(&files),
            [
                "crates/a/src/utils/b.rs:1: `utils`",
                "crates/a/src/misc.rs:1: `misc`",
                "a.rs:1: mod helpers"
            ]
        );
    }
}
