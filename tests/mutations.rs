//! Mutations of the corpus of every fuzz target, drawn from fixed seeds. `SIREN_MUTATIONS=N` sets the number for each target, and
//! `SIREN_MUTATION_SEED=S` other seeds.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use siren_tests::fuzz::{TARGETS, Target};
use siren_torture::mutate::mutated;
use siren_torture::random::Choices;

/// Mutations for each target: all of them take some seconds.
const MUTATIONS: u64 = 10_000;
/// Longest time for one input. The inputs have at most 64 KiB.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the mutations of a target found.
#[derive(Default)]
struct Found {
    executions: u64,
    duration: Duration,
    longest: Duration,
    failures: Vec<String>,
}

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap()
}

/// Returns the number in an environment variable.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{text}`, expected a number")),
        Err(_) => default,
    }
}

/// Returns the files of the corpus that a target reads, and those that once broke it.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let found = format!("torture/corpus/found/{}", target.name);
    let mut files = Vec::new();
    for folder in target.corpus.iter().copied().chain([found.as_str()]) {
        let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.filter(|path| {
            let extension = path.extension().and_then(|one| one.to_str());
            extension.is_some_and(|own| target.extensions.contains(&own))
        }));
    }
    files.sort();
    assert!(!files.is_empty(), "{} has no corpus", target.name);
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

impl Found {
    /// Calls the target. Input of a panic or of a long call is kept in a file.
    fn call(&mut self, target: &Target, input: &[u8]) {
        let start = Instant::now();
        let ended = catch_unwind(|| (target.run)(input));
        let duration = start.elapsed();
        self.executions += 1;
        self.duration += duration;
        self.longest = self.longest.max(duration);
        if ended.is_err() || duration > PATIENCE {
            let kept = keep(target, input);
            let cause = if ended.is_err() { "panics" } else { "hangs" };
            self.failures.push(format!("{cause} on {}", kept.display()));
        }
    }
}

/// Writes an input beside the test programs, and returns its path.
fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("mutations")
        .join(target.name);
    fs::create_dir_all(&folder).unwrap();
    let checksum = crc32c::crc32c(input);
    let path = folder.join(format!("{checksum:08x}.{}", target.extensions[0]));
    fs::write(&path, input).unwrap();
    path
}

fn mutate(target: &Target, mutations: u64, seed: u64) -> Found {
    let corpus = corpus(target);
    let mut found = Found::default();
    for input in &corpus {
        found.call(target, input);
    }
    for index in 0..mutations {
        let mut choices = Choices::of_seed(seed.wrapping_mul(1_000_003).wrapping_add(index));
        let input = mutated(
            choices.of::<Vec<u8>>(&corpus),
            &corpus,
            target.words,
            &mut choices,
        );
        found.call(target, &input);
    }
    found
}

#[test]
fn no_mutated_input_makes_a_parser_panic_or_hang() {
    let mutations = number("SIREN_MUTATIONS", MUTATIONS);
    let seed = number("SIREN_MUTATION_SEED", 0);
    let only = std::env::var("SIREN_MUTATION_TARGET").ok();
    let mut failures = Vec::new();
    let chosen = |target: &&Target| only.as_ref().is_none_or(|only| target.name == only);
    for target in TARGETS.iter().filter(chosen) {
        let found = mutate(target, mutations, seed);
        println!(
            "{:<12} {:>8} executions {:>7.2} s, longest {:.3} s, {} findings",
            target.name,
            found.executions,
            found.duration.as_secs_f64(),
            found.longest.as_secs_f64(),
            found.failures.len()
        );
        failures.extend(
            found
                .failures
                .into_iter()
                .map(|one| format!("{}: {one}", target.name)),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_target_has_a_file_for_cargo_fuzz_and_reads_its_corpus() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap();
    assert_eq!(bins.len(), TARGETS.len());
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        let is_listed = bins.iter().any(|bin| bin["path"].as_str() == Some(&path));
        assert!(is_listed, "fuzz/Cargo.toml lacks {path}");
        let text = fs::read_to_string(root().join("fuzz").join(&path)).unwrap();
        let call = "fuzz_target!(|data: &[u8]| siren_tests::fuzz::";
        assert!(text.contains(call), "{path}");
        assert!(!corpus(&target).is_empty());
    }
}
