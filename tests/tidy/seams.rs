//! What may happen in one place only: unsafe code, the backward pass, randomness, and contact with the world outside.

use crate::source::{Source, has_word, numbered};

const KERNEL: &str = "crates/siren-core/src/field/kernel/";
const FOLDER: &str = "crates/siren-core/src/run/folder.rs";

/// Candle's generators cannot be seeded on the CPU; the others take their seed from the operating system.
const UNSEEDED: [&str; 12] = [
    "Tensor::rand",
    "Tensor::randn",
    "Var::rand",
    "Var::randn",
    "rand_like",
    "randn_like",
    "set_seed",
    "rand::rng",
    "rand::random",
    "thread_rng",
    "from_os_rng",
    "from_entropy",
];

const EFFECTS: [&str; 14] = [
    "fs::",
    "std::fs",
    "File::",
    "OpenOptions",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "SystemTime",
    "Instant::now",
    "std::env",
    "env::",
    "stdin()",
];

const RUN_FOLDER_NAMES: [&str; 4] = ["metrics.csv", "config.toml", "summary.toml", "checkpoints"];

pub fn unsafe_outside_kernel(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is_rust() && !source.path.starts_with(KERNEL))
    {
        let lines = numbered(&source.code).filter(|(_, text)| has_word(text, "unsafe"));
        offenders.extend(lines.map(|(line, _)| source.at(line, "unsafe")));
    }
    offenders
}

pub fn unsafe_without_reason(sources: &[Source]) -> Vec<String> {
    const LINES_ABOVE: usize = 4;
    let mut offenders = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let comments: Vec<&str> = source.text.lines().collect();
        for (line, text) in numbered(&source.code) {
            let needs_reason = has_word(text, "unsafe {") || has_word(text, "unsafe impl");
            let above = &comments[line.saturating_sub(LINES_ABOVE + 1)..line];
            if needs_reason && !above.iter().any(|comment| comment.contains("SAFETY:")) {
                offenders.push(source.at(line, "unsafe without `SAFETY:`"));
            }
        }
    }
    offenders
}

/// All calls if there is more than one, and a remark if there is none.
pub fn backward_calls(sources: &[Source]) -> Vec<String> {
    let mut calls = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let lines = source
            .production_code()
            .filter(|(_, text)| text.contains(".backward()"));
        calls.extend(lines.map(|(line, _)| source.at(line, ".backward()")));
    }
    match calls.len() {
        0 => vec!["nowhere is `.backward()` called: has this rule lost its subject?".to_owned()],
        1 => Vec::new(),
        _ => calls,
    }
}

pub fn unseeded_randomness(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is_rust() && !source.is_tidy_rule())
    {
        for (line, text) in numbered(&source.code) {
            let found = UNSEEDED.iter().filter(|name| has_word(text, name));
            offenders.extend(found.map(|name| source.at(line, name)));
        }
    }
    offenders
}

pub fn effects_below_run(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    let is_bound = |path: &str| {
        path.strip_prefix("crates/siren-core/src/")
            .is_some_and(|inner| !inner.starts_with("run/"))
    };
    for source in sources
        .iter()
        .filter(|source| source.is_rust() && is_bound(&source.path))
    {
        for (line, text) in source.production_code() {
            let found = EFFECTS.iter().find(|name| has_word(text, name));
            offenders.extend(found.map(|name| source.at(line, name)));
        }
    }
    offenders
}

