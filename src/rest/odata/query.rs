//! Query options. Names and values are form-decoded once; each option is given once at most (`docs/rest-api.md` 28 to
//! 32, 40 to 44).

use super::form;
use crate::errors::Error;

/// The options of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOptions {
    /// `$filter`: the condition of the list.
    pub filter: Option<String>,
    /// `$format`: the form of the response.
    pub format: Option<String>,
    /// `$inlinecount`: whether to count the matching rows.
    pub count: bool,
    /// `$orderby`: properties, and whether their largest come first.
    pub order: Vec<(String, bool)>,
    /// `$select`: the properties to return; `None` for all of them.
    pub select: Option<Vec<String>>,
    /// `$skip`: the number of rows to omit at the start.
    pub skip: i32,
    /// `$skiptoken`: where the list continues; empty for its start. It comes from our own `odata.nextLink`.
    pub skip_token: String,
    /// `$top`: the maximum number of rows.
    pub top: Option<usize>,
}

impl ListOptions {
    /// Reads the options of a raw query. An unknown option is refused, never ignored: an unfiltered list would be taken
    /// for a filtered one.
    pub fn parse(query: Option<&str>) -> Result<Self, Error> {
        let mut options = Self::default();
        for (name, value) in options_of(query)? {
            match &*name {
                "$filter" => options.filter = Some(given(value)?),
                "$format" => options.format = Some(format(value)?),
                "$inlinecount" => options.count = inline_count(&value)?,
                "$orderby" => options.order = order(&given(value)?)?,
                "$select" => options.select = select(&given(value)?),
                "$skip" => options.skip = number(&value)?,
                "$skiptoken" => options.skip_token = value,
                "$top" => {
                    options.top = Some(usize::try_from(number(&value)?).unwrap_or(usize::MAX))
                }
                "v" => version(&value)?,
                name => check_unknown(name)?,
            }
        }
        Ok(options)
    }

    /// Reads the options of a single row. Only those that choose its properties and its form are allowed.
    pub fn parse_single(query: Option<&str>) -> Result<Self, Error> {
        let Self { format, select, .. } = Self::parse(query)?;
        let single = Self {
            format,
            select,
            ..Self::default()
        };
        if Self::parse(query)? == single {
            Ok(single)
        } else {
            Err(Error::invalid(
                "A query parameter is not supported for a single object.",
            ))
        }
    }
}

/// Returns the query of the list that continues after `token`, with `top` rows remaining.
pub fn next_query(query: Option<&str>, top: Option<usize>, token: &str) -> String {
    let given = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(given.filter(|(name, _)| !["$skiptoken", "$top"].contains(&&**name)));
    if let Some(top) = top {
        next.append_pair("$top", &top.to_string());
    }
    next.append_pair("$skiptoken", token).finish()
}

/// Checks the options of an action, which knows only `v` and `$format`.
pub fn check_action(query: Option<&str>) -> Result<(), Error> {
    action_format(query).map(drop)
}

/// Returns the `$format` of an action whose response has a body.
pub fn action_format(query: Option<&str>) -> Result<Option<String>, Error> {
    let mut found = None;
    for (name, value) in options_of(query)? {
        match &*name {
            "$format" => found = Some(format(value)?),
            "v" => version(&value)?,
            name => check_unknown(name)?,
        }
    }
    Ok(found)
}

