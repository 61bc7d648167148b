//! The text of a token.

/// The first characters of every token. A bearer token without them belongs to another scheme.
pub const PREFIX: &str = "cst_";

/// Splits a token into its id and its secret.
pub fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_at_checked(ID_LENGTH)?;
    Some((id, secret.strip_prefix('_')?))
}

/// In hexadecimal digits.
const ID_LENGTH: usize = 16;
