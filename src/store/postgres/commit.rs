//! The commit of a group: one transaction, tried again on another connection while nothing was written.

use std::mem;
use std::time::Duration;

use tokio::select;
use tokio::time::{sleep, sleep_until};

use super::connect::{Connector, opened};
use super::error::is_passing;
use super::skew::Skew;
use super::transaction::{CommitConnection, CommitFailure, PossibleCommit};
use crate::domain::error::Error;
use crate::store::draft::ChangeDraft;
use crate::store::queue::{CommitGroup, Failure, Outcome};
use crate::time::Deadline;

/// Keeps the connection that commits.
pub(super) struct Writer {
    connector: Connector,
    skew: Option<Skew>,
    /// Whether the clocks were too far apart at the last comparison.
    skewed: bool,
    connection: Option<CommitConnection>,
    /// The earliest time for the next attempt to connect, after one failed.
    again: Option<Deadline>,
    pause: Duration,
}

impl Writer {
    /// Returns a writer without a connection.
    pub(super) fn new(connector: Connector, skew: Option<Skew>) -> Self {
        Self {
            connector,
            skew,
            skewed: false,
            connection: None,
            again: None,
            pause: SHORTEST_PAUSE,
        }
    }

    /// Checks that the server responds and that the clocks agree, and returns whether the store takes commits. Without
    /// this, only a commit would find out, and there may be none.
    async fn check(&mut self, is_ready: bool) -> bool {
        let Some(connection) = &self.connection else {
            return false;
        };
        match connection.time().await {
            Some(Ok(time)) => {
                let allowed = self.skew.as_ref().is_none_or(|skew| skew.allows(time));
                self.set_skewed(!allowed);
                allowed && (is_ready || self.probe().await)
            }
            // The loss of the connection is the next news.
            Some(Err(_)) => is_ready,
            None => {
                self.connection = None;
                false
            }
        }
    }

    /// Commits a transaction that changes nothing, and returns whether that succeeded.
    async fn probe(&mut self) -> bool {
        let Some(connection) = &self.connection else {
            return false;
        };
        match connection.probe().await {
            Ok(committed) => committed,
            Err(_) => {
                self.connection = None;
                false
            }
        }
    }

    fn set_skewed(&mut self, skewed: bool) {
        if !mem::replace(&mut self.skewed, skewed) && skewed {
            tracing::error!(
                "the clock is too far from the database's; nothing is decided until it is right"
            );
        }
    }

    /// Commits the first changes of a group. Tries again if nothing was written and the next attempt may succeed.
    async fn try_commit(&mut self, group: &[ChangeDraft]) -> Result<Vec<Outcome>, CommitFailure> {
        let mut attempt = 1;
        loop {
            let skew = self.skew.clone();
            let failure = match self.connection().await?.commit(group, skew.as_ref()).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(CommitFailure::Unknown(commit)) => match self.look_up(commit).await? {
                    Some(outcomes) => return Ok(outcomes),
                    None => CommitFailure::Lost(Error::unavailable("a commit did not go through")),
                },
                Err(failure) => failure,
            };
            match &failure {
                CommitFailure::Refused(error) if !is_passing(error) => return Err(failure),
                CommitFailure::Refused(_) => {}
                CommitFailure::Lost(_) | CommitFailure::Unknown(_) => self.connection = None,
            }
            if attempt == MOST_ATTEMPTS {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Searches for the events of a commit whose outcome is unknown. Returns its outcomes if it went through, `None` if
    /// nothing was written. A failed look-up says nothing about the commit, so it is retried. A commit whose outcome
    /// stays unknown is never retried.
    async fn look_up(
        &mut self,
        commit: PossibleCommit,
    ) -> Result<Option<Vec<Outcome>>, CommitFailure> {
        let Some(head) = commit.head else {
            self.connection = None;
            return Err(CommitFailure::Unknown(commit));
        };
        tracing::warn!(hosts = %self.connector, "the outcome of a commit is not known; looking it up");
        let patience = Deadline::after(PATIENCE);
        loop {
            self.connection = None;
            if let Ok(connection) = self.connection().await
                && let Ok(found) = connection.holds(head).await
            {
                return Ok(found.then_some(commit.outcomes));
            }
            if patience.passed() {
                return Err(CommitFailure::Unknown(commit));
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

    /// Returns the connection. Connects if there is none, but not too often.
    async fn connection(&mut self) -> Result<&mut CommitConnection, CommitFailure> {
        if self
            .connection
            .as_ref()
            .is_none_or(CommitConnection::is_lost)
        {
            self.connection = None;
            if self.again.is_some_and(|again| !again.passed()) {
                return Err(CommitFailure::Lost(Error::unavailable(
                    "the store could not be reached a moment ago",
                )));
            }
            self.connect().await.map_err(CommitFailure::Lost)?;
        }
        self.connection
            .as_mut()
            .ok_or_else(|| CommitFailure::Lost(Error::unavailable("there is no connection")))
    }

    async fn connect(&mut self) -> Result<(), Error> {
        match opened(CommitConnection::open(&self.connector)).await {
            Ok(connection) => {
                self.connection = Some(connection);
                self.again = None;
                self.pause = SHORTEST_PAUSE;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(hosts = %self.connector, cause = error.cause, "the store cannot be reached");
                self.again = Some(Deadline::after(self.pause));
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Err(error)
            }
        }
    }
}

impl CommitGroup for Writer {
    async fn commit(&mut self, group: &[ChangeDraft]) -> Result<Vec<Outcome>, Failure> {
        match self.try_commit(group).await {
            Ok(outcomes) => {
                self.set_skewed(outcomes.contains(&Outcome::Skewed));
                Ok(outcomes)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn news(&mut self, is_ready: bool) -> Result<bool, Failure> {
        if let Some(connection) = &mut self.connection {
            select! {
                () = connection.lost() => {}
                () = sleep(CHECK_EVERY) => return Ok(self.check(is_ready).await),
            }
            tracing::warn!(hosts = %self.connector, "the connection that commits is lost");
            self.connection = None;
            return Ok(false);
        }
        if let Some(again) = self.again {
            sleep_until(again.instant().into()).await;
        }
        Ok(self.connect().await.is_ok() && self.check(is_ready).await)
    }
}

const CHECK_EVERY: Duration = Duration::from_secs(2);
const MOST_ATTEMPTS: u32 = 3;
/// The maximum time to look up the outcome of a commit.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
