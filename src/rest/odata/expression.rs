//! The grammar of `$filter`: OData v3 expressions, of which only the documented operators are allowed
//! (`docs/rest-api.md` 45 to 63).
//!
//! Unsupported expressions are refused with the framework's messages, except those that would repeat the caller's text.

use std::cmp::Ordering;

use super::literal::Literal;
use super::token::{Token, Tokens, invalid};
use crate::errors::Error;

/// An expression as written, before its names are resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// Two or more expressions, all of which must be true.
    And(Vec<Self>),
    /// One compared with another.
    Comparison(Box<Self>, Operator, Box<Self>),
    /// A value.
    Literal(Literal),
    /// A property, or a path of them: `ApprovalObjectID/Value`.
    Property(String),
}

/// The comparison of two expressions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// `eq`
    Equal,
    /// `ge`
    GreaterThanOrEqual,
    /// `gt`
    GreaterThan,
    /// `le`
    LessThanOrEqual,
    /// `lt`
    LessThan,
    /// `ne`
    NotEqual,
}

impl Operator {
    /// Returns the name that the framework's messages have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::GreaterThanOrEqual => "GreaterThanOrEqual",
            Self::GreaterThan => "GreaterThan",
            Self::LessThanOrEqual => "LessThanOrEqual",
            Self::LessThan => "LessThan",
            Self::NotEqual => "NotEqual",
        }
    }

    /// Returns the operator with its sides exchanged.
    pub fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::GreaterThanOrEqual => Self::LessThanOrEqual,
            Self::GreaterThan => Self::LessThan,
            Self::LessThanOrEqual => Self::GreaterThanOrEqual,
            Self::LessThan => Self::GreaterThan,
        }
    }

    /// Returns whether it needs no order.
    pub fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }

    /// Returns whether it is true for two values in that order.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::GreaterThanOrEqual => order.is_ge(),
            Self::GreaterThan => order.is_gt(),
            Self::LessThanOrEqual => order.is_le(),
            Self::LessThan => order.is_lt(),
            Self::NotEqual => order.is_ne(),
        }
    }

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Equal,
            "ge" => Self::GreaterThanOrEqual,
            "gt" => Self::GreaterThan,
            "le" => Self::LessThanOrEqual,
            "lt" => Self::LessThan,
            "ne" => Self::NotEqual,
            _ => return None,
        })
    }
}

/// Reads the expression of a decoded `$filter`.
pub fn parse(text: &str) -> Result<Expression, Error> {
    let mut parser = Parser {
        tokens: Tokens::of(text),
        next: Token::End,
        start: 0,
        depth: 0,
    };
    parser.advance()?;
    let expression = parser.conjunction()?;
    if parser.next == Token::End {
        Ok(expression)
    } else {
        Err(parser.unexpected(parser.start))
    }
}

