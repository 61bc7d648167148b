//! The scheduler: reads the elevations that are due from the store, ends or starts them, and waits for the next one.
//!
//! There is no timer per elevation, and no polling. Any number of nodes may do this at once. If one of them has done
//! the work, the others find it done, or their commit is refused.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::join;
use tokio::time::sleep;

use super::attempt::{ElevationChange, until_settled};
use super::shared::Service;
use crate::domain::caller::Principals;
use crate::domain::decide::{self, DueFacts};
use crate::domain::error::{Error, Kind};
use crate::domain::moment::Moment;
use crate::domain::status::Status;
use crate::store::{Alarm, ElevationRead, Key};
use crate::time::{Clock, Deadline};

impl Service {
    /// Records the starts and ends that are due, for ever.
    pub async fn keep_time(&self) {
        loop {
            match self.catch_up().await {
                Ok(()) => self.wait_for_next().await,
                Err(error) => {
                    // A wrong clock is logged where it is found.
                    if error.kind != Kind::ClockSkewed {
                        tracing::warn!(%error, cause = error.cause, "starts and ends that are due cannot be recorded; trying again");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn wait_for_next(&self) {
        loop {
            tokio::select! {
                () = self.time.reaches(self.wake.next()) => return,
                () = self.wake.moved() => {}
            }
        }
    }

    /// Records all starts and ends that are due by now, the earliest first.
    ///
    /// # Errors
    ///
    /// `Overloaded` if more became due in each of 16 rounds. `ClockSkewed` if the clock is not fit to decide by.
    pub async fn catch_up(&self) -> Result<(), Error> {
        until_settled(|| self.try_to_catch_up()).await
    }

    /// Does a round; `None` if more became due meanwhile.
    async fn try_to_catch_up(&self) -> Result<Option<()>, Error> {
        self.wake.reset();
        while self.advance_some().await? {}
        let due = self.store.due(self.time.now(), 1).await?;
        if !due.elevations.is_empty() {
            return Ok(None);
        }
        self.wake.bring_forward(due.next);
        Ok(Some(()))
    }

    /// Records the earliest due changes and deletes the spent alarms between them. Returns whether it did anything. A
    /// failed change does not block the others.
    async fn advance_some(&self) -> Result<bool, Error> {
        let now = self.time.deciding()?;
        let mut changes = Vec::new();
        let mut failed = None;
        let due = self.store.due(now, LARGEST_ROUND).await?;
        for read in due.elevations {
            match self.advance(read, now).await {
                Ok(change) => changes.extend(change),
                Err(error) => failed = Some(error),
            }
        }
        // `join_all` starts the commits in order, and nothing waits before the queue. So they are queued in order, and
        // written in groups.
        let commits = changes.into_iter().map(|change| self.commit(change, None));
        let (committed, swept) = join!(join_all(commits), self.sweep(due.spent));
        let mut written = match swept {
            Ok(swept) => swept,
            Err(error) => {
                failed = Some(error);
                false
            }
        };
        for committed in committed {
            match committed {
                Ok(committed) => written |= committed.is_some(),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !written => Err(error),
            _ => Ok(written),
        }
    }

    /// Deletes spent alarms, and returns whether there were any.
    async fn sweep(&self, spent: Vec<Alarm>) -> Result<bool, Error> {
        if spent.is_empty() {
            return Ok(false);
        }
        self.store.sweep(spent).await?;
        Ok(true)
    }

    /// Records the due change of one elevation, unless the elevation has changed since it was read.
    pub(super) async fn pass_time(
        &self,
        read: ElevationRead,
        now: Moment,
        deadline: Option<Deadline>,
    ) -> Result<(), Error> {
        if let Some(change) = self.advance(read, now).await? {
            self.commit(change, deadline).await?;
        }
        Ok(())
    }

    /// Returns the due change of one elevation; `None` if nothing is due. An end relies on nothing else. A start relies
    /// on the role and on the directory. A deleted role is never created again, so nothing is expected of it.
    async fn advance(
        &self,
        read: ElevationRead,
        now: Moment,
    ) -> Result<Option<ElevationChange>, Error> {
        let ElevationRead { elevation, role } = read;
        let role = role.filter(|_| elevation.value.status == Status::Scheduled);
        let requester = &elevation.value.requester;
        let (requester, deciders) = match role {
            Some(_) => (
                self.directory.principals(requester, now).await?,
                self.deciders(&elevation.value, now).await?,
            ),
            None => (Principals::new(requester, &[]), Vec::new()),
        };
        let facts = DueFacts {
            elevation: &elevation.value,
            role: role.as_deref(),
            requester: &requester,
            deciders: &deciders,
        };
        let Some(event) = decide::due(&facts, now) else {
            return Ok(None);
        };
        let mut change = ElevationChange {
            before: vec![elevation],
            events: vec![event],
            ..ElevationChange::default()
        };
        if let Some(role) = role {
            change
                .relied_on
                .push((Key::Role(role.value.id), role.version));
        }
        Ok(Some(change))
    }
}

/// The most elevations of one round.
const LARGEST_ROUND: u32 = 256;
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
