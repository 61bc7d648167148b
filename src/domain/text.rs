//! Bounded text: names, justifications and reasons.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::error::Error;

/// Checks that `text` has `1..=longest` characters, none of them hidden, so that no two names look alike.
///
/// These are the rules of the FreeformClass of PRECIS (RFC 8264), without its joiners in context. Their tables are of
/// the Unicode version that normalises names. The profiles of RFC 8265 do not fit: they forbid spaces, which the names
/// of Windows groups have.
pub(super) fn name(text: &str, longest: usize) -> Result<(), Error> {
    if text.is_empty() || text.chars().count() > longest {
        return Err(Error::invalid(format!(
            "A name must have 1 to {longest} characters."
        )));
    }
    if text.chars().any(is_hidden) {
        return Err(Error::invalid(
            "A name must not contain control, format, invisible, private or unassigned characters.",
        ));
    }
    Ok(())
}

/// Checks a display name, which must have a visible character. Spaces at its end are allowed: the original's own roles
/// have them, and a role is identified by its id.
pub(super) fn display_name(text: &str, longest: usize) -> Result<(), Error> {
    name(text, longest)?;
    if visible(text) == 0 || text.starts_with(char::is_whitespace) {
        return Err(Error::invalid(
            "A display name must begin with a visible character.",
        ));
    }
    if text
        .chars()
        .any(|letter| letter.is_whitespace() && letter != ' ')
    {
        return Err(Error::invalid(
            "A display name must not contain white space other than plain spaces.",
        ));
    }
    Ok(())
}

/// Counts the visible characters: those that are not white space, not hidden, and not accents apart from their letters.
pub(super) fn visible(text: &str) -> usize {
    text.chars().filter(|letter| is_visible(*letter)).count()
}

fn is_visible(letter: char) -> bool {
    let is_mark = letter.general_category_group() == GeneralCategoryGroup::Mark;
    !(letter.is_whitespace() || is_mark || is_hidden(letter))
}

/// Returns a text with its hidden characters written as their numbers, such as `<U+200B>`. A store or a record of an
/// older version may contain names with such characters, which must not be mistaken for other names.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hidden(letter) || (letter.is_whitespace() && letter != ' ') {
            shown += &number(letter);
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Returns the name of an account or a group as [`shown`] does, with the spaces at its ends written as numbers too.
pub fn shown_name(name: &str) -> String {
    let (space, inner) = (number(' '), name.trim_matches(' '));
    let before = name.len() - name.trim_start_matches(' ').len();
    let after = if inner.is_empty() {
        0
    } else {
        name.len() - name.trim_end_matches(' ').len()
    };
    format!(
        "{}{}{}",
        space.repeat(before),
        shown(inner),
        space.repeat(after)
    )
}

fn number(letter: char) -> String {
    format!("<U+{:04X}>", u32::from(letter))
}

/// Returns the form in which display names look alike: NFKC, without the white space at their ends.
pub fn look(display_name: &str) -> String {
    let composed: String = display_name.nfkc().collect();
    composed.trim().to_owned()
}

/// Returns whether a character shows nothing by itself, or changes how others are shown.
fn is_hidden(letter: char) -> bool {
    match letter.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => true,
        _ => BLANK.iter().any(|blank| blank.contains(&letter)),
    }
}

/// Checks a reason or a justification: at most 1,024 characters without NUL; an empty text counts as none.
pub fn remark(text: Option<String>) -> Result<Option<String>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    bounded(&text)?;
    Ok(Some(text))
}

/// Checks that `text` has at most 1,024 characters, none of them NUL, which PostgreSQL cannot store.
pub(super) fn bounded(text: &str) -> Result<(), Error> {
    if text.chars().count() > LONGEST_REMARK || text.contains('\0') {
        return Err(Error::invalid(
            "A text has at most 1,024 characters and no NUL.",
        ));
    }
    Ok(())
}

