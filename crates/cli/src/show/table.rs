//! Tables of text: left-aligned words, right-aligned numbers.

/// A column's heading and the side its cells lean to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// Lays `rows` out under `columns`; a row has as many cells as there are columns.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let heading = columns
        .iter()
        .map(|column| match column {
            Column::Left(name) | Column::Right(name) => name.to_uppercase(),
        })
        .collect();
    let mut lines = vec![heading];
    lines.extend(rows.iter().cloned());
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| lines.iter().map(|line: &Vec<String>| line[i].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells =
            line.iter().zip(columns).zip(&widths).map(|((cell, column), &width)| match column {
                Column::Left(_) => format!("{cell:<width$}"),
                Column::Right(_) => format!("{cell:>width$}"),
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |a: &str, b: &str| vec![a.to_string(), b.to_string()];
        let text = table(
            &[Column::Left("node"), Column::Right("n")],
            &[row("é", "100"), row("lampe", "7")],
        );
        assert_eq!(text, "NODE     N\né      100\nlampe    7\n");
    }
}
