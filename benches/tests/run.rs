//! End-to-end tests of `siren-bench run`: its engine processes and the files that it writes.

use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siren-bench"));
    command.arg("run").args(args).output().unwrap()
}

#[test]
fn json_and_table_hold_the_steps_of_every_engine() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = run(&["tiny", "--repeats", "2", "--threads", "1", "--out", out]);
    assert!(output.status.success(), "{output:?}");
    let json = std::fs::read_to_string(folder.path().join("bench.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let case = &json["cases"][0];
    assert_eq!(
        case["peak_gflops"]["min"].as_f64().map(|peak| peak > 0.1),
        Some(true)
    );
    for (index, engine) in ["fused", "candle"].iter().enumerate() {
        let row = &case["engines"][index];
        assert_eq!(row["engine"], *engine);
        let seconds = row["seconds"].as_array().unwrap();
        assert_eq!(seconds.len(), 2, "{row}");
        assert!(
            seconds.iter().all(|s| s.as_f64().is_some_and(|s| s > 0.0)),
            "{row}"
        );
    }
    let table = std::fs::read_to_string(folder.path().join("bench.md")).unwrap();
    assert!(table.contains("| tiny | fused | 0."), "{table}");
    assert!(table.contains("| tiny-hyper | fused | 0."), "{table}");
    assert!(
        table.contains("| tiny-hyper | candle | not supported"),
        "{table}"
    );
    assert!(
        table.contains("| tiny-gauss-newton | fused | 0."),
        "{table}"
    );
}

#[test]
fn engines_agree_on_the_loss_of_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = run(&["tiny", "--repeats", "1", "--threads", "1", "--out", out]);
    assert!(output.status.success(), "{output:?}");
    let json = std::fs::read_to_string(folder.path().join("bench.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let cases = json["cases"].as_array().unwrap();
    for name in ["tiny", "tiny-shape", "tiny-helmholtz"] {
        let case = cases.iter().find(|case| case["case"]["name"] == name);
        let engines = &case.unwrap()["engines"];
        let losses = [0, 1].map(|index| engines[index]["first_loss"].as_f64().unwrap());
        assert!(
            (losses[0] / losses[1] - 1.0).abs() < 1e-5,
            "{name}: {losses:?}"
        );
    }
}

#[test]
fn a_missing_interpreter_is_reported_in_the_table_and_other_engines_still_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let peers = ["--peers", "--python", "no-such-python"];
    let output = run(&[&["tiny", "--repeats", "1", "--out", out], &peers[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let table = std::fs::read_to_string(folder.path().join("bench.md")).unwrap();
    assert!(table.contains("cannot start no-such-python"), "{table}");
    assert!(table.contains("| tiny | candle | 0."), "{table}");
}

#[test]
fn an_unknown_case_is_an_error_that_lists_all_cases() {
    let output = run(&["valu"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("`valu`")
            && error.contains("laplacian-256-512")
            && error.contains("shape-256-128"),
        "{error}"
    );
}