const LONGEST_REMARK: usize = 1_024;
/// The hidden characters that their category does not reveal: those with the property Default_Ignorable_Code_Point;
/// those that are blank by design, such as the Braille blank and the null note head; and replacements of lost
/// characters.
const BLANK: [RangeInclusive<char>; 13] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{ffff}',
    '\u{13441}'..='\u{13442}',
    '\u{16fe4}'..='\u{16fe4}',
    '\u{1d159}'..='\u{1d159}',
    '\u{e0000}'..='\u{e0fff}',
];

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
    fn a_name_has_no_hidden_characters() {
        for good in [
            "SQL File Access ",
            "Gruppe für Größen",
            "مدير",
            "管理者",
            "C++ & C# (ops)",
            "e\u{301}",
            "👍",
        ] {
            assert!(name(good, 256).is_ok(), "{good:?}");
        }
        for bad in ["", &"x".repeat(257)] {
            assert!(name(bad, 256).is_err(), "{bad:?}");
        }
        for hidden in HIDDEN {
            for bad in [
                format!("a{hidden}b"),
                format!("{hidden}a"),
                format!("a{hidden}"),
            ] {
                assert!(name(&bad, 256).is_err(), "{bad:?}");
                assert!(display_name(&bad, 256).is_err(), "{bad:?}");
            }
            assert_eq!(visible(&hidden.to_string()), 0, "{hidden:?}");
        }
    }

    #[test]
    fn a_display_name_shows_something_first() {
        for good in ["SQL File Access ", "A", "1", "管理者", "(none)", "a  b"] {
            assert!(display_name(good, 256).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            " ",
            "   ",
            " SQL",
            "\u{a0}",
            "SQL\u{a0}",
            "SQL\u{3000}Access",
            "\u{1680}",
            "\u{301}",
        ] {
            assert!(display_name(bad, 256).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_what_somebody_sees_counts() {
        for (text, count) in [
            ("", 0),
            (" \t\n\u{a0}\u{3000}", 0),
            ("see INC123456.", 13),
            ("äöü", 3),
            ("a\u{308}o\u{308}u\u{308}", 3),
            ("\u{301}\u{301}", 0),
            ("a\u{200b}b\u{ad}c", 3),
            ("管理者", 3),
        ] {
            assert_eq!(visible(text), count, "{text:?}");
        }
    }

    #[test]
    fn what_an_older_version_stored_shows_what_it_hides() {
        for (name, expected) in [
            ("PRIV\\jen", "PRIV\\jen"),
            ("PRIV\\jen ", "PRIV\\jen<U+0020>"),
            ("  ops doe", "<U+0020><U+0020>ops doe"),
            ("  ", "<U+0020><U+0020>"),
            ("j\u{200b}en\u{a0}", "j<U+200B>en<U+00A0>"),
            ("\u{202e}toor", "<U+202E>toor"),
            ("\u{e0041}", "<U+E0041>"),
        ] {
            assert_eq!(shown_name(name), expected);
        }
        assert_eq!(shown("Allow AD Access "), "Allow AD Access ");
    }

    #[test]
    fn display_names_look_alike() {
        assert_eq!(look("SQL Access"), look("ＳＱＬ\u{a0}Access "));
        assert_ne!(look("SQL Access"), look("sql access"));
    }

    /// Each kind that hides or turns text around: controls, zero width, joiners, soft hyphen, byte order mark, bidi
    /// controls, separators of lines, variation selectors, blanks, tags, private and unassigned characters.
    const HIDDEN: [char; 48] = [
        '\0',
        '\n',
        '\u{7}',
        '\u{7f}',
        '\u{85}',
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{180b}',
        '\u{180e}',
        '\u{180f}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2064}',
        '\u{2065}',
        '\u{2066}',
        '\u{2069}',
        '\u{206f}',
        '\u{2800}',
        '\u{3164}',
        '\u{e000}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{fffc}',
        '\u{fffd}',
        '\u{ffff}',
        '\u{1bca0}',
        '\u{1d159}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e0041}',
        '\u{e007f}',
        '\u{e0100}',
        '\u{10fffd}',
    ];
}
