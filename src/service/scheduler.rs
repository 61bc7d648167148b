//! The scheduler: reads the elevations that are due from the store, ends or starts them, and waits for the next one.
//!
//! There is no timer per elevation, and no polling. Any number of nodes may do this at once: what one of them has done, the
//! others find done, or their commit is refused.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{MOST_ATTEMPTS, Outcome, Service, contended};
use crate::domain::caller::Principals;
use crate::domain::decide::{Due, advance};
use crate::domain::elevation::{Elevation, State};
use crate::domain::error::{Error, Kind};
use crate::domain::moment::Moment;
use crate::store::{ElevationRead, Key};
use crate::time::{Clock, Deadline};

/// The next moment that the scheduler knows of.
pub(super) struct Wake {
    /// In ticks.
    next: AtomicI64,
    notify: Notify,
}

impl Wake {
    pub(super) fn new() -> Self {
        Self {
            next: AtomicI64::new(i64::MAX),
            notify: Notify::new(),
        }
    }

    /// Tells of what is committed: it may be due before anything that the scheduler knows of. The scheduler then waits for
    /// that, and asks nobody.
    pub(super) fn tell(&self, elevation: &Elevation) {
        if let Some(due) = elevation.due()
            && due.ticks() < self.next.fetch_min(due.ticks(), Ordering::SeqCst)
        {
            self.notify.notify_one();
        }
    }

    fn next(&self) -> Option<Moment> {
        Some(self.next.load(Ordering::SeqCst))
            .filter(|next| *next < i64::MAX)
            .map(Moment::from_ticks)
    }
}

impl Service {
    /// Does what time brings, for ever.
    pub async fn keep_time(&self) {
        loop {
            match self.catch_up().await {
                Ok(()) => self.wait_for_next().await,
                Err(error) => {
                    // A wrong clock has told of itself.
                    if error.kind != Kind::ClockSkewed {
                        tracing::warn!(%error, cause = error.cause, "what is due cannot be done; trying again");
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
                () = self.wake.notify.notified() => {}
            }
        }
    }

    /// Does everything that is due by now, in the order of its moments.
    pub async fn catch_up(&self) -> Result<(), Error> {
        for _ in 0..MOST_ATTEMPTS {
            // Whatever is committed from here on is either seen below, or told.
            self.wake.next.store(i64::MAX, Ordering::SeqCst);
            while self.advance_some().await? {}
            let due = self.store.due(self.time.now(), 1).await?;
            if due.elevations.is_empty() {
                let next = due.next.map_or(i64::MAX, Moment::ticks);
                self.wake.next.fetch_min(next, Ordering::SeqCst);
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Does the earliest of what is due; whether any of it went through. What cannot be done holds nothing else up.
    async fn advance_some(&self) -> Result<bool, Error> {
        let now = self.time.deciding()?;
        let mut outcomes = Vec::new();
        let mut failed = None;
        for read in self.store.due(now, LARGEST_ROUND).await?.elevations {
            match self.advance(read, now).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => failed = Some(error),
            }
        }
        // Queued in their order, since `join_all` begins them so and nothing waits before the queue; written in groups.
        let commits = outcomes
            .into_iter()
            .map(|outcome| self.commit(outcome, None));
        let mut written = false;
        for committed in join_all(commits).await {
            match committed {
                Ok(committed) => written |= committed.is_some(),
                Err(error) => failed = Some(error),
            }
        }
        failed.filter(|_| !written).map_or(Ok(written), Err)
    }

    /// Writes what time has done to one elevation, unless somebody else was faster.
    pub(super) async fn pass_time(
        &self,
        read: ElevationRead,
        now: Moment,
        deadline: Option<Deadline>,
    ) -> Result<(), Error> {
        let outcome = self.advance(read, now).await?;
        self.commit(outcome, deadline).await.map(drop)
    }

    /// What time has done to one elevation. An end relies on nothing else; a start, on the role and on the directory. That
    /// there is no role any more is for good, and nothing to expect.
    async fn advance(&self, read: ElevationRead, now: Moment) -> Result<Outcome, Error> {
        let ElevationRead { elevation, role } = read;
        let role = role.filter(|_| elevation.value.state == State::Scheduled);
        let (requester, deciders) = match role {
            Some(_) => (
                self.directory
                    .principals(&elevation.value.requester, now)
                    .await?,
                self.deciders(&elevation.value, now).await?,
            ),
            None => (Principals::new(&elevation.value.requester, &[]), Vec::new()),
        };
        let due = Due {
            elevation: &elevation.value,
            role: role.as_ref(),
            requester: &requester,
            deciders: &deciders,
        };
        let events = advance(&due, now);
        let relied_on = role
            .iter()
            .map(|role| (Key::Role(role.value.id), role.version))
            .collect();
        Ok(Outcome {
            before: vec![elevation],
            relied_on,
            events,
            ..Outcome::default()
        })
    }
}

const LARGEST_ROUND: u32 = 256;
/// After what could not be done.
const PAUSE: Duration = Duration::from_secs(1);
