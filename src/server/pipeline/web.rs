//! The browsers and proxies between the clients and the server.

use axum::extract::Request;

use super::forwarded::TrustedProxies;
use crate::errors::{Error, Kind};
use crate::rest::cors::Cors;
use crate::server::connection::peer::Peer;

/// The browsers and proxies that the configuration names.
pub(crate) struct Web {
    /// The origins whose pages may call.
    pub(crate) cors: Cors,
    /// The proxies that may name the address that the client called.
    pub(crate) proxies: TrustedProxies,
}

impl Web {
    /// Puts the address that the client called, as named by a trusted proxy, into the extensions of the request.
    pub(super) fn note_address(&self, request: &mut Request, peer: &Peer) -> Result<(), Error> {
        if let Some(address) = self.proxies.address(peer.address, request.headers())? {
            request.extensions_mut().insert(address);
        }
        Ok(())
    }

    /// Refuses a request that the page of another origin sent to change something.
    pub(super) fn check_origin(&self, request: &Request) -> Result<(), Error> {
        if self.cors.refuses(request) {
            let message = "Pages of this origin may not call.";
            return Err(Error::new(Kind::CrossOrigin, message));
        }
        Ok(())
    }
}
