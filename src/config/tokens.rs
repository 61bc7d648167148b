//! The arguments of `token`.

use clap::{Args, Subcommand};

use super::data::Data;
use super::values::{account, group, whole_seconds};
use crate::domain::account::{Account, Group};
use crate::domain::moment::Seconds;

/// The commands on tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Lists the tokens: id, account, groups, creation and expiry.
    List(Data),
    /// Creates a bearer token and prints it once; the file keeps only its hash. A running server accepts it without a restart.
    New(NewToken),
    /// Revokes a token. A running server refuses it within a second.
    Revoke(RevokeToken),
}

/// The arguments of `token revoke`.
#[derive(Args, Debug)]
pub struct RevokeToken {
    /// Id of the token: the 16 digits after `cst_`, as `token list` shows it.
    pub id: String,
    /// The store and the tokens.
    #[command(flatten)]
    pub data: Data,
}

/// The arguments of `token new`.
#[derive(Args, Debug)]
pub struct NewToken {
    /// Account of the token, as DOMAIN\user.
    #[arg(long, value_parser = account)]
    pub account: Account,
    /// Group of the account. Repeatable.
    #[arg(long = "group", value_parser = group)]
    pub groups: Vec<Group>,
    /// Validity of the token, such as 90d or 12h, or `never` for a token that does not expire.
    #[arg(long, default_value = "90d", value_parser = expiry)]
    pub expires: Expiry,
    /// The store and the tokens.
    #[command(flatten)]
    pub data: Data,
}

/// The expiry of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    /// After a duration.
    After(Seconds),
    /// Only by revocation.
    Never,
}

fn expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry::Never),
        text => whole_seconds(text).map(Expiry::After),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_never_expire() {
        assert_eq!(expiry("never"), Ok(Expiry::Never));
        assert_eq!(expiry("90d"), whole_seconds("90d").map(Expiry::After));
        assert!(expiry("Never").is_err() && expiry("").is_err());
    }
}
