//! The properties of the parsers that must be true for any input. The targets in `fuzz/` search for input that breaks
//! them. The tests here check them for every input that was worth keeping.

mod creation;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::LazyLock;

use xml::writer::XmlEvent;

pub use creation::{creation, time};

use super::odata::atom;
use super::odata::expression::{self, DEEPEST, Expression, Operator};
use super::odata::filter::comparisons;
use super::odata::literal::Literal;
use super::odata::model;
use super::odata::query::{KNOWN, ListOptions, action_format, given_twice, next_query};
use super::odata::set::Set;
use super::path::{self, Action, Target};
use super::resources::approvals::PendingApprovals;
use super::resources::requests::Requests;
use super::resources::roles::Roles;
use super::resources::session::Session;
use crate::domain::moment::Moment;
use crate::errors::{Error, Kind};
use crate::proto::pam::v1::value::Kind as Value;
use crate::proto::pam::v1::{Comparison, Operator as Compared};

/// Checks a path. It has the same target as its plain form, and is decoded exactly once. An encoded slash only
/// separates an action from its row.
///
/// # Panics
///
/// If a check fails.
pub fn path(text: &str) {
    let target = match path::parse(text) {
        Ok(target) => target,
        Err(error) => return has_fixed_words(&error),
    };
    let parsed = |path: &str| path::parse(path).ok();
    assert_eq!(parsed(text), Some(target));
    let plain = plain(target);
    assert_eq!(parsed(&plain), Some(target));
    let acts = matches!(target, Target::ApprovalAction(..) | Target::RequestClose(_));
    assert!(
        text.to_ascii_lowercase().matches("%2f").count() <= usize::from(acts),
        "a slash too many"
    );
    let last = plain.rfind('/');
    for (at, _) in plain.match_indices('/') {
        let expected = (acts && Some(at) == last).then_some(target);
        assert_eq!(
            parsed(&format!("{}%2F{}", &plain[..at], &plain[at + 1..])),
            expected
        );
    }
    assert_eq!(parsed(&encoded(&plain)), Some(target));
    assert_eq!(parsed(&encoded(&encoded(&plain))), None);
    assert_eq!(
        parsed(&text.replace('%', "%25")).is_some(),
        !text.contains('%')
    );
}

/// Checks a query. The next page's query has the same options as the list's. No option is ignored or given twice. A
/// list accepts every option of an action or a single row, with the same meaning.
///
/// # Panics
///
/// If a check fails.
pub fn query(text: &str) {
    let options = match ListOptions::parse(Some(text)) {
        Ok(options) => options,
        Err(error) => {
            assert!(
                action_format(Some(text)).is_err()
                    && ListOptions::parse_single(Some(text)).is_err()
            );
            return has_fixed_words(&error);
        }
    };
    let mut seen = HashSet::new();
    for (name, _) in form_urlencoded::parse(text.as_bytes()) {
        assert!(
            !name.starts_with('$') || KNOWN.contains(&&*name),
            "an option is ignored"
        );
        assert!(
            !KNOWN.contains(&&*name) || seen.insert(name),
            "an option is given twice"
        );
    }
    let next = next_query(Some(text), options.top, "token");
    let expected = ListOptions {
        skip_token: "token".to_owned(),
        ..options.clone()
    };
    assert_eq!(ListOptions::parse(Some(&next)).ok(), Some(expected));
    assert_eq!(next_query(Some(&next), options.top, "token"), next);
    assert!(options.skip >= 0);
    match action_format(Some(text)) {
        Ok(format) => assert_eq!(format, options.format),
        Err(error) => has_fixed_words(&error),
    }
    match ListOptions::parse_single(Some(text)) {
        Ok(single) => assert_eq!(single, options),
        Err(error) => has_fixed_words(&error),
    }
}

/// Checks a filter. It has one meaning for any spacing and parentheses, and its depth is bounded. It asks only for its
/// own conditions, and only for values that the contract can express. Its errors repeat nothing of it.
///
/// # Panics
///
/// If a check fails.
pub fn filter(text: &str) {
    match expression::parse(text) {
        Ok(expression) => {
            assert!(depth(&expression) <= 2 * (DEEPEST + 1));
            assert_eq!(
                expression::parse(&written(&expression)).ok(),
                Some(expression)
            );
        }
        Err(error) => has_known_words(&error, text),
    }
    is_translated::<PendingApprovals>(text);
    is_translated::<Requests>(text);
    is_translated::<Roles>(text);
    is_translated::<Session>(text);
}

