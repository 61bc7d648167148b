//! Bounded text: what people write into names, justifications and reasons.

use super::error::Error;

/// Checks that `text` has `1..=longest` characters, none of them a control character.
pub(super) fn name(text: &str, longest: usize) -> Result<(), Error> {
    if text.is_empty() || text.chars().count() > longest || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "A name has 1 to {longest} characters, none of them a control character."
        )));
    }
    Ok(())
}

/// What somebody gave as a reason, or why they ask: at most 1,024 characters without NUL; an empty text is no text.
pub fn remark(text: Option<String>) -> Result<Option<String>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    bounded(&text)?;
    Ok(Some(text))
}

/// Checks that `text` has at most 1,024 characters, none of them NUL, which PostgreSQL cannot hold.
pub(super) fn bounded(text: &str) -> Result<(), Error> {
    if text.chars().count() > LONGEST_REMARK || text.contains('\0') {
        return Err(Error::invalid("A text has at most 1,024 characters and no NUL."));
    }
    Ok(())
}

const LONGEST_REMARK: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_remark_is_none() {
        assert_eq!(remark(None).unwrap(), None);
        assert_eq!(remark(Some(String::new())).unwrap(), None);
        assert_eq!(remark(Some(" ".into())).unwrap(), Some(" ".into()));
    }

    #[test]
    fn remarks_are_bounded_in_characters_not_bytes() {
        assert!(remark(Some("é".repeat(1_024))).is_ok());
        assert!(remark(Some("é".repeat(1_025))).is_err());
        assert!(remark(Some("a\0b".into())).is_err());
        assert!(remark(Some("two\nlines".into())).is_ok());
    }

    #[test]
    fn names_are_one_line() {
        assert!(name("SQL File Access ", 256).is_ok());
        for bad in ["", "two\nlines", "bell\u{7}", &"x".repeat(257)] {
            assert!(name(bad, 256).is_err(), "{bad:?}");
        }
    }
}
