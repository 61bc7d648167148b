//! The pipeline: everything that happens to a request, from its head to its log line.
//!
//! [`Pipeline::serve`] and [`Pipeline::steps`] are the order. It is a part of the contract, since a request with several
//! faults is refused for the first one.

pub(crate) mod admission;
pub(crate) mod content_type;
pub(crate) mod dialect;
pub(crate) mod forwarded;
pub(crate) mod head;
pub(crate) mod observer;
mod operations;
pub(crate) mod streams;
pub(crate) mod web;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::{HeaderValue, Method};
use http_body::Body as _;

use self::admission::Gate;
use self::dialect::Dialect;
use self::head::MalformedHead;
use self::observer::{Observation, Observer};
use self::streams::{Owner, StreamGate};
use self::web::Web;
use crate::auth::Authenticator;
use crate::errors::{Error, refuse};
use crate::server::connection::peer::Peer;
use crate::server::routes::{Route, Routes};
use crate::server::tasks::Tasks;
use crate::service::Context;

/// Serves the requests of both dialects.
pub(crate) struct Pipeline {
    /// Logs, measures and traces the requests.
    pub(crate) observer: Observer,
    /// The browsers and proxies between the clients and the server.
    pub(crate) web: Web,
    /// The places of requests that need a caller.
    pub(crate) gate: Gate,
    /// The places of requests for the description of the REST API. It is too long to be sent to everyone without a limit,
    /// and with a gate of its own it cannot keep callers out.
    pub(crate) openapi_gate: Gate,
    /// Identifies the callers.
    pub(crate) authenticator: Arc<Authenticator>,
    /// The places of streams.
    pub(crate) streams: StreamGate,
    /// The handlers.
    pub(crate) routes: Routes,
    /// The tasks of the server.
    pub(crate) tasks: Tasks,
}

impl Pipeline {
    /// Returns the response to a request from `peer`, or to a head that could not be read. If the client leaves, a
    /// request that may change something continues to its end, so that it is logged like any other.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request,
        peer: Result<Peer, MalformedHead>,
    ) -> Response {
        let dialect = Dialect::of(&request);
        if request.method().is_safe() {
            // On the heap, so that an idle connection keeps no room for it.
            return Box::pin(self.serve(request, peer, dialect)).await;
        }
        let pipeline = self.clone();
        let served = async move { pipeline.serve(request, peer, dialect).await };
        match self.tasks.spawn(served).await {
            Ok(Some(response)) => response,
            Ok(None) => dialect.print(refuse(Error::unavailable("the drain took too long"))),
            Err(error) => dialect.print(refuse(Error::internal(error))),
        }
    }

    /// Takes a request through the steps under an id. Prints the response in the caller's dialect, and reports it.
    async fn serve(
        &self,
        request: Request,
        peer: Result<Peer, MalformedHead>,
        dialect: Dialect,
    ) -> Response {
        let mut observation = self.observer.begin(&request);
        let method = request.method().clone();
        let origin = self.web.cors.allowed(request.headers());
        let trace = observation.trace_context();
        let outcome = {
            let steps = self.steps(request, peer, dialect, &mut observation);
            // Pinned here and below: a future that is passed on by value takes its room twice.
            let steps = pin!(AssertUnwindSafe(steps).catch_unwind());
            observer::traced(steps, trace).await
        };
        let response = match outcome {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => refuse(error),
            // The hook of `telemetry::logs` has logged the panic.
            Err(_) => refuse(Error::internal("a handler panicked")),
        };
        let mut response = dialect.print(response);
        if matches!(dialect, Dialect::Rest(_)) {
            self.web.cors.mark(origin, response.headers_mut());
        }
        observation.end(&mut response);
        without_body_for_head(response, &method)
    }

    /// Checks the head, the page that sent the request, the budget, the deadline, the caller and the streams, in this
    /// order. Then returns the response of the handler, if it comes before the deadline.
    async fn steps(
        &self,
        mut request: Request,
        peer: Result<Peer, MalformedHead>,
        dialect: Dialect,
        observation: &mut Observation<'_>,
    ) -> Result<Response, Error> {
        head::check(&request)?;
        let peer = peer.map_err(MalformedHead::error)?;
        if matches!(dialect, Dialect::Rest(_)) {
            self.web.note_address(&mut request, &peer)?;
            if request.method() == Method::OPTIONS {
                return Ok(self.web.cors.preflight());
            }
            self.web.check_origin(&request)?;
        }
        let route = self.routes.find(request.uri().path());
        let place = match self.gate(route) {
            Some(gate) => Some(gate.admit(&request)?),
            None => None,
        };
        let deadline = place.as_ref().map(|place| place.deadline);
        let is_stream = observation.operation.is_stream;
        let handled = pin!(async {
            let mut proof = None;
            if route.needs_caller() {
                let (headers, connection) = (request.headers(), &peer.connection);
                let caller = match self.authenticator.identify(headers, connection).await {
                    Ok((caller, reply)) => {
                        proof = reply;
                        caller
                    }
                    Err(stop) => return Ok(self.authenticator.refuse(stop)),
                };
                observation.caller = Some(caller.clone());
                let origin = observation.origin();
                request.extensions_mut().insert(caller);
                request
                    .extensions_mut()
                    .insert(Arc::new(Context { origin, deadline }));
            }
            let caller = observation.caller.as_deref();
            let (owner, version) = (Owner::of(caller, &peer), request.version());
            let handler = pin!(self.routes.call(route, request, caller));
            let response = if is_stream {
                self.streams.open(owner, version, handler).await
            } else {
                handler.await
            };
            Ok(with_proof(response.unwrap_or_else(refuse), proof))
        });
        let Some(place) = place else {
            return handled.await;
        };
        let response = place.within(handled).await?;
        if is_stream {
            // By now it has a place in the gate of streams.
            return Ok(response);
        }
        Ok(place.hold(response, &peer))
    }

    /// Returns the gate that counts the requests for a route. Metrics have none, because they are needed most when the
    /// server is overloaded.
    fn gate(&self, route: Route) -> Option<&Gate> {
        match route {
            Route::OpenApi => Some(&self.openapi_gate),
            Route::Metrics => None,
            _ if route.needs_caller() => Some(&self.gate),
            _ => None,
        }
    }
}

/// Adds the header by which a scheme proves the identity of the server.
fn with_proof(mut response: Response, proof: Option<HeaderValue>) -> Response {
    if let Some(proof) = proof {
        response.headers_mut().append(WWW_AUTHENTICATE, proof);
    }
    response
}

/// Leaves out the body if the request is HEAD, but not its length.
fn without_body_for_head(mut response: Response, method: &Method) -> Response {
    if method == Method::HEAD {
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Body::empty();
    }
    response
}
