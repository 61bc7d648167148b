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
    /// Runs a task until it ends or is cut; only then it has no result.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        self.open
            .spawn(self.cut.clone().run_until_cancelled_owned(task))
    }

    /// Cuts one task when it is cancelled, and is cancelled itself when all are cut.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.child_token()
    }

    /// Waits until everything has ended, and cuts what takes longer than `drain`.
    pub(crate) async fn end(self, drain: Duration) {
        self.open.close();
        if timeout(drain, self.open.wait()).await.is_err() {
            tracing::warn!(
                open = self.open.len(),
                "the drain took too long; what is open is cut"
            );
            self.cut.cancel();
            self.open.wait().await;
        }
    }
}
