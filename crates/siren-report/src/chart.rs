//! Curves as SVG, drawn by the plot library. Colors are CSS variables, so that a curve suits a dark page and a light one.

use std::sync::Arc;

use kuva::prelude::{Layout, LinePlot, Plot};
use kuva::render::layout::TickFormat;
use kuva::render::theme::Theme;
use kuva::render_to_svg;
use serde::Serialize;

use crate::page::{Point, Series};

/// Size of a drawing. It is scaled to the width of its column, so that a phone shows its texts at three quarters of their size.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
/// Number of colors of the style sheet, `--line-0` and so on. Further lines repeat them, dashed, then dotted.
const COLORS: usize = 8;
/// Number of parts of a long line of which only the lowest and the highest value are drawn.
const PARTS: usize = 250;
/// Ratio of the largest to the smallest value from which a logarithmic axis is offered.
const LOGARITHMIC_RATIO: f64 = 10.0;
/// End of the names of quantities that are logarithms themselves.
const DECIBELS: &str = "_db";

/// A chart, as the template shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    title: String,
    legend: Vec<Entry>,
    drawings: Vec<Drawing>,
}

/// A line of the legend, which is text of the page: it wraps where a drawing cannot.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    color: usize,
    dashes: &'static str,
}

/// One drawing of the curves. The reader chooses the axes.
#[derive(Debug, Serialize)]
struct Drawing {
    x: &'static str,
    y: &'static str,
    label: String,
    svg: String,
}

/// A horizontal axis.
#[derive(Clone, Copy)]
struct Horizontal {
    name: &'static str,
    value: fn(&Point) -> f64,
}

const STEPS: Horizontal = Horizontal {
    name: "steps",
    value: |point| point.step as f64,
};
const SECONDS: Horizontal = Horizontal {
    name: "seconds",
    value: |point| point.seconds,
};
/// Name of an axis that is shown whatever the reader chooses.
const ANY: &str = "any";

impl Chart {
    /// Draws lines; `number` makes the names inside the drawings different from those of other charts. `None` if no line has two points.
    pub(crate) fn of(title: &str, lines: &[Series], number: usize) -> Option<Self> {
        let lines: Vec<Series> = lines.iter().filter_map(drawable).collect();
        if lines.is_empty() {
            return None;
        }
        let points = || lines.iter().flat_map(|line| &line.points);
        let has_seconds = points().all(|point| point.seconds.is_finite());
        let scales: &[&'static str] = if suits_logarithm(points()) && !title.ends_with(DECIBELS) {
            &["log", "linear"]
        } else {
            &[ANY]
        };
        let mut drawings = Vec::new();
        for axis in [STEPS, SECONDS]
            .into_iter()
            .take(1 + usize::from(has_seconds))
        {
            for &y in scales {
                let id = format!("chart-{number}-{}", drawings.len());
                drawings.push(Drawing {
                    x: if has_seconds { axis.name } else { ANY },
                    y,
                    label: format!("{title} against {}", axis.name),
                    svg: with_names(&draw(&lines, axis, y == "log"), &id),
                });
            }
        }
        let entry = |(index, line): (usize, &Series)| Entry {
            name: line.name.clone(),
            color: index % COLORS,
            dashes: ["solid", "dashed", "dotted"][(index / COLORS).min(2)],
        };
        Some(Self {
            title: title.to_owned(),
            legend: lines.iter().enumerate().map(entry).collect(),
            drawings,
        })
    }
}

/// Returns a line of its finite values, of at most two for each of [`PARTS`]; `None` for fewer than two.
fn drawable(line: &Series) -> Option<Series> {
    let finite = line.points.iter().filter(|point| point.value.is_finite());
    let points: Vec<Point> = finite.copied().collect();
    (points.len() > 1).then(|| Series {
        name: line.name.clone(),
        points: thinned(points),
    })
}

/// Returns the points, or, if they are many, the lowest and the highest of each of [`PARTS`] parts, in order.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= 2 * PARTS {
        return points;
    }
    let mut kept = Vec::with_capacity(2 * PARTS);
    for part in 0..PARTS {
        let [start, end] = [part, part + 1].map(|part| part * points.len() / PARTS);
        let part = &points[start..end];
        let by_value = |a: &&Point, b: &&Point| a.value.total_cmp(&b.value);
        let ends = [part.iter().min_by(by_value), part.iter().max_by(by_value)];
        let mut ends: Vec<Point> = ends.into_iter().flatten().copied().collect();
        ends.sort_by_key(|point| point.step);
        ends.dedup();
        kept.extend(ends);
    }
    kept
}

/// Returns whether a logarithmic axis shows more of the values than a linear one.
fn suits_logarithm<'a>(points: impl Iterator<Item = &'a Point>) -> bool {
    let [low, high] = points.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], point| {
        [low.min(point.value), high.max(point.value)]
    });
    low > 0.0 && high / low > LOGARITHMIC_RATIO
}

fn draw(lines: &[Series], axis: Horizontal, is_logarithmic: bool) -> String {
    let plot = |(index, line): (usize, &Series)| -> Plot {
        let points = line.points.iter();
        let points: Vec<(f64, f64)> = points
            .map(|point| ((axis.value)(point), point.value))
            .collect();
        let plot = LinePlot::new()
            .with_data(points)
            .with_color(format!("var(--line-{})", index % COLORS))
            .with_stroke_width(1.5);
        match index / COLORS {
            0 => plot.into(),
            1 => plot.with_dashed().into(),
            _ => plot.with_dotted().into(),
        }
    };
    let plots: Vec<Plot> = lines.iter().enumerate().map(plot).collect();
    let mut layout = Layout::auto_from_plots(&plots)
        .with_width(WIDTH)
        .with_height(HEIGHT)
        .with_theme(theme())
        .with_font_family("inherit")
        .with_tick_size(12)
        .with_label_size(13)
        .with_y_tick_format(TickFormat::Custom(Arc::new(tick)))
        .with_x_label(axis.name);
    if is_logarithmic {
        layout = layout.with_log_y();
    }
    render_to_svg(plots, layout)
}

