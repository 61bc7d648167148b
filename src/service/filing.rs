//! Filing an elevation, and giving a role up.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context as Waiting, Poll, Waker};

use uuid::Uuid;

use super::turns::{self, Line, Place, Turn};
use super::{Context, MOST_ATTEMPTS, Outcome, Service, Shown, contended};
use crate::domain::caller::Caller;
use crate::domain::decide::{Command, Facts, Filing, decide};
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::{ClientRequest, Event, Fact};
use crate::domain::explain::is_undecidable;
use crate::domain::id::{ApprovalId, ElevationId, RoleId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::quota::Load;
use crate::domain::refusal::Refusal;
use crate::domain::version::{Version, Versioned};
use crate::store::{Change, FilingKey, FilingRead, Key, Record};

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The role.
    pub role: RoleId,
    /// How long to hold it; `None` is as long as the role allows, zero gives it up.
    pub duration: Option<Seconds>,
    /// Why, where it is said.
    pub justification: Option<String>,
    /// The start; `None` is now.
    pub requested_start_time: Option<Moment>,
    /// The client's own name of this request, where it gives one.
    pub id: Option<Uuid>,
}

impl Request {
    fn client_request(&self) -> Option<ClientRequest> {
        let justification = self.justification.as_deref();
        self.id.map(|id| {
            ClientRequest::of(
                id,
                self.role,
                self.duration,
                justification,
                self.requested_start_time,
            )
        })
    }
}

/// What was filed.
#[derive(Clone, Debug)]
pub struct Filed {
    /// The elevation.
    pub shown: Shown,
    /// Whether it waits for approval and too few people are left to give it.
    pub undecidable: bool,
}

/// A commit that has been queued.
type Committing<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Versioned<Elevation>>, Error>> + Send + 'a>>;

/// What one attempt to file comes to.
enum Step<'a> {
    /// Nothing is to be written: it was filed before, or is refused.
    Nothing(Result<Vec<Event>, Refusal>),
    /// Other filings have to be durable first; then the guard has this version.
    Behind(Version),
    /// It was queued to be committed, at this place of its line if others may rely on it.
    Queued(Committing<'a>, Option<Place>),
}

impl Service {
    /// Files an elevation, or gives a role up. See the rpc CreateElevation.
    pub async fn create_elevation(
        &self,
        caller: &Caller,
        asked: Request,
        request: &Context,
    ) -> Result<Filed, Error> {
        let filing = Filing {
            elevation: ElevationId(self.ids.next()),
            approval: ApprovalId(self.ids.next()),
            client_request: asked.client_request(),
            duration: asked.duration,
            justification: asked.justification,
            requested_start_time: asked.requested_start_time,
        };
        let turn = self.turns.of(caller.account.id);
        for _ in 0..MOST_ATTEMPTS {
            if let Some(filed) = self
                .try_to_file(caller, asked.role, &filing, &turn, request)
                .await?
            {
                return Ok(filed);
            }
        }
        Err(contended())
    }

    /// Files once; `None` if the facts have to be loaded again.
    async fn try_to_file(
        &self,
        caller: &Caller,
        role: RoleId,
        filing: &Filing,
        turn: &Turn<'_>,
        request: &Context,
    ) -> Result<Option<Filed>, Error> {
        let now = self.time.deciding()?;
        let key = FilingKey {
            requester: caller.account.id,
            role,
            now,
            live: filing.duration == Some(Seconds::ZERO),
            load: self.policy.quota.is_set() && turn.line().most().is_none(),
            client_request: filing.client_request.map(|request| request.id),
        };
        let read = self.store.filing(key).await?;
        let (role, filed_before) = (read.role.clone(), read.filed_before.clone());
        // Looked up before the commit: once it is durable, no error may reach the caller.
        let people = self.people(role.as_ref(), 0, now).await?;
        let step = self.take_turn(caller, filing, &key, read, &mut turn.line(), request);
        let Some(step) = step else { return Ok(None) };
        let (committing, place) = match step {
            Step::Nothing(decided) => {
                let reported = filed_before
                    .as_ref()
                    .map(|it| (Key::Elevation(it.value.id), it.version));
                let confirmed = self.confirmed(decided, reported, request.deadline).await?;
                let (Some(_), Some(elevation)) = (confirmed, filed_before) else {
                    return Ok(None);
                };
                let undecidable = self
                    .is_undecidable(&elevation.value, role.as_ref(), now)
                    .await?;
                return Ok(Some(Filed {
                    shown: Shown { elevation, now },
                    undecidable,
                }));
            }
            Step::Behind(guard) => {
                self.wait_for(Key::Guard(key.requester), guard, request)
                    .await?;
                return Ok(None);
            }
            Step::Queued(committing, place) => (committing, place),
        };
        let committed = committing.await;
        match (place, &committed) {
            (Some(_), Ok(Some(_))) => turn.line().commit(filing.elevation),
            (Some(place), Ok(None) | Err(_)) => turn.line().forget(place),
            (None, _) => {}
        }
        let Some(elevation) = committed? else {
            return Ok(None);
        };
        let undecidable = is_undecidable(&elevation.value, role.as_ref(), &[], &people, now);
        Ok(Some(Filed {
            shown: Shown { elevation, now },
            undecidable,
        }))
    }

