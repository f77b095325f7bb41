//! Tables for people: columns as wide as their widest cell.

/// Rows under a heading; the last column is not padded. Every row has as many cells as the heading.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&heading, &widths);
    for row in rows {
        text.push_str(&line(&row.each_ref().map(String::as_str), &widths));
    }
    text
}

/// Names and values, one below the other, behind two spaces.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("  {name:width$}  {value}\n")).collect()
}

fn line<const N: usize>(cells: &[&str; N], widths: &[usize; N]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(&format!("{cell:width$}  "));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let rows = [["a", "längst", "x"], ["bb", "", ""]].map(|row| row.map(String::from));
        assert_eq!(table(["N", "WORD", "LAST"], &rows), "N   WORD    LAST\na   längst  x\nbb\n");
        assert_eq!(facts(&[("a", "1".into()), ("bcd", "2".into())]), "  a    1\n  bcd  2\n");
    }
}