/// Recursive descent, one token ahead. Parentheses are the only recursion, and their depth is bounded.
struct Parser<'a> {
    tokens: Tokens<'a>,
    next: Token<'a>,
    /// Where the next token starts.
    start: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn conjunction(&mut self) -> Result<Expression, Error> {
        let first = self.comparison()?;
        let mut all = vec![first];
        loop {
            match self.next {
                Token::Word("and") => {
                    self.advance()?;
                    all.push(self.comparison()?);
                }
                Token::Word("or") => return Err(logical("Or")),
                _ if all.len() > 1 => return Ok(Expression::And(all)),
                _ => return Ok(all.remove(0)),
            }
        }
    }

    fn comparison(&mut self) -> Result<Expression, Error> {
        let left = self.operand()?;
        let Some(operator) = self.operator()? else {
            return Ok(left);
        };
        let right = self.operand()?;
        // Comparisons bind to the left, so this one would be compared again.
        if self.operator()?.is_some() {
            return Err(compared_twice());
        }
        Ok(Expression::Comparison(
            Box::new(left),
            operator,
            Box::new(right),
        ))
    }

    fn operator(&mut self) -> Result<Option<Operator>, Error> {
        let Token::Word(word) = self.next else {
            return Ok(None);
        };
        if let Some(name) = arithmetic_name(word) {
            return Err(arithmetic(name));
        }
        let operator = Operator::of(word);
        if operator.is_some() {
            self.advance()?;
        }
        Ok(operator)
    }

    fn operand(&mut self) -> Result<Expression, Error> {
        let start = self.start;
        match self.advance()? {
            Token::Open => self.parenthesis(),
            Token::Literal(literal) => Ok(Expression::Literal(literal)),
            Token::Minus => Err(arithmetic("Negate")),
            Token::Word("not") => Err(logical("Not")),
            Token::Word(word) if self.next == Token::Open => {
                Err(invalid(if FUNCTIONS.contains(&word) {
                    "A function is not allowed. To allow it, set the 'AllowedFunctions' property on QueryableAttribute \
                     or QueryValidationSettings."
                } else {
                    "An unknown function was found. This may also be a key lookup on a navigation property, which is \
                     not allowed."
                }))
            }
            Token::Word(word) => self.path(word),
            Token::Close | Token::End | Token::Slash => Err(self.unexpected(start)),
        }
    }

    fn parenthesis(&mut self) -> Result<Expression, Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(invalid("Recursion limit reached."));
        }
        let expression = self.conjunction()?;
        self.depth -= 1;
        let start = self.start;
        match self.advance()? {
            Token::Close => Ok(expression),
            _ => Err(self.unexpected(start)),
        }
    }

    fn path(&mut self, first: &str) -> Result<Expression, Error> {
        let mut path = first.to_owned();
        while self.next == Token::Slash {
            self.advance()?;
            let start = self.start;
            let Token::Word(name) = self.advance()? else {
                return Err(self.unexpected(start));
            };
            path.push('/');
            path += name;
        }
        Ok(Expression::Property(path))
    }

    /// Moves on, and returns the token that was next.
    fn advance(&mut self) -> Result<Token<'a>, Error> {
        let (start, token) = self.tokens.next()?;
        self.start = start;
        Ok(std::mem::replace(&mut self.next, token))
    }

    fn unexpected(&self, start: usize) -> Error {
        invalid(format!(
            "Syntax error at position {}.",
            self.tokens.position(start)
        ))
    }
}

fn logical(name: &str) -> Error {
    invalid(format!(
        "Logical operator '{name}' is not allowed. To allow it, set the 'AllowedLogicalOperators' property on \
         QueryableAttribute or QueryValidationSettings."
    ))
}

fn arithmetic(name: &str) -> Error {
    invalid(format!(
        "Arithmetic operator '{name}' is not allowed. To allow it, set the 'AllowedArithmeticOperators' property on \
         QueryableAttribute or QueryValidationSettings."
    ))
}

fn arithmetic_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "add" => "Add",
        "div" => "Divide",
        "mod" => "Modulo",
        "mul" => "Multiply",
        "sub" => "Subtract",
        _ => return None,
    })
}

/// Returns the error for a comparison of a comparison, which no conjunction can express.
pub fn compared_twice() -> Error {
    invalid("A comparison cannot be compared again.")
}

/// The deepest nesting of parentheses: deeper than people write, and small for a stack.
pub const DEEPEST: usize = 64;

