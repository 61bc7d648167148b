//! Query options. Names and values are form-decoded once.

use crate::status::Error;

/// The options of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ListOptions {
    /// `$skiptoken`: where the list goes on; empty for its start. It comes from our own `odata.nextLink`.
    pub(super) skip_token: String,
}

impl ListOptions {
    /// The options of a raw query. One that is not understood is refused, never ignored: an unfiltered list would be
    /// taken for a filtered one.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Error> {
        let mut options = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "$skiptoken" => options.skip_token = value.into_owned(),
                "v" => version(&value)?,
                name if name.starts_with('$') => {
                    return Err(Error::invalid("A query parameter is not supported."));
                }
                // The OData layer of the original ignored what has no `$` (`wire.md` 29).
                _ => {}
            }
        }
        Ok(options)
    }
}

/// Checks the options of an action, which knows only `v`.
pub(super) fn check_action(query: Option<&str>) -> Result<(), Error> {
    let mut options = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    options.try_for_each(|(name, value)| if name == "v" { version(&value) } else { Ok(()) })
}

/// There is one version; a client that asks for another must not get this one unawares (`wire.md` A13).
fn version(value: &str) -> Result<(), Error> {
    match value {
        "" | "1" => Ok(()),
        _ => Err(Error::invalid("This version of the API is not supported; the only version is 1.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_version_is_one() {
        for (query, valid) in
            [(None, true), (Some("v=1"), true), (Some("v="), true), (Some("V=7"), true), (Some("v=2"), false)]
        {
            assert_eq!(check_action(query).is_ok(), valid, "{query:?}");
            assert_eq!(ListOptions::parse(query).is_ok(), valid, "{query:?}");
        }
        assert!(check_action(Some("v=1&v=abc")).is_err());
    }

    #[test]
    fn what_a_list_does_not_know_is_refused() {
        for query in
            ["$filter=RoleName%20eq%20'x'", "%24filter=a", "$foo=1", "$Filter=a", "$top=1", "%24top=1"]
        {
            assert!(ListOptions::parse(Some(query)).is_err(), "{query}");
        }
        assert!(ListOptions::parse(Some("_=1448274")).is_ok());
        assert_eq!(ListOptions::parse(Some("%24skiptoken=abc")).unwrap().skip_token, "abc");
    }
}
