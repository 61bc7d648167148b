//! The other end of a connection.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

use crate::auth::scheme::Connection;

/// The other end of the connection by which a request came.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The address of the other end.
    pub(crate) address: IpAddr,
    /// The connection in the form that the authentication needs.
    pub(crate) connection: Connection,
    /// Cuts the connection.
    pub(crate) cut: CancellationToken,
}
