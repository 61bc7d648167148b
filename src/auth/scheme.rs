//! A way to prove the identity of a caller.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;

use crate::domain::account::{Account, Group};
use crate::domain::moment::Moment;

/// A way to prove the identity of a caller, such as bearer tokens, client certificates or Negotiate.
#[async_trait]
pub trait Scheme: Send + Sync {
    /// Returns the challenge that asks for credentials of this scheme, for `WWW-Authenticate` (RFC 9110, section 11.6.1).
    fn challenge(&self) -> HeaderValue;

    /// Checks the credentials of a request.
    async fn authenticate(&self, parts: &Parts<'_>, now: Moment) -> Answer;

    /// Returns the number of credentials that are valid at `now` and no longer valid at `end`.
    fn expiring(&self, now: Moment, end: Moment) -> usize;
}

/// The answer of a scheme to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The credentials are valid.
    Accepted {
        /// The owner of the credentials.
        identity: Identity,
        /// A value of `WWW-Authenticate` for the response, by which the server proves its own identity (RFC 4559).
        reply: Option<HeaderValue>,
    },
    /// The client must send another leg on the same connection. The request does not go through; the response has this
    /// value of `WWW-Authenticate` and no other.
    Continue(HeaderValue),
    /// The request has no credentials of this scheme.
    NotMine,
    /// The credentials are of this scheme and not valid. The reason is for the log only.
    Refused(&'static str),
}

/// The owner of valid credentials.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The account.
    pub account: Account,
    /// The groups that the credentials name; `None` if credentials of this kind name no groups. The
    /// [`Authenticator`](super::Authenticator) decides which of them count.
    pub groups: Option<Vec<Group>>,
    /// A name of the credentials that reveals nothing, for the record.
    pub credential: String,
}

/// The parts of a request that can prove the identity of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The headers. There is at most one `Authorization` header.
    pub headers: &'a HeaderMap,
    /// The connection by which the request came.
    pub connection: &'a Connection,
}

impl<'a> Parts<'a> {
    /// Returns the credentials in the `Authorization` header if they belong to that HTTP scheme, in any letter case.
    pub fn credentials(&self, scheme: &str) -> Option<&'a str> {
        let value = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (name, credentials) = value.split_once(' ')?;
        if name.eq_ignore_ascii_case(scheme) {
            Some(credentials.trim())
        } else {
            None
        }
    }
}

/// The connection by which a request came. Clones are the same connection.
///
/// A connection keeps at most one unfinished handshake, and drops it at its end. It never remembers a caller: a proxy sends
/// the requests of several callers over one connection, so each request needs its own credentials.
#[derive(Clone, Debug, Default)]
pub struct Connection(Arc<ConnectionState>);

#[derive(Default)]
struct ConnectionState {
    certificate: Option<CertificateDer<'static>>,
    /// Written by the first leg, taken by the next one.
    handshake: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Connection {
    /// Returns a connection whose client has proved to own that certificate.
    pub fn with_certificate(certificate: CertificateDer<'static>) -> Self {
        Self(Arc::new(ConnectionState {
            certificate: Some(certificate),
            handshake: Mutex::default(),
        }))
    }

    /// Returns the certificate that the client has proved to own.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.0.certificate.as_ref()
    }

    /// Keeps the state of a handshake for its next leg. It replaces an earlier handshake on this connection.
    pub fn keep_handshake<T: Any + Send>(&self, state: T) {
        *self.handshake() = Some(Box::new(state));
    }

    /// Takes the state of the handshake that an earlier leg on this connection has kept. A state can be taken once. `None`
    /// if there is none of this type; a state of another type is dropped.
    pub fn take_handshake<T: Any + Send>(&self) -> Option<T> {
        let state = self.handshake().take()?;
        state.downcast().ok().map(|state| *state)
    }

    fn handshake(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.0
            .handshake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionState").finish_non_exhaustive()
    }
}
