//! The table of errors: the codes of each kind of error in both dialects.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub use crate::domain::error::{Error, Kind};
pub use crate::domain::refusal::RefusalKind;

/// The codes of a kind of error in both dialects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The gRPC status code.
    pub grpc: Code,
    /// The HTTP status of the REST API (`docs/rest-api.md` 95 and A25).
    pub http: StatusCode,
    /// The reason: `google.rpc.ErrorInfo.reason`, and the `code` of `odata.error`.
    pub reason: &'static str,
    /// Whether the request had no effect, so that any request may soon be repeated.
    pub retryable: bool,
}

/// Returns the row of a kind.
#[rustfmt::skip]
pub fn row(kind: Kind) -> Row {
    let (grpc, http, reason, retryable) = match kind {
        Kind::BodyTooLarge     => (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE              , "BODY_TOO_LARGE"    , false),
        Kind::ClockSkewed      => (Code::Unavailable      , StatusCode::SERVICE_UNAVAILABLE            , "CLOCK_SKEWED"      , true),
        Kind::CrossOrigin      => (Code::PermissionDenied , StatusCode::FORBIDDEN                      , "CROSS_ORIGIN"      , false),
        Kind::DeadlineExceeded => (Code::DeadlineExceeded , StatusCode::REQUEST_TIMEOUT                , "DEADLINE_EXCEEDED" , false),
        Kind::HeadTooLarge     => (Code::ResourceExhausted, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE"    , false),
        Kind::Internal         => (Code::Internal         , StatusCode::INTERNAL_SERVER_ERROR          , "INTERNAL"          , false),
        Kind::InvalidArgument  => (Code::InvalidArgument  , StatusCode::BAD_REQUEST                    , "INVALID_ARGUMENT"  , false),
        Kind::MethodNotAllowed => (Code::Unimplemented    , StatusCode::METHOD_NOT_ALLOWED             , "METHOD_NOT_ALLOWED", false),
        Kind::NoSuchOperation  => (Code::Unimplemented    , StatusCode::NOT_FOUND                      , "NO_SUCH_OPERATION" , false),
        Kind::NoSuchService    => (Code::NotFound         , StatusCode::NOT_FOUND                      , "NO_SUCH_SERVICE"   , false),
        Kind::Overloaded       => (Code::Unavailable      , StatusCode::SERVICE_UNAVAILABLE            , "OVERLOADED"        , true),
        Kind::Unauthenticated  => (Code::Unauthenticated  , StatusCode::UNAUTHORIZED                   , "UNAUTHENTICATED"   , false),
        Kind::Unavailable      => (Code::Unavailable      , StatusCode::SERVICE_UNAVAILABLE            , "UNAVAILABLE"       , false),
        Kind::Refused(refusal) => return refusal_row(refusal),
    };
    Row { grpc, http, reason, retryable }
}

#[rustfmt::skip]
fn refusal_row(refusal: RefusalKind) -> Row {
    let (grpc, http, reason) = match refusal {
        RefusalKind::AccessDenied          => (Code::PermissionDenied  , StatusCode::FORBIDDEN  , "ACCESS_DENIED"          ),
        RefusalKind::AlreadyDecided        => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "ALREADY_DECIDED"        ),
        RefusalKind::ApprovalNotPending    => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "APPROVAL_NOT_PENDING"   ),
        RefusalKind::ElevationEnded        => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "ELEVATION_ENDED"        ),
        RefusalKind::OutsideWindow         => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "OUTSIDE_WINDOW"         ),
        RefusalKind::ReasonNotAccepted     => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "REASON_NOT_ACCEPTED"    ),
        RefusalKind::RequestIdReused       => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "REQUEST_ID_REUSED"      ),
        RefusalKind::RequesterNotCandidate => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "REQUESTER_NOT_CANDIDATE"),
        RefusalKind::RoleChanged           => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "ROLE_CHANGED"           ),
        RefusalKind::RoleExists            => (Code::AlreadyExists     , StatusCode::FORBIDDEN  , "ROLE_EXISTS"            ),
        RefusalKind::RoleInUse             => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "ROLE_IN_USE"            ),
        RefusalKind::StageNotOpen          => (Code::FailedPrecondition, StatusCode::FORBIDDEN  , "STAGE_NOT_OPEN"         ),
        RefusalKind::StartTooLate          => (Code::InvalidArgument   , StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"       ),
        RefusalKind::TooManyFilings        => (Code::ResourceExhausted , StatusCode::FORBIDDEN  , "TOO_MANY_FILINGS"       ),
        RefusalKind::TooManyPending        => (Code::ResourceExhausted , StatusCode::FORBIDDEN  , "TOO_MANY_PENDING"       ),
    };
    Row { grpc, http, reason, retryable: false }
}

