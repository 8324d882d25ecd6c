//! The stand-in under a program that uses cudarc: this test again, as a child process whose `LD_LIBRARY_PATH` has it.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use siren_ptx::driver::library_folder;

/// Runs a part of [`crate::client`] in a child process.
fn client(part: &str, folder: &Path, settings: &[(&str, &str)]) -> Output {
    library_folder(folder).unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["client::run", "--exact", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder)
        .env("SIREN_PTX_REPORT", folder.join("report"))
        .env("CLIENT", part)
        .envs(settings.iter().copied());
    command.output().unwrap()
}

fn report(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("report")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn assert_good(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let good = output.status.success() && text(&output.stdout).contains("1 passed");
    assert!(good, "{}\n{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_program_computes_and_the_report_has_its_copies_and_launches() {
    let folder = tempfile::tempdir().unwrap();
    assert_good(&client("computes", folder.path(), &[]));
    let lines = report(folder.path());
    let (copies, lines): (Vec<String>, Vec<String>) = lines
        .into_iter()
        .partition(|line| line.starts_with("{\"copy\""));
    assert_eq!(lines.len(), 1);
    assert_eq!(
        copies,
        [
            r#"{"copy":"to the device","bytes":4000}"#,
            r#"{"copy":"from the device","bytes":16}"#,
            r#"{"copy":"to the device","bytes":3}"#,
            r#"{"copy":"from the device","bytes":3}"#
        ]
    );
    let start = r#"{"kernel":"block_sums","grid":[4, 1, 1],"block":[256, 1, 1],"dynamic_shared_bytes":1024,"static_shared_bytes":0,"#;
    assert!(lines[0].starts_with(start), "{}", lines[0]);
    // A barrier before the tree, and one a round for halves of 128, 64 and 32.
    assert!(lines[0].contains(r#""barriers":16,"#), "{}", lines[0]);
}

#[test]
fn a_fault_is_an_error_of_every_later_call() {
    let folder = tempfile::tempdir().unwrap();
    let output = client("faults", folder.path(), &[("SIREN_PTX_ORDER", "forward")]);
    assert_good(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let fault = "kernel block_sums, block (0, 0, 0), warp 0, lane 0, line ";
    assert!(said.contains(&format!("siren-ptx: {fault}")), "{said}");
    let start = format!("{{\"fault\":\"{fault}");
    assert!(
        report(folder.path())
            .iter()
            .any(|line| line.starts_with(&start))
    );
}

#[test]
fn shared_memory_must_be_asked_for_and_ends_with_the_card() {
    for (card, kib) in [("sm_80", "163"), ("sm_89", "99"), ("sm_90", "227")] {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("SIREN_PTX_CARD", card), ("KIB", kib)];
        assert_good(&client("shared memory", folder.path(), &settings));
    }
}

#[test]
fn the_card_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("SIREN_PTX_CARD", "sm_120"),
        ("SIREN_PTX_MEMORY", "1000000"),
    ];
    assert_good(&client("card", folder.path(), &settings));
}

#[test]
fn ptx_that_the_driver_or_card_is_too_old_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_good(&client(
        "old driver",
        folder.path(),
        &[("SIREN_PTX_DRIVER", "12040")],
    ));
    let lines = report(folder.path());
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with("{\"refused\":")),
        "{lines:?}"
    );
}

#[test]
fn a_setting_that_is_not_known_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = client("no card", folder.path(), &[("SIREN_PTX_CARD", "sm_1")]);
    assert_good(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("siren-ptx: SIREN_PTX_CARD is `sm_1`, expected one of sm_80, sm_86,"),
        "{said}"
    );
}

#[test]
fn a_kernel_that_is_not_supported_spoils_its_module_or_itself_alone() {
    for settings in [&[][..], &[("SIREN_PTX_REFUSE", "kernel")]] {
        let folder = tempfile::tempdir().unwrap();
        assert_good(&client("approximation", folder.path(), settings));
        let lines = report(folder.path());
        let [line] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        let start = "{\"refused\":\"line 7 of the PTX, `ex2.approx.f32";
        assert!(line.starts_with(start), "{line}");
    }
}
