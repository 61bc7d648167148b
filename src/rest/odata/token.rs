//! The tokens of `$filter`.

use std::borrow::Cow;

use super::literal::Literal;
use crate::errors::Error;

/// A token of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Close,
    End,
    Literal(Literal),
    Minus,
    Open,
    Slash,
    /// A keyword or the name of a property; only the place distinguishes them.
    Word(&'a str),
}

/// Reads the tokens of a text, one after the other.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Starts at the beginning of the text.
    pub(super) const fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads the next token. Returns it and the byte at which it starts.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), Error> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let mut characters = rest.chars();
        let (length, token) = match (characters.next(), characters.next()) {
            (None, _) => (0, Token::End),
            (Some('('), _) => (1, Token::Open),
            (Some(')'), _) => (1, Token::Close),
            (Some('/'), _) => (1, Token::Slash),
            (Some('\''), _) => {
                let (length, text) = self.quoted(start)?;
                (length, Token::Literal(Literal::Text(text)))
            }
            (Some('-'), second) if !second.is_some_and(|second| second.is_ascii_digit()) => {
                (1, Token::Minus)
            }
            (Some('-' | '0'..='9'), _) => self.number(start)?,
            (Some(first), _) if first.is_ascii_alphabetic() || first == '_' => self.word(start)?,
            _ => {
                return Err(invalid(format!(
                    "Syntax error at position {}.",
                    self.position(start)
                )));
            }
        };
        self.at = start + length;
        Ok((start, token))
    }

    /// Reads a text in quotes, in which a doubled quote means one. Returns its length with the quotes, and the text.
    fn quoted(&self, start: usize) -> Result<(usize, String), Error> {
        let mut text = String::new();
        let mut characters = self.text[start..].char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character != '\'' {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                return Ok((at + 1, text));
            }
        }
        let position = self.position(start);
        Err(invalid(format!(
            "There is an unterminated string literal at position {position}."
        )))
    }

    fn number(&self, start: usize) -> Result<(usize, Token<'a>), Error> {
        let rest = &self.text[start..];
        let mut length = 0;
        let mut before = b'e';
        for byte in rest.bytes() {
            // A sign belongs to a number at its start and after the letter of an exponent.
            let is_sign = b"+-".contains(&byte) && b"eE".contains(&before);
            if !is_sign && !byte.is_ascii_alphanumeric() && byte != b'.' {
                break;
            }
            before = byte;
            length += 1;
        }
        let literal =
            Literal::number(&rest[..length]).ok_or_else(|| self.unrecognized("number", start))?;
        Ok((length, Token::Literal(literal)))
    }

    fn word(&self, start: usize) -> Result<(usize, Token<'a>), Error> {
        let rest = &self.text[start..];
        let end =
            rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let word = &rest[..end.unwrap_or(rest.len())];
        if rest[word.len()..].starts_with('\'') {
            let (length, text) = self.quoted(start + word.len())?;
            let literal =
                Literal::prefixed(word, &text).ok_or_else(|| self.unrecognized(word, start))?;
            return Ok((word.len() + length, Token::Literal(literal)));
        }
        let token = match word {
            "true" => Token::Literal(Literal::Boolean(true)),
            "false" => Token::Literal(Literal::Boolean(false)),
            "null" => Token::Literal(Literal::Null),
            word => Token::Word(word),
        };
        Ok((word.len(), token))
    }

    fn unrecognized(&self, prefix: &str, start: usize) -> Error {
        let position = self.position(start);
        match &*prefix.to_ascii_lowercase() {
            "datetime" => invalid(format!(
                "Unrecognized 'Edm.DateTime' literal at '{position}'."
            )),
            "datetimeoffset" => invalid(format!(
                "Unrecognized 'Edm.DateTimeOffset' literal at '{position}'."
            )),
            "guid" => invalid(format!("Unrecognized 'Edm.Guid' literal at '{position}'.")),
            "time" => invalid(format!("Unrecognized 'Edm.Time' literal at '{position}'.")),
            _ => invalid(format!("Unrecognized literal at '{position}'.")),
        }
    }

    /// Converts a byte of the text into a position in characters, as callers count.
    pub(super) fn position(&self, at: usize) -> usize {
        self.text[..at].chars().count()
    }
}

/// Returns the error for a filter, with the words that begin every such message of the framework.
pub fn invalid(fault: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid(format!(
        "The query specified in the URI is not valid. {}",
        fault.into()
    ))
}