pub fn folder_names(sources: &[Source]) -> Vec<String> {
    let mut offenders = Vec::new();
    let is_bound = |path: &str| path.starts_with("crates/") && path != FOLDER;
    for source in sources
        .iter()
        .filter(|source| source.is_rust() && is_bound(&source.path))
    {
        let lines = numbered(&source.uncommented).filter(|&(line, _)| !source.is_test_line(line));
        for (line, text) in lines {
            let is_named = |name: &&&str| {
                text.contains(&format!("\"{name}\"")) || text.contains(&format!("\"{name}/"))
            };
            offenders.extend(
                RUN_FOLDER_NAMES
                    .iter()
                    .filter(is_named)
                    .map(|name| source.at(line, name)),
            );
        }
    }
    offenders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sources;

    #[test]
    fn unsafe_code_outside_the_kernel_is_caught() {
        let text = "#![deny(unsafe_code)]\n// unsafe\nfn f() {\n    unsafe { g() }\n}\n";
        let files = sources([
            ("crates/siren-core/src/run/a.rs", text),
            ("crates/siren-core/src/field/kernel/a.rs", text),
        ]);
        assert_eq!(
            unsafe_outside_kernel(&files),
            ["crates/siren-core/src/run/a.rs:4: unsafe"]
        );
    }

    #[test]
    fn unsafe_code_without_a_reason_is_caught() {
        let reason = "// SAFETY: in bounds.\nunsafe { g() }\n";
        let far = "// SAFETY: in bounds.\n\n\n\n\nunsafe { g() }\n";
        let files = sources([
            ("a.rs", reason),
            ("b.rs", far),
            ("c.rs", "unsafe impl Send for A {}\n"),
            ("d.rs", "unsafe fn f() {}\n"),
        ]);
        assert_eq!(
            unsafe_without_reason(&files),
            [
                "b.rs:6: unsafe without `SAFETY:`",
                "c.rs:1: unsafe without `SAFETY:`"
            ]
        );
    }

    #[test]
    fn a_second_backward_call_is_caught() {
        let once = "fn f() {\n    loss.backward()?;\n}\n#[cfg(test)]\nmod tests {\n    fn g() {\n        a.backward()?;\n    }\n}\n";
        assert!(backward_calls(&sources([("a.rs", once)])).is_empty());
        let twice = sources([("a.rs", once), ("b.rs", "x.backward()\n")]);
        assert_eq!(
            backward_calls(&twice),
            ["a.rs:2: .backward()", "b.rs:1: .backward()"]
        );
        assert_eq!(backward_calls(&sources([])).len(), 1);
    }

    #[test]
    fn unseeded_randomness_is_caught_even_in_tests() {
        let text = "// Tensor::randn\n#[cfg(test)]\nmod tests {\n    fn f() {\n        Tensor::randn(0f32, 1., 3, &device);\n    }\n}\n";
        let files = sources([
            ("a.rs", text),
            ("b.rs", "rand_distr::StandardNormal\n"),
            ("c.rs", "x.rand_like(0., 1.)\n"),
        ]);
        assert_eq!(
            unseeded_randomness(&files),
            ["a.rs:5: Tensor::randn", "c.rs:1: rand_like"]
        );
    }

    #[test]
    fn effects_below_run_are_caught() {
        let text = "use std::{env, fs};\nfn f() {\n    let file = MetricsFile::new(fs::read(a));\n    println!();\n    Instant::now();\n    env::var(a);\n}\n\
                    #[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        let files = sources([
            ("crates/siren-core/src/train/a.rs", text),
            ("crates/siren-core/src/run/a.rs", text),
            ("crates/siren-image/src/a.rs", text),
        ]);
        let path = "crates/siren-core/src/train/a.rs";
        let expected = [
            (3, "fs::"),
            (4, "println!"),
            (5, "Instant::now"),
            (6, "env::"),
        ];
        assert_eq!(
            effects_below_run(&files),
            expected.map(|(line, name)| format!("{path}:{line}: {name}"))
        );
    }

    #[test]
    fn names_inside_a_run_folder_are_caught() {
        let text = "/// Writes \"config.toml\".\nfn f() {\n    a.join(\"metrics.csv\").join(\"checkpoints/last\");\n    b(\"no checkpoints here\");\n}\n";
        let files = sources([
            ("crates/siren-image/src/a.rs", text),
            (FOLDER, text),
            ("xtask/src/a.rs", text),
        ]);
        let path = "crates/siren-image/src/a.rs";
        assert_eq!(
            folder_names(&files),
            [
                format!("{path}:3: metrics.csv"),
                format!("{path}:3: checkpoints")
            ]
        );
    }
}
