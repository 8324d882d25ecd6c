//! The tidy rules: what the compiler and clippy do not check, and what keeps this code base one.
//!
//! A rule is a function from the sources to a list of offenders, `path:line: what`. Beside each stands a test that shows
//! it a made-up offender, so that a rule which can no longer fail does fail. The rules read text, not syntax trees: they
//! rely on rustfmt's layout and see comments and literals as blanks.

mod features;
mod lexer;
mod seams;
mod size;
mod source;
mod structure;
mod wording;

use std::sync::LazyLock;

use source::Source;

type Rule = fn(&[Source]) -> Vec<String>;

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(source::read_workspace);

fn check(rule: Rule, advice: &str) {
    let offenders = rule(&SOURCES);
    assert!(
        offenders.is_empty(),
        "{advice}\n  {}\n",
        offenders.join("\n  ")
    );
}

#[test]
fn the_workspace_is_found() {
    for path in [
        "Cargo.toml",
        "crates/siren-core/src/lib.rs",
        "tests/tidy/main.rs",
        "xtask/src/main.rs",
    ] {
        assert!(
            SOURCES.iter().any(|source| source.path == path),
            "{path} was not read"
        );
    }
}

#[test]
fn files_are_short() {
    check(
        size::long_files,
        "split these files by what they are about (about 400 lines is the aim):",
    );
}

#[test]
fn functions_are_short() {
    check(
        size::long_functions,
        "name the parts of these functions (about 60 lines is the aim):",
    );
}

#[test]
fn functions_take_few_parameters() {
    check(
        size::many_parameters,
        "gather the parameters of these functions in a struct (5 is the aim):",
    );
}

#[test]
fn unsafe_code_is_in_the_kernel_only() {
    check(
        seams::unsafe_outside_kernel,
        "only crates/siren-core/src/field/kernel/ may be unsafe:",
    );
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    check(
        seams::unsafe_without_reason,
        "write a `SAFETY:` comment directly above:",
    );
}

#[test]
fn backward_is_called_in_one_place() {
    check(
        seams::backward_calls,
        "the trainer alone calls `.backward()`, once:",
    );
}

#[test]
fn random_numbers_come_from_the_seed() {
    check(
        seams::unseeded_randomness,
        "draw from the `ChaCha8Rng` made from the config's seed:",
    );
}

#[test]
fn only_runs_touch_the_world() {
    check(
        seams::effects_below_run,
        "in siren-core, only src/run/ opens files, prints, or reads clock and environment:",
    );
}

#[test]
fn only_the_folder_module_knows_what_is_in_a_run_folder() {
    check(
        seams::folder_names,
        "ask crates/siren-core/src/run/folder.rs for the path:",
    );
}

#[test]
fn modules_use_what_stands_to_their_left() {
    check(
        structure::wrong_direction,
        "error, config < signal, field < objective < train < run:",
    );
}

#[test]
fn crates_form_a_star() {
    check(
        structure::foreign_dependencies,
        "domain crates depend on siren-core, not on one another; xtask on none:",
    );
}

#[test]
fn names_say_what_is_inside() {
    check(structure::empty_names, "name these after what they hold:");
}

#[test]
fn every_config_tells_its_command_and_expected_result() {
    check(
        wording::config_headers,
        "begin with comments that hold `cargo xtask run …` (`sweep` for sweeps) and `Expect …`:",
    );
}

#[test]
fn spelling_is_american() {
    check(wording::british_spellings, "spell these the American way:");
}