/// Formats a tick: its shortest text of at most four significant digits.
fn tick(value: f64) -> String {
    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
    match f64::abs(rounded) {
        0.0 => "0".to_owned(),
        size if (1e-3..1e5).contains(&size) => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

fn theme() -> Theme {
    let [ink, faint] = ["var(--ink)", "var(--grid)"].map(str::to_owned);
    Theme {
        background: "none".to_owned(),
        axis_color: ink.clone(),
        grid_color: faint,
        tick_color: ink.clone(),
        text_color: ink,
        ..Theme::light()
    }
}

/// Start of the names of clip paths, which the library numbers over all drawings of the process.
const CLIP: &str = "kuva-clip-";

/// Makes the names inside a drawing those of `id`, since all drawings are parts of one document, and lets it scale.
fn with_names(svg: &str, id: &str) -> String {
    let svg = renumbered(svg);
    let svg = svg.replace("id=\"", &format!("id=\"{id}-"));
    let svg = svg.replace("url(#", &format!("url(#{id}-"));
    let scaled = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\" ");
    svg.replacen("<svg ", &scaled, 1)
}

/// Numbers the clip paths of a drawing from 0, so that the page of a run is the same in every process.
fn renumbered(svg: &str) -> String {
    let mut parts = svg.split(CLIP);
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut numbers: Vec<&str> = Vec::new();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let index = numbers
            .iter()
            .position(|other| *other == number)
            .unwrap_or_else(|| {
                numbers.push(number);
                numbers.len() - 1
            });
        text.extend(["clip-", &index.to_string(), rest]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let points = values.iter().enumerate().map(|(index, &value)| Point {
            step: index as u64 + 1,
            seconds: 0.5 * index as f64,
            value,
        });
        Series {
            name: "loss".to_owned(),
            points: points.collect(),
        }
    }

    #[test]
    fn every_curve_of_two_finite_values_is_drawn_and_no_other() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        for (values, count) in [
            (&[1.0, 0.9][..], 2),
            (&[1.0, 0.01], 4),
            (&[1.0, nan, 0.5], 2),
            (&[0.0, 0.0, 0.0], 2),
            (&[-1e300, 1e300], 2),
            (&[1e-300, 1e300], 4),
            (&[f64::MIN_POSITIVE / 4.0, 1.0], 4),
            (&[5.0, 5.0], 2),
        ] {
            let chart = Chart::of("loss", &[series(values)], 0).unwrap();
            assert_eq!(chart.drawings.len(), count, "{values:?}");
            for drawing in &chart.drawings {
                assert!(drawing.svg.contains("<path"), "{values:?}");
                assert!(!drawing.svg.contains("NaN") && !drawing.svg.contains("inf"));
            }
        }
        for values in [&[][..], &[1.0], &[nan, nan, infinity], &[1.0, nan]] {
            assert!(Chart::of("loss", &[series(values)], 0).is_none());
        }
    }

    #[test]
    fn a_tick_has_the_shortest_text_of_its_number() {
        for (value, text) in [
            (0.1, "0.1"),
            (0.1 + 0.2, "0.3"),
            (22.5, "22.5"),
            (-1e-17, "-1e-17"),
            (0.0, "0"),
            (2e-4, "2e-4"),
            (1_500_000.0, "1.5e6"),
        ] {
            assert_eq!(tick(value), text);
        }
    }

    #[test]
    fn the_same_curves_give_the_same_drawing_and_two_drawings_share_no_name() {
        let draw = |number| Chart::of("loss", &[series(&[1.0, 0.9])], number).unwrap();
        let (first, again, other) = (draw(1), draw(1), draw(2));
        assert_eq!(first.drawings[0].svg, again.drawings[0].svg);
        let svg = &other.drawings[0].svg;
        assert!(
            svg.contains("id=\"chart-2-0-clip-0\"") && svg.contains("url(#chart-2-0-clip-0)"),
            "{svg}"
        );
    }

    #[test]
    fn a_chart_without_times_is_drawn_against_steps_whatever_is_chosen() {
        let mut line = series(&[1.0, 0.9]);
        line.points[0].seconds = f64::NAN;
        let chart = Chart::of("loss", &[line], 0).unwrap();
        let axes: Vec<_> = chart.drawings.iter().map(|d| (d.x, d.y)).collect();
        assert_eq!(axes, [(ANY, ANY)]);
    }

    #[test]
    fn a_thinned_curve_keeps_its_extremes_and_its_order() {
        let mut values = vec![1.0; 100_000];
        (values[777], values[50_001]) = (9.0, -9.0);
        let thinned = drawable(&series(&values)).unwrap().points;
        assert!(thinned.len() <= 2 * PARTS);
        assert!(thinned.is_sorted_by_key(|point| point.step));
        for extreme in [9.0, -9.0] {
            assert!(
                thinned
                    .iter()
                    .any(|point| (point.value - extreme).abs() < 1e-9)
            );
        }
    }
}
