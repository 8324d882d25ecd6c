//! Generates the pages of `docs/reference/`, which list every key of a config with its value, default and meaning.
//!
//! Names and meanings come from the source of the config structs, defaults and ranges from parsing configs.
//! `cargo xtask reference` writes the pages. Otherwise the test compares them with the files.

#[path = "../support/mod.rs"]
mod support;

mod page;
mod probe;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use siren_audio::Audio;
use siren_core::config::Source;
use siren_core::train::Model;
use siren_hyper::Hyper;
use siren_image::Image;
use siren_poisson::Poisson;
use siren_run::{ConfigOf, Domain};
use siren_shape::Shape;
use siren_video::Video;
use siren_wave::Waves;

use page::{Page, slug};
use probe::Probe;
use types::Types;

/// Environment variable that makes the test write the pages.
const UPDATE: &str = "UPDATE_REFERENCE";

const INDEX: &str = r#"# Every key of a config

A config is a [TOML](https://toml.io) file. Its `kind` says what is fitted; every other key has a default.

| page | keys |
|---|---|
| [shared.md](shared.md) | of every kind: top level, `[field]`, `[train]`, `[run]`, and the keys of `[signal]` that several kinds have |
| [image.md](image.md) | of pictures |
| [audio.md](audio.md) | of sounds |
| [video.md](video.md) | of clips |
| [poisson.md](poisson.md) | of pictures from their derivatives |
| [shape.md](shape.md) | of shapes |
| [wave.md](wave.md) | of waves and media |
| [hyper.md](hyper.md) | of sets of pictures |
| [sweep.md](sweep.md) | of `[sweep]`, which compares runs |

```toml
kind = "image"                  # what is fitted

[signal]                        # which picture, which of its pixels
path = "photo.jpg"              # default: the embedded picture
resize = 512                    # shorter side, in pixels
coordinates = "aspect"          # or "stretch", as in the authors' code
observed = { fraction = 0.5 }   # train on half of the pixels; the others are held out

[field]                         # the network
activation = "sine"
first_omega_0 = 30.0            # or "auto": from the signal's spectrum
hidden_features = 256
hidden_layers = 3
encoding = "identity"           # or "nerf", { fourier = { features = 256, scale = 10.0 } }, { rbf = { centers = 1024 } }

[train]
steps = 2000
learning_rate = 1e-3
schedule = "cosine"             # constant, linear, cosine, exponential
```

`--set KEY=VALUE` overrides one key from the command line, by its full name: `--set train.steps=2000`, `--set signal.sampling.subset.points=4096`.
The value is TOML; a value that is not TOML is taken as text, so paths and names need no quotes. Relative paths are relative to the folder in
which the command is given.

A key that is unknown, a value of the wrong type and a number out of range are errors that name the file, the line, the key and what was
expected. The run folder's `config.toml` is the whole config with every default filled in.

In the tables, *must be set* marks keys without a default; – marks keys that are absent unless they are set.

These pages are generated from the code by `cargo xtask reference`, and a test compares them with it.
"#;

/// A generated page: its file name and its text.
type Written = (String, String);

/// Returns the page of a kind, and the types of its keys that belong on the shared page, each with a key that has it.
fn kind_page<D: Domain>(title: &str, types: &Types) -> (Written, Vec<(String, String)>) {
    let probe = Probe::of::<D>();
    let (krate, signal) = path_of::<D::Signal>();
    let mut page = Page::new(title, types, Some(&probe)).of_crate(krate);
    page.paragraph(&format!(
        "`kind = \"{}\"`. The other tables, `[field]`, `[train]` and `[run]`, are those of [every kind](shared.md).",
        D::KIND
    ));
    page.table("signal", signal);
    let tables = [
        ("model", path_of::<<D::Model as Model>::Config>()),
        ("objective", path_of::<D::Objective>()),
    ];
    for (at, (_, name)) in tables
        .into_iter()
        .filter(|(_, (_, name))| *name != "NoTable")
    {
        page.table(at, name);
    }
    let text = finished(&page.text);
    ((format!("{}.md", D::KIND), text), page.foreign)
}

/// Returns the crate and the last segment of a type's path.
fn path_of<T>() -> (&'static str, &'static str) {
    let path = std::any::type_name::<T>();
    let krate = path.split("::").next().unwrap_or(path);
    (krate, path.rsplit("::").next().unwrap_or(path))
}

fn shared_page(types: &Types, foreign: &[(String, String)]) -> Written {
    let probe = Probe::of::<Image>();
    let mut page = Page::new("Keys of every kind", types, Some(&probe));
    page.paragraph("The tables `[signal]`, `[model]` and `[objective]` differ from kind to kind: see [the list of pages](README.md).");
    page.table("", "Config");
    page.paragraph("## Keys of `[signal]` that several kinds have");
    page.without_ranges();
    for (name, key) in foreign {
        page.table(key, name);
    }
    ("shared.md".to_owned(), finished(&page.text))
}

fn sweep_page(types: &Types) -> Written {
    let mut page = Page::new("Sweeps", types, None);
    page.paragraph("A config with a `[sweep]` table is run by `cargo xtask sweep`: [guide](../guide/compare.md).");
    page.table("sweep", "SweepConfig");
    ("sweep.md".to_owned(), finished(&page.text))
}

fn finished(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

fn pages() -> Vec<Written> {
    let types = &Types::of_workspace();
    let kinds = [
        kind_page::<Image>("Pictures", types),
        kind_page::<Audio>("Sounds", types),
        kind_page::<Video>("Clips", types),
        kind_page::<Poisson>("Pictures from their derivatives", types),
        kind_page::<Shape>("Shapes", types),
        kind_page::<Waves>("Waves", types),
        kind_page::<Hyper>("Sets of pictures", types),
    ];
    let mut foreign: Vec<(String, String)> = Vec::new();
    let mut pages = vec![("README.md".to_owned(), INDEX.to_owned())];
    for (page, found) in kinds {
        pages.push(page);
        for one in found {
            if !foreign.iter().any(|(name, _)| *name == one.0) {
                foreign.push(one);
            }
        }
    }
    pages.push(shared_page(types, &foreign));
    pages.push(sweep_page(types));
    pages
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

#[test]
fn the_reference_agrees_with_the_config_structs() {
    let folder = folder();
    if std::env::var_os(UPDATE).is_some() {
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in pages() {
            fs::write(folder.join(name), text).unwrap();
        }
        return;
    }
    for (name, text) in pages() {
        let shipped = fs::read_to_string(folder.join(&name)).unwrap_or_default();
        let shipped = shipped.replace("\r\n", "\n");
        let differs = shipped
            .lines()
            .zip(text.lines())
            .find(|(old, new)| old != new);
        assert!(
            shipped == text,
            "docs/reference/{name} does not agree with the config structs; write it again with `cargo xtask reference`\n{differs:#?}"
        );
    }
}

#[test]
fn every_page_of_the_reference_is_generated() {
    let pages = pages();
    for path in support::desk::files_under(&folder()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_generated = pages.iter().any(|(generated, _)| generated == name);
        assert!(
            is_generated,
            "docs/reference/{name} is not generated from any config struct; `cargo xtask reference` removes it"
        );
    }
}

#[test]
fn the_example_of_the_index_is_a_valid_config() {
    let example = INDEX.split("```toml\n").nth(1).unwrap();
    let source = Source {
        origin: "the example".to_owned(),
        text: example.split("```").next().unwrap().to_owned(),
    };
    let config = ConfigOf::<Image>::parse(&source, Image::KIND, &[]);
    assert_eq!(config.unwrap().train.steps, 2000);
}

#[test]
fn every_kind_has_a_page() {
    let names: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
    for config in support::desk::files_under(&folder().join("../../configs")) {
        let text = fs::read_to_string(&config).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let page = format!("{}.md", table["kind"].as_str().unwrap());
        assert!(names.contains(&page), "{} has no {page}", config.display());
    }
}

#[test]
fn every_key_has_a_meaning_and_every_link_has_a_target() {
    for (name, text) in pages() {
        let anchors: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("##"))
            .map(|line| slug(line.trim_start_matches(['#', ' '])))
            .collect();
        for line in text.lines() {
            assert!(
                !(line.starts_with("| `") && line.ends_with("|  |")),
                "{name}: a key without a doc comment: {line}"
            );
            for link in line.split("](#").skip(1) {
                let anchor = link.split(')').next().unwrap().to_owned();
                assert!(anchors.contains(&anchor), "{name}: no section #{anchor}");
            }
        }
    }
}
