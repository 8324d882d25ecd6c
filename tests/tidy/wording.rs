//! What configs say about themselves, and how words are spelled.

use crate::source::{Source, numbered};

const BRITISH: [&str; 9] = [
    "artefact",
    "analyse",
    "behaviour",
    "catalogue",
    "centre",
    "colour",
    "favour",
    "grey",
    "neighbour",
];

/// Verbs that the American spelling writes with `iz`.
const BRITISH_STEMS: [&str; 22] = [
    "discret",
    "factor",
    "final",
    "general",
    "initial",
    "maxim",
    "memor",
    "minim",
    "normal",
    "optim",
    "organ",
    "parallel",
    "parameter",
    "quant",
    "random",
    "real",
    "regular",
    "serial",
    "summar",
    "synchron",
    "vector",
    "visual",
];

/// Names that others gave: the parameters of the reference implementation.
const FOREIGN_NAMES: [&str; 1] = ["rbf_layer.centres"];

pub fn config_headers(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("configs/") && source.has_extension("toml"))
    {
        let header: Vec<&str> = source
            .text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        let is_sweep = source.path.starts_with("configs/sweeps/");
        let command = if is_sweep {
            "cargo xtask sweep"
        } else {
            "cargo xtask run"
        };
        for part in [command, "Expect"] {
            let is_missing = !header.iter().any(|line| line.contains(part));
            offenders
                .extend(is_missing.then(|| source.at(1, format!("no `{part}` in the header"))));
        }
    }
    offenders
}

pub fn british_spellings(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources.iter().filter(|source| !source.is_tidy_rule()) {
        for (line, text) in numbered(&source.text) {
            let mut text = text.to_lowercase();
            for name in FOREIGN_NAMES {
                text = text.replace(name, "");
            }
            offenders.extend(british_word(&text).map(|word| source.at(line, word)));
        }
    }
    offenders
}

/// The first British word of a line in lower case.
fn british_word(text: &str) -> Option<String> {
    let word = BRITISH
        .iter()
        .find(|word| text.contains(*word))
        .map(|word| (*word).to_owned());
    word.or_else(|| {
        let endings = BRITISH_STEMS
            .iter()
            .flat_map(|stem| ["ise", "isa", "isi"].map(|ending| format!("{stem}{ending}")));
        endings
            .into_iter()
            .find(|beginning| text.contains(beginning))
            .map(|beginning| beginning + "…")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sources;

    #[test]
    fn a_config_without_command_or_expectation_is_caught() {
        let good =
            "# A picture.\n#   cargo xtask run configs/a.toml\n# Expect 30 dB.\nkind = \"image\"\n";
        let late =
            "# A picture.\n# Expect 30 dB.\n\n# cargo xtask run configs/a.toml\nkind = \"image\"\n";
        let bare = "kind = \"image\"\n";
        let files = sources([
            ("configs/a.toml", good),
            ("configs/paper/b.toml", late),
            ("configs/c.toml", bare),
            ("configs/sweeps/e.toml", good),
            ("d.toml", bare),
        ]);
        assert_eq!(
            config_headers(&files),
            [
                "configs/paper/b.toml:1: no `cargo xtask run` in the header",
                "configs/c.toml:1: no `cargo xtask run` in the header",
                "configs/c.toml:1: no `Expect` in the header",
                "configs/sweeps/e.toml:1: no `cargo xtask sweep` in the header",
            ]
        );
    }

    #[test]
    fn british_spellings_are_caught_in_code_and_comments() {
        let text = "/// Normalised colors.\nfn grey_level() {}\nlet a = \"rbf_layer.centres\";\nlet centres = 1;\n";
        let files = sources([("a.rs", text), ("b.md", "The optimiser initialises.\n")]);
        assert_eq!(
            british_spellings(&files),
            [
                "a.rs:1: normalise…",
                "a.rs:2: grey",
                "a.rs:4: centre",
                "b.md:1: initialise…"
            ]
        );
    }

    #[test]
    fn american_words_that_look_british_are_left_alone() {
        let text = "Optimistic, minimum, real noise, realistic, organism, precise, otherwise, normalized, centered, analysis.\n";
        assert!(british_spellings(&sources([("a.md", text)])).is_empty());
    }
}
