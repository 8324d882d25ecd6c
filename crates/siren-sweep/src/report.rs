//! The page of a sweep: its table and plots, and every run with a picture.

use std::path::Path;

use siren_core::Result;
use siren_core::file::has_extension;
use siren_report::{Cell, Content, LogEnd, Member as MemberLine, Page, Plot, Run, Sweep, Table};
use siren_run::{made_by, run_page, write_page};

use crate::ending::{FailedRun, is_finished, is_in_use};
use crate::folder::SweepFolder;
use crate::member::Member;
use crate::plot::series;
use crate::results::Results;
use crate::table::{cell_text, printed_columns, remarks};

/// Writes the page into the folder of the sweep.
///
/// # Errors
/// If the file cannot be written.
pub fn write(results: &Results<'_>, members: &[Member], folder: &SweepFolder) -> Result<()> {
    let metric = &results.config.table.metrics[0];
    let columns = results.columns().into_iter().enumerate();
    let plots = columns.map(|(column, name)| Plot {
        title: match name.as_str() {
            "" => metric.clone(),
            name => format!("{metric}, {name}"),
        },
        lines: series(results, column),
    });
    let sweep = Sweep {
        table: table(results),
        plots: plots.collect(),
        members: members
            .iter()
            .map(|one| member(one, metric, folder))
            .collect(),
    };
    let name = folder.path().file_name().unwrap_or_default();
    let page = Page {
        title: format!("Sweep {}", name.to_string_lossy()),
        made: made_by(),
        runs: Vec::new(),
        sweep: Some(sweep),
    };
    write_page(&page, &folder.report())
}

/// Returns the table that is printed.
fn table(results: &Results<'_>) -> Table {
    let columns = printed_columns(results);
    let headings = columns.iter().map(|column| column.heading.clone());
    let headings = std::iter::once(results.config.table.rows.clone()).chain(headings);
    let row = |(row, name): (usize, String)| {
        let cells = columns.iter().map(|column| {
            let index = column.cell(row);
            Cell {
                text: results
                    .cell(index)
                    .map_or_else(|| "–".to_owned(), cell_text),
                is_best: results.is_best(index),
            }
        });
        let name = Cell {
            text: name,
            is_best: false,
        };
        std::iter::once(name).chain(cells).collect()
    };
    Table {
        headings: headings.collect(),
        rows: results.rows().into_iter().enumerate().map(row).collect(),
        remarks: remarks(results),
    }
}

/// Returns a run with its state, its own page and a picture; with the end of its log, if its process has ended and the run has not.
fn member(member: &Member, metric: &str, folder: &SweepFolder) -> MemberLine {
    let path = folder.run(member);
    let mut line = MemberLine {
        name: member.name.clone(),
        state: "Not started.".to_owned(),
        log: log_end(member, folder),
        ..MemberLine::default()
    };
    if !path.exists() {
        if line.log.is_some() {
            line.state = String::from("It has no run folder.");
        }
        return line;
    }
    // A damaged run is a line of the page, whose other runs are shown.
    let run = match run_page(&path) {
        Ok(run) => run,
        Err(error) => {
            line.state = error.to_string();
            return line;
        }
    };
    line.is_finished = run.is_finished;
    line.state = match run.scores.iter().find(|score| score.name == metric) {
        Some(score) if run.is_finished => {
            format!("{metric} {:.4}", score.reached.unwrap_or(f64::NAN))
        }
        _ => run.state.clone(),
    };
    line.page = folder.page_of(member);
    line.picture = picture(&run).map(|file| run.artifacts.join(file));
    line
}

/// Returns the end of a member's log; `None` for a run that is finished, goes on, or said nothing.
fn log_end(member: &Member, folder: &SweepFolder) -> Option<LogEnd> {
    let (run, log) = (folder.run(member), folder.log(member));
    let goes_on = is_in_use(&run).unwrap_or(false);
    let is_empty = log.metadata().map_or(true, |file| file.len() == 0);
    if is_finished(&run) || goes_on || is_empty {
        return None;
    }
    Some(LogEnd {
        lines: FailedRun::of(&member.name, &log).reason,
        whole: folder.address_of_log(member),
    })
}

/// Returns the first picture of a run, of the fit rather than of its target.
fn picture(run: &Run) -> Option<&Path> {
    let file = run
        .exhibits
        .iter()
        .filter(|exhibit| exhibit.stays_in_folder());
    let file = file.filter_map(|exhibit| match &exhibit.content {
        Content::Picture(file)
        | Content::Comparison { fit: file, .. }
        | Content::Sound { picture: file, .. } => Some(file),
        Content::Clip(_) | Content::Mesh(_) => None,
    });
    file.map(Path::new)
        .find(|file| has_extension(file, &["png"]))
}
