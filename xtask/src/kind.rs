//! The `kind` of a config, and the crate that implements it.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::de::{DeTable, DeValue};

/// Returns whether a folder is that of a sweep.
pub fn is_sweep(path: &Path) -> bool {
    path.join("sweep.toml").is_file()
}

/// The kind of signal that a config describes. Kind `image` is implemented by the crate `siren-image`.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind(String);

impl Kind {
    /// Reads the kind of the config file at `path`.
    ///
    /// # Errors
    /// If the file cannot be read, is no valid TOML, or has a kind for which the workspace at `root` has no crate.
    pub fn of_config(path: &Path, root: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the config {}", path.display()))?;
        let known = known_kinds(root)?;
        Self::parse(&text, &path.display().to_string(), &known)
    }

    /// Reads the kind of the run folder at `path` from the config in it.
    ///
    /// # Errors
    /// If `path` is no run folder; otherwise as [`Self::of_config`].
    pub fn of_run(path: &Path, root: &Path) -> Result<Self> {
        let config = path.join("config.toml");
        if !path.is_dir() {
            bail!(
                "{} is not a folder; expected a run folder, as written by `cargo xtask run`",
                path.display()
            );
        }
        if !config.is_file() {
            bail!(
                "{} is not a run folder: it contains no config.toml",
                path.display()
            );
        }
        Self::of_config(&config, root)
    }

    /// Returns the name of this kind's package, which is also the name of its executable.
    pub fn package(&self) -> String {
        format!("siren-{}", self.0)
    }

    fn parse(text: &str, origin: &str, known: &[String]) -> Result<Self> {
        let at = |span: Range<usize>| format!("{origin}:{}", line_of(text, span.start));
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => bail!(
                "{}: invalid TOML: {}",
                at(error.span().unwrap_or(0..0)),
                error.message()
            ),
        };
        let known_list = known.join(", ");
        let Some(value) = table.get_ref().get("kind") else {
            bail!("{origin}:1: no top-level `kind`; expected one of: {known_list}");
        };
        let DeValue::String(kind) = value.get_ref() else {
            let found = value.get_ref().type_str();
            bail!(
                "{}: `kind` is of type {found}, expected a string, one of: {known_list}",
                at(value.span())
            );
        };
        if !known.iter().any(|name| name == kind) {
            bail!(
                "{}: unknown kind \"{kind}\"; expected one of: {known_list}",
                at(value.span())
            );
        }
        Ok(Self(kind.to_string()))
    }

    #[cfg(test)]
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// The crate of sweeps. It has an executable but is no kind.
pub const SWEEP: &str = "siren-sweep";

/// Returns the sorted kinds: the names `<kind>` of the crates `crates/siren-<kind>` that have an executable.
fn known_kinds(root: &Path) -> Result<Vec<String>> {
    let crates = root.join("crates");
    let entries =
        fs::read_dir(&crates).with_context(|| format!("cannot list {}", crates.display()))?;
    let mut kinds = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", crates.display()))?;
        let name = entry.file_name();
        let kind = name.to_str().and_then(|name| name.strip_prefix("siren-"));
        if let Some(kind) = kind
            && entry.path().join("src/main.rs").is_file()
            && name.to_str() != Some(SWEEP)
        {
            kinds.push(kind.to_owned());
        }
    }
    kinds.sort();
    Ok(kinds)
}

/// Returns the line number, counted from 1, of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace_root;

    fn parse(text: &str) -> Result<Kind, String> {
        let known = ["audio".to_owned(), "image".to_owned()];
        Kind::parse(text, "a.toml", &known).map_err(|error| error.to_string())
    }

    #[test]
    fn the_kind_names_the_package() {
        let kind = parse("# A picture.\nkind = \"image\"\n[train]\nsteps = 3\n").unwrap();
        assert_eq!(kind.package(), "siren-image");
    }

    #[test]
    fn a_kind_inside_a_table_is_not_read() {
        let error = parse("[field]\nkind = \"image\"\n").unwrap_err();
        assert_eq!(
            error,
            "a.toml:1: no top-level `kind`; expected one of: audio, image"
        );
    }

    #[test]
    fn an_unknown_kind_is_reported_with_its_line_and_the_known_kinds() {
        let error = parse("seed = 1\n\nkind = \"picture\"\n").unwrap_err();
        assert_eq!(
            error,
            "a.toml:3: unknown kind \"picture\"; expected one of: audio, image"
        );
    }

    #[test]
    fn a_kind_that_is_not_a_string_is_reported_with_its_line_and_type() {
        let error = parse("seed = 1\nkind = 3\n").unwrap_err();
        assert_eq!(
            error,
            "a.toml:2: `kind` is of type integer, expected a string, one of: audio, image"
        );
    }

    #[test]
    fn invalid_toml_is_reported_with_its_line() {
        let error = parse("kind = \"image\"\nseed = = 2\n").unwrap_err();
        assert!(error.starts_with("a.toml:2: invalid TOML: "), "{error}");
    }

    #[test]
    fn a_missing_config_is_named() {
        let error = Kind::of_config(Path::new("no/such.toml"), &workspace_root()).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot read the config no/such.toml: "),
            "{error:#}"
        );
    }

    #[test]
    fn a_folder_without_config_is_not_a_run_folder() {
        let folder = workspace_root().join("xtask/src");
        let error = Kind::of_run(&folder, &workspace_root())
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("is not a run folder: it contains no config.toml"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_run_folder_is_named() {
        let error = Kind::of_run(Path::new("no/such"), &workspace_root())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("no/such is not a folder"), "{error}");
    }
}
