//! A connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client};

/// A connection, driven by a task of its own. Dropping it closes it. A request to cancel is never sent, because it
/// could end the wait of a commit for its standby.
#[derive(Debug)]
pub(super) struct Connection {
    /// The client that sends statements.
    pub(super) client: Client,
    /// The number of its host.
    pub(super) host: usize,
    /// The number of times that connections had been given up when it was opened, see
    /// [`Connector`](super::connect::Connector).
    pub(super) age: u64,
    warned: Arc<AtomicBool>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Starts to drive the connection to `host`.
    pub(super) fn drive<S, T>(
        client: Client,
        connection: tokio_postgres::Connection<S, T>,
        host: usize,
        age: u64,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Arc::new(AtomicBool::new(false));
        let driver = tokio::spawn(drive(connection, warned.clone()));
        Self {
            client,
            host,
            age,
            warned,
            driver,
        }
    }

    /// Returns whether the server has warned since the last call. It warns if a commit stopped waiting for a standby.
    /// Such a commit looks like a success, and can be lost at a failover.
    pub(super) fn warned(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }

    /// Completes when the connection is lost.
    pub(super) async fn lost(&mut self) {
        // A driver that panicked is as gone as one that ended.
        let _ = (&mut self.driver).await;
    }
}

/// Moves bytes until the connection ends. A notice is handled before the response of the statement that caused it.
async fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, warned: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) if *notice.code() == SqlState::WARNING => {
                warned.store(true, Ordering::SeqCst);
            }
            Ok(_) => {}
            // The callers that wait for a response get an error from the client.
            Err(_) => return,
        }
    }
}
