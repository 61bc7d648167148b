//! The table of errors: the codes of each kind of error in both dialects.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub use crate::domain::error::{Error, Kind};
pub use crate::domain::refusal::RefusalKind;

/// What the dialects say of a kind of error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The gRPC status code.
    pub grpc: Code,
    /// The HTTP status of the REST API (`docs/rest-api.md` 95 and A25).
    pub http: StatusCode,
    /// The reason: `google.rpc.ErrorInfo.reason`, and the `code` of `odata.error`.
    pub reason: &'static str,
    /// Whether nothing has happened, so that any request may be sent again in a moment.
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

/// After how many seconds to repeat what is retryable.
pub const RETRY_AFTER_SECONDS: u8 = 1;

/// The domain of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "countersign";

impl From<Error> for Status {
    /// The error as gRPC says it, which keeps the error itself as its source for the REST dialect and for the log.
    fn from(error: Error) -> Self {
        let row = row(error.kind);
        let mut metadata: HashMap<String, String> = error
            .details
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        metadata.extend(
            error
                .status
                .map(|status| ("status".to_owned(), status.to_owned())),
        );
        let mut details = ErrorDetails::with_error_info(row.reason, ERROR_DOMAIN, metadata);
        let message = match &error.field {
            Some(field) => error.about(field).into_owned(),
            None => error.message.clone().into_owned(),
        };
        if let Some(field) = &error.field {
            details.add_bad_request_violation(&**field, &message);
        }
        if row.retryable {
            details.set_retry_info(Some(std::time::Duration::from_secs(
                RETRY_AFTER_SECONDS.into(),
            )));
        }
        let mut status = Self::with_error_details(row.grpc, message, details);
        status.set_source(Arc::new(error));
        status
    }
}

/// The error that a status was made of; `None` when tonic made it by itself.
pub fn error_of(status: &Status) -> Option<&Error> {
    std::error::Error::source(status)?.downcast_ref()
}

/// The kind of a status, also of one that tonic made by itself.
pub fn kind_of(status: &Status) -> Kind {
    if let Some(error) = error_of(status) {
        return error.kind;
    }
    match status.code() {
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
        // A start that is too far ahead is an argument that has to be corrected.
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
        let status = Status::from(Error::internal("SELECT secret FROM token"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "INTERNAL");
        assert_eq!(details.error_info().unwrap().domain, "countersign");
        assert!(!status.message().contains("SELECT"));
        let bytes = status.clone().into_http::<String>();
        assert!(!format!("{:?}", bytes.headers()).contains("secret"));
        assert_eq!(kind_of(&status), Kind::Internal);
        assert_eq!(
            error_of(&status)
                .unwrap()
                .cause
                .as_ref()
                .unwrap()
                .to_string(),
            "SELECT secret FROM token"
        );
    }
}