    /// Decides a filing after those of the same requester that are on their way, and queues it. Nothing waits here, so the
    /// commits are queued in the order of the turns. `None` if the facts have to be loaded again.
    fn take_turn<'a>(
        &'a self,
        caller: &Caller,
        filing: &Filing,
        key: &FilingKey,
        mut read: FilingRead,
        line: &mut Line,
        request: &'a Context,
    ) -> Option<Step<'a>> {
        let counted = self.policy.quota.is_set();
        let guarded = counted || key.client_request.is_some();
        let before = if guarded {
            line.unknown_at(read.guard)?
        } else {
            Vec::new()
        };
        let same_name = |other: &turns::Filing| {
            other.client_request.is_some() && other.client_request == key.client_request
        };
        if before.iter().any(same_name) {
            return Some(Step::Behind(line.guard()));
        }
        if key.load {
            read.load = with_filings(read.load, &before);
            line.set_most(Some(read.load));
        } else if counted {
            // Another node may have filed since it was known.
            read.load = line.most()?;
        }
        let facts = Facts {
            live: &read.live,
            load: read.load,
            filed_before: read.filed_before.as_ref().map(|before| &before.value),
            role: read.role.as_ref(),
            ..self.facts(caller, request)
        };
        let events = match decide(&facts, Command::File(filing.clone()), key.now) {
            // Less may be asked for by now.
            Err(Refusal::TooManyFilings(_) | Refusal::TooManyPending(_)) if !key.load => {
                line.set_most(None);
                return None;
            }
            // What is on its way may fail yet, and then it does not count.
            Err(Refusal::TooManyFilings(_) | Refusal::TooManyPending(_)) if !before.is_empty() => {
                return Some(Step::Behind(line.guard()));
            }
            Ok(events) if !events.is_empty() => events,
            nothing => return Some(Step::Nothing(nothing)),
        };
        let queued = turns::Filing {
            elevation: filing.elevation,
            pending: waits_for_approval(&events),
            client_request: key.client_request,
            committed: false,
        };
        let last = if guarded { line.uncommitted() } else { None };
        read.guard = if guarded { line.guard() } else { read.guard };
        let mut outcome = Outcome {
            events,
            ..relying_on(key, guarded, read)
        };
        // The version of the guard alone would hold if the one before failed and another node filed in its place.
        outcome
            .relied_on
            .extend(last.map(|last| (Key::Elevation(last), Version::ABSENT.next())));
        let mut committing: Committing<'a> = Box::pin(self.commit(outcome, request.deadline));
        if let Poll::Ready(committed) = committing
            .as_mut()
            .poll(&mut Waiting::from_waker(Waker::noop()))
        {
            committing = Box::pin(ready(committed));
        }
        let place = if guarded {
            Some(line.push(queued))
        } else {
            None
        };
        Some(Step::Queued(committing, place))
    }

    /// Waits until a record has this version and that is durable, or it is known that this does not come.
    async fn wait_for(&self, key: Key, version: Version, request: &Context) -> Result<(), Error> {
        let nothing = Change {
            expects: vec![(key, version)],
            puts: Vec::new(),
            events: Vec::new(),
            deadline: request.deadline,
        };
        self.store.commit(nothing).await.map(drop)
    }
}

/// What a requester asks for already, with the filings that are on their way.
fn with_filings(load: Load, filings: &[turns::Filing]) -> Load {
    let pending = filings.iter().filter(|filing| filing.pending).count();
    Load {
        pending: load.pending + pending as u64,
        filings: load.filings + filings.len() as u64,
    }
}

fn waits_for_approval(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(&event.fact, Fact::Filed(filed) if filed.approval.is_some()))
}

/// What a filing relies on: the role, what it gives up, and, if it is guarded, whatever else its requester files.
fn relying_on(key: &FilingKey, guarded: bool, read: FilingRead) -> Outcome {
    let role_version = read.role.map_or(Version::ABSENT, |role| role.version);
    let mut outcome = Outcome {
        before: read.live,
        relied_on: vec![(Key::Role(key.role), role_version)],
        ..Outcome::default()
    };
    if key.live {
        outcome
            .relied_on
            .push((Key::Live(key.role, Some(key.requester)), read.live_version));
    }
    if guarded {
        outcome
            .relied_on
            .push((Key::Guard(key.requester), read.guard));
        outcome.puts.push(Record::Guard(key.requester));
    }
    outcome
}
