//! What the templates show: texts, drawings and embedded files.

mod figure;
mod settings;

use serde::Serialize;

use crate::chart::Chart;
use crate::embed::Budget;
use crate::page::{self, Page, Run, Series};

use self::figure::Group;
use self::settings::{Difference, Section};

/// Metrics whose curves are not folded away.
const MAIN_METRICS: usize = 3;

/// A page, as the template shows it.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    title: String,
    made: String,
    runs: Vec<RunView>,
    /// One row per metric.
    scores: Vec<ScoreRow>,
    has_expected: bool,
    /// Loss and metrics.
    charts: Vec<Chart>,
    /// Other numbers of every step.
    other_charts: Vec<Chart>,
    groups: Vec<Group>,
    /// Keys whose values are not the same in all runs.
    differences: Vec<Difference>,
    sweep: Option<SweepView>,
}

/// A run, as the template shows it.
#[derive(Debug, Serialize)]
struct RunView {
    name: String,
    kind: String,
    folder: String,
    state: String,
    is_finished: bool,
    command: String,
    facts: Vec<FactView>,
    sections: Vec<Section>,
    has_defaults: bool,
    changes: usize,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FactView {
    label: String,
    value: String,
}

/// A metric of all runs.
#[derive(Debug, Serialize)]
struct ScoreRow {
    name: String,
    cells: Vec<ScoreCell>,
}

#[derive(Debug, Serialize)]
struct ScoreCell {
    reached: String,
    expected: String,
}

#[derive(Debug, Serialize)]
struct SweepView {
    headings: Vec<String>,
    rows: Vec<Vec<CellView>>,
    remarks: String,
    charts: Vec<Chart>,
    members: Vec<MemberView>,
}

#[derive(Debug, Serialize)]
struct CellView {
    text: String,
    is_best: bool,
}

#[derive(Debug, Serialize)]
struct MemberView {
    name: String,
    state: String,
    is_finished: bool,
    page: Option<String>,
    picture: Option<String>,
    log: Option<LogView>,
}

#[derive(Debug, Serialize)]
struct LogView {
    lines: String,
    whole: String,
}

impl View {
    pub(crate) fn of(page: &Page) -> Self {
        let mut budget = Budget::new();
        let mut charts = Charts::default();
        let runs = &page.runs;
        let (mut main, mut others) = (Vec::new(), Vec::new());
        if let [run] = &runs[..] {
            main.extend(charts.draw("loss", &without_copies(&run.loss)));
        } else {
            let names = by_name(runs, |run| &run.loss).into_iter();
            for (index, (name, lines)) in names.enumerate() {
                let list = if index == 0 { &mut main } else { &mut others };
                list.extend(charts.draw(&name, &lines));
            }
        }
        for (index, (name, lines)) in by_name(runs, |run| &run.evaluation).into_iter().enumerate() {
            let list = if index < MAIN_METRICS {
                &mut main
            } else {
                &mut others
            };
            list.extend(charts.draw(&name, &lines));
        }
        for (name, lines) in by_name(runs, |run| &run.training) {
            others.extend(charts.draw(&name, &lines));
        }
        let sweep = page.sweep.as_ref();
        let sweep = sweep.map(|sweep| SweepView::of(sweep, &mut charts, &mut budget));
        let scores = scores(runs);
        let mut cells = scores.iter().flat_map(|row| &row.cells);
        Self {
            title: page.title.clone(),
            made: page.made.clone(),
            has_expected: cells.any(|cell| !cell.expected.is_empty()),
            charts: main,
            other_charts: others,
            groups: figure::groups(runs, &mut budget),
            differences: settings::differences(runs),
            runs: runs.iter().map(RunView::of).collect(),
            scores,
            sweep,
        }
    }
}

/// Draws charts with different numbers.
#[derive(Default)]
struct Charts {
    count: usize,
}

impl Charts {
    fn draw(&mut self, title: &str, lines: &[Series]) -> Option<Chart> {
        self.count += 1;
        Chart::of(title, lines, self.count)
    }
}

/// Returns the series of all runs by name, in the order in which the names appear. Lines are named after the runs, or if there is one, as the series.
fn by_name(runs: &[Run], series: impl Fn(&Run) -> &Vec<Series>) -> Vec<(String, Vec<Series>)> {
    let mut groups: Vec<(String, Vec<Series>)> = Vec::new();
    for run in runs {
        for one in series(run) {
            let line = Series {
                name: if runs.len() > 1 {
                    run.name.clone()
                } else {
                    one.name.clone()
                },
                points: one.points.clone(),
            };
            match groups.iter_mut().find(|(name, _)| *name == one.name) {
                Some((_, lines)) => lines.push(line),
                None => groups.push((one.name.clone(), vec![line])),
            }
        }
    }
    groups
}

/// Returns the first series, and those of the others that have other values.
fn without_copies(series: &[Series]) -> Vec<Series> {
    let is_first = |index: usize, one: &Series| index == 0 || one.points != series[0].points;
    let kept = series.iter().enumerate();
    let kept = kept.filter(|(index, one)| is_first(*index, one));
    kept.map(|(_, one)| one.clone()).collect()
}

/// Returns a row for every metric of a run.
fn scores(runs: &[Run]) -> Vec<ScoreRow> {
    let mut names: Vec<&str> = Vec::new();
    for score in runs.iter().flat_map(|run| &run.scores) {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    let cell = |run: &Run, name: &str| {
        let score = run.scores.iter().find(|score| score.name == name);
        let text = |value: Option<f64>| value.map(number).unwrap_or_default();
        ScoreCell {
            reached: text(score.and_then(|score| score.reached)),
            expected: text(score.and_then(|score| score.expected)),
        }
    };
    let row = |name: &str| ScoreRow {
        name: name.to_owned(),
        cells: runs.iter().map(|run| cell(run, name)).collect(),
    };
    names.into_iter().map(row).collect()
}

/// Formats a number with about five digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() || (size < 1e6 && value.fract() == 0.0) => value.to_string(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.4e}"),
        size if size >= 1000.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

impl RunView {
    fn of(run: &Run) -> Self {
        let fact = |fact: &page::Fact| FactView {
            label: fact.label.clone(),
            value: fact.value.clone(),
        };
        Self {
            name: run.name.clone(),
            kind: run.kind.clone(),
            folder: run.folder.clone(),
            state: run.state.clone(),
            is_finished: run.is_finished,
            command: run.command.clone(),
            facts: run.facts.iter().map(fact).collect(),
            sections: settings::sections(run),
            has_defaults: run.has_defaults,
            changes: run.settings.iter().filter(|s| s.default.is_some()).count(),
            notes: run.notes.clone(),
        }
    }
}

impl SweepView {
    fn of(sweep: &page::Sweep, charts: &mut Charts, budget: &mut Budget) -> Self {
        let cell = |cell: &page::Cell| CellView {
            text: cell.text.clone(),
            is_best: cell.is_best,
        };
        let row = |row: &Vec<page::Cell>| row.iter().map(cell).collect();
        let plots = sweep.plots.iter();
        let drawn = plots.filter_map(|plot| charts.draw(&plot.title, &plot.lines));
        let drawn = drawn.collect();
        let member = |member: &page::Member| MemberView {
            name: member.name.clone(),
            state: member.state.clone(),
            is_finished: member.is_finished,
            page: member.page.clone(),
            picture: member
                .picture
                .as_deref()
                .and_then(|path| budget.thumbnail(path).ok()),
            log: member.log.as_ref().map(|log| LogView {
                lines: log.lines.clone(),
                whole: log.whole.clone(),
            }),
        };
        Self {
            headings: sweep.table.headings.clone(),
            rows: sweep.table.rows.iter().map(row).collect(),
            remarks: sweep.table.remarks.clone(),
            charts: drawn,
            members: sweep.members.iter().map(member).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_about_five_digits_whatever_its_size() {
        for (value, text) in [
            (49.412_34, "49.412"),
            (0.996_12, "0.99612"),
            (1.234_567e-5, "1.2346e-5"),
            (0.0, "0"),
            (1.0, "1"),
            (-12345.67, "-12345.7"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
