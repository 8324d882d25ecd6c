//! Plots of values along lines as SVG.

use std::path::Path;

use kuva::prelude::{Figure, Layout, LinePlot, Plot, SvgBackend};
use num_complex::Complex64;
use siren_core::Result;
use siren_core::file::write_atomically;

use super::panel::shape_error;

/// Size of one plot in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 250.0;
/// Colors of a network's values, and of the data or the reference beneath.
const NETWORK_COLOR: &str = "#2166ac";
const REFERENCE_COLOR: &str = "#e08214";
const NETWORK_WIDTH: f64 = 1.6;
const REFERENCE_WIDTH: f64 = 3.6;
/// Half the length of the dash that stands for a single value, as a share of the distance of values.
const HALF_DASH: f64 = 0.3;

/// Values of a field and recorded data at the receivers of one shot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShotTraces<'a> {
    /// Values of the network, or of another model, at the receivers.
    pub(crate) predicted: &'a [Complex64],
    /// The data, in the same order.
    pub(crate) recorded: &'a [Complex64],
}

/// Values of a wave on the line y = 0 at one time, at points with equal distances from x = −1 to x = 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CenterLine {
    /// Time `t`.
    pub(crate) time: f64,
    /// Values `u(t, x, 0)` of the network.
    pub(crate) network: Vec<f64>,
    /// Values of the reference at the same points.
    pub(crate) reference: Vec<f64>,
}

/// Writes two plots per shot side by side, a row per shot: Re u and Im u against the number of the receiver, predicted over recorded.
///
/// A value that is not finite leaves a gap.
///
/// # Errors
/// [`siren_core::Error::Shape`] without any shot, or if a shot has no receivers, or not as many values predicted as recorded.
/// [`siren_core::Error::Io`] if the file cannot be written.
pub(crate) fn receiver_traces(shots: &[ShotTraces<'_>], path: &Path) -> Result<()> {
    let mut charts = Vec::with_capacity(2 * shots.len());
    for (index, shot) in shots.iter().enumerate() {
        check_lengths(shot.predicted.len(), shot.recorded.len())?;
        for (label, part) in [
            ("Re u", (|u| u.re) as fn(&Complex64) -> f64),
            ("Im u", |u| u.im),
        ] {
            let values = |u: &[Complex64]| u.iter().map(part).collect::<Vec<_>>();
            let axis = EvenAxis {
                first: 1.0,
                spacing: 1.0,
            };
            charts.push(Chart {
                lines: [
                    line(&values(shot.recorded), axis, Role::Reference("recorded")),
                    line(&values(shot.predicted), axis, Role::Network("predicted")),
                ]
                .concat(),
                title: format!("shot {}", index + 1),
                x_label: "receiver",
                y_label: label,
            });
        }
    }
    write_charts(charts, path)
}

/// Writes a plot per time, two in a row: u(t, x, 0) against x, the network over the reference.
///
/// A value that is not finite leaves a gap.
///
/// # Errors
/// [`siren_core::Error::Shape`] without any line, or if a line has no points, or if network and reference have different numbers of
/// them. [`siren_core::Error::Io`] if the file cannot be written.
pub(crate) fn center_lines(lines: &[CenterLine], path: &Path) -> Result<()> {
    let mut charts = Vec::with_capacity(lines.len());
    for center in lines {
        check_lengths(center.network.len(), center.reference.len())?;
        let intervals = center.network.len().saturating_sub(1).max(1);
        let axis = EvenAxis {
            first: -1.0,
            spacing: 2.0 / intervals as f64,
        };
        charts.push(Chart {
            lines: [
                line(&center.reference, axis, Role::Reference("reference")),
                line(&center.network, axis, Role::Network("network")),
            ]
            .concat(),
            title: format!("t = {}", center.time),
            x_label: "x",
            y_label: "u",
        });
    }
    write_charts(charts, path)
}

fn check_lengths(predicted: usize, expected: usize) -> Result<()> {
    if predicted == expected && predicted > 0 {
        return Ok(());
    }
    let expected = format!("{expected} values beside as many of the reference, at least one");
    Err(shape_error(expected, format!("{predicted}")))
}

/// One plot of a figure.
struct Chart {
    lines: Vec<LinePlot>,
    title: String,
    x_label: &'static str,
    y_label: &'static str,
}

/// What a line shows, with its name in the legend.
#[derive(Clone, Copy)]
enum Role {
    Network(&'static str),
    Reference(&'static str),
}

/// Positions with equal distances.
#[derive(Clone, Copy)]
struct EvenAxis {
    first: f64,
    spacing: f64,
}

/// Returns a line for every run of finite values. A run of one value becomes a short dash.
fn line(values: &[f64], axis: EvenAxis, role: Role) -> Vec<LinePlot> {
    let (name, color, width) = match role {
        Role::Network(name) => (name, NETWORK_COLOR, NETWORK_WIDTH),
        Role::Reference(name) => (name, REFERENCE_COLOR, REFERENCE_WIDTH),
    };
    let places = values.iter().enumerate();
    let points: Vec<(f64, f64)> = places
        .map(|(index, &value)| (axis.first + index as f64 * axis.spacing, value))
        .collect();
    let runs = points.split(|(_, value)| !value.is_finite());
    let runs = runs.filter(|run| !run.is_empty());
    runs.enumerate()
        .map(|(index, run)| {
            let points = match *run {
                [(x, y)] => {
                    let half = HALF_DASH * axis.spacing;
                    vec![(x - half, y), (x + half, y)]
                }
                _ => run.to_vec(),
            };
            let line = LinePlot::new().with_data(points);
            let line = line.with_color(color).with_stroke_width(width);
            if index == 0 {
                line.with_legend(name)
            } else {
                line
            }
        })
        .collect()
}

/// Writes plots, two in a row, with one legend below.
fn write_charts(charts: Vec<Chart>, path: &Path) -> Result<()> {
    if charts.is_empty() {
        return Err(shape_error("at least one line".into(), "none".into()));
    }
    let columns = charts.len().min(2);
    let rows = charts.len().div_ceil(columns);
    let mut plots = Vec::with_capacity(charts.len());
    let mut layouts = Vec::with_capacity(charts.len());
    for chart in charts {
        let lines: Vec<Plot> = chart.lines.into_iter().map(Plot::from).collect();
        let layout = Layout::auto_from_plots(&lines)
            .with_title(chart.title)
            .with_x_label(chart.x_label)
            .with_y_label(chart.y_label);
        plots.push(lines);
        layouts.push(layout);
    }
    let figure = Figure::new(rows, columns)
        .with_cell_size(WIDTH, HEIGHT)
        .with_plots(plots)
        .with_layouts(layouts)
        .with_shared_legend_bottom();
    let svg = SvgBackend::new().render_scene(&figure.render());
    write_atomically(path, with_own_clip_numbers(&svg).as_bytes())
}

/// Numbers the clip paths of a figure from 0: kuva counts those of all figures that the process has drawn, so that the same figure would
/// have other bytes after a resumed run.
fn with_own_clip_numbers(svg: &str) -> String {
    const PREFIX: &str = "kuva-clip-";
    let mut parts = svg.split(PREFIX);
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    let mut known: Vec<&str> = Vec::new();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit());
        let (number, rest) = part.split_at(end.unwrap_or(part.len()));
        let index = known.iter().position(|&other| other == number);
        let index = index.unwrap_or_else(|| {
            known.push(number);
            known.len() - 1
        });
        numbered.push_str(PREFIX);
        numbered.push_str(&index.to_string());
        numbered.push_str(rest);
    }
    numbered
}
