//! Errors: their kinds and messages.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use strum::{EnumIter, IntoEnumIterator as _};

use super::refusal::RefusalKind;

/// The kind of an error, by what the caller does next. `errors.rs` gives each kind its code in both dialects.
#[derive(Clone, Copy, Debug, EnumIter, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Send less.
    BodyTooLarge,
    /// Wait until the operator has corrected the machine's clock. Until then nothing is decided.
    ClockSkewed,
    /// Have the origin of the page allowed. A browser sent this for a page that may not call.
    CrossOrigin,
    /// Read the result, or repeat a request that may be repeated. It is not known whether the request was carried out.
    DeadlineExceeded,
    /// Send a shorter head: fewer headers, or a shorter query.
    HeadTooLarge,
    /// Call the operator: a defect or a broken machine.
    Internal,
    /// Correct the request.
    InvalidArgument,
    /// Use another method.
    MethodNotAllowed,
    /// Use another path.
    NoSuchOperation,
    /// Ask for the health of another service.
    NoSuchService,
    /// Wait, then repeat: the server is overloaded.
    Overloaded,
    /// Act on the refusal: the request was understood and may not happen.
    #[strum(disabled)]
    Refused(RefusalKind),
    /// Present valid credentials.
    Unauthenticated,
    /// Wait, read the result, and repeat a request that may be repeated. The store cannot be reached.
    Unavailable,
}

impl Kind {
    /// Returns every kind, with every refusal.
    pub fn all() -> impl Iterator<Item = Self> {
        RefusalKind::iter().map(Self::Refused).chain(Self::iter())
    }
}

/// An error: a kind and a message for the caller, and a cause for the log.
///
/// The message never repeats what the caller sent; legacy clients render it as HTML.
#[derive(Debug)]
pub struct Error {
    /// What the caller does next.
    pub kind: Kind,
    /// What the caller is told.
    pub message: Cow<'static, str>,
    /// The path of the field of the request that is at fault, such as `filter[0].value`, where it is one.
    pub field: Option<Cow<'static, str>>,
    /// The state that stands in the way, where that is what is wrong; a value of the field `status`.
    pub status: Option<&'static str>,
    /// What else a program may need, by name: what a role requires of a reason.
    pub details: Vec<(&'static str, String)>,
    /// What the log is told, and nobody else.
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of that kind, with what the caller is told.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            field: None,
            status: None,
            details: Vec::new(),
            cause: None,
        }
    }

    /// The request cannot be understood.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidArgument, message)
    }

    /// The request lacks a field. The message continues the name of the field, as every message in lower case does.
    pub fn required(field: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid("is required.").in_field(field)
    }

    /// A defect or a broken machine.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "Something went wrong inside the server.").because(cause)
    }

    /// The store does not answer, or not in time.
    pub fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            Kind::Unavailable,
            "The service cannot answer right now. It is not known whether the request was carried out.",
        )
        .because(cause)
    }

    /// Time ran out before the outcome was known.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            Kind::DeadlineExceeded,
            "The request took too long. It is not known whether it was carried out.",
        )
    }

    /// The clock of this node cannot be decided by.
    pub fn clock_skewed() -> Self {
        let message = "The clock of this node is wrong. It decides nothing until that is mended.";
        Self::new(Kind::ClockSkewed, message)
    }

    /// The same error, with a cause for the log.
    #[must_use]
    pub fn because(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..self
        }
    }

    /// The same error, naming the field of the request that is at fault.
    #[must_use]
    pub fn in_field(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: Some(field.into()),
            ..self
        }
    }

    /// The same error, with its field as a part of another one.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let path = match &self.field {
            None => outer.to_owned(),
            Some(inner) if inner.starts_with('[') => format!("{outer}{inner}"),
            Some(inner) => format!("{outer}.{inner}"),
        };
        self.in_field(path)
    }

    /// The same error, with its field as a part of an element of a list.
    #[must_use]
    pub fn at(self, list: &str, index: usize) -> Self {
        self.within(&format!("[{index}]")).within(list)
    }

    /// Returns the message with the name that the caller knows the field by, unless the message begins with it.
    pub fn about(&self, field: &str) -> Cow<'_, str> {
        let message = &*self.message;
        if message.starts_with(char::is_lowercase) {
            return format!("{field} {message}").into();
        }
        if message.starts_with(field) {
            message.into()
        } else {
            format!("{field}: {message}").into()
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_is_told_is_told_to_nobody_else() {
        for error in [
            Error::internal("the disk is on fire"),
            Error::unavailable("the disk is on fire"),
            Error::deadline_exceeded().because("the disk is on fire"),
        ] {
            assert!(!error.to_string().contains("fire"), "{error}");
            assert!(!error.to_string().is_empty());
            assert_eq!(
                error.source().map(ToString::to_string).as_deref(),
                Some("the disk is on fire")
            );
        }
        let error = Error::invalid("A name is short.").in_field("name");
        assert_eq!(
            (error.kind, error.field.as_deref(), error.status),
            (Kind::InvalidArgument, Some("name"), None)
        );
        assert_eq!(error.to_string(), "A name is short.");
        assert!(error.source().is_none());
    }

    #[test]
    fn a_field_is_named_by_its_path_and_its_message_begins_with_it() {
        let plain = || Error::invalid("A name is short.");
        let table = [
            (plain().in_field("name"), "name", "name: A name is short."),
            (
                Error::required("value").at("filter", 0),
                "filter[0].value",
                "filter[0].value is required.",
            ),
            (
                plain().at("approvers", 1).at("stages", 0).within("role"),
                "role.stages[0].approvers[1]",
                "role.stages[0].approvers[1]: A name is short.",
            ),
            (
                Error::invalid("RequestedTTL is short.").in_field("RequestedTTL"),
                "RequestedTTL",
                "RequestedTTL is short.",
            ),
        ];
        for (error, field, message) in table {
            assert_eq!(error.field.as_deref(), Some(field));
            assert_eq!(error.about(field), message);
        }
    }

    #[test]
    fn each_maker_makes_its_kind() {
        for (error, kind) in [
            (Error::internal("x"), Kind::Internal),
            (Error::unavailable("x"), Kind::Unavailable),
            (Error::deadline_exceeded(), Kind::DeadlineExceeded),
        ] {
            assert_eq!(error.kind, kind);
        }
    }
}
