//! A short run of the fault campaign, with fixed seeds. `cargo xtask torture` runs it for as long as one likes.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;

use siren_torture::campaign::{Campaign, Folders};
use support::program::program;

/// Number of trials; each takes about a second for each of its faults.
const TRIALS: u64 = 40;

#[test]
fn whatever_breaks_a_run_the_continued_one_gives_the_results_of_an_unbroken_one() {
    let kinds = [
        "audio", "hyper", "image", "poisson", "shape", "sweep", "video", "wave",
    ];
    let programs = kinds.map(program);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = Folders {
        root: root.to_path_buf(),
        programs: programs[0].parent().unwrap().to_path_buf(),
    };
    let mut campaign = Campaign::new(folders, None).unwrap();
    for note in campaign.notes() {
        println!("{note}");
    }
    for seed in 0..TRIALS {
        let trial = campaign.run_trial(seed).unwrap();
        println!("trial {seed}: {}", trial.plan);
        let found = trial.found.unwrap_or_default();
        assert!(
            found.is_empty(),
            "{}\n{found}\nrepeat it: cargo xtask torture --trial {seed}",
            trial.plan
        );
    }
    println!("{}", campaign.tally().to_text());
}
