//! One connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client};

/// A connection, driven by a task of its own. Dropping it closes it; a request to cancel is never sent, since it could
/// cut short what a commit waits for.
#[derive(Debug)]
pub(super) struct Connection {
    /// The side that asks.
    pub(super) client: Client,
    /// Which of the hosts it leads to.
    pub(super) host: usize,
    /// How many times connections had been given up when it was opened, see [`Connector`](super::connect::Connector).
    pub(super) age: u64,
    warned: Arc<AtomicBool>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Drives the connection to `host` from now on.
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

    /// Whether the server has warned since this was asked last. It warns when a commit stopped to wait for a standby:
    /// that commit is told as a success, and can be gone after a failover.
    pub(super) fn warned(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }

    /// Completes when the connection is lost.
    pub(super) async fn lost(&mut self) {
        // A driver that panicked is as gone as one that ended.
        let _ = (&mut self.driver).await;
    }
}

/// Moves bytes until the connection ends. A notice is seen before the answer of the statement that caused it is handed on.
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
            // Whoever waits for an answer is told.
            Err(_) => return,
        }
    }
}
