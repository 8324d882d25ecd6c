//! Plots of the table's first metric against steps and against seconds of training: one line per row, averaged over all axes that the
//! table does not show.

use std::collections::BTreeMap;

use anyhow::Result;
use kuva::prelude::{Layout, LinePlot, Palette, Plot};
use kuva::render_to_svg;
use siren_core::file::write_atomically;
use siren_run::EvaluationRow;

use crate::folder::SweepFolder;
use crate::names::file_names;
use crate::results::Results;

/// Horizontal axis of a plot.
struct HorizontalAxis {
    label: &'static str,
    value: fn(&EvaluationRow) -> Option<f64>,
}

const HORIZONTAL_AXES: [HorizontalAxis; 2] = [
    HorizontalAxis {
        label: "steps",
        value: |row| Some(row.step as f64),
    },
    HorizontalAxis {
        label: "seconds",
        value: |row| row.seconds,
    },
];
/// Size of a plot in pixels.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 560.0;
/// Number of colors of the palette that are visible on white; the last one, a pale gray, is left out.
const COLORS: usize = 9;

/// Draws both plots for every column of the table.
///
/// # Errors
/// If a plot cannot be written.
pub fn draw(results: &Results<'_>, folder: &SweepFolder) -> Result<()> {
    let metric = &results.config.table.metrics[0];
    let columns = results.columns();
    let groups: Vec<Vec<&str>> = columns.iter().map(|name| vec![name.as_str()]).collect();
    let files = file_names(&groups);
    for (column, (name, file)) in columns.iter().zip(&files).enumerate() {
        for HorizontalAxis { label, value } in HORIZONTAL_AXES {
            let curves = (0..results.rows().len()).map(|row| curve(results, row, column, value));
            let lines: Vec<Plot> = lines(&results.rows(), curves);
            if lines.is_empty() {
                continue;
            }
            let layout = Layout::auto_from_plots(&lines)
                .with_width(WIDTH)
                .with_height(HEIGHT)
                .with_palette(Palette::tol_muted())
                .with_title(name.clone())
                .with_x_label(label)
                .with_y_label(metric.clone());
            let file = match name.as_str() {
                "" => format!("{metric}-{label}"),
                _ => format!("{metric}-{label}-{file}"),
            };
            write_atomically(&folder.plot(&file), render_to_svg(lines, layout).as_bytes())?;
        }
    }
    Ok(())
}

/// Returns the points `(x, y)` of one line: the mean over the runs of a row and column at every step at which all of them have a finite
/// value.
fn curve(
    results: &Results<'_>,
    row: usize,
    column: usize,
    x: fn(&EvaluationRow) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let metric = &results.config.table.metrics[0];
    let mut sums: BTreeMap<u64, (f64, f64, usize)> = BTreeMap::new();
    let mut runs = 0;
    for record in results.runs(row, column) {
        runs += 1;
        for evaluation in &record.curve {
            let y = evaluation.metrics.get(metric).filter(|y| y.is_finite());
            if let (Some(x), Some(y)) = (x(evaluation), y) {
                let sum = sums.entry(evaluation.step).or_default();
                *sum = (sum.0 + x, sum.1 + y, sum.2 + 1);
            }
        }
    }
    let means = sums.into_values().filter(|(_, _, n)| *n == runs);
    means
        .map(|(x, y, n)| (x / n as f64, y / n as f64))
        .collect()
}

/// Makes one line per row; a curve of fewer than two points gives none.
fn lines(names: &[String], curves: impl Iterator<Item = Vec<(f64, f64)>>) -> Vec<Plot> {
    let palette = Palette::tol_muted();
    let mut lines = Vec::new();
    for (index, (name, curve)) in names.iter().zip(curves).enumerate() {
        if curve.len() < 2 {
            continue;
        }
        let line = LinePlot::new().with_data(curve).with_legend(name.clone());
        let line = line.with_color(palette[index % COLORS].to_owned());
        // Rows beyond the number of colors repeat the colors with dashed, then dotted lines.
        lines.push(match index / COLORS {
            0 => line.into(),
            1 => line.with_dashed().into(),
            _ => line.with_dotted().into(),
        });
    }
    lines
}
