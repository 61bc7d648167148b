//! Versions: the basis of a decision, which the commit expects to be unchanged.

/// The number of times a record has been written: 1 after its creation. Callers know it as the revision.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Version(pub u64);

impl Version {
    /// The version of a record that does not exist.
    pub const ABSENT: Self = Self(0);

    /// Returns the version after the next write.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A value at the version at which it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Versioned<T> {
    /// The version.
    pub version: Version,
    /// The value.
    pub value: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_first_is_at_version_one() {
        assert_eq!(Version::ABSENT.next(), Version(1));
        assert_eq!(Version(1).next(), Version(2));
    }
}
