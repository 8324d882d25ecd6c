//! The results table of a sweep as Markdown, CSV and LaTeX.

use std::fmt::Write as _;

use crate::results::{Cell, CellIndex, Results};

/// Formats the table as text.
type Format = fn(&Results<'_>) -> String;

/// The formats and their file extensions. The first one is also printed.
pub const FORMATS: [(&str, Format); 3] = [("md", markdown), ("csv", csv), ("tex", latex)];

/// One column of the printed table: a column of the sweep's table and a metric.
pub struct PrintedColumn {
    column: usize,
    metric: usize,
    /// Heading of the column.
    pub heading: String,
}

impl PrintedColumn {
    /// Returns the index of this column's cell in a row.
    #[must_use]
    pub fn cell(&self, row: usize) -> CellIndex {
        CellIndex {
            row,
            column: self.column,
            metric: self.metric,
        }
    }
}

/// Returns the printed columns: every metric of every column.
#[must_use]
pub fn printed_columns(results: &Results<'_>) -> Vec<PrintedColumn> {
    let metrics = &results.config.table.metrics;
    let mut printed = Vec::new();
    for (column, name) in results.columns().iter().enumerate() {
        for (index, metric) in metrics.iter().enumerate() {
            let heading = match (name.is_empty(), metrics.len()) {
                (true, _) => metric.clone(),
                (false, 1) => name.clone(),
                (false, _) => format!("{name} {metric}"),
            };
            printed.push(PrintedColumn {
                column,
                metric: index,
                heading,
            });
        }
    }
    printed
}

/// Formats a value with two decimals, as is usual for PSNR, or four below 10; in scientific notation below 1e-3 and from 1e5 on.
fn format_value(value: f64) -> String {
    match value.abs() {
        size if size >= 1e5 || (size > 0.0 && size < 1e-3) => format!("{value:.3e}"),
        size if size >= 10.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Formats a cell: the mean, with the standard deviation if there are several runs.
#[must_use]
pub fn cell_text(cell: Cell) -> String {
    if cell.runs == 1 {
        return format_value(cell.mean);
    }
    format!(
        "{} ± {}",
        format_value(cell.mean),
        format_value(cell.deviation)
    )
}

fn markdown(results: &Results<'_>) -> String {
    let columns = printed_columns(results);
    let mut out = format!("| {} |", results.config.table.rows);
    for PrintedColumn { heading, .. } in &columns {
        let _ = write!(out, " {} |", escaped(heading));
    }
    out += "\n|---|";
    out += &"---|".repeat(columns.len());
    out += "\n";
    let mut sources: Vec<&str> = Vec::new();
    for (row, name) in results.rows().iter().enumerate() {
        let _ = write!(out, "| {} |", escaped(name));
        for printed in &columns {
            let index = printed.cell(row);
            let mut text = results
                .cell(index)
                .map_or_else(|| "–".to_owned(), cell_text);
            if results.is_best(index) {
                text = format!("**{text}**");
            }
            if let Some((value, source)) = results.published(index) {
                let position = sources
                    .iter()
                    .position(|s| *s == source)
                    .unwrap_or_else(|| {
                        sources.push(source);
                        sources.len() - 1
                    });
                let _ = write!(text, " ({} [{}])", format_value(value), position + 1);
            }
            let _ = write!(out, " {text} |");
        }
        out += "\n";
    }
    out += "\n";
    out += &remarks(results);
    if !sources.is_empty() {
        out += " Published values are in parentheses:";
        for (index, source) in sources.iter().enumerate() {
            let _ = write!(out, " [{}] {source}.", index + 1);
        }
    }
    out + "\n"
}

/// Returns what stands below the table: how many runs it is of.
#[must_use]
pub fn remarks(results: &Results<'_>) -> String {
    let (finished, members) = (results.finished.len(), results.members);
    let mean = if finished > results.rows().len() * results.columns().len() {
        " Mean ± standard deviation over all axes that are not shown."
    } else {
        ""
    };
    format!("{finished} of {members} runs.{mean}")
}

/// Escapes the column separator of Markdown tables.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Formats the table as CSV in long form: one line per row, column and metric.
fn csv(results: &Results<'_>) -> String {
    let table = &results.config.table;
    let columns = table.columns.as_deref().unwrap_or("column");
    let mut out = format!(
        "{},{},metric,mean,deviation,runs,published\n",
        quoted(&table.rows),
        quoted(columns)
    );
    let names = results.columns();
    for (row, name) in results.rows().iter().enumerate() {
        for printed in printed_columns(results) {
            let index = printed.cell(row);
            let Some(cell) = results.cell(index) else {
                continue;
            };
            let published = results
                .published(index)
                .map_or_else(String::new, |(value, _)| value.to_string());
            let _ = writeln!(
                out,
                "{},{},{},{},{},{},{published}",
                quoted(name),
                quoted(&names[printed.column]),
                quoted(&table.metrics[printed.metric]),
                cell.mean,
                cell.deviation,
                cell.runs,
            );
        }
    }
    out
}

/// Quotes a CSV field that contains a separator, a quote or a line break.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn latex(results: &Results<'_>) -> String {
    let columns = printed_columns(results);
    let mut out = format!(
        "\\begin{{tabular}}{{l{}}}\n\\toprule\n",
        "r".repeat(columns.len())
    );
    out += &tex(&results.config.table.rows);
    for PrintedColumn { heading, .. } in &columns {
        let _ = write!(out, " & {}", tex(heading));
    }
    out += " \\\\\n\\midrule\n";
    for (row, name) in results.rows().iter().enumerate() {
        out += &tex(name);
        for printed in &columns {
            let index = printed.cell(row);
            let cell = results
                .cell(index)
                .map_or_else(|| "--".to_owned(), cell_text);
            let cell = cell.replace(" ± ", " $\\pm$ ");
            if results.is_best(index) {
                let _ = write!(out, " & \\textbf{{{cell}}}");
            } else {
                let _ = write!(out, " & {cell}");
            }
            if let Some((value, _)) = results.published(index) {
                let _ = write!(out, " ({})", format_value(value));
            }
        }
        out += " \\\\\n";
    }
    out + "\\bottomrule\n\\end{tabular}\n"
}

/// Escapes the special characters of LaTeX.
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