/// Checks an entry. It has the same properties after they are written again, whatever its form. Its names differ by
/// more than their case, and its errors repeat nothing of it.
///
/// # Panics
///
/// If a check fails.
pub fn entry(text: &str) {
    let properties = match atom::properties(text) {
        Ok(properties) => properties,
        Err(error) => return has_fixed_words(&error),
    };
    let names: HashSet<String> = properties
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(names.len(), properties.len());
    // The shortest property is an empty one without a prefix.
    assert!(properties.len() <= text.len() / "<A/>".len());
    let written = entry_written(&properties);
    assert_eq!(atom::properties(&written).ok(), Some(properties));
}

fn entry_written(properties: &[(String, atom::Value)]) -> String {
    let mut entry = atom::Writer::new();
    let root = XmlEvent::start_element("entry").default_ns(atom::namespaces::ATOM);
    entry.open(
        root.ns("d", atom::namespaces::DATA)
            .ns("m", atom::namespaces::METADATA),
    );
    entry.open(XmlEvent::start_element("content"));
    entry.open(XmlEvent::start_element("m:properties"));
    for (name, value) in properties {
        let name = format!("d:{name}");
        let property = XmlEvent::start_element(&*name);
        match value {
            atom::Value::Complex => {
                entry.open(property);
                entry.leaf("d:Value", "");
                entry.close();
            }
            atom::Value::Null => entry.empty(property.attr("m:null", "true")),
            atom::Value::Text(text) => entry.leaf(property, text),
        }
    }
    (0..3).for_each(|_| entry.close());
    String::from_utf8(entry.finish()).expect("XML in UTF-8")
}

fn is_translated<S: Set>(text: &str) {
    let column =
        |path: &str| model::column(S::PROPERTIES.iter().map(|property| property.column), path);
    match comparisons(text, &column) {
        Ok(compared) => {
            // The shortest text with the most comparisons compares a status by its order: five for `RequestStatus
            // lt''`.
            assert!(compared.len() <= 1 + text.len() / 4);
            compared.iter().for_each(fits_the_contract);
        }
        Err(error) => has_known_words(&error, text),
    }
}

fn fits_the_contract(comparison: &Comparison) {
    assert_ne!(comparison.operator(), Compared::Unspecified);
    match comparison
        .value
        .as_ref()
        .and_then(|value| value.kind.as_ref())
    {
        Some(Value::BoolValue(_) | Value::StringValue(_)) => {}
        Some(Value::DurationValue(duration)) => {
            assert!(duration.seconds >= 0 && duration.nanos == 0)
        }
        Some(Value::IdValue(id)) => assert!(uuid::Uuid::try_parse(id).is_ok()),
        Some(Value::NullValue(_)) => {
            assert!(matches!(comparison.operator(), Compared::Eq | Compared::Ne));
        }
        Some(Value::TimestampValue(moment)) => {
            assert!(Moment::try_from(*moment).is_ok());
        }
        None => panic!("a comparison with nothing"),
    }
}

/// Checks that the message is one of our texts to the letter, or names one of our parameters.
fn has_fixed_words(error: &Error) {
    assert!(matches!(
        error.kind,
        Kind::InvalidArgument | Kind::NoSuchOperation
    ));
    let names_ours = KNOWN
        .into_iter()
        .any(|name| given_twice(name).message == error.message);
    assert!(
        names_ours || matches!(error.message, Cow::Borrowed(_)),
        "made of more than our own words"
    );
}

/// Checks that the message has only our words, and only numbers that are positions in the text.
fn has_known_words(error: &Error, text: &str) {
    assert_eq!(error.kind, Kind::InvalidArgument);
    let message = error.message.replace("'<null>'", "");
    let place = |word: &str| {
        word.parse()
            .is_ok_and(|place: usize| place <= text.chars().count())
    };
    for word in message.split(|character| " .,'".contains(character)) {
        assert!(
            word.is_empty() || WORDS.contains(word) || place(word),
            "{word:?} is no word of ours"
        );
    }
}

/// Returns the path of the target in the documentation's own spelling.
fn plain(target: Target) -> String {
    let resource = match target {
        Target::ApprovalAction(id, action) => {
            let action = match action {
                Action::Approve => "Approve",
                Action::Reject => "Reject",
            };
            format!("/pamrequeststoapprove(guid'{id}')/{action}")
        }
        Target::Metadata => "/$metadata".into(),
        Target::PendingApproval(id) => format!("/pamrequeststoapprove(guid'{id}')"),
        Target::PendingApprovals => "/pamrequeststoapprove".into(),
        Target::Request(id) => format!("/pamrequests(guid'{id}')"),
        Target::RequestClose(id) => format!("/pamrequests(guid'{id}')/Close"),
        Target::Requests => "/pamrequests".into(),
        Target::Role(id) => format!("/pamroles(guid'{id}')"),
        Target::Roles => "/pamroles".into(),
        Target::ServiceDocument => String::new(),
        Target::Session => "/sessioninfo".into(),
    };
    format!("/api/pamresources{resource}")
}

