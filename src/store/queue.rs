//! The queue of changes: the one place where a change becomes durable, whatever the backend.
//!
//! Here the first three sentences of the law of a [`Store`](super::Store) are implemented:
//!
//! 1. *Acknowledged means durable.* A caller gets `Committed` only after [`CommitGroup::commit`] returned it, and a
//!    backend returns it only after the sync. If the outcome is unknown, the callers get `Unavailable`.
//! 2. *All or nothing.* A group is one transaction, and a change is always in one group. A change is given to the
//!    backend a second time only after [`Failure::Refused`], which says that nothing was written.
//! 3. *A change happens only if every expectation is met.* One thread commits one group after the other, in the order
//!    of arrival. The backend compares versions inside the transaction, which no other writer can enter.

use std::mem;

use tokio::runtime::Runtime;
use tokio::select;
use tokio::sync::{mpsc, oneshot};

use super::draft::ChangeDraft;
use super::ready::Ready;
use super::thread::StoreThread;
use super::{Alarm, Change, Commit};
use crate::domain::error::{Error, Kind};
use crate::telemetry::metrics::{GaugeGuard, StoreMetrics, Timer};
use crate::time::Stopwatch;

/// A backend's part of a grouped commit.
pub(super) trait CommitGroup {
    /// Commits the first changes of `group` in one transaction. Returns their outcomes in order, at least one. Changes
    /// without an outcome come again in the next group.
    async fn commit(&mut self, group: &[ChangeDraft]) -> Result<Vec<Outcome>, Failure>;

    /// Waits until there is news about whether the store takes commits, and returns whether it does. `is_ready` is the
    /// last news. If it is `false`, the backend tries a transaction that changes nothing. This future is dropped when a
    /// change arrives.
    async fn news(&mut self, is_ready: bool) -> Result<bool, Failure>;

    /// Prepares for the end of the thread, after the last group.
    fn close(&mut self) {}
}

/// The outcome of one change in a group that was committed or had nothing to commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The change was decided.
    Commit(Commit),
    /// The clock of this node is too far from the database's.
    Skewed,
    /// The deadline of the change passed while it waited.
    TooLate,
}

impl Outcome {
    /// Returns whether the change is durable.
    pub(super) fn is_committed(self) -> bool {
        matches!(self, Self::Commit(Commit::Committed { .. }))
    }
}

impl From<Outcome> for Result<Commit, Error> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Commit(commit) => Ok(commit),
            Outcome::Skewed => Err(Error::clock_skewed()),
            Outcome::TooLate => Err(Error::deadline_exceeded()),
        }
    }
}

/// The reason why a group has no outcomes. The texts are causes for the log.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database refused a statement, and nothing was written. A smaller group may succeed.
    Refused(String),
    /// A smaller group would fail too, or the outcome is unknown.
    Unavailable(String),
    /// The store must not be written to again. The backend has logged the cause.
    Fatal,
}

/// The changes that wait for the thread that commits. Dropping this waits until every change in it is decided and the
/// thread has ended, so that the store can be opened again.
#[derive(Debug)]
pub(super) struct CommitQueue {
    // Dropped before the thread, which ends when it has no sender.
    sender: mpsc::Sender<Entry>,
    metrics: StoreMetrics,
    _thread: StoreThread,
}

impl CommitQueue {
    /// Starts the thread, with a runtime of its own, so that a commit never waits for other tasks of the process.
    pub(super) fn start(
        name: &str,
        runtime: Runtime,
        backend: impl CommitGroup + Send + 'static,
        ready: Ready,
        metrics: StoreMetrics,
    ) -> Result<Self, Error> {
        let (sender, entries) = mpsc::channel(MAX_QUEUE);
        let committer = Committer {
            backend,
            ready,
            metrics: metrics.clone(),
        };
        let thread = StoreThread::start(name, move || runtime.block_on(committer.run(entries)))?;
        Ok(Self {
            sender,
            metrics,
            _thread: thread,
        })
    }

    /// Queues the change and waits until it is durable or refused. See [`Store::commit`](super::Store::commit) for
    /// errors.
    pub(super) async fn commit(&self, change: Change) -> Result<Commit, Error> {
        let _measured = (!change.is_empty()).then(|| Timer::start(&self.metrics.commit_duration));
        self.put(ChangeDraft::try_from(change)?).await
    }

