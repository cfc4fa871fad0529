//! Text that comes from anywhere (file names, notes), made harmless for a table.

/// Text for a cell of a table that may be opened by a spreadsheet: a cell that would be read as a formula starts with an
/// apostrophe, as spreadsheets themselves write such text.
pub(crate) fn cell(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(cell("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(cell("0001_c1.png"), "0001_c1.png");
    }
}
