//! The two dialects: what each request meets first and each answer last, whether it is gRPC or REST.
//!
//! Layers and handlers answer errors as gRPC does, a `Status` that rides in the extensions of the response. Here it is
//! printed in the caller's dialect, and its private cause is logged, once.

use std::any::Any;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, Method};
use tonic::{Code, Status};

use super::content_type::is_grpc;
use super::forwarded::TrustedProxies;
use super::head;
use crate::errors::{Error, Kind, error_of, kind_of};
use crate::rest;
use crate::rest::cors::Cors;
use crate::server::connection::malformed::MalformedHead;
use crate::server::connection::peer::Peer;

/// What lies between the clients and the server.
pub(crate) struct Web {
    /// Which pages of other origins may call.
    pub(crate) cors: Cors,
    /// Who may say how the clients reached it.
    pub(crate) proxies: TrustedProxies,
}

impl Web {
    /// Puts the address that a proxy says its client called into the extensions of the request.
    fn note_address(&self, request: &mut Request) -> Result<(), Error> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
        if let Some(address) = self.proxies.address(peer, request.headers())? {
            request.extensions_mut().insert(address);
        }
        Ok(())
    }

    /// Answers preflights, and refuses pages of other origins.
    async fn answer(&self, request: Request, next: Next) -> Response {
        match request.method() {
            &Method::OPTIONS => self.cors.preflight(),
            _ if self.cors.refuses(&request) => {
                let message = "Pages of this origin may not call.";
                Status::from(Error::new(Kind::CrossOrigin, message)).into_http()
            }
            _ => next.run(request).await,
        }
    }
}

/// Speaks the caller's dialect: prints errors, answers preflights, marks answers for pages of other origins.
pub(crate) async fn pass(
    State(web): State<Arc<Web>>,
    mut request: Request,
    next: Next,
) -> Response {
    let head = head::check(&request);
    if is_grpc(&request) {
        return match head {
            Ok(()) => explained(next.run(request).await),
            Err(error) => Status::from(error).into_http(),
        };
    }
    let head = head.and_then(|()| web.note_address(&mut request));
    let origin = web.cors.allowed(request.headers());
    let form = rest::error::Form::of(request.uri(), request.headers());
    let malformed = request
        .extensions()
        .get::<MalformedHead>()
        .copied()
        .map(MalformedHead::error);
    let mut response = match (head, malformed) {
        (Err(error), _) | (Ok(()), Some(error)) => Status::from(error).into_http(),
        (Ok(()), None) => web.answer(request, next).await,
    };
    if let Some(status) = response.extensions_mut().remove::<Status>() {
        response = rest::error::print(&status, response.headers(), form);
        response.extensions_mut().insert(status);
    }
    web.cors.mark(origin, response.headers_mut());
    response
}

/// The answer, with a reason also where tonic refused the call by itself: it could not be decoded, or there is no such
/// method. tonic calls what it cannot decode INTERNAL, which here is only what is not the caller's doing.
fn explained(mut response: Response) -> Response {
    let by_tonic = match response.extensions_mut().remove::<Status>() {
        Some(status) if error_of(&status).is_some() => {
            response.extensions_mut().insert(status);
            return response;
        }
        None if response.headers().contains_key(Status::GRPC_STATUS) => {
            Status::from_header_map(response.headers())
        }
        status => status,
    };
    let Some(status) = by_tonic.filter(|status| status.code() != Code::Ok) else {
        return response;
    };
    let compressions = response.headers_mut().remove(ACCEPTED_COMPRESSIONS);
    let error = match kind_of(&status) {
        Kind::NoSuchOperation if compressions.is_some() => Error::new(
            Kind::NoSuchOperation,
            "The compression of the message must be gzip or identity.",
        ),
        Kind::BodyTooLarge => Error::new(Kind::BodyTooLarge, "The message is too long."),
        Kind::NoSuchOperation => Error::new(Kind::NoSuchOperation, "There is no such operation."),
        Kind::Internal | Kind::InvalidArgument => Error::invalid("The message cannot be decoded."),
        kind => Error::new(kind, "The call was refused."),
    };
    let mut response = Status::from(error.because(status)).into_http();
    response
        .headers_mut()
        .extend(compressions.map(|compressions| (ACCEPTED_COMPRESSIONS, compressions)));
    response
}

/// Lets gRPC calls pass, and nothing else.
pub(crate) async fn only_grpc(request: Request, next: Next) -> Response {
    if is_grpc(&request) {
        next.run(request).await
    } else {
        no_such_operation()
    }
}

/// Answers for what is neither a method of a service nor a resource of the REST API.
pub(crate) fn no_such_operation() -> Response {
    let error = Error::new(Kind::NoSuchOperation, "There is no such operation.");
    Status::from(error).into_http()
}

/// Answers for a method that a resource does not know.
pub(crate) async fn method_not_allowed() -> Response {
    let error = Error::new(
        Kind::MethodNotAllowed,
        "This resource does not know the method.",
    );
    Status::from(error).into_http()
}

/// Answers for a handler that panicked. The panic itself has been logged by the hook of `telemetry`.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Status::from(Error::internal("a handler panicked")).into_http::<Body>()
}

/// Of a call whose message is compressed in another way, with those that the server knows.
const ACCEPTED_COMPRESSIONS: HeaderName = HeaderName::from_static("grpc-accept-encoding");
