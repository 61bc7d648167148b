//! Who calls: turns the credentials of a request into a [`Caller`] in its extensions, in front of both dialects.
//!
//! Nobody else reads an `Authorization` header. The schemes are asked in order; the first that finds credentials of its
//! kind has the last word.

pub mod bearer;
pub mod tokens;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use tonic::Status;

use crate::domain::caller::Caller;
use crate::domain::error::{Error, Kind};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::rights;
use crate::time::Clock;

/// What a scheme says of a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The credentials are those of this caller.
    Authenticated(Arc<Caller>),
    /// There are credentials of this scheme, and they are not valid; why is for the log.
    Failed(&'static str),
    /// There are no credentials of this scheme.
    NotRequested,
}

/// A way to prove who calls.
pub trait Scheme: Send + Sync {
    /// How to ask for credentials of this scheme, in `WWW-Authenticate` (RFC 9110, section 11.6.1).
    fn challenge(&self) -> HeaderValue;

    /// Looks for credentials and checks them.
    fn authenticate(&self, headers: &HeaderMap, now: Moment) -> Answer;

    /// The number of credentials that are valid at `now` and no longer at `end`.
    fn expiring(&self, now: Moment, end: Moment) -> usize;
}

/// The schemes, in the order in which they are asked.
pub struct Authenticator {
    schemes: Vec<Box<dyn Scheme>>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Asks those schemes.
    pub fn new(schemes: Vec<Box<dyn Scheme>>, clock: Arc<dyn Clock>) -> Self {
        Self { schemes, clock }
    }

    /// The number of credentials that are valid now and expire within `duration`.
    pub fn expiring_within(&self, duration: Seconds) -> usize {
        let now = self.clock.now();
        self.schemes
            .iter()
            .map(|scheme| scheme.expiring(now, now.after(duration)))
            .sum()
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Error> {
        let now = self.clock.now();
        for scheme in &self.schemes {
            match scheme.authenticate(headers, now) {
                Answer::Authenticated(caller) => return Ok(caller),
                Answer::Failed(why) => return Err(unauthenticated().because(why)),
                Answer::NotRequested => {}
            }
        }
        Err(unauthenticated())
    }

    fn refuse(&self, error: Error) -> Response {
        let mut response = Status::from(error).into_http::<axum::body::Body>();
        for scheme in &self.schemes {
            response
                .headers_mut()
                .append(WWW_AUTHENTICATE, scheme.challenge());
        }
        response
    }
}

/// Lets a request pass with its caller, or refuses it.
pub async fn require_caller(
    State(authenticator): State<Arc<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    match authenticator.authenticate(request.headers()) {
        Ok(caller) => {
            tracing::Span::current().record("account", &caller.account.name);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => authenticator.refuse(error),
    }
}

/// Lets a request of an administrator pass, before its message is read; [`require_caller`] has found out who calls.
pub async fn require_administrator(request: Request, next: Next) -> Response {
    let administers = match request.extensions().get::<Arc<Caller>>() {
        Some(caller) => rights::administers(caller).map_err(Error::from),
        None => Err(Error::internal("a request came past the authentication")),
    };
    match administers {
        Ok(()) => next.run(request).await,
        Err(error) => Status::from(error).into_http(),
    }
}

fn unauthenticated() -> Error {
    Error::new(Kind::Unauthenticated, "Present valid credentials.")
}