    /// Queues the deletion of spent alarms and waits until it is durable. See [`Store::sweep`](super::Store::sweep).
    pub(super) async fn sweep(&self, alarms: Vec<Alarm>) -> Result<(), Error> {
        self.put(alarms.into()).await?;
        Ok(())
    }

    async fn put(&self, change: ChangeDraft) -> Result<Commit, Error> {
        let (answer, answered) = oneshot::channel();
        let waiting = GaugeGuard::new(&self.metrics.queue);
        let entry = Entry {
            change,
            answer,
            waiting,
        };
        self.sender.try_send(entry).map_err(|error| match error {
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

    /// Completes when the thread has ended, although the store is still open.
    pub(super) async fn stopped(&self) {
        self.sender.closed().await;
    }
}

/// A change in the queue.
#[derive(Debug)]
struct Entry {
    change: ChangeDraft,
    answer: Answer,
    /// Counts the change while it waits.
    waiting: GaugeGuard,
}

type Answer = oneshot::Sender<Result<Commit, Error>>;

/// The thread that commits.
struct Committer<B> {
    backend: B,
    ready: Ready,
    metrics: StoreMetrics,
}

impl<B: CommitGroup> Committer<B> {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        let mut group = Vec::new();
        loop {
            let is_ready = self.ready.commits();
            let step = select! {
                biased;
                count = entries.recv_many(&mut group, MAX_GROUP) => match count {
                    0 => break self.backend.close(),
                    _ => self.decide(mem::take(&mut group)).await,
                },
                news = self.backend.news(is_ready) => news.map(|is_ready| self.ready.set_commits(is_ready)),
            };
            if step.is_err() {
                // The callers that still wait learn that the outcome is unknown.
                return self.ready.set_commits(false);
            }
        }
    }

    /// Commits a group and sends its callers the outcomes. If the group is refused as a whole, its changes are
    /// committed one by one. An error means that the store has failed for good.
    async fn decide(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        let (changes, answers) = begin(entries);
        let (mut changes, mut answers) = (&changes[..], answers.into_iter());
        let mut size = changes.len();
        while !changes.is_empty() {
            let group = &changes[..size.min(changes.len())];
            let watch = Stopwatch::start();
            let decided = match self.backend.commit(group).await {
                Ok(outcomes) => {
                    self.report(group, &outcomes, watch);
                    let decided = outcomes.len();
                    for (outcome, answer) in outcomes.into_iter().zip(&mut answers) {
                        // The caller may have left, but the change is durable.
                        let _ = answer.send(outcome.into());
                    }
                    decided
                }
                Err(Failure::Refused(_)) if group.len() > 1 => {
                    size = 1;
                    continue;
                }
                Err(Failure::Refused(cause) | Failure::Unavailable(cause)) => {
                    self.ready.set_commits(false);
                    for answer in answers.by_ref().take(group.len()) {
                        let _ = answer.send(Err(Error::unavailable(cause.clone())));
                    }
                    group.len()
                }
                Err(Failure::Fatal) => return Err(Failure::Fatal),
            };
            changes = &changes[decided..];
        }
        Ok(())
    }

    /// Sets the readiness, and counts the durable changes.
    fn report(&self, group: &[ChangeDraft], outcomes: &[Outcome], watch: Stopwatch) {
        let mut written = 0;
        for (change, outcome) in group.iter().zip(outcomes) {
            if outcome.is_committed() && !change.is_empty() {
                written += 1;
                for draft in &change.events {
                    self.metrics.committed(&draft.event().fact);
                }
            }
        }
        if outcomes.contains(&Outcome::Skewed) {
            self.ready.set_commits(false);
        } else if written > 0 {
            self.ready.set_commits(true);
            self.metrics.group(written, watch);
        }
    }
}

/// Takes a group out of the queue: none of its changes counts as waiting.
fn begin(entries: Vec<Entry>) -> (Vec<ChangeDraft>, Vec<Answer>) {
    let mut changes = Vec::with_capacity(entries.len());
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        drop(entry.waiting);
        changes.push(entry.change);
        answers.push(entry.answer);
    }
    (changes, answers)
}

/// The maximum number of changes in one transaction.
const MAX_GROUP: usize = 256;
/// The maximum number of waiting changes. A caller that finds the queue full gets `Overloaded`.
const MAX_QUEUE: usize = 4_096;