/// Returns the `$format` in which errors are printed: none if it is invalid, or given twice.
pub fn format_for_errors(query: Option<&str>) -> Option<String> {
    let mut found = None;
    for (name, value) in form::query(query).ok()? {
        if name == "$format" {
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
    }
    format(found?).ok()
}

/// Reads the parameters of a query. A known parameter that is given twice is refused, since it is not clear which one
/// counts.
fn options_of(query: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let given = form::query(query)?;
    for known in KNOWN {
        if given.iter().filter(|(name, _)| name == known).count() > 1 {
            return Err(given_twice(known));
        }
    }
    Ok(given)
}

/// Returns the error for a parameter that is given more than once.
pub fn given_twice(name: &'static str) -> Error {
    Error::invalid(format!("{name} must be given only once.")).in_field(name)
}

/// Refuses an unknown option; the OData layer of the original ignored names without `$` (`docs/rest-api.md` 29, 30).
fn check_unknown(name: &str) -> Result<(), Error> {
    if name.starts_with('$') {
        Err(Error::invalid("A query parameter is not supported."))
    } else {
        Ok(())
    }
}

/// Checks the version. There is only one; a client that asks for another must not get this one unawares
/// (`docs/rest-api.md` A13).
fn version(value: &str) -> Result<(), Error> {
    match value {
        "" | "1" => Ok(()),
        _ => Err(Error::invalid(
            "This version of the API is not supported; the only version is 1.",
        )),
    }
}

fn given(value: String) -> Result<String, Error> {
    if value.trim().is_empty() {
        Err(Error::invalid("A query parameter has no value."))
    } else {
        Ok(value)
    }
}

fn format(value: String) -> Result<String, Error> {
    let is_json = value == "json"
        || value
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("application/json");
    if is_json {
        Ok(value)
    } else {
        Err(Error::invalid("The only format is json."))
    }
}

fn inline_count(value: &str) -> Result<bool, Error> {
    match value {
        "allpages" => Ok(true),
        "none" => Ok(false),
        _ => Err(Error::invalid("$inlinecount is allpages or none.")),
    }
}

fn number(value: &str) -> Result<i32, Error> {
    match value.parse() {
        Ok(number) if number >= 0 => Ok(number),
        _ => Err(Error::invalid(
            "$top and $skip are whole numbers, and not negative.",
        )),
    }
}

fn order(value: &str) -> Result<Vec<(String, bool)>, Error> {
    value.split(',').map(order_key).collect()
}

fn order_key(key: &str) -> Result<(String, bool), Error> {
    let words: Vec<&str> = key.split_whitespace().collect();
    match words[..] {
        [path] | [path, "asc"] => Ok((path.to_owned(), false)),
        [path, "desc"] => Ok((path.to_owned(), true)),
        _ => Err(Error::invalid(
            "$orderby is a list of properties, each with asc, desc or neither.",
        )),
    }
}

/// Reads `$select`; `None` for all properties.
fn select(value: &str) -> Option<Vec<String>> {
    let names: Vec<String> = value
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    if names.iter().any(|name| name == "*") {
        None
    } else {
        Some(names)
    }
}

/// The parameters that lists, rows or actions know.
pub const KNOWN: [&str; 9] = [
    "$filter",
    "$format",
    "$inlinecount",
    "$orderby",
    "$select",
    "$skip",
    "$skiptoken",
    "$top",
    "v",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_version_is_one() {
        for (query, valid) in [
            (None, true),
            (Some("v=1"), true),
            (Some("v="), true),
            (Some("V=7"), true),
            (Some("v=2"), false),
        ] {
            assert_eq!(check_action(query).is_ok(), valid, "{query:?}");
            assert_eq!(ListOptions::parse(query).is_ok(), valid, "{query:?}");
        }
    }

    #[test]
    fn an_action_knows_few_options() {
        for (query, valid) in [
            ("$format=json", true),
            ("_=1", true),
            ("$format=atom", false),
            ("$top=1", false),
            ("%24foo", false),
        ] {
            assert_eq!(check_action(Some(query)).is_ok(), valid, "{query}");
        }
    }

    #[test]
    fn names_and_values_are_decoded_once() {
        for query in [
            "$filter=A%20eq%20%27x%27",
            "%24filter=A+eq+%27x%27",
            "$filter=A%20eq%20'x'",
        ] {
            let options = ListOptions::parse(Some(query)).unwrap();
            assert_eq!(options.filter.as_deref(), Some("A eq 'x'"), "{query}");
        }
        let twice = ListOptions::parse(Some("$filter=A%2520eq")).unwrap();
        assert_eq!(twice.filter.as_deref(), Some("A%20eq"));
    }

    #[test]
    fn an_option_is_given_once() {
        for (query, name) in [
            ("$filter=B&v=1&$filter=A+eq+'x'", "$filter"),
            ("$filter=A&%24filter=A", "$filter"),
            ("$top=1&$top=1", "$top"),
            ("$skip=1&$skip=", "$skip"),
            ("$orderby=A&$orderby=B", "$orderby"),
            ("$select=A&$select=B", "$select"),
            ("$inlinecount=none&$inlinecount=allpages", "$inlinecount"),
            ("$skiptoken=a&$skiptoken=b", "$skiptoken"),
            ("$format=json&$format=json", "$format"),
            ("v=1&v=1", "v"),
            ("v=1&%76=", "v"),
        ] {
            let message = format!("{name} must be given only once.");
            assert_eq!(
                ListOptions::parse(Some(query)).unwrap_err().message,
                message,
                "{query}"
            );
            assert_eq!(
                ListOptions::parse_single(Some(query)).unwrap_err().message,
                message,
                "{query}"
            );
            assert_eq!(
                action_format(Some(query)).unwrap_err().message,
                message,
                "{query}"
            );
        }
        assert!(
            ListOptions::parse(Some("_=1&_=2&V=1&V=2")).is_ok(),
            "parameters of others"
        );
    }

    #[test]
    fn a_query_is_utf8() {
        for query in ["$filter=A%20eq%20'%FC'", "_=%FC", "%FC=1"] {
            assert!(ListOptions::parse(Some(query)).is_err(), "{query}");
            assert!(check_action(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn what_a_list_is_asked_for() {
        let query = "$top=5&%24skip=10&$orderby=A%20desc,%20B/Value,C asc&$select=A,%20B&$inlinecount=allpages\
                     &$format=json&$skiptoken=abc&_=1448274";
        let order = [("A", true), ("B/Value", false), ("C", false)];
        let expected = ListOptions {
            filter: None,
            format: Some("json".into()),
            count: true,
            order: order
                .map(|(path, descending)| (path.to_owned(), descending))
                .to_vec(),
            select: Some(vec!["A".to_owned(), "B".to_owned()]),
            skip: 10,
            skip_token: "abc".into(),
            top: Some(5),
        };
        assert_eq!(ListOptions::parse(Some(query)).unwrap(), expected);
        assert_eq!(
            ListOptions::parse(Some("$select=A,*")).unwrap().select,
            None
        );
    }

    #[test]
    fn what_a_list_does_not_know_is_refused() {
        for query in [
            "$filter=",
            "$filter=%20",
            "$foo=1",
            "$Filter=a",
            "$expand=a",
            "$top=-1",
            "$top=x",
            "$top=99999999999",
            "$skip=1.5",
            "$orderby=",
            "$orderby=A,",
            "$orderby=A%20DESC",
            "$orderby=A desc B",
            "$inlinecount=all",
            "$format=atom",
            "$select=",
        ] {
            assert!(ListOptions::parse(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn the_next_page_is_of_the_same_list() {
        let next = next_query(
            Some("$filter=A%20eq%20%27x%27&$top=50&%24skiptoken=old&v=1"),
            Some(40),
            "new",
        );
        assert_eq!(
            next,
            "%24filter=A+eq+%27x%27&v=1&%24top=40&%24skiptoken=new"
        );
        assert_eq!(next_query(None, None, "new"), "%24skiptoken=new");
    }
}
