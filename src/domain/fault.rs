//! Why a reason is not accepted.

/// Why a role does not accept a reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasonFault {
    /// There is none.
    Missing,
    /// It has fewer visible characters than this.
    TooShort(u32),
    /// The pattern is not found in it.
    Unlike,
}

/// What a role requires of a reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReasonRequirement {
    /// The least number of visible characters.
    pub min_length: u32,
    /// The text of the pattern that must be found in it, if there is one.
    pub pattern: Option<String>,
}
