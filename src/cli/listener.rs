//! The address on which a server listens.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use anyhow::anyhow;
use tokio::net::TcpListener;

use super::failure::cannot;

/// Refuses an address that is not loopback, because credentials and decisions must not travel in the clear.
pub(super) fn check_loopback(address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let why = anyhow!("without TLS the server listens on loopback only");
    Err(cannot(
        format_args!("listen on {address}"),
        why,
        "choose 127.0.0.1 or [::1] with --listen",
    ))
}

/// Listens on a loopback address.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    check_loopback(address)?;
    TcpListener::bind(address)
        .await
        .map_err(|error| not_listening(address, error))
}

/// Returns the error of an address on which the server cannot listen.
pub(super) fn not_listening(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "another server may be running, choose another port with --listen",
        _ => "choose another address or port with --listen",
    };
    cannot(format_args!("listen on {address}"), error, advice)
}
