//! The check of a card, rehearsed: the driver is the stand-in, which interprets the kernels on the CPU.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::program::{Ended, program};
use tempfile::TempDir;

/// Returns the command that rehearses the check under the stand-in in `driver`, with its report in `out`.
fn rehearsal(driver: &TempDir, out: &Path) -> Command {
    siren_ptx::driver::library_folder(driver.path()).unwrap();
    let mut command = Command::new(program("bench"));
    command
        .args(["gpu-check", "--rehearse", "--root"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .arg("--out")
        .arg(out)
        .env("LD_LIBRARY_PATH", driver.path());
    command
}

/// Runs a command, and returns its exit status and the report that it wrote.
fn report(mut command: Command, out: &Path) -> (Ended, Value) {
    let ended = Ended::from(command.output().unwrap());
    let json = std::fs::read_to_string(out.join("gpu-check.json"));
    let json = json.unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    (ended, json.parse().unwrap())
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Checks the accuracy in a report.
fn assert_accurate(oracle: &Value) {
    assert!(number(&oracle["compared"]) >= 15.0);
    assert_eq!(oracle["compared"], oracle["cases"]);
    let largest = &oracle["largest"];
    for i in 0..2 {
        let [exact, fast] = ["exact", "fast"].map(|key| number(&largest[key][i]));
        assert!(exact > 0.0 && exact < 1e-4, "{largest}");
        assert!(fast > 10.0 * exact && fast < 2e-2, "{largest}");
    }
}

/// Checks that every engine took steps on the loss of the CPU.
fn assert_timed(speed: &Value) {
    assert!(number(&speed["ceilings"]["copy_gigabytes_per_second"]) > 0.0);
    let cases = list(&speed["cases"]);
    assert_eq!(cases.len(), 4);
    for case in cases {
        let engines = list(&case["engines"]);
        let names: Vec<&str> = engines
            .iter()
            .filter_map(|e| e["engine"].as_str())
            .collect();
        let expected = [
            "siren, CPU",
            "siren, exact",
            "siren, fast",
            "kernels alone, exact",
            "kernels alone, fast",
        ];
        assert_eq!(names, expected);
        for engine in engines {
            assert!(number(&engine["seconds"]["median"]) > 0.0, "{case}");
            if case["case"] != "render-16-8" {
                let [found, expected] = [engine, &engines[0]].map(|e| number(&e["first_loss"]));
                assert!((found / expected - 1.0).abs() < 0.05, "{case}");
            }
        }
        for precision in ["exact", "fast"] {
            // A rendering looks for the largest weights, packs them, and computes all layers of these narrow networks at once.
            assert!(
                number(&case["kernels"][precision]["launches"]) >= 3.0,
                "{case}"
            );
        }
    }
}

/// Checks that every run ended, and how close they are.
fn assert_ran(runs: &Value) {
    let psnr = |name: &str| {
        let run = list(runs).iter().find(|run| run["run"] == name);
        number(&run.unwrap_or_else(|| panic!("no {name} in {runs}"))["psnr_db"])
    };
    for kind in ["image", "poisson"] {
        let [card, cpu, resumed] =
            ["exact", "cpu", "resumed"].map(|run| psnr(&format!("{kind}-{run}")));
        assert!((card - cpu).abs() < 0.1);
        assert_eq!(resumed.to_bits(), card.to_bits());
        assert!((psnr(&format!("{kind}-moved")) - cpu).abs() < 0.1);
    }
}

#[test]
fn a_card_that_computes_as_the_cpu_passes_every_phase() {
    // The programs of the runs are beside that of the check.
    let folders =
        ["image", "poisson", "bench"].map(|kind| program(kind).parent().unwrap().to_owned());
    assert!(folders.iter().all(|folder| *folder == folders[0]));
    let [driver, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (ended, report) = report(rehearsal(&driver, out.path()), out.path());
    ended.assert_success();
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    assert!(
        report["card"]["name"]
            .as_str()
            .unwrap()
            .contains("siren-ptx")
    );
    assert_accurate(&report["oracle"]);
    assert_timed(&report["speed"]);
    assert_ran(&report["runs"]);
    let markdown = std::fs::read_to_string(out.path().join("gpu-check.md")).unwrap();
    for part in [
        "A rehearsal",
        "### Accuracy",
        "| value-16-8 | siren, exact |",
        "| poisson-moved | cpu |",
    ] {
        assert!(markdown.contains(part), "no `{part}` in\n{markdown}");
    }
}

#[test]
fn a_card_without_memory_for_a_network_fails_the_check_and_every_phase_is_tried() {
    let [driver, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut command = rehearsal(&driver, out.path());
    command.env("SIREN_PTX_MEMORY", "20000");
    let (ended, report) = report(command, out.path());
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let failures = list(&report["failures"]);
    for phase in ["oracle", "speed", "runs"] {
        let is_wrong = |failure: &&Value| failure["phase"] == phase && failure["is_wrong"] == true;
        let failure = failures.iter().find(is_wrong);
        let failure = failure.unwrap_or_else(|| panic!("{phase}: {failures:?}"));
        let what = failure["what"].as_str().unwrap();
        assert!(what.contains("out of memory"), "{what}");
    }
}

#[test]
fn a_card_that_does_not_exist_is_an_error() {
    let [driver, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut command = rehearsal(&driver, out.path());
    command.args(["--device", "3"]);
    let ended = Ended::from(command.output().unwrap());
    ended.assert_refused("--device 3", &["no CUDA device 3: the driver knows 1"]);
}
