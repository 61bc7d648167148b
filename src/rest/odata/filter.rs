//! `$filter` in the form of the gRPC services: comparisons that must all be true.

use std::cmp::Ordering;

use prost_types::{Duration, NullValue};

use super::expression::{Expression, Operator, compared_twice, parse};
use super::literal::Literal;
use super::model::{Column, Edm, Source, compares};
use super::token::invalid;
use crate::domain::moment::Moment;
use crate::errors::Error;
use crate::proto::pam::v1::value::Kind;
use crate::proto::pam::v1::{self, Comparison, Value};

/// Returns the comparisons of a decoded `$filter` on a set that knows its `columns` by their paths.
pub fn comparisons(
    text: &str,
    columns: &dyn Fn(&str) -> Option<Column>,
) -> Result<Vec<Comparison>, Error> {
    let mut compared = Vec::new();
    match (Filter { columns }).holds(&parse(text)?, &mut compared)? {
        Truth::Never => Ok(vec![comparison(
            NEVER_NULL,
            Operator::Equal,
            Kind::NullValue(NullValue::NullValue.into()),
        )]),
        Truth::ByRow => Ok(compared),
    }
}

struct Filter<'a> {
    columns: &'a dyn Fn(&str) -> Option<Column>,
}

/// The truth of a filter, before any row is checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Truth {
    /// It is true where all its comparisons are; without comparisons, everywhere.
    ByRow,
    /// It is never true.
    Never,
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::ByRow } else { Self::Never }
    }
}

impl Filter<'_> {
    /// Adds the comparisons of an expression that has to be true.
    fn holds(
        &self,
        expression: &Expression,
        compared: &mut Vec<Comparison>,
    ) -> Result<Truth, Error> {
        match expression {
            Expression::And(all) => {
                let mut truth = Truth::ByRow;
                for expression in all {
                    if self.holds(expression, compared)? == Truth::Never {
                        truth = Truth::Never;
                    }
                }
                Ok(truth)
            }
            Expression::Comparison(left, operator, right) => {
                self.compare(left, *operator, right, compared)
            }
            Expression::Literal(Literal::Boolean(holds)) => Ok(Truth::of(*holds)),
            Expression::Property(path) if self.column(path)?.edm == Edm::Boolean => self.compare(
                expression,
                Operator::Equal,
                &Expression::Literal(Literal::Boolean(true)),
                compared,
            ),
            Expression::Literal(_) | Expression::Property(_) => Err(invalid(
                "The $filter expression must evaluate to a single boolean value.",
            )),
        }
    }

    fn compare(
        &self,
        left: &Expression,
        operator: Operator,
        right: &Expression,
        compared: &mut Vec<Comparison>,
    ) -> Result<Truth, Error> {
        let (path, operator, literal, flipped) = match (left, right) {
            (Expression::Property(path), Expression::Literal(literal)) => {
                (path, operator, literal, false)
            }
            (Expression::Literal(literal), Expression::Property(path)) => {
                (path, operator.flipped(), literal, true)
            }
            (Expression::Property(one), Expression::Property(other)) => {
                self.column(one)?;
                self.column(other)?;
                return Err(invalid("A property cannot be compared with another."));
            }
            (Expression::Literal(_), Expression::Literal(_)) => {
                return Err(invalid("A value cannot be compared with another."));
            }
            _ => return Err(compared_twice()),
        };
        let column = self.column(path)?;
        if compares(column.edm, literal) && (operator.is_equality() || column.edm.has_an_order()) {
            return Ok(translate(column, operator, literal, compared));
        }
        let (property, literal) = (column.edm.name(), literal.edm());
        let (left, right) = if flipped {
            (literal, property)
        } else {
            (property, literal)
        };
        let name = if flipped {
            operator.flipped().name()
        } else {
            operator.name()
        };
        Err(invalid(format!(
            "A binary operator with incompatible types was detected. Found operand types '{left}' and '{right}' for \
             operator kind '{name}'."
        )))
    }

    fn column(&self, path: &str) -> Result<Column, Error> {
        (self.columns)(path).ok_or_else(|| invalid("Could not find a property of that name."))
    }
}