/// The functions of OData v3, which the framework knows and this API does not allow.
const FUNCTIONS: [&str; 22] = [
    "all",
    "any",
    "cast",
    "ceiling",
    "concat",
    "day",
    "endswith",
    "floor",
    "hour",
    "indexof",
    "isof",
    "length",
    "minute",
    "month",
    "replace",
    "round",
    "second",
    "startswith",
    "substring",
    "substringof",
    "tolower",
    "toupper",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints an expression with all its parentheses, to compare trees.
    fn printed(expression: &Expression) -> String {
        match expression {
            Expression::And(all) => {
                format!(
                    "({})",
                    all.iter().map(printed).collect::<Vec<_>>().join(" and ")
                )
            }
            Expression::Comparison(left, operator, right) => {
                format!("({} {} {})", printed(left), operator.name(), printed(right))
            }
            Expression::Literal(literal) => format!("{literal:?}"),
            Expression::Property(path) => path.clone(),
        }
    }

    #[test]
    fn what_is_written_is_what_is_meant() {
        #[rustfmt::skip]
        let table = [
            ("A gt 1", "(A GreaterThan Int32(1))"),
            ("  A  gt\t1 ", "(A GreaterThan Int32(1))"),
            ("A gt 1 and B lt 2 and C", "((A GreaterThan Int32(1)) and (B LessThan Int32(2)) and C)"),
            ("A eq 1 and (B ne 2 and C)", "((A Equal Int32(1)) and ((B NotEqual Int32(2)) and C))"),
            ("((A))", "A"),
            ("(A eq 1)eq(B eq 2)", "((A Equal Int32(1)) Equal (B Equal Int32(2)))"),
            ("'stop and go' eq A", "(Text(\"stop and go\") Equal A)"),
            ("A eq 'O''Brien'", "(A Equal Text(\"O'Brien\"))"),
            ("A eq ''", "(A Equal Text(\"\"))"),
            ("A eq ''''", "(A Equal Text(\"'\"))"),
            ("A eq 'é'", "(A Equal Text(\"é\"))"),
            ("A/Value ne null", "(A/Value NotEqual Null)"),
            ("A le -5", "(A LessThanOrEqual Int32(-5))"),
            ("A ge 1e+3", "(A GreaterThanOrEqual Double(1000.0))"),
            ("eq eq eq", "(eq Equal eq)"),
        ];
        for (text, expected) in table {
            assert_eq!(printed(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused_in_the_words_of_the_framework() {
        #[rustfmt::skip]
        let table = [
            ("A or B", "Logical operator 'Or' is not allowed. To allow it, set the 'AllowedLogicalOperators' property on QueryableAttribute or QueryValidationSettings."),
            ("not A", "Logical operator 'Not' is not allowed. To allow it, set the 'AllowedLogicalOperators' property on QueryableAttribute or QueryValidationSettings."),
            ("not(A)", "Logical operator 'Not' is not allowed. To allow it, set the 'AllowedLogicalOperators' property on QueryableAttribute or QueryValidationSettings."),
            ("A add 1 eq 2", "Arithmetic operator 'Add' is not allowed. To allow it, set the 'AllowedArithmeticOperators' property on QueryableAttribute or QueryValidationSettings."),
            ("-A eq 1", "Arithmetic operator 'Negate' is not allowed. To allow it, set the 'AllowedArithmeticOperators' property on QueryableAttribute or QueryValidationSettings."),
            ("startswith(A,'x')", "A function is not allowed. To allow it, set the 'AllowedFunctions' property on QueryableAttribute or QueryValidationSettings."),
            ("<b>", "Syntax error at position 0."),
            ("A EQ 1", "Syntax error at position 2."),
            ("A And B", "Syntax error at position 2."),
            ("é eq 1", "Syntax error at position 0."),
            ("A eq 'é' x", "Syntax error at position 9."),
            ("A eq", "Syntax error at position 4."),
            ("(A", "Syntax error at position 2."),
            ("A)", "Syntax error at position 1."),
            ("A/", "Syntax error at position 2."),
            ("A eq 2015-01-09", "Syntax error at position 9."),
            ("A eq \"x\"", "Syntax error at position 5."),
            ("A eq 'x", "There is an unterminated string literal at position 5."),
            ("A eq datetime'2015", "There is an unterminated string literal at position 13."),
            ("A eq datetime'123'", "Unrecognized 'Edm.DateTime' literal at '5'."),
            ("A eq GUID'x'", "Unrecognized 'Edm.Guid' literal at '5'."),
            ("A eq binary'00'", "Unrecognized literal at '5'."),
            ("A eq 2015-01-09T00:00:00Z", "Syntax error at position 9."),
            ("A eq B eq true", "A comparison cannot be compared again."),
            ("", "Syntax error at position 0."),
        ];
        for (text, expected) in table {
            let message = parse(text).unwrap_err().message;
            assert_eq!(
                message,
                format!("The query specified in the URI is not valid. {expected}"),
                "{text}"
            );
        }
    }

    #[test]
    fn depth_has_a_bound() {
        let nested = |depth| format!("{}A{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(DEEPEST)).is_ok());
        let refused = parse(&nested(DEEPEST + 1)).unwrap_err();
        assert!(refused.message.ends_with("Recursion limit reached."));
        assert!(parse(&"(".repeat(1_000_000)).is_err());
    }
}
