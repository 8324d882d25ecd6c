//! Tables in Markdown, with columns aligned for reading in a terminal.

/// Returns a table with `heads` above `rows`. The first column is aligned left, the others right.
pub fn markdown(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([heads[column].chars().count(), 3])
            .max()
            .unwrap_or(3)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, &width)| rule(column, width))
        .collect();
    let lines = [&heads, &rule].into_iter().chain(rows);
    lines.map(|cells| line(cells, &widths)).collect()
}

fn rule(column: usize, width: usize) -> String {
    let dashes = "-".repeat(width - 1);
    if column == 0 {
        format!("{dashes}-")
    } else {
        format!("{dashes}:")
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let pad = |(column, (cell, &width)): (usize, (&String, &usize))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    };
    let cells: Vec<String> = cells.iter().zip(widths).enumerate().map(pad).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_aligned_left_and_the_others_right() {
        let rows = [
            vec!["forward".to_owned(), "68".to_owned()],
            vec!["a".to_owned(), "1000".to_owned()],
        ];
        assert_eq!(
            markdown(&["kernel", "n"], &rows),
            "| kernel  |    n |\n| ------- | ---: |\n| forward |   68 |\n| a       | 1000 |\n"
        );
    }
}
