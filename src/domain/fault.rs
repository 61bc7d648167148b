//! The reasons for which a role does not accept a text as a reason.

/// The fault of a reason that a role does not accept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasonFault {
    /// There is none.
    Missing,
    /// It has fewer visible characters than this.
    TooShort(u32),
    /// The pattern is not found in it.
    Unlike,
}

/// The requirements of a role for a reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReasonRequirement {
    /// The minimum number of visible characters.
    pub min_length: u32,
    /// The text of the pattern that must be found in it, if there is one.
    pub pattern: Option<String>,
}
