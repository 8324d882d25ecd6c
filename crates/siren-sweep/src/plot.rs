//! Plots of the table's first metric against steps and against seconds of training: one line per row, averaged over all axes that the
//! table does not show.

use std::collections::BTreeMap;

use anyhow::Result;
use kuva::prelude::{Layout, LinePlot, Palette, Plot};
use kuva::render_to_svg;
use siren_core::file::write_atomically;
use siren_report::{Point, Series};

use crate::folder::SweepFolder;
use crate::names::file_names;
use crate::results::Results;

/// Horizontal axis of a plot.
struct HorizontalAxis {
    label: &'static str,
    value: fn(&Point) -> f64,
}

const HORIZONTAL_AXES: [HorizontalAxis; 2] = [
    HorizontalAxis {
        label: "steps",
        value: |point| point.step as f64,
    },
    HorizontalAxis {
        label: "seconds",
        value: |point| point.seconds,
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
        let series = series(results, column);
        for HorizontalAxis { label, value } in HORIZONTAL_AXES {
            let lines: Vec<Plot> = lines(&series, value);
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

/// Returns one line for every row of a column of the table.
#[must_use]
pub fn series(results: &Results<'_>, column: usize) -> Vec<Series> {
    let names = results.rows().into_iter().enumerate();
    let line = |(row, name)| Series {
        name,
        points: points(results, row, column),
    };
    names.map(line).collect()
}

/// Returns the points of one line: the mean over the runs of a row and column at every step at which all of them have a finite value. Seconds
/// are NaN where a run does not know them.
fn points(results: &Results<'_>, row: usize, column: usize) -> Vec<Point> {
    let metric = &results.config.table.metrics[0];
    let mut sums: BTreeMap<u64, (Point, usize)> = BTreeMap::new();
    let mut runs = 0;
    for record in results.runs(row, column) {
        runs += 1;
        for evaluation in &record.curve {
            let y = evaluation.metrics.get(metric).filter(|y| y.is_finite());
            if let Some(y) = y {
                let (sum, count) = sums.entry(evaluation.step).or_default();
                sum.seconds += evaluation.seconds.unwrap_or(f64::NAN);
                sum.value += y;
                *count += 1;
            }
        }
    }
    let common = sums.into_iter().filter(|(_, (_, count))| *count == runs);
    let mean = |(step, (sum, count)): (u64, (Point, usize))| Point {
        step,
        seconds: sum.seconds / count as f64,
        value: sum.value / count as f64,
    };
    common.map(mean).collect()
}

/// Makes one line per series; one of fewer than two points gives none.
fn lines(series: &[Series], x: fn(&Point) -> f64) -> Vec<Plot> {
    let palette = Palette::tol_muted();
    let mut lines = Vec::new();
    for (index, Series { name, points }) in series.iter().enumerate() {
        let curve = points.iter().map(|point| (x(point), point.value));
        let curve: Vec<(f64, f64)> = curve.filter(|(x, _)| x.is_finite()).collect();
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
