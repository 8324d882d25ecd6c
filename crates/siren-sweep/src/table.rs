//! The table of a sweep, as Markdown, CSV and LaTeX.

use std::fmt::Write as _;

use crate::results::{Cell, Place, Results};

/// Writes a table down.
type Format = fn(&Results<'_>) -> String;

/// The formats, by their file extensions; the first is for people.
pub const FORMATS: [(&str, Format); 3] = [("md", markdown), ("csv", csv), ("tex", latex)];

/// Every column and metric, with its heading.
fn headings(results: &Results<'_>) -> Vec<(usize, usize, String)> {
    let metrics = &results.spec.table.metrics;
    let mut headings = Vec::new();
    for (column, name) in results.columns().iter().enumerate() {
        for (index, metric) in metrics.iter().enumerate() {
            let heading = match (name.is_empty(), metrics.len()) {
                (true, _) => metric.clone(),
                (false, 1) => name.clone(),
                (false, _) => format!("{name} {metric}"),
            };
            headings.push((column, index, heading));
        }
    }
    headings
}

/// As many digits as PSNR is given with, more where numbers are small.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e5 || (size > 0.0 && size < 1e-3) => format!("{value:.3e}"),
        size if size >= 10.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn shown(cell: Cell) -> String {
    if cell.runs == 1 {
        return number(cell.mean);
    }
    format!("{} ± {}", number(cell.mean), number(cell.deviation))
}

fn markdown(results: &Results<'_>) -> String {
    let headings = headings(results);
    let mut out = format!("| {} |", results.spec.table.rows);
    for (_, _, heading) in &headings {
        let _ = write!(out, " {} |", escaped(heading));
    }
    out += "\n|---|";
    out += &"---|".repeat(headings.len());
    out += "\n";
    let mut sources: Vec<&str> = Vec::new();
    for (row, name) in results.rows().iter().enumerate() {
        let _ = write!(out, "| {} |", escaped(name));
        for &(column, metric, _) in &headings {
            let place = Place {
                row,
                column,
                metric,
            };
            let mut text = results.cell(place).map_or_else(|| "–".to_owned(), shown);
            if results.is_best(place) {
                text = format!("**{text}**");
            }
            if let Some((value, source)) = results.published(place) {
                let at = sources
                    .iter()
                    .position(|s| *s == source)
                    .unwrap_or_else(|| {
                        sources.push(source);
                        sources.len() - 1
                    });
                let _ = write!(text, " ({} [{}])", number(value), at + 1);
            }
            let _ = write!(out, " {text} |");
        }
        out += "\n";
    }
    let _ = write!(
        out,
        "\n{} of {} runs.",
        results.finished.len(),
        results.members
    );
    if results.finished.len() > results.rows().len() * results.columns().len() {
        out += " Mean ± standard deviation over all axes that are not shown.";
    }
    if !sources.is_empty() {
        out += " In parentheses what was published:";
        for (index, source) in sources.iter().enumerate() {
            let _ = write!(out, " [{}] {source}.", index + 1);
        }
    }
    out + "\n"
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// One line a row, column and metric: what programs want.
fn csv(results: &Results<'_>) -> String {
    let table = &results.spec.table;
    let columns = table.columns.as_deref().unwrap_or("column");
    let mut out = format!(
        "{},{},metric,mean,deviation,runs,published\n",
        quoted(&table.rows),
        quoted(columns)
    );
    let names = results.columns();
    for (row, name) in results.rows().iter().enumerate() {
        for (column, metric, _) in headings(results) {
            let place = Place {
                row,
                column,
                metric,
            };
            let Some(cell) = results.cell(place) else {
                continue;
            };
            let published = results
                .published(place)
                .map_or_else(String::new, |(value, _)| value.to_string());
            let _ = writeln!(
                out,
                "{},{},{},{},{},{},{published}",
                quoted(name),
                quoted(&names[column]),
                quoted(&table.metrics[metric]),
                cell.mean,
                cell.deviation,
                cell.runs,
            );
        }
    }
    out
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn latex(results: &Results<'_>) -> String {
    let headings = headings(results);
    let mut out = format!(
        "\\begin{{tabular}}{{l{}}}\n\\toprule\n",
        "r".repeat(headings.len())
    );
    out += &tex(&results.spec.table.rows);
    for (_, _, heading) in &headings {
        let _ = write!(out, " & {}", tex(heading));
    }
    out += " \\\\\n\\midrule\n";
    for (row, name) in results.rows().iter().enumerate() {
        out += &tex(name);
        for &(column, metric, _) in &headings {
            let place = Place {
                row,
                column,
                metric,
            };
            let cell = results.cell(place).map_or_else(|| "--".to_owned(), shown);
            let cell = cell.replace(" ± ", " $\\pm$ ");
            if results.is_best(place) {
                let _ = write!(out, " & \\textbf{{{cell}}}");
            } else {
                let _ = write!(out, " & {cell}");
            }
            if let Some((value, _)) = results.published(place) {
                let _ = write!(out, " ({})", number(value));
            }
        }
        out += " \\\\\n";
    }
    out + "\\bottomrule\n\\end{tabular}\n"
}

fn tex(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            c => out.push(c),
        }
    }
    out
}
