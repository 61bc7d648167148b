//! The tasks of a server: connections, and requests that outlive theirs.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a server, which waits for them when it stops.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    open: TaskTracker,
    cut: CancellationToken,
}

impl Tasks {
    /// Runs a task until it ends or is cut. A task that was cut has no result.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        self.open
            .spawn(self.cut.clone().run_until_cancelled_owned(task))
    }

    /// Returns a token that cuts one task. It is cancelled when all tasks are cut.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.child_token()
    }

    /// Waits until all tasks have ended, and cuts those that take longer than `drain`.
    pub(crate) async fn end(self, drain: Duration) {
        self.open.close();
        if timeout(drain, self.open.wait()).await.is_err() {
            tracing::warn!(
                open = self.open.len(),
                "the drain took too long; open tasks are cut"
            );
            self.cut.cancel();
            self.open.wait().await;
        }
    }
}
