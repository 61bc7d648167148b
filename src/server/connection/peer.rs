//! The other end of a connection.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

/// The other end of the connection by which a request came; the connection puts it into the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// From where it is.
    pub(crate) address: IpAddr,
    /// Cuts the connection.
    pub(crate) cut: CancellationToken,
}