/// Translates a comparison of a property with a literal of its type into fields of the listed message.
fn translate(
    column: Column,
    operator: Operator,
    literal: &Literal,
    compared: &mut Vec<Comparison>,
) -> Truth {
    let null = Kind::NullValue(NullValue::NullValue.into());
    let (field, kind) = match (column.source, literal) {
        (Source::Field(field), Literal::Null) if column.nullable && operator.is_equality() => {
            (field, null)
        }
        (Source::EmptyIsNull(field), Literal::Null) if operator.is_equality() => {
            (field, Kind::StringValue(String::new()))
        }
        (_, Literal::Null) => return Truth::of(operator == Operator::NotEqual),
        (Source::False, Literal::Boolean(value)) => {
            return Truth::of(operator.holds(false.cmp(value)));
        }
        (Source::IsSet(field), Literal::Boolean(value)) => {
            let is_set = *value == (operator == Operator::Equal);
            let operator = if is_set {
                Operator::NotEqual
            } else {
                Operator::Equal
            };
            compared.push(comparison(
                field,
                operator,
                Kind::StringValue(String::new()),
            ));
            return Truth::ByRow;
        }
        (Source::TimeOfDay(field), Literal::DateTime(moment)) => {
            return time_of_day(field, operator, *moment, compared);
        }
        (Source::Named(field, names), Literal::Text(text)) => {
            return named(field, names, operator, text, compared);
        }
        (Source::Field(field), Literal::DateTime(moment)) if *moment == Moment::FIRST => {
            return first_moment(field, operator, compared);
        }
        (Source::Field(field), Literal::DateTime(moment)) => {
            (field, Kind::TimestampValue((*moment).into()))
        }
        (Source::Field(field), Literal::Boolean(value)) => (field, Kind::BoolValue(*value)),
        (Source::Field(field), Literal::Guid(id)) => (field, Kind::IdValue(id.to_string())),
        (Source::EmptyIsNull(field) | Source::Field(field), Literal::Text(text)) => {
            (field, Kind::StringValue(text.clone()))
        }
        (Source::Field(field), Literal::Int32(number)) => {
            return seconds(field, operator, i64::from(*number), compared);
        }
        (Source::Field(field), Literal::Int64(number)) => {
            return seconds(field, operator, *number, compared);
        }
        (Source::Field(field), Literal::Double(number)) => {
            return fraction(field, operator, *number, compared);
        }
        // Unreachable: no property has a type whose literals get here.
        _ => return Truth::Never,
    };
    compared.push(comparison(field, operator, kind));
    Truth::ByRow
}

/// Compares with the moment that means "none". Only missing moments are that early.
fn first_moment(field: &str, operator: Operator, compared: &mut Vec<Comparison>) -> Truth {
    let operator = match operator {
        Operator::Equal | Operator::LessThanOrEqual => Operator::Equal,
        Operator::GreaterThan | Operator::NotEqual => Operator::NotEqual,
        Operator::GreaterThanOrEqual => return Truth::ByRow,
        Operator::LessThan => return Truth::Never,
    };
    compared.push(comparison(
        field,
        operator,
        Kind::NullValue(NullValue::NullValue.into()),
    ));
    Truth::ByRow
}

/// Compares times of day, which clients know as moments of the first day there is. A missing time reads as midnight.
fn time_of_day(
    field: &str,
    operator: Operator,
    moment: Moment,
    compared: &mut Vec<Comparison>,
) -> Truth {
    let since = Moment::FIRST.until(moment);
    let (minutes, seconds) = (since.as_secs() / 60, since.as_secs() % 60);
    let operator = match operator {
        _ if minutes > MINUTES_OF_A_DAY => return Truth::of(operator.holds(Ordering::Less)),
        _ if !since.is_zero() => operator,
        Operator::Equal | Operator::LessThanOrEqual => Operator::LessThanOrEqual,
        Operator::GreaterThan | Operator::NotEqual => Operator::GreaterThan,
        Operator::GreaterThanOrEqual => return Truth::ByRow,
        Operator::LessThan => return Truth::Never,
    };
    let mut text = format!("{:02}:{:02}", minutes / 60, minutes % 60);
    // After the minutes: texts sort in the same order as times.
    if seconds != 0 || since.subsec_nanos() != 0 {
        text += &format!(":{seconds:02}.{:09}", since.subsec_nanos());
    }
    compared.push(comparison(field, operator, Kind::StringValue(text)));
    Truth::ByRow
}

