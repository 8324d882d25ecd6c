//! The page of a run.

use std::fs;

use siren_run::{Silent, report_on};

use super::*;

fn hooks(observer: &mut Silent) -> Hooks<'_> {
    Hooks {
        observer,
        stop: StopToken::new(),
    }
}

fn page_of(folder: &RunFolder) -> String {
    fs::read_to_string(folder.report()).unwrap()
}

#[test]
fn a_finished_run_has_a_page_with_its_numbers_and_what_differs_from_the_defaults() {
    let workplace = Workplace::new();
    let (folder, _) = workplace.start("run", 20, hooks(&mut Silent));
    let page = page_of(&folder);
    for part in [
        "Finished: 20 steps.",
        "psnr_db",
        "learning_rate",
        "siren-sine run ",
        "hidden_features",
        "<code>256</code>",
        "5 keys not at the default",
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
}

#[test]
fn a_run_that_lost_its_page_writes_it_again_when_it_is_resumed() {
    let workplace = Workplace::new();
    let (folder, _) = workplace.start("run", 20, hooks(&mut Silent));
    let page = page_of(&folder);
    fs::remove_file(folder.report()).unwrap();
    workplace.resume("run", hooks(&mut Silent));
    let without_time = |page: &str| page.split("Made on").next().unwrap().to_owned();
    assert_eq!(without_time(&page_of(&folder)), without_time(&page));
}

#[test]
fn a_page_that_cannot_be_written_is_a_note_and_the_run_is_finished() {
    let workplace = Workplace::new();
    let mut stopped = Silent;
    let (folder, _) = workplace.start("run", 20, hooks(&mut stopped));
    fs::remove_file(folder.report()).unwrap();
    fs::create_dir(folder.report()).unwrap();
    fs::remove_file(folder.summary()).unwrap();
    let mut notes = Notes::default();
    let hooks = Hooks {
        observer: &mut notes,
        stop: StopToken::new(),
    };
    workplace.resume("run", hooks);
    assert!(folder.summary().is_file());
    let note = notes
        .0
        .iter()
        .find(|note| note.contains("no report was written"));
    assert!(
        note.is_some_and(|note| note.contains("report.html")),
        "{:?}",
        notes.0
    );
}

/// Remarks of a run.
#[derive(Default)]
struct Notes(Vec<String>);

impl RunObserver for Notes {
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

#[test]
fn an_unfinished_run_has_a_page_of_what_there_is() {
    let workplace = Workplace::new();
    let (folder, _) = workplace.start("run", 20, hooks(&mut Silent));
    fs::remove_file(folder.summary()).unwrap();
    let table = fs::read_to_string(folder.metrics()).unwrap();
    let half: String = table.split_inclusive('\n').take(11).collect();
    fs::write(folder.metrics(), format!("{half}11,0.")).unwrap();
    let written = report_on(&[folder.path()], Some(&workplace.path("page.html"))).unwrap();
    let page = fs::read_to_string(written).unwrap();
    assert!(page.contains("Not finished: 10 of 20 steps so far."));
}

#[test]
fn what_is_no_run_or_was_damaged_is_refused_by_its_name() {
    let workplace = Workplace::new();
    let (folder, _) = workplace.start("run", 20, hooks(&mut Silent));
    let refusal = |path: &Path| report_on(&[path], None).unwrap_err().to_string();
    let message = refusal(&workplace.path("nothing"));
    assert!(
        message.contains("does not exist, expected a run folder"),
        "{message}"
    );
    let message = refusal(&folder.artifacts());
    assert!(message.contains("is not a run folder"), "{message}");
    let table = fs::read_to_string(folder.evaluation()).unwrap();
    fs::write(folder.evaluation(), table.replacen('1', "2", 1)).unwrap();
    let message = refusal(folder.path());
    assert!(
        message.contains("evaluation.csv: was changed or damaged"),
        "{message}"
    );
    fs::remove_file(folder.summary()).unwrap();
    fs::write(folder.evaluation(), table.replacen("\n8,", "\n8,x", 1)).unwrap();
    let message = refusal(folder.path());
    assert!(
        message.contains("evaluation.csv: line 3 is damaged"),
        "{message}"
    );
    fs::write(folder.evaluation(), table).unwrap();
    fs::write(folder.config(), "kind = ").unwrap();
    let message = refusal(folder.path());
    assert!(message.contains("config.toml: is no TOML"), "{message}");
}

#[test]
fn a_folder_of_an_older_program_has_a_page_without_defaults() {
    let workplace = Workplace::new();
    let (folder, _) = workplace.start("run", 20, hooks(&mut Silent));
    fs::write(folder.provenance(), "version = \"0.0.1\"\n").unwrap();
    report_on(&[folder.path()], None).unwrap();
    let page = page_of(&folder);
    assert!(page.contains("does not say which defaults"), "{page}");
    assert!(!page.contains("not at the default"));
    fs::write(folder.provenance(), "<script>").unwrap();
    report_on(&[folder.path()], None).unwrap();
    let page = page_of(&folder);
    assert!(page.contains("provenance.toml: is no TOML"), "{page}");
}

#[test]
fn texts_of_a_run_are_no_html() {
    let workplace = Workplace::new();
    let (folder, _) = workplace.start("a<b>&'\"", 20, hooks(&mut Silent));
    let config = fs::read_to_string(folder.config()).unwrap();
    let hostile = "note = \"</script><script>alert(1)</script>\"\n";
    fs::write(folder.config(), format!("{hostile}{config}")).unwrap();
    report_on(&[folder.path()], None).unwrap();
    let page = page_of(&folder);
    assert!(!page.contains("<script>alert") && !page.contains("a<b>"));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}
