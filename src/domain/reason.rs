//! The rules of a role for reasons: for a justification, and for the reason of a decision.

use regex_lite::RegexBuilder;

use super::error::Error;
use super::fault::{ReasonFault, ReasonRequirement};
use super::text;

/// The requirements for a reason. By default any reason is accepted, including none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReasonRule {
    /// Whether a reason is required.
    pub required: bool,
    /// The minimum number of visible characters of a reason, without white space; at most 1,024.
    pub min_length: u32,
    /// The pattern that must be found in a reason, if there is one.
    pub pattern: Option<Pattern>,
}

/// A regular expression of at most 256 characters, in the syntax of the crate `regex-lite`. The search takes linear
/// time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern(String);

impl ReasonRule {
    /// Returns the rule, if it is within its bounds.
    pub fn checked(self) -> Result<Self, Error> {
        if self.min_length > LONGEST {
            return Err(Error::invalid("must be at most 1,024 characters.").in_field("min_length"));
        }
        Ok(self)
    }

    /// Returns the fault of `reason`; `None` if it is accepted.
    pub fn fault(&self, reason: Option<&str>) -> Option<ReasonFault> {
        let reason = reason.unwrap_or_default().trim();
        let visible = text::visible(reason);
        if visible == 0 {
            return match self.required {
                true => Some(ReasonFault::Missing),
                false => None,
            };
        }
        if visible < usize::try_from(self.min_length).unwrap_or(usize::MAX) {
            return Some(ReasonFault::TooShort(self.min_length));
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_found_in(reason) => Some(ReasonFault::Unlike),
            _ => None,
        }
    }
}

impl ReasonRule {
    /// Returns the requirements of the rule for a reason that is given.
    pub fn requirement(&self) -> ReasonRequirement {
        ReasonRequirement {
            min_length: self.min_length,
            pattern: self.pattern.as_ref().map(|pattern| pattern.0.clone()),
        }
    }
}

impl Pattern {
    /// Returns the pattern of that text.
    pub fn new(text: &str) -> Result<Self, Error> {
        if !(1..=LONGEST_PATTERN).contains(&text.chars().count()) || compiled(text).is_err() {
            return Err(Error::invalid(
                "A pattern is a regular expression of 1 to 256 characters.",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the pattern of a text; `None` if the text is empty.
    pub fn read(text: &str) -> Result<Option<Self>, Error> {
        match text {
            "" => Ok(None),
            text => Ok(Some(Self::new(text)?)),
        }
    }

    /// Returns the pattern of a stored text, which was valid when it was stored.
    pub fn stored(text: String) -> Option<Self> {
        match text.is_empty() {
            true => None,
            false => Some(Self(text)),
        }
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern is found in `reason`. A pattern that can no longer be read is never found.
    fn is_found_in(&self, reason: &str) -> bool {
        compiled(&self.0).is_ok_and(|regex| regex.is_match(reason))
    }
}

fn compiled(text: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build()
}

const LONGEST: u32 = 1_024;
const LONGEST_PATTERN: usize = 256;
/// The limit of a compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_what_the_role_asks_for() {
        use ReasonFault::{Missing, TooShort, Unlike};
        let pattern = |text| Some(Pattern::new(text).unwrap());
        let rule = |required, min_length, pattern| ReasonRule {
            required,
            min_length,
            pattern,
        };
        let table = [
            (rule(false, 0, None), None, None),
            (rule(false, 9, pattern("x")), None, None),
            (rule(true, 0, None), None, Some(Missing)),
            (rule(true, 0, None), Some(" \t\n\u{a0} "), Some(Missing)),
            (rule(true, 0, None), Some("x"), None),
            (rule(false, 3, None), Some("ab"), Some(TooShort(3))),
            (rule(false, 3, None), Some(" ab      "), Some(TooShort(3))),
            (rule(false, 3, None), Some("äöü"), None),
            (rule(false, 4, None), Some("a b c"), Some(TooShort(4))),
            (rule(false, 3, None), Some("a\u{301}b"), Some(TooShort(3))),
            (
                rule(false, 3, None),
                Some("a\u{200b}\u{2060}b"),
                Some(TooShort(3)),
            ),
            (rule(true, 0, None), Some("\u{200b}\u{3164}"), Some(Missing)),
            (rule(false, 3, pattern("x")), Some("\u{200b}"), None),
            (
                rule(false, 0, pattern("INC[0-9]{6}")),
                Some("see INC123456."),
                None,
            ),
            (
                rule(false, 0, pattern("^INC[0-9]{6}$")),
                Some("see INC123456."),
                Some(Unlike),
            ),
            (
                rule(false, 0, pattern("^INC[0-9]{6}$")),
                Some("INC12345\n6"),
                Some(Unlike),
            ),
            (
                rule(false, 0, pattern("^INC[0-9]{6}$")),
                Some("x\nINC123456"),
                Some(Unlike),
            ),
        ];
        for (rule, reason, fault) in table {
            assert_eq!(rule.fault(reason), fault, "{rule:?} {reason:?}");
        }
    }

    #[test]
    fn a_pattern_is_bounded() {
        for bad in ["", "(", "[a-", "a{1000}{1000}", &"a".repeat(257)] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
        assert!(Pattern::new(&"a".repeat(256)).is_ok());
        assert_eq!(Pattern::new("INC[0-9]").unwrap().as_str(), "INC[0-9]");
        assert_eq!(Pattern::read("").unwrap(), None);
        assert_eq!(Pattern::read("a").unwrap(), Pattern::stored("a".into()));
        assert!(Pattern::read("(").is_err());
        assert_eq!(Pattern::stored(String::new()), None);
        let most = ReasonRule {
            min_length: 1_024,
            ..ReasonRule::default()
        };
        assert!(most.clone().checked().is_ok());
        assert!(
            ReasonRule {
                min_length: 1_025,
                ..most
            }
            .checked()
            .is_err()
        );
    }
}
