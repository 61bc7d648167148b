//! The one writer of this node.

use std::mem;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::select;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, sleep_until};

use super::group::Written;
use super::hosts::Hosts;
use super::line::{Failure, Line, Outcome};
use super::ready::Ready;
use super::{Skew, is_passing, opened};
use crate::domain::error::{Error, Kind};
use crate::store::prepared::Prepared;
use crate::store::{Change, Commit};
use crate::telemetry::metrics::{Measured, OneMore, StoreMetrics};
use crate::time::{Deadline, Stopwatch};

/// The way to the writer. Dropping it waits until the queue is empty and the thread has ended, so that what was taken is
/// decided before the store is opened again.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Queued>>,
    metrics: StoreMetrics,
    /// Ends with the thread.
    runs: watch::Receiver<()>,
    running: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the writer, on a thread and a runtime of its own: it never waits behind the rest of the process.
    pub(super) fn start(
        hosts: Hosts,
        skew: Option<Skew>,
        ready: Ready,
        metrics: StoreMetrics,
    ) -> Result<Self, Error> {
        let (queue, changes) = mpsc::channel(LONGEST_QUEUE);
        let (running, runs) = watch::channel(());
        let task = Task {
            hosts,
            skew,
            skewed: false,
            line: None,
            metrics: metrics.clone(),
            ready,
            _running: running,
            again: None,
            pause: SHORTEST_PAUSE,
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let running = thread::Builder::new()
            .name("postgres-writer".to_owned())
            .spawn(move || runtime.block_on(task.run(changes)))
            .map_err(Error::internal)?;
        Ok(Self {
            queue: Some(queue),
            metrics,
            runs,
            running: Some(running),
        })
    }

    /// Queues the change and waits until it is durable or refused.
    pub(super) async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let (answer, answered) = oneshot::channel();
        let waiting = Some(OneMore::of(&self.metrics.queue));
        let _measured = (!change.is_empty()).then(|| Measured::into(&self.metrics.commit_duration));
        let queued = Queued {
            prepared: Prepared::try_from(change)?,
            answer,
            waiting,
        };
        let queue = self
            .queue
            .as_ref()
            .ok_or_else(|| Error::unavailable("the writer has stopped"))?;
        queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::new(
                Kind::Overloaded,
                "Too many decisions wait to be written. Repeat in a moment.",
            ),
            mpsc::error::TrySendError::Closed(_) => Error::unavailable("the writer has stopped"),
        })?;
        answered
            .await
            .map_err(|_| Error::unavailable("the writer stopped before it answered"))?
    }

    /// Completes when the writer is gone. A lost connection is not the end of it.
    pub(super) async fn failed(&self) {
        let mut runs = self.runs.clone();
        while runs.changed().await.is_ok() {}
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.running.take() {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Queued {
    prepared: Prepared,
    answer: oneshot::Sender<Result<Commit, Error>>,
    /// Counts it for as long as it waits.
    waiting: Option<OneMore>,
}

struct Task {
    hosts: Hosts,
    skew: Option<Skew>,
    /// Whether the clocks were too far apart when they were last compared.
    skewed: bool,
    line: Option<Line>,
    metrics: StoreMetrics,
    ready: Ready,
    _running: watch::Sender<()>,
    /// When to try to connect again, after it failed.
    again: Option<Deadline>,
    pause: Duration,
}

impl Task {
    async fn run(mut self, mut changes: mpsc::Receiver<Queued>) {
        let mut group = Vec::new();
        loop {
            select! {
                biased;
                count = changes.recv_many(&mut group, LARGEST_GROUP) => match count {
                    0 => return,
                    _ => self.decide(mem::take(&mut group)).await,
                },
                () = self.keep_connected() => {}
            }
        }
    }

    /// Completes when the connection is lost, or is there again.
    async fn keep_connected(&mut self) {
        if let Some(line) = &mut self.line {
            select! {
                () = line.lost() => {}
                () = sleep(CHECK_EVERY) => return self.check().await,
            }
            tracing::warn!(hosts = %self.hosts, "the connection that commits is lost");
            self.line = None;
            self.ready.set_commits(false);
            return;
        }
        if let Some(again) = self.again {
            sleep_until(again.instant().into()).await;
        }
        if self.connect().await.is_ok() {
            self.ready.set_commits(!self.skewed);
        }
    }

    /// Checks that the server answers and that the clocks are together. Otherwise only a commit would tell, and there may
    /// be none.
    async fn check(&mut self) {
        let Some(line) = &self.line else { return };
        match line.time().await {
            Some(Ok(time)) => {
                let allowed = self.skew.as_ref().is_none_or(|skew| skew.allows(time));
                self.set_skewed(!allowed);
            }
            // Of a connection that is lost it is told where it is waited for.
            Some(Err(_)) => {}
            None => {
                self.line = None;
                self.ready.set_commits(false);
            }
        }
    }

    /// Says so when the clocks have come apart, or together again.
    fn set_skewed(&mut self, skewed: bool) {
        if mem::replace(&mut self.skewed, skewed) == skewed {
            return;
        }
        if skewed {
            tracing::error!(
                "the clock is too far from the database's; nothing is decided until it is right"
            );
        }
        self.ready.set_commits(!skewed);
    }

    /// Commits a group and answers everybody; one by one from where the group as a whole is refused.
    async fn decide(&mut self, mut group: Vec<Queued>) {
        let mut size = group.len();
        for queued in &mut group {
            queued.waiting = None;
        }
        while !group.is_empty() {
            size = size.min(group.len());
            match self.commit(&group[..size]).await {
                Ok(written) => {
                    self.committed(&group, &written);
                    for (queued, written) in group.drain(..written.len()).zip(written) {
                        // Whoever asked may be gone; what is written stays written.
                        let _ = queued.answer.send(written.into());
                    }
                }
                Err(Failure::Refused(error)) if size > 1 && !is_passing(&error) => size = 1,
                Err(failure) => {
                    self.ready.set_commits(false);
                    for queued in group.drain(..size) {
                        let _ = queued.answer.send(Err(failure.told()));
                    }
                }
            }
        }
    }

    /// Says that the store is ready if anything was written, and counts it.
    fn committed(&mut self, group: &[Queued], written: &[Written]) {
        let was_committed =
            |written: &Written| matches!(written, Written::Commit(Commit::Committed { .. }));
        if written.iter().any(was_committed) {
            self.ready.set_commits(true);
        }
        self.set_skewed(written.contains(&Written::Skewed));
        let changes = group
            .iter()
            .zip(written)
            .filter(|(_, written)| was_committed(written));
        for draft in changes.flat_map(|(queued, _)| &queued.prepared.events) {
            self.metrics.committed(&draft.event().fact);
        }
    }

    /// Commits the first changes of a group, again where nothing was written and it is worth another try.
    async fn commit(&mut self, group: &[Queued]) -> Result<Vec<Written>, Failure> {
        let changes = group.iter().map(|queued| &queued.prepared);
        let mut attempt = 1;
        loop {
            let watch = Stopwatch::start();
            let skew = self.skew.clone();
            let failure = match self
                .line()
                .await?
                .commit(changes.clone(), skew.as_ref())
                .await
            {
                Ok(written) => {
                    let writes = changes
                        .take(written.len())
                        .filter(|change| !change.is_empty())
                        .count();
                    if writes > 0 {
                        self.metrics.group(writes, watch);
                    }
                    return Ok(written);
                }
                Err(Failure::Unknown(outcome)) => match self.look_up(outcome).await? {
                    Some(written) => return Ok(written),
                    None => Failure::Lost(Error::unavailable("a commit did not go through")),
                },
                Err(failure) => failure,
            };
            match &failure {
                Failure::Refused(error) if !is_passing(error) => return Err(failure),
                Failure::Refused(_) => {}
                Failure::Lost(_) | Failure::Unknown(_) => self.line = None,
            }
            if attempt == MOST_ATTEMPTS {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Finds out what became of a commit, by its own events: what the callers are told when it went through, `None` when
    /// nothing was written. A look-up that fails says nothing of the commit, so it is made again; what stays unknown is
    /// never tried again.
    async fn look_up(&mut self, outcome: Outcome) -> Result<Option<Vec<Written>>, Failure> {
        tracing::warn!(hosts = %self.hosts, "the outcome of a commit is not known; looking it up");
        let patience = Deadline::after(PATIENCE);
        loop {
            self.line = None;
            if let Ok(line) = self.line().await
                && let Ok(found) = line.holds(outcome.head).await
            {
                return Ok(found.then_some(outcome.written));
            }
            if patience.passed() {
                return Err(Failure::Unknown(outcome));
            }
            sleep_until(
                self.again
                    .unwrap_or_else(|| Deadline::after(SHORTEST_PAUSE))
                    .instant()
                    .into(),
            )
            .await;
        }
    }

    /// The connection, made anew when there is none, but not too often.
    async fn line(&mut self) -> Result<&mut Line, Failure> {
        if self.line.as_ref().is_none_or(Line::is_lost) {
            self.line = None;
            if self.again.is_some_and(|again| !again.passed()) {
                return Err(Failure::Lost(Error::unavailable(
                    "the store could not be reached a moment ago",
                )));
            }
            self.connect().await.map_err(Failure::Lost)?;
        }
        self.line
            .as_mut()
            .ok_or_else(|| Failure::Lost(Error::unavailable("there is no connection")))
    }

    async fn connect(&mut self) -> Result<(), Error> {
        match opened(Line::open(&self.hosts)).await {
            Ok(line) => {
                self.line = Some(line);
                self.again = None;
                self.pause = SHORTEST_PAUSE;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(hosts = %self.hosts, cause = error.cause, "the store cannot be reached");
                self.again = Some(Deadline::after(self.pause));
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Err(error)
            }
        }
    }
}

impl From<Written> for Result<Commit, Error> {
    fn from(written: Written) -> Self {
        match written {
            Written::Commit(commit) => Ok(commit),
            Written::TooLate => Err(Error::deadline_exceeded()),
            Written::Skewed => Err(Error::clock_skewed()),
        }
    }
}

const LARGEST_GROUP: usize = 256;
const CHECK_EVERY: Duration = Duration::from_secs(2);
const LONGEST_QUEUE: usize = 4_096;
const MOST_ATTEMPTS: u32 = 3;
/// How long to try to reach the store in order to find out what became of a commit.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
