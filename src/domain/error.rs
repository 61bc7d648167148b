//! Errors: their kinds and messages.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use strum::{EnumIter, IntoEnumIterator as _};

use super::refusal::RefusalKind;

/// The kind of an error, by the caller's next step. `errors.rs` gives each kind its code in both dialects.
#[derive(Clone, Copy, Debug, EnumIter, Eq, Hash, PartialEq)]
pub enum Kind {
    /// Send less.
    BodyTooLarge,
    /// Wait until the operator has corrected the machine's clock. Until then the server makes no decisions.
    ClockSkewed,
    /// Have the origin of the page allowed. A browser sent this request for a page that is not allowed to call.
    CrossOrigin,
    /// Read the result, or repeat a request that may be repeated. The outcome of the request is unknown.
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
    /// Request the health of another service.
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
/// The message never repeats the caller's input, since legacy clients render the message as HTML.
#[derive(Debug)]
pub struct Error {
    /// The kind, which names the caller's next step.
    pub kind: Kind,
    /// The message for the caller.
    pub message: Cow<'static, str>,
    /// The path of the request field that is at fault, such as `filter[0].value`; `None` if no field is.
    pub field: Option<Cow<'static, str>>,
    /// The state that prevents the command, if that is the fault; a value of the field `status`.
    pub status: Option<&'static str>,
    /// More values that a program may need, by name, such as the requirements of a role for a reason.
    pub details: Vec<(&'static str, String)>,
    /// The cause, only for the log.
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns an error of that kind, with the message for the caller.
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

    /// Returns the error of a request that cannot be understood.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidArgument, message)
    }

    /// Returns the error of a request that lacks a field. As with every message in lower case, the message continues
    /// the field's name.
    pub fn required(field: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid("is required.").in_field(field)
    }

    /// Returns the error of a defect or a broken machine.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "Something went wrong inside the server.").because(cause)
    }

    /// Returns the error of a store that does not respond, or not in time.
    pub fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            Kind::Unavailable,
            "The service cannot answer right now. It is not known whether the request was carried out.",
        )
        .because(cause)
    }

    /// Returns the error of a request whose time ran out before the outcome was known.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            Kind::DeadlineExceeded,
            "The request took too long. It is not known whether it was carried out.",
        )
    }

    /// Returns the error of a node whose clock is wrong.
    pub fn clock_skewed() -> Self {
        let message =
            "This node's clock is wrong. It makes no decisions until the clock is corrected.";
        Self::new(Kind::ClockSkewed, message)
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn because(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..self
        }
    }

    /// Adds the field of the request that is at fault.
    #[must_use]
    pub fn in_field(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: Some(field.into()),
            ..self
        }
    }

    /// Makes the field a part of another one.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        let path = match &self.field {
            None => outer.to_owned(),
            Some(inner) if inner.starts_with('[') => format!("{outer}{inner}"),
            Some(inner) => format!("{outer}.{inner}"),
        };
        self.in_field(path)
    }

    /// Makes the field a part of an element of a list.
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