/// Returns the path with everything encoded except its slashes.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        let written = if byte == b'/' {
            encoded.write_char('/')
        } else {
            write!(encoded, "%{byte:02x}")
        };
        written.expect("a text takes what is written to it");
        encoded
    })
}

fn depth(expression: &Expression) -> usize {
    match expression {
        Expression::And(all) => 1 + all.iter().map(depth).max().unwrap_or_default(),
        Expression::Comparison(left, _, right) => 1 + depth(left).max(depth(right)),
        Expression::Literal(_) | Expression::Property(_) => 0,
    }
}

/// Prints the expression with only the parentheses that it needs.
fn written(expression: &Expression) -> String {
    let inner = |inner: &Expression| match inner {
        Expression::And(_) => format!("({})", written(inner)),
        Expression::Comparison(..) if matches!(expression, Expression::Comparison(..)) => {
            format!("({})", written(inner))
        }
        _ => written(inner),
    };
    match expression {
        Expression::And(all) => all.iter().map(inner).collect::<Vec<_>>().join(" and "),
        Expression::Comparison(left, operator, right) => {
            format!("{} {} {}", inner(left), word(*operator), inner(right))
        }
        Expression::Literal(literal) => literal_written(literal),
        Expression::Property(path) => path.clone(),
    }
}

fn word(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "eq",
        Operator::GreaterThan => "gt",
        Operator::GreaterThanOrEqual => "ge",
        Operator::LessThan => "lt",
        Operator::LessThanOrEqual => "le",
        Operator::NotEqual => "ne",
    }
}

fn literal_written(literal: &Literal) -> String {
    match literal {
        Literal::Boolean(value) => value.to_string(),
        Literal::DateTime(moment) => format!("datetime'{moment}'"),
        Literal::DateTimeOffset => "datetimeoffset'2015-01-09T08:26:49Z'".into(),
        Literal::Double(number) => format!("{number:?}d"),
        Literal::Guid(id) => format!("guid'{id}'"),
        Literal::Int32(number) => number.to_string(),
        Literal::Int64(number) => format!("{number}L"),
        Literal::Null => "null".into(),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Time => "time'PT8H'".into(),
    }
}

/// All words of the messages about filters.
static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "$filter A Add AllowedArithmeticOperators AllowedFunctions AllowedLogicalOperators An Arithmetic Boolean Could \
     DateTime DateTimeOffset Divide Double Edm Equal Found GreaterThan GreaterThanOrEqual Guid Int32 Int64 LessThan \
     LessThanOrEqual Logical Modulo Multiply Negate Not NotEqual Or PAM QueryValidationSettings QueryableAttribute \
     Recursion String Subtract Syntax The There This Time To URI UniqueIdentifier Unrecognized a again allow allowed \
     also an and another at be binary boolean cannot compared comparison detected error evaluate expression find for \
     found function in incompatible is it key kind limit literal lookup may must name navigation not of on operand \
     operator or position property query reached set single specified string that the to types unknown unterminated \
     valid value was which with"
        .split(' ')
        .collect()
});

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::rest::odata::token;

    fn hold(corpus: &str, law: fn(&str)) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(corpus);
        let kept: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(
            kept.len() > 20,
            "the corpus of {corpus} has {} texts",
            kept.len()
        );
        for text in kept.iter().map(fs::read) {
            law(&String::from_utf8_lossy(&text.unwrap()));
        }
    }

    #[test]
    fn paths_are_decoded_once() {
        hold("path", path);
    }

    #[test]
    fn queries_are_kept() {
        hold("query", query);
    }

    #[test]
    fn fields_are_given_once() {
        hold("creation", creation);
    }

    #[test]
    fn filters_are_understood_one_way() {
        hold("filter", filter);
    }

    #[test]
    fn entries_are_written_again_as_they_were_read() {
        hold("entry", entry);
    }

    #[test]
    #[should_panic(expected = "is no word of ours")]
    fn a_message_with_a_word_of_the_callers_is_found() {
        has_known_words(
            &token::invalid("Could not find a property named 'displayname'."),
            "displayname",
        );
    }
}
