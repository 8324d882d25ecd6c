//! Sweeps: tables, names of runs, mistakes that are refused before the first run, killed sweeps, and sweeps on Slurm.

#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod slurm;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use image::{GrayImage, Luma};
use support::desk::Desk;
use support::program::{Ended, program};

const EXPERIMENT: &str = "\
kind = \"image\"
[signal]
size = 24
[field]
hidden_features = 16
hidden_layers = 1
[train]
steps = 60
[run]
evaluate_every = 20
checkpoint_every = 10
";
const AXES: &str = "\
[[sweep.axes]]
name = \"method\"
options = [
  { name = \"sine\" },
  { name = \"relu + PE\", field.activation = \"relu\", field.encoding = \"nerf\", train.learning_rate = 1e-3 },
  { name = \"Muon\", train.optimizer.muon = { learning_rate = 2e-3 } },
]
[[sweep.axes]]
name = \"seed\"
key = \"seed\"
values = [0, 1, 2, 3]
";
const TABLE: &str = "\
[sweep.table]
rows = \"method\"
metrics = [\"psnr_db\", \"ssim\"]
";

/// Returns the command `siren-sweep` with the arguments of `line`.
fn sweep(desk: &Desk, line: &str) -> Command {
    program("image");
    let mut command = Command::new(program("sweep"));
    command.args(line.split(' ')).current_dir(desk.path(""));
    command
}

/// Runs `siren-sweep` with the arguments of `line` and waits until it exits.
fn run(desk: &Desk, line: &str) -> Ended {
    sweep(desk, line).output().unwrap().into()
}

/// Fails unless the tables of two sweeps are the same bytes.
#[track_caller]
fn assert_same_tables(desk: &Desk, found: &str, expected: &str) {
    for file in ["table.md", "table.csv", "table.tex"] {
        let table = |sweep: &str| read_text(desk, &format!("{sweep}/{file}"));
        assert_eq!(table(found), table(expected), "{file}");
    }
}

fn read_text(desk: &Desk, name: &str) -> String {
    String::from_utf8(desk.read(name)).unwrap()
}

#[test]
fn runs_with_another_signal_than_the_configs_have_no_expected_metrics() {
    let desk = Desk::new();
    let axis = "[[sweep.axes]]\nname = \"size\"\nkey = \"signal.size\"\nvalues = [24, 20]\n";
    let table = "[sweep.table]\nrows = \"size\"\nmetrics = [\"psnr_db\"]\n";
    let expect = "[expect]\npsnr_db = 49.4\n";
    desk.write("s.toml", format!("{EXPERIMENT}{expect}{axis}{table}"));
    run(&desk, "run s.toml --out out").assert_success();
    for (size, is_unchanged) in [(24, true), (20, false)] {
        let summary = read_text(&desk, &format!("out/runs/{size}/summary.toml"));
        assert_eq!(summary.contains("49.4"), is_unchanged, "{summary}");
        assert_eq!(
            read_text(&desk, &format!("out/logs/{size}.txt")).contains("49.4"),
            is_unchanged
        );
    }
}

#[test]
fn a_table_shows_means_with_deviations_best_values_in_bold_and_published_values() {
    let desk = Desk::new();
    let published = "[[sweep.published]]\nrow = \"Muon\"\nvalue = 12.5\nsource = \"a paper\"\n";
    desk.write("s.toml", format!("{EXPERIMENT}{AXES}{TABLE}{published}"));
    let shown = run(&desk, "run s.toml --out out").assert_success().stdout;
    assert_eq!(shown.matches("**").count(), 4, "{shown}");
    assert!(
        shown.contains("12 of 12 runs") && shown.contains("(12.50 [1])"),
        "{shown}"
    );
    let mean = |method: &str| {
        let psnr_db = |seed: u32| {
            let name = format!("out/runs/{method}--{seed}/summary.toml");
            let summary: toml::Table = read_text(&desk, &name).parse().unwrap();
            summary["metrics"]["psnr_db"].as_float().unwrap()
        };
        (0..4).map(psnr_db).sum::<f64>() / 4.0
    };
    for (row, method) in [
        ("sine", "sine"),
        ("relu + PE", "relu---PE"),
        ("Muon", "Muon"),
    ] {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!("| {row} |")));
        let expected = format!("{:.2} ± ", mean(method));
        assert!(line.unwrap().contains(&expected), "{expected} in {shown}");
    }
    let again = run(&desk, "table out").assert_success().stdout;
    assert_eq!(again, shown);
    for file in [
        "table.md",
        "table.csv",
        "table.tex",
        "plots/psnr_db-steps.svg",
    ] {
        assert!(!desk.read(&format!("out/{file}")).is_empty());
    }
}

#[test]
fn mistakes_in_a_sweep_are_refused_before_the_first_run() {
    let good = format!("{EXPERIMENT}{AXES}{TABLE}");
    let axis =
        |axis: &str| format!("{EXPERIMENT}[[sweep.axes]]\nname = \"method\"\n{axis}\n{TABLE}");
    for (case, config, words) in [
        (
            "no such key",
            axis("key = \"train.learning_rat\"\nvalues = [1]"),
            "learning_rate",
        ),
        (
            "a value out of range",
            axis("key = \"train.steps\"\nvalues = [5, 0]"),
            "train.steps",
        ),
        (
            "an empty glob",
            axis("key = \"signal.path\"\nfiles = \"none/*.png\""),
            "matches no file",
        ),
        (
            "two rows of one name",
            axis("options = [{ name = \"a b\" }, { name = \"a b\" }]"),
            "the same name",
        ),
        (
            "a glob of hidden files",
            axis("key = \"signal.path\"\nfiles = \"hidden/*\""),
            "hidden files are not counted",
        ),
        (
            "an axis without choices",
            axis("key = \"seed\""),
            "`values`",
        ),
        (
            "an empty list of values",
            axis("key = \"seed\"\nvalues = []"),
            "no choices",
        ),
        (
            "no such axis",
            good.replace("rows = \"method\"", "rows = \"methods\""),
            "sweep.table.rows",
        ),
        (
            "an unknown key of the table",
            good.replace("rows =", "row ="),
            "s.toml",
        ),
        ("no sweep table", EXPERIMENT.to_owned(), "sweep"),
        (
            "a published value of an unknown row",
            format!("{good}[[sweep.published]]\nrow = \"x\"\nvalue = 1\nsource = \"\""),
            "sweep.published",
        ),
    ] {
        let desk = Desk::new();
        desk.write("s.toml", config);
        std::fs::create_dir(desk.path("hidden")).unwrap();
        desk.write("hidden/._a.png", "");
        run(&desk, "run s.toml --out out").assert_refused(case, &[words]);
        assert!(!desk.path("out").exists(), "{case}");
    }
}

#[test]
fn a_folder_of_another_sweep_is_refused() {
    let desk = Desk::new();
    let config = format!("{EXPERIMENT}{AXES}{TABLE}");
    desk.write("s.toml", &config);
    run(&desk, "run s.toml --out out --set train.steps=2").assert_success();
    run(&desk, "run s.toml --out out --set train.steps=3")
        .assert_refused("another config", &["another config"]);
    desk.write(
        "t.toml",
        config.replace("values = [0, 1, 2, 3]", "values = [4]"),
    );
    run(&desk, "run t.toml --out out --set train.steps=2")
        .assert_refused("other runs", &["another sweep"]);
    std::fs::create_dir(desk.path("taken")).unwrap();
    run(&desk, "run s.toml --out taken").assert_refused("no sweep folder", &["not a sweep folder"]);
}

#[test]
fn a_sweep_by_seconds_knows_its_finished_runs_by_their_seconds() {
    let desk = Desk::new();
    let seeds = "[[sweep.axes]]\nname = \"seed\"\nkey = \"seed\"\nvalues = [0, 1]\n";
    let table = TABLE.replace("method", "seed");
    desk.write("s.toml", format!("{EXPERIMENT}{seeds}{table}"));
    let line = "run s.toml --out out --jobs 1 --set train.seconds=";
    run(&desk, &format!("{line}0.3")).assert_success();
    let read = |file: &str| {
        let runs = std::fs::read_dir(desk.path("out/runs")).unwrap();
        let paths = runs.map(|run| run.unwrap().path().join(file));
        let mut texts: Vec<_> = paths
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        texts.sort();
        texts
    };
    let timing = read("timing.csv");
    assert_eq!(timing.len(), 2);
    for config in read("config.toml") {
        let config: toml::Table = config.parse().unwrap();
        assert!(config["train"]["steps"].as_integer().unwrap() >= 1);
    }
    run(&desk, &format!("{line}0.3")).assert_success();
    // A run that is taken again takes other times.
    assert_eq!(read("timing.csv"), timing);
    let other = run(&desk, &format!("{line}0.4"));
    other.assert_refused("another budget", &["another config"]);
}

/// Returns the config of a sweep over the files that match `pattern`, with one row per file.
fn config_over_files(pattern: &str) -> String {
    let axis = format!(
        "[[sweep.axes]]\nname = \"picture\"\nkey = \"signal.path\"\nfiles = \"{pattern}\"\n"
    );
    let table = TABLE.replace("method", "picture");
    format!("{EXPERIMENT}{axis}{table}").replace("steps = 60", "steps = 2")
}

/// Writes pictures of one gray shade each, so that the target of a run identifies its picture.
fn write_flat_pictures(desk: &Desk, names: &[&str]) {
    for (at, name) in names.iter().enumerate() {
        let path = desk.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let shade = Luma([10 + 20 * at as u8]);
        GrayImage::from_pixel(6, 6, shade).save(path).unwrap();
    }
}

#[test]
fn every_file_has_one_row_and_one_run() {
    for (names, pattern, rows) in [
        (&["k/犬.png", "k/猫.png"][..], "k/*.png", &["犬", "猫"][..]),
        (&["a/x.png", "b/x.png"], "[ab]/x.png", &["a/x", "b/x"]),
        (&["k/a#b.png", "k/a=b.png"], "k/*", &["a#b", "a=b"]),
        (&["k/a.bmp", "k/a.png"], "k/*", &["a.bmp", "a.png"]),
        (
            &["k/1.png", "k/2.png", "k/10.png"],
            "k/*",
            &["1", "2", "10"],
        ),
        (
            &["p/k/x.png", "q/k/x.png", "q/k/y.png"],
            "[pq]/**/*.png",
            &["p/k/x", "q/k/x", "q/k/y"],
        ),
    ] {
        let desk = Desk::new();
        write_flat_pictures(&desk, names);
        for hidden in [
            "k/._1.png",
            "k/.thumb.png",
            "k/Thumbs.db",
            "a/._x.png",
            ".cache/x.png",
        ] {
            if let Some(folder) = desk.path(hidden).parent()
                && (folder.is_dir() || std::fs::create_dir(folder).is_ok())
            {
                desk.write(hidden, "no picture");
            }
        }
        desk.write("s.toml", config_over_files(pattern));
        let shown = run(&desk, "run s.toml --out out").assert_success().stdout;
        let lines: Vec<&str> = shown
            .lines()
            .filter(|line| line.starts_with("| "))
            .collect();
        let found = lines[1..]
            .iter()
            .map(|line| line.split('|').nth(1).unwrap().trim());
        assert!(found.eq(rows.iter().copied()), "{shown}");
        // Each run was trained on the picture of its row.
        let mut fitted = Vec::new();
        for line in run(&desk, "run s.toml --list")
            .assert_success()
            .stdout
            .lines()
        {
            let (run, overrides) = line.split_once("  ").unwrap();
            let target =
                image::open(desk.path(&format!("out/runs/{run}/artifacts/target.png"))).unwrap();
            let shade = target.to_luma8().get_pixel(0, 0).0[0];
            let name = names[usize::from(shade / 20)];
            assert!(overrides.contains(&format!("{name}\"")), "{line}: {shade}");
            fitted.push(name);
        }
        assert_eq!(fitted, names);
        // The second call finds all runs finished and prints the same table.
        assert_eq!(
            run(&desk, "run s.toml --out out").assert_success().stdout,
            shown
        );
    }
}

#[test]
fn a_file_added_later_gets_a_run_and_changes_no_other() {
    let desk = Desk::new();
    write_flat_pictures(&desk, &["k/犬.png", "k/猫.png"]);
    desk.write("s.toml", config_over_files("k/*.png"));
    run(&desk, "run s.toml --out out").assert_success();
    let before = desk.files("out/runs");
    // The new name sorts before the other two.
    write_flat_pictures(&desk, &["k/乾.png"]);
    let shown = run(&desk, "run s.toml --out out").assert_success().stdout;
    assert!(shown.contains("3 of 3 runs"), "{shown}");
    let after = desk.files("out/runs");
    assert!(
        before
            .iter()
            .all(|(name, bytes)| after.get(name) == Some(bytes))
            && after.len() > before.len()
    );
}

#[test]
fn a_sweep_whose_run_names_changed_is_refused() {
    let desk = Desk::new();
    write_flat_pictures(&desk, &["k/a+b.png", "k/猫.png"]);
    desk.write("s.toml", config_over_files("k/*.png"));
    let names = run(&desk, "run s.toml --list").assert_success().stdout;
    let names: Vec<&str> = names
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a-b", "-"]);
    run(&desk, "run s.toml --out out").assert_success();
    write_flat_pictures(&desk, &["k/a=b.png"]);
    run(&desk, "run s.toml --out out")
        .assert_refused("a run name that changed", &["holds the run `a-b`", "--out"]);
}

#[test]
fn a_failed_run_is_reported_at_the_end_and_does_not_stop_the_others() {
    let desk = Desk::new();
    let axes =
        "[[sweep.axes]]\nname = \"rate\"\nkey = \"train.learning_rate\"\nvalues = [1e38, 1e-4]\n";
    desk.write(
        "s.toml",
        format!("{EXPERIMENT}{axes}{TABLE}").replace("\"method\"", "\"rate\""),
    );
    let ended = run(&desk, "run s.toml --out out --jobs 1");
    ended.assert_refused("a diverging run", &["finite"]);
    assert!(ended.stdout.contains("1 of 2 runs"), "{}", ended.stdout);
    // The page says why, now and whenever it is written again.
    run(&desk, "table out").assert_success();
    let text = |name: &str| String::from_utf8(desk.read(name)).unwrap();
    let page = text("out/report.html");
    let names = run(&desk, "run s.toml --list").assert_success().stdout;
    let failed = names.split_once("  ").unwrap().0;
    let end = page
        .split("<pre tabindex=\"0\" aria-label=")
        .nth(1)
        .unwrap();
    let end = end.split("</pre>").next().unwrap();
    assert!(end.contains(failed) && end.contains("finite"), "{end}");
    let log = format!("logs/{failed}.txt");
    // The page escapes slashes too.
    let page = page.replace("&#x2f;", "/");
    assert!(page.contains(&format!("href=\"{log}\"")), "{log}");
    assert!(text(&format!("out/{log}")).contains("finite"));
    assert_eq!(
        page.matches("<div class=\"log\">").count(),
        1,
        "the other run is finished"
    );
}
