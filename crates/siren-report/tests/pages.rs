//! Whole pages.

use siren_report::{
    Cell, Exhibit, Fact, LogEnd, Member, Page, Plot, Point, Run, Score, Series, Setting, Sweep,
    Table, render,
};

fn series(name: &str, values: &[f64]) -> Series {
    let points = values.iter().zip(1..).map(|(&value, step)| Point {
        step,
        seconds: 0.1 * step as f64,
        value,
    });
    Series {
        name: name.to_owned(),
        points: points.collect(),
    }
}

fn run(name: &str) -> Run {
    Run {
        name: name.to_owned(),
        kind: "image".to_owned(),
        state: "Finished: 3 steps.".to_owned(),
        is_finished: true,
        loss: vec![series("loss", &[3.0, 2.0, 1.0])],
        scores: vec![Score {
            name: "psnr_db".to_owned(),
            reached: Some(31.25),
            expected: Some(40.0),
        }],
        has_defaults: true,
        ..Run::default()
    }
}

fn page(runs: Vec<Run>) -> String {
    let page = Page {
        title: "Page".to_owned(),
        runs,
        ..Page::default()
    };
    render(&page).unwrap()
}

#[test]
fn an_empty_page_and_an_empty_run_can_be_drawn() {
    assert!(page(Vec::new()).contains("<h1>Page</h1>"));
    assert!(page(vec![Run::default()]).contains("<h1>Page</h1>"));
    assert!(page(vec![Run::default(), Run::default()]).contains("<h1>Page</h1>"));
    let page = Page {
        sweep: Some(Sweep::default()),
        ..Page::default()
    };
    render(&page).unwrap();
}

#[test]
fn a_number_stands_beside_the_expected_one() {
    let html = page(vec![run("a")]);
    assert!(html.contains("<td>31.250</td>"), "{html}");
    assert!(html.contains("<td class=\"expected\">40</td>"), "{html}");
}

#[test]
fn every_text_of_a_run_is_escaped() {
    let hostile = "\"><script>alert('x')</script>";
    let text = || hostile.to_owned();
    let exhibit = Exhibit::picture(hostile, hostile).captioned(hostile);
    let run = Run {
        name: text(),
        kind: text(),
        folder: text(),
        state: text(),
        command: text(),
        facts: vec![Fact {
            label: text(),
            value: text(),
        }],
        settings: vec![Setting {
            key: text(),
            value: text(),
            default: Some(text()),
        }],
        loss: vec![series(hostile, &[1.0, 2.0]), series(hostile, &[2.0, 3.0])],
        training: vec![series(hostile, &[1.0, 2.0])],
        evaluation: vec![series(hostile, &[1.0, 2.0])],
        exhibits: vec![exhibit],
        notes: vec![text()],
        ..run(hostile)
    };
    let sweep = Sweep {
        table: Table {
            headings: vec![text()],
            rows: vec![vec![Cell {
                text: text(),
                is_best: true,
            }]],
            remarks: text(),
        },
        plots: vec![Plot {
            title: text(),
            lines: vec![series(hostile, &[1.0, 2.0])],
        }],
        members: vec![Member {
            name: text(),
            state: text(),
            page: Some(text()),
            log: Some(LogEnd {
                lines: text(),
                whole: text(),
            }),
            ..Member::default()
        }],
    };
    for runs in [vec![run.clone()], vec![run.clone(), run.clone()]] {
        let page = Page {
            title: text(),
            made: text(),
            runs,
            sweep: Some(sweep.clone()),
        };
        let html = render(&page).unwrap();
        assert!(!html.contains("<script>alert") && !html.contains("\"><script"));
        assert!(html.matches("&lt;script&gt;alert").count() > 15);
    }
}

#[test]
fn a_file_that_is_missing_or_lies_elsewhere_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.svg"), "<svg/>").unwrap();
    let artifacts = folder.path().join("artifacts");
    std::fs::create_dir(&artifacts).unwrap();
    let run = Run {
        artifacts,
        exhibits: vec![
            Exhibit::picture("Lost", "lost.png"),
            Exhibit::picture("Elsewhere", "../secret.svg"),
        ],
        ..run("a")
    };
    let html = page(vec![run]);
    assert!(html.contains("lost.png cannot be read"));
    assert!(html.contains("it does not lie in the folder of artifacts"));
    assert!(!html.contains("data:image/svg+xml"));
}

#[test]
fn runs_that_differ_in_a_key_are_compared_in_it() {
    let setting = |key: &str, value: &str| Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        default: None,
    };
    let with = |name: &str, seed: &str| Run {
        settings: vec![setting("seed", seed), setting("train.steps", "3")],
        ..run(name)
    };
    let html = page(vec![with("a", "0"), with("b", "1")]);
    let table = html.split("What differs").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    assert!(
        table.contains("seed") && !table.contains("train.steps"),
        "{table}"
    );
    assert!(!page(vec![with("a", "0"), with("b", "0")]).contains("What differs"));
}
