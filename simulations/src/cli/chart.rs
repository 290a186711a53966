//! Rows of text in columns.

/// Rows with columns two spaces apart: the first to the left, the others to the right. No line ends
/// in spaces.
pub(super) fn chart(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => line += &format!("{cell:width$}"),
                _ => line += &format!("  {cell:>width$}"),
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::chart;

    #[test]
    fn names_stand_to_the_left_and_figures_to_the_right() {
        let rows =
            [vec!["half".to_owned(), "1.0 s".to_owned()], vec!["all peers".to_owned(), "–".to_owned()]];
        assert_eq!(chart(&rows), "half       1.0 s\nall peers      –\n");
        assert_eq!(chart(&[]), "");
    }
}