/// Compares with one of a few values by the text that clients know it by. The values that do not match are excluded.
fn named(
    field: &str,
    names: &[(&str, &str)],
    operator: Operator,
    text: &str,
    compared: &mut Vec<Comparison>,
) -> Truth {
    let (holds, fails): (Vec<_>, Vec<_>) = names
        .iter()
        .partition(|(name, _)| operator.holds((*name).cmp(text)));
    match &*holds {
        [] => return Truth::Never,
        [(_, value)] => {
            let value = Kind::StringValue((*value).to_owned());
            compared.push(comparison(field, Operator::Equal, value));
        }
        _ => {
            for (_, value) in fails {
                let value = Kind::StringValue((*value).to_owned());
                compared.push(comparison(field, Operator::NotEqual, value));
            }
        }
    }
    Truth::ByRow
}

/// Compares with whole seconds. The number may lie outside the range of durations.
fn seconds(field: &str, operator: Operator, number: i64, compared: &mut Vec<Comparison>) -> Truth {
    match number {
        ..0 => Truth::of(operator.holds(Ordering::Greater)),
        0..=MAX_DURATION => {
            let duration = Kind::DurationValue(Duration {
                seconds: number,
                nanos: 0,
            });
            compared.push(comparison(field, operator, duration));
            Truth::ByRow
        }
        _ => Truth::of(operator.holds(Ordering::Less)),
    }
}

/// Compares whole seconds with a number that may lie between two of them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is beyond 64 bits is beyond every length of time too"
)]
fn fraction(field: &str, operator: Operator, number: f64, compared: &mut Vec<Comparison>) -> Truth {
    let below = number.floor() as i64;
    let operator = match operator {
        _ if number.fract() == 0.0 => operator,
        Operator::Equal => return Truth::Never,
        Operator::NotEqual => return Truth::ByRow,
        Operator::GreaterThan | Operator::GreaterThanOrEqual => Operator::GreaterThan,
        Operator::LessThan | Operator::LessThanOrEqual => Operator::LessThanOrEqual,
    };
    seconds(field, operator, below, compared)
}

fn comparison(field: &str, operator: Operator, kind: Kind) -> Comparison {
    let operator = match operator {
        Operator::Equal => v1::Operator::Eq,
        Operator::GreaterThan => v1::Operator::Gt,
        Operator::GreaterThanOrEqual => v1::Operator::Ge,
        Operator::LessThan => v1::Operator::Lt,
        Operator::LessThanOrEqual => v1::Operator::Le,
        Operator::NotEqual => v1::Operator::Ne,
    };
    Comparison {
        field: field.to_owned(),
        operator: operator.into(),
        value: Some(Value { kind: Some(kind) }),
    }
}

