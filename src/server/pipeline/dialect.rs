//! The two dialects, gRPC and REST.
//!
//! Steps of the pipeline and handlers refuse a request with a response that carries a [`Problem`]. Here it is printed in the caller's
//! dialect.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};

use super::content_type::is_grpc;
use crate::errors::{Error, Kind, Problem, with_details};
use crate::rest;
use crate::rest::error::Form;

/// The language in which a caller reads errors.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    /// A gRPC status with the details of `google.rpc`.
    Grpc,
    /// An OData error in that form.
    Rest(Form),
}

impl Dialect {
    /// Returns the dialect of a request.
    pub(crate) fn of(request: &Request) -> Self {
        if is_grpc(request) {
            Self::Grpc
        } else {
            Self::Rest(Form::of(request.uri(), request.headers()))
        }
    }

    /// Prints the problem that a response carries; other responses stay unchanged. The printed response still carries
    /// the problem, for the log and the metrics.
    pub(crate) fn print(self, response: Response) -> Response {
        match self {
            Self::Grpc => print_grpc(response),
            Self::Rest(form) => print_rest(response, form),
        }
    }
}

fn print_rest(mut response: Response, form: Form) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let headers = std::mem::take(response.headers_mut());
    let mut printed = rest::error::print(&problem, headers, form);
    printed.extensions_mut().insert(problem);
    printed
}

fn print_grpc(mut response: Response) -> Response {
    let mut headers = std::mem::take(response.headers_mut());
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None => {
            let status = response.extensions_mut().remove::<Status>();
            let status = status.or_else(|| Status::from_header_map(&headers));
            let Some(status) = status.filter(|status| status.code() != Code::Ok) else {
                *response.headers_mut() = headers;
                return response;
            };
            headers = compressions(headers);
            explained(status, !headers.is_empty())
        }
    };
    let status = match problem.error() {
        Some(error) => with_details(error),
        None => Status::unknown("The call was refused."),
    };
    let mut printed = status.into_http::<Body>();
    printed.headers_mut().extend(headers);
    printed.extensions_mut().insert(problem);
    printed
}

/// Returns the header with the supported compressions, which tonic adds if a message has another one.
fn compressions(mut headers: HeaderMap) -> HeaderMap {
    let compressions = headers.remove(ACCEPTED_COMPRESSIONS);
    compressions
        .map(|compressions| (ACCEPTED_COMPRESSIONS, compressions))
        .into_iter()
        .collect()
}

/// Gives a status of tonic a reason: the message could not be decoded, or there is no such method. tonic uses INTERNAL
/// for a message that it cannot decode, which here means a defect of the server.
fn explained(status: Status, has_compressions: bool) -> Problem {
    let problem = Problem::from(status);
    if problem.error().is_some() {
        return problem;
    }
    let error = match problem.kind() {
        Kind::NoSuchOperation if has_compressions => Error::new(
            Kind::NoSuchOperation,
            "The compression of the message must be gzip or identity.",
        ),
        Kind::BodyTooLarge => Error::new(Kind::BodyTooLarge, "The message is too long."),
        Kind::NoSuchOperation => Error::new(Kind::NoSuchOperation, "There is no such operation."),
        Kind::Internal | Kind::InvalidArgument => Error::invalid("The message cannot be decoded."),
        kind => Error::new(kind, "The call was refused."),
    };
    match problem {
        Problem::Status(status) => error.because(status).into(),
        Problem::Error(_) => error.into(),
    }
}

/// The compressions that the server accepts; tonic sends it if it refuses the compression of a call.
const ACCEPTED_COMPRESSIONS: HeaderName = HeaderName::from_static("grpc-accept-encoding");
