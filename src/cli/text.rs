//! Texts of other programs, printed safely.

/// Returns a text of another program as one line that a terminal shows as plain text.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '\'' | '"' => printable.push(letter),
            letter => printable.extend(letter.escape_debug()),
        }
    }
    printable
}