/// A field that all listed messages have, and that is never null.
const NEVER_NULL: &str = "id";
const MINUTES_OF_A_DAY: u64 = 24 * 60;
/// 3,660 days, see the message Role.
const MAX_DURATION: i64 = 3_660 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::odata::model;

    const COLUMNS: [Column; 11] = [
        column("About", Edm::String, Source::EmptyIsNull("about")),
        column("Id", Edm::Guid, Source::Field("id")),
        column("Name", Edm::String, Source::Field("name")),
        Column {
            nullable: true,
            ..column("Why", Edm::String, Source::Field("why"))
        },
        column("TTL", Edm::Int64, Source::Field("duration")),
        column("End", Edm::DateTime, Source::Field("end")),
        column("From", Edm::DateTime, Source::TimeOfDay("from")),
        column("Window", Edm::Boolean, Source::IsSet("from")),
        column("MFA", Edm::Boolean, Source::False),
        column("On", Edm::Boolean, Source::Field("on")),
        column(
            "State",
            Edm::String,
            Source::Named(
                "state",
                &[("Active", "A"), ("Closed", "C"), ("Expired", "E")],
            ),
        ),
    ];
    const NESTED: Column = column("Key", Edm::Complex("Test.Id"), Source::Field("key"));

    const fn column(name: &'static str, edm: Edm, source: Source) -> Column {
        Column {
            name,
            edm,
            nullable: false,
            unlisted: false,
            source,
        }
    }

    fn translated(text: &str) -> Result<String, String> {
        let find = |path: &str| model::column(COLUMNS.into_iter().chain([NESTED]), path);
        let printed = |comparison: Comparison| {
            let value = match comparison
                .value
                .as_ref()
                .and_then(|value| value.kind.as_ref())
                .unwrap()
            {
                Kind::BoolValue(value) => value.to_string(),
                Kind::DurationValue(value) => format!("{}s", value.seconds),
                Kind::IdValue(value) => value.clone(),
                Kind::NullValue(_) => "null".to_owned(),
                Kind::StringValue(value) => format!("'{value}'"),
                Kind::TimestampValue(value) => value.to_string(),
            };
            let operator = comparison
                .operator()
                .as_str_name()
                .trim_start_matches("OPERATOR_")
                .to_lowercase();
            format!("{} {operator} {value}", comparison.field)
        };
        match comparisons(text, &find) {
            Ok(comparisons) => Ok(comparisons
                .into_iter()
                .map(printed)
                .collect::<Vec<_>>()
                .join(", ")),
            Err(error) => Err(error
                .message
                .replace("The query specified in the URI is not valid. ", "")),
        }
    }

    #[test]
    fn times_of_day_are_moments_of_the_first_day() {
        const NEVER: &str = "id eq null";
        #[rustfmt::skip]
        let table = [
            ("From eq datetime'0001-01-01T00:00:00'", "from le '00:00'"),
            ("From ne datetime'0001-01-01'", "from gt '00:00'"),
            ("From gt datetime'0001-01-01'", "from gt '00:00'"),
            ("From ge datetime'0001-01-01'", ""),
            ("From lt datetime'0001-01-01'", NEVER),
            ("From eq datetime'0001-01-01T08:05:00'", "from eq '08:05'"),
            ("From lt datetime'0001-01-01T08:05:30.5'", "from lt '08:05:30.500000000'"),
            ("From le datetime'0001-01-02'", "from le '24:00'"),
            ("From le datetime'0001-01-02T00:01'", ""),
            ("From gt datetime'2015-01-01'", NEVER),
            ("datetime'2015-01-01' gt From", ""),
            ("Window", "from ne ''"),
            ("Window eq false", "from eq ''"),
            ("Window ne true", "from eq ''"),
            ("false ne Window", "from ne ''"),
        ];
        for (text, expected) in table {
            assert_eq!(translated(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_a_filter_asks_for() {
        const NEVER: &str = "id eq null";
        #[rustfmt::skip]
        let table = [
            ("Name eq 'x' and (TTL gt 60 and End le datetime'2015-01-09')", "name eq 'x', duration gt 60s, end le 2015-01-09T00:00:00Z"),
            ("'x' lt Name", "name gt 'x'"),
            ("60 ge TTL", "duration le 60s"),
            ("Id eq guid'5DBD9D0C-0A9D-4F75-8CBD-FF6FFDC00143'", "id eq 5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143"),
            ("Key/Value ne guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143'", "key ne 5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143"),
            ("On", "on eq true"),
            ("On ne true", "on ne true"),
            ("MFA", NEVER),
            ("MFA eq false", ""),
            ("false eq MFA", ""),
            ("true", ""),
            ("false and On", NEVER),
            ("On and false", NEVER),
            ("Why eq null", "why eq null"),
            ("null ne Why", "why ne null"),
            ("Why gt null", NEVER),
            ("About eq null", "about eq ''"),
            ("About ne null", "about ne ''"),
            ("About eq 'x'", "about eq 'x'"),
            ("Name eq null", NEVER),
            ("Name ne null", ""),
            ("End eq null", NEVER),
            ("End eq datetime'0001-01-01T00:00:00'", "end eq null"),
            ("End le datetime'0001-01-01'", "end eq null"),
            ("End ne datetime'0001-01-01T00:00:00Z'", "end ne null"),
            ("End gt datetime'0001-01-01T00:00:00'", "end ne null"),
            ("End ge datetime'0001-01-01T00:00:00'", ""),
            ("End lt datetime'0001-01-01T00:00:00'", NEVER),
            ("datetime'0001-01-01' lt End", "end ne null"),
            ("End gt datetime'1969-12-31T23:59:59.75Z'", "end gt 1969-12-31T23:59:59.750Z"),
            ("TTL lt -1", NEVER),
            ("TTL gt -1", ""),
            ("TTL gt 99999999999L", NEVER),
            ("TTL lt 99999999999", ""),
            ("TTL lt 1e300", ""),
            ("TTL eq 60.0", "duration eq 60s"),
            ("TTL eq 60.5", NEVER),
            ("TTL ne 60.5", ""),
            ("TTL gt 60.5", "duration gt 60s"),
            ("TTL ge 60.5", "duration gt 60s"),
            ("TTL lt 60.5", "duration le 60s"),
            ("TTL le 60.5", "duration le 60s"),
            ("TTL gt -0.5", ""),
            ("State eq 'Active'", "state eq 'A'"),
            ("State ne 'Active'", "state ne 'A'"),
            ("State eq 'active'", NEVER),
            ("State ne 'Nowhere'", ""),
            ("State gt 'Active'", "state ne 'A'"),
            ("State ge 'Closed' and State lt 'D'", "state ne 'A', state ne 'E'"),
            ("State lt 'A'", NEVER),
        ];
        for (text, expected) in table {
            assert_eq!(translated(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_compare_is_refused() {
        let incompatible = |left: &str, right: &str, operator: &str| {
            format!(
                "A binary operator with incompatible types was detected. Found operand types '{left}' and '{right}' \
                 for operator kind '{operator}'."
            )
        };
        #[rustfmt::skip]
        let table = [
            ("Id eq '5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143'", incompatible("Edm.Guid", "Edm.String", "Equal")),
            ("'x' gt Id", incompatible("Edm.String", "Edm.Guid", "GreaterThan")),
            ("Id gt guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143'", incompatible("Edm.Guid", "Edm.Guid", "GreaterThan")),
            ("Key eq guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143'", incompatible("Test.Id", "Edm.Guid", "Equal")),
            ("TTL eq '3600'", incompatible("Edm.Int64", "Edm.String", "Equal")),
            ("End gt '2015-01-09'", incompatible("Edm.DateTime", "Edm.String", "GreaterThan")),
            ("End gt datetimeoffset'2015-01-09T00:00:00Z'", incompatible("Edm.DateTime", "Edm.DateTimeOffset", "GreaterThan")),
            ("On eq 1", incompatible("Edm.Boolean", "Edm.Int32", "Equal")),
            ("name eq 'x'", "Could not find a property of that name.".to_owned()),
            ("Name/Value eq 'x'", "Could not find a property of that name.".to_owned()),
            ("Key/value ne null", "Could not find a property of that name.".to_owned()),
            ("True", "Could not find a property of that name.".to_owned()),
            ("TTL", "The $filter expression must evaluate to a single boolean value.".to_owned()),
            ("'x'", "The $filter expression must evaluate to a single boolean value.".to_owned()),
            ("null", "The $filter expression must evaluate to a single boolean value.".to_owned()),
            ("Name eq Why", "A property cannot be compared with another.".to_owned()),
            ("1 eq 1", "A value cannot be compared with another.".to_owned()),
            ("(TTL gt 1) eq true", "A comparison cannot be compared again.".to_owned()),
            ("TTL gt 1 eq true", "A comparison cannot be compared again.".to_owned()),
        ];
        for (text, expected) in table {
            assert_eq!(translated(text).unwrap_err(), expected, "{text}");
        }
    }
}
