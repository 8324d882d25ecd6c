//! The page of a run, `report.html`, made of the other files of its folder.

mod collect;
mod settings;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use siren_core::file::write_atomically;
use siren_core::{Error, Result};
use siren_report::{Page, Run};

use crate::folder::RunFolder;
use crate::hooks::RunObserver;

pub use self::collect::run_page;

/// Writes the page of runs, one or several side by side, whatever their kinds, and returns its path. Runs may be in progress.
///
/// By default the page of one run is `report.html` in its folder, that of several runs `report.html` in the current folder.
///
/// # Errors
/// [`Error::RunFolder`] for a path without a run, and for files of a run that were changed or damaged; [`Error::Io`].
pub fn report_on(runs: &[&Path], output: Option<&Path>) -> Result<PathBuf> {
    let mut pages = runs
        .iter()
        .map(|run| run_page(run))
        .collect::<Result<Vec<Run>>>()?;
    name_apart(&mut pages);
    let names: Vec<&str> = pages.iter().map(|run| run.name.as_str()).collect();
    let page = Page {
        title: names.join(", "),
        made: made_by(),
        runs: pages,
        sweep: None,
    };
    let output = match (output, runs) {
        (Some(output), _) => output.to_path_buf(),
        (None, [run]) => RunFolder::open(run)?.report(),
        (None, _) => RunFolder::at(Path::new("")).report(),
    };
    write_page(&page, &output)?;
    Ok(output)
}

/// Writes a page to a file, completely or not at all.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn write_page(page: &Page, output: &Path) -> Result<()> {
    let html = siren_report::render(page).map_err(|error| Error::RunFolder {
        path: output.to_path_buf(),
        message: error.to_string(),
    })?;
    write_atomically(output, html.as_bytes())
}

/// Writes the page of a run into its folder. A failure is a note: the run is finished without its page, which can be made at any time.
pub(crate) fn write_own_report(folder: &RunFolder, observer: &mut dyn RunObserver) {
    if let Err(error) = report_on(&[folder.path()], None) {
        observer.note(&format!("note: no report was written: {error}"));
    }
}

/// Returns when and by which program a page is made.
#[must_use]
pub fn made_by() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    format!("Made on {now} by siren {}.", env!("CARGO_PKG_VERSION"))
}

/// Names runs of the same name after their folders.
fn name_apart(runs: &mut [Run]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    let is_shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    for run in runs.iter_mut().filter(|run| is_shared(&run.name)) {
        run.name.clone_from(&run.folder);
    }
    let folders: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for (index, run) in runs.iter_mut().enumerate() {
        // The same folder twice.
        if folders[..index].contains(&run.name) {
            run.name = format!("{} ({})", run.name, index + 1);
        }
    }
}
