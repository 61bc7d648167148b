//! Connections: accepting them, serving them, and ending them.

pub(crate) mod backpressure;
mod header_timeout;
mod malformed;
pub(crate) mod peer;
mod protocol;
mod requests;
mod single_write;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::peer::Peer;
use self::protocol::connection;
use crate::auth::scheme::Connection;
use crate::server::limits::Limits;
use crate::server::pipeline::Pipeline;
use crate::server::tasks::Tasks;
use crate::telemetry::metrics::GaugeGuard;

/// Accepts and serves connections until `stop`. Then it waits for open requests, at most as long as the drain may take.
pub(super) async fn serve(
    listener: TcpListener,
    pipeline: Arc<Pipeline>,
    limits: Limits,
    count: &Gauge,
    tasks: Tasks,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    loop {
        let (stream, address, permit) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let cut = tasks.cut();
        let connection = connection(
            stream,
            pipeline.clone(),
            limits,
            Peer {
                address,
                connection: Connection::default(),
                cut: cut.clone(),
            },
            stop.clone(),
        );
        let counted = GaugeGuard::new(count);
        tasks.spawn(async move {
            let _open = (permit, counted);
            cut.run_until_cancelled(connection).await;
        });
    }
    drop(listener);
    tasks.end(limits.drain).await;
}

/// Accepts the next connection as soon as there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    let permit = room
        .clone()
        .acquire_owned()
        .await
        .expect("this semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address.ip(), permit),
            // Most likely no file descriptors are free: open connections have to end first.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
