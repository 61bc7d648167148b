//! A store that writes in another way than it should, for tests that must go red, or that stop a commit halfway.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign::domain::census::Census;
use countersign::domain::effect::Effect;
use countersign::domain::elevation::Elevation;
use countersign::domain::error::Error;
use countersign::domain::id::{AccountId, ElevationId, PrincipalId, RoleId};
use countersign::domain::moment::Moment;
use countersign::domain::query::{ElevationField, Page, Query, RoleField};
use countersign::domain::role::Role;
use countersign::domain::version::{Version, Versioned};
use countersign::record::Envelope;
use countersign::store::{
    Alarm, Approver, Change, Commit, DueRead, ElevationKey, ElevationRead, FilingKey, FilingRead,
    Key, RoleUse, Store,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::kit::Around;

/// Writes a change in another way.
type Writing =
    dyn Fn(Arc<dyn Store>, Change) -> BoxFuture<'static, Result<Commit, Error>> + Send + Sync;

/// Counts in another way.
type Counting =
    dyn Fn(Arc<dyn Store>, Moment) -> BoxFuture<'static, Result<Census, Error>> + Send + Sync;

/// A store with other functions instead of its `commit` and its `census`.
struct Instead {
    store: Arc<dyn Store>,
    commit: Box<Writing>,
    census: Box<Counting>,
}

impl Instead {
    /// A store that writes in another way.
    fn of_commit(store: Arc<dyn Store>, commit: Box<Writing>) -> Arc<dyn Store> {
        let census: Box<Counting> =
            Box::new(|store, now| Box::pin(async move { store.census(now).await }));
        Arc::new(Self {
            store,
            commit,
            census,
        })
    }

    /// A store that counts in another way.
    fn of_census(store: Arc<dyn Store>, census: Box<Counting>) -> Arc<dyn Store> {
        let commit: Box<Writing> =
            Box::new(|store, change| Box::pin(async move { store.commit(change).await }));
        Arc::new(Self {
            store,
            commit,
            census,
        })
    }
}

/// How a store counts while `counts` says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counts {
    /// As it should.
    Well,
    /// With an error.
    Badly,
    /// Never.
    Never,
}

/// A store that counts as `counts` says, and how often it was asked to.
pub fn that_counts(counts: watch::Receiver<Counts>, asked: Arc<AtomicUsize>) -> Around {
    Box::new(move |store| {
        let census = move |store: Arc<dyn Store>, now| -> BoxFuture<'static, _> {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut counts = counts.clone();
            Box::pin(async move {
                let counts = *counts
                    .wait_for(|counts| *counts != Counts::Never)
                    .await
                    .unwrap();
                match counts {
                    Counts::Badly => Err(Error::unavailable("no counts today")),
                    _ => store.census(now).await,
                }
            })
        };
        Instead::of_census(store, Box::new(census))
    })
}

/// A store that does not look at the versions of elevations: a change that relied on an earlier one is written as if it
/// had relied on the present one.
pub fn without_the_version_check() -> Around {
    Box::new(|store| {
        Instead::of_commit(
            store,
            Box::new(|store, change| Box::pin(forced(store, change))),
        )
    })
}

async fn forced(store: Arc<dyn Store>, mut change: Change) -> Result<Commit, Error> {
    loop {
        for (key, version) in &mut change.expects {
            if let Key::Elevation(id) = key {
                let present = store.elevation(ElevationKey::Elevation(*id)).await?;
                *version = present.map_or(Version::ABSENT, |present| present.elevation.version);
            }
        }
        if let written @ Commit::Committed { .. } = store.commit(change.clone()).await? {
            return Ok(written);
        }
    }
}

/// Holds commits back.
#[derive(Default)]
pub struct Gate {
    /// How many are still to be held.
    to_hold: watch::Sender<usize>,
    opened: watch::Sender<bool>,
}

impl Gate {
    /// A store whose commits pass this gate.
    pub fn before(self: &Arc<Self>) -> Around {
        let gate = self.clone();
        Box::new(move |store| {
            let commit = move |store: Arc<dyn Store>, change| -> BoxFuture<'static, _> {
                let gate = gate.clone();
                Box::pin(async move {
                    gate.pass().await;
                    store.commit(change).await
                })
            };
            Instead::of_commit(store, Box::new(commit))
        })
    }

    /// Holds the next `count` commits.
    pub fn hold(&self, count: usize) {
        self.to_hold.send_replace(count);
    }

    /// Waits until all but `left` of them are held.
    pub async fn holds_all_but(&self, left: usize) {
        self.to_hold
            .subscribe()
            .wait_for(|to_hold| *to_hold == left)
            .await
            .unwrap();
    }

    /// Lets go of those that are held.
    pub fn open(&self) {
        self.opened.send_replace(true);
    }

    async fn pass(&self) {
        let held = self.to_hold.send_if_modified(|to_hold| {
            let held = *to_hold > 0;
            *to_hold -= usize::from(held);
            held
        });
        if held {
            self.opened
                .subscribe()
                .wait_for(|opened| *opened)
                .await
                .unwrap();
        }
    }
}

#[async_trait]
impl Store for Instead {
    async fn commit(&self, change: Change) -> Result<Commit, Error> {
        (self.commit)(self.store.clone(), change).await
    }

    async fn census(&self, now: Moment) -> Result<Census, Error> {
        (self.census)(self.store.clone(), now).await
    }

    async fn elevation(&self, key: ElevationKey) -> Result<Option<ElevationRead>, Error> {
        self.store.elevation(key).await
    }

    async fn role(&self, id: RoleId) -> Result<Option<Versioned<Role>>, Error> {
        self.store.role(id).await
    }

    async fn filing(&self, key: FilingKey) -> Result<FilingRead, Error> {
        self.store.filing(key).await
    }

    async fn role_use(&self, id: RoleId, now: Moment) -> Result<RoleUse, Error> {
        self.store.role_use(id, now).await
    }

    async fn pending_approvals(
        &self,
        approver: Approver,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.store.pending_approvals(approver, query, now).await
    }

    async fn elevations(
        &self,
        requester: AccountId,
        query: Query<ElevationField>,
        now: Moment,
    ) -> Result<Page<Versioned<Elevation>>, Error> {
        self.store.elevations(requester, query, now).await
    }

    async fn roles(
        &self,
        candidates: Option<Vec<PrincipalId>>,
        query: Query<RoleField>,
        now: Moment,
    ) -> Result<Page<Versioned<Role>>, Error> {
        self.store.roles(candidates, query, now).await
    }

    async fn due(&self, now: Moment, limit: u32) -> Result<DueRead, Error> {
        self.store.due(now, limit).await
    }

    async fn sweep(&self, alarms: Vec<Alarm>) -> Result<(), Error> {
        self.store.sweep(alarms).await
    }

    async fn effects_due(&self, now: Moment, limit: u32) -> Result<Vec<Versioned<Effect>>, Error> {
        self.store.effects_due(now, limit).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Envelope>, Error> {
        self.store.events(after, limit).await
    }

    async fn events_of(&self, id: ElevationId) -> Result<Vec<Envelope>, Error> {
        self.store.events_of(id).await
    }

    async fn last_event(&self) -> Result<Option<Envelope>, Error> {
        self.store.last_event().await
    }

    fn ready(&self) -> watch::Receiver<bool> {
        self.store.ready()
    }

    async fn failed(&self) {
        self.store.failed().await;
    }
}