/// The delay in seconds before a retryable request is repeated.
pub const RETRY_AFTER_SECONDS: u8 = 1;

/// The domain of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "countersign";

/// The reason why a request was refused. It travels in the extensions of a response until it is printed.
#[derive(Clone, Debug)]
pub enum Problem {
    /// An error of a layer or of the REST dialect.
    Error(Arc<Error>),
    /// The status that a service returned.
    Status(Status),
}

impl Problem {
    /// Returns the error, or `None` if tonic made the status by itself.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Error(error) => Some(error),
            Self::Status(status) => std::error::Error::source(status)?.downcast_ref(),
        }
    }

    /// Returns the kind, also of a status that tonic made by itself.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Error(error) => error.kind,
            Self::Status(status) => match self.error() {
                Some(error) => error.kind,
                None => kind_of_code(status.code()),
            },
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Error(Arc::new(error))
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Refuses a request: returns an empty response that carries the problem. The server prints it in the caller's dialect;
/// headers added by a layer meanwhile are kept.
pub fn refuse<B: Default>(problem: impl Into<Problem>) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(problem.into());
    response
}

impl From<Error> for Status {
    /// Returns the code and message of the error, with the error itself as the source. [`with_details`] adds the
    /// details for gRPC callers.
    fn from(error: Error) -> Self {
        let mut status = Self::new(row(error.kind).grpc, message(&error));
        status.set_source(Arc::new(error));
        status
    }
}

/// Returns the status of an error with the details of `google.rpc`.
pub fn with_details(error: &Error) -> Status {
    let row = row(error.kind);
    let mut metadata: HashMap<String, String> = error
        .details
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    if let Some(status) = error.status {
        metadata.insert("status".to_owned(), status.to_owned());
    }
    let mut details = ErrorDetails::with_error_info(row.reason, ERROR_DOMAIN, metadata);
    let message = message(error);
    if let Some(field) = &error.field {
        details.add_bad_request_violation(&**field, &message);
    }
    if row.retryable {
        let seconds = Duration::from_secs(RETRY_AFTER_SECONDS.into());
        details.set_retry_info(Some(seconds));
    }
    Status::with_error_details(row.grpc, message, details)
}

fn message(error: &Error) -> String {
    match &error.field {
        Some(field) => error.about(field).into_owned(),
        None => error.message.clone().into_owned(),
    }
}

/// Returns the kind of a status that tonic made by itself.
fn kind_of_code(code: Code) -> Kind {
    match code {
        Code::InvalidArgument => Kind::InvalidArgument,
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::PermissionDenied => Kind::Refused(RefusalKind::AccessDenied),
        Code::DeadlineExceeded | Code::Cancelled => Kind::DeadlineExceeded,
        Code::OutOfRange | Code::ResourceExhausted => Kind::BodyTooLarge,
        Code::Unavailable => Kind::Unavailable,
        Code::Unimplemented | Code::NotFound => Kind::NoSuchOperation,
        _ => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_reason_of_its_own() {
        // A start that is too far ahead is an argument that must be corrected.
        let shared = Kind::Refused(RefusalKind::StartTooLate);
        assert_eq!(row(shared), row(Kind::InvalidArgument));
        let mut reasons = HashSet::new();
        for kind in Kind::all().filter(|kind| *kind != shared) {
            assert!(reasons.insert(row(kind).reason), "{kind:?}");
        }
        assert_eq!(reasons.len(), 27);
    }

    #[test]
    fn rest_has_only_the_statuses_that_clients_know() {
        for kind in Kind::all() {
            let status = row(kind).http.as_u16();
            assert!(
                [400, 401, 403, 404, 405, 408, 413, 431, 500, 503].contains(&status),
                "{kind:?}: {status}"
            );
        }
    }

    #[test]
    fn a_status_carries_its_reason_and_never_its_cause() {
        let problem = Problem::from(Error::internal("SELECT secret FROM token"));
        let status = with_details(problem.error().unwrap());
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "INTERNAL");
        assert_eq!(details.error_info().unwrap().domain, "countersign");
        assert!(!status.message().contains("SELECT"));
        let bytes = status.clone().into_http::<String>();
        assert!(!format!("{:?}", bytes.headers()).contains("secret"));
        assert_eq!(problem.kind(), Kind::Internal);
        assert_eq!(
            problem.error().unwrap().cause.as_ref().unwrap().to_string(),
            "SELECT secret FROM token"
        );
    }
}
