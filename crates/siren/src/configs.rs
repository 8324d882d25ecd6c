//! Configs to begin with, which the program contains.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use siren_core::file::write_atomically;
use siren_core::{Error, Result};
use siren_run::program::print_result;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../configs/", $name, ".toml")))),*]
    };
}

/// Names and texts of the configs in `configs/`.
const CONFIGS: [(&str, &str); 16] = shipped![
    "audio",
    "clip",
    "helmholtz",
    "helmholtz_inverse",
    "helmholtz_inverse_adjoint",
    "hyper",
    "image",
    "image_inpainting",
    "photo",
    "photo_large",
    "poisson",
    "shape",
    "shape_unoriented",
    "sound",
    "video",
    "wave",
];

/// Arguments of `new [NAME]`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the config [default: the names are listed].
    name: Option<String>,
    /// The file to write; it must not exist yet [default: NAME.toml in the current folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl NewArgs {
    /// Writes the config, or lists all names.
    ///
    /// # Errors
    /// For an unknown name, a file that exists, or one that cannot be written.
    pub fn execute(&self) -> Result<ExitCode> {
        let Some(name) = &self.name else {
            for (name, text) in CONFIGS {
                print_result(format_args!("{name:<27}{}", summary(text)));
            }
            return Ok(ExitCode::SUCCESS);
        };
        let Some((_, text)) = CONFIGS.iter().find(|(known, _)| known == name) else {
            let names = CONFIGS.map(|(name, _)| name).join(", ");
            return Err(Error::invalid("NAME", name, &format!("one of {names}")));
        };
        let path = self
            .output
            .clone()
            .unwrap_or_else(|| PathBuf::from(format!("{name}.toml")));
        if path.exists() {
            let expected = "a file that does not exist yet: choose another one";
            return Err(Error::invalid("--output", path.display(), expected));
        }
        write_atomically(&path, for_this_program(text).as_bytes())?;
        print_result(format_args!(
            "wrote {}; fit it with: siren run {0}",
            path.display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a config whose comments name this program, and configs in the current folder.
fn for_this_program(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        if line.starts_with('#') {
            line.replace("cargo xtask ", "siren ")
                .replace("configs/", "")
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

/// Returns the first sentence of the comment at the start of a config.
fn summary(text: &str) -> String {
    let lines = text
        .lines()
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    let comment = lines.collect::<Vec<_>>().join(" ");
    let sentence = comment.split_inclusive(['.', ':']).next();
    sentence
        .unwrap_or_default()
        .trim_end_matches([':', '.'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_config_of_the_folder_is_contained_and_has_a_summary() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let configs = files.filter(|path| path.extension().is_some_and(|last| last == "toml"));
        let names: BTreeSet<String> = configs
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let contained = CONFIGS.map(|(name, _)| name.to_owned());
        assert_eq!(names, contained.into_iter().collect());
        for (name, text) in CONFIGS {
            let own = for_this_program(text);
            assert!(own.contains(&format!("siren run {name}.toml")), "{own}");
            assert!(!own.contains("cargo xtask"), "{own}");
            assert!(summary(text).len() > 10, "{name}: {:?}", summary(text));
        }
    }
}
