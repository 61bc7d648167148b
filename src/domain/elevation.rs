//! Elevations: one request to hold a role, and its whole duration.

use super::account::Account;
use super::error::Error;
use super::event::{
    Activated, Actor, Channel, ClientRequest, Decided, Event, Fact, Filed, Subject,
};
use super::id::{ApprovalId, ElevationId, RoleId};
use super::moment::{Moment, Seconds};

/// One request to hold a role, and what became of it: the fold of its events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Elevation {
    /// Names the elevation for ever.
    pub id: ElevationId,
    /// Who asked.
    pub requester: Account,
    /// The role that was asked for.
    pub role: RoleId,
    /// The role's display name when the elevation was filed.
    pub role_display_name: String,
    /// Why, where it was said.
    pub justification: Option<String>,
    /// How long the requester asked to hold the role.
    pub requested_duration: Seconds,
    /// How long the role is held from activation: what was asked, or the role's longest when that is shorter, as the role
    /// was at filing and at activation.
    pub duration: Seconds,
    /// The start that was asked for.
    pub requested_start_time: Moment,
    /// When it was filed.
    pub create_time: Moment,
    /// The way by which it was filed.
    pub channel: Channel,
    /// When it became active: the time of that event; `None` until then.
    pub activate_time: Option<Moment>,
    /// When it ends, or ended: activation plus duration, or the moment it was closed; `None` until activation.
    pub expire_time: Option<Moment>,
    /// Where it stood after its last event; [`Elevation::status`] adds what time has done since.
    pub state: State,
    /// The approval that it waits for, or waited for; `None` when the role needed none.
    pub approval: Option<Approval>,
    /// The client's own name of the request, where it gave one.
    pub client_request: Option<ClientRequest>,
}

/// What approvers decide.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// Names the approval for ever.
    pub id: ApprovalId,
    /// When it expires unless it is decided before.
    pub pending_expire_time: Moment,
    /// How it was decided as a whole; `None` while it is open, and for ever when it expired.
    pub outcome: Option<Verdict>,
    /// The stage that was open after the last decision, from 0.
    pub stage: usize,
    /// The decisions so far, oldest first, at most one of each approver.
    pub decisions: Vec<Decision>,
}

/// One approver's decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// Who decided.
    pub approver: Account,
    /// The stage that it counts for, from 0.
    pub stage: usize,
    /// Which way.
    pub verdict: Verdict,
    /// Why, where a reason was given.
    pub reason: Option<String>,
    /// When.
    pub decide_time: Moment,
}

/// Which way a decision goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// For the elevation.
    Approve,
    /// Against it.
    Reject,
}

/// Where an elevation stood after its last event. What time does to it since is not stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Activated; its duration counts down.
    Active,
    /// Given up by its requester.
    Closed,
    /// Its deadline has passed, and that was written down.
    Expired,
    /// Waits for approval.
    PendingApproval,
    /// Rejected, or not allowed any more when it was to start.
    Rejected,
    /// Nothing is missing but the start. Where the start is now, the activation follows in the same commit.
    Scheduled,
}

/// Where an elevation stands at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// The role is held.
    Active,
    /// Given up by its requester.
    Closed,
    /// Its duration has passed, or nobody decided in time.
    Expired,
    /// Waits for approval.
    PendingApproval,
    /// Rejected, or not allowed any more when it was to start.
    Rejected,
    /// Waits for its start.
    Scheduled,
}

/// Where an approval stands at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApprovalStatus {
    /// Approved by as many as were needed.
    Approved,
    /// The requester gave up before it was decided.
    Closed,
    /// Nobody decided in time.
    Expired,
    /// Waits for decisions.
    Pending,
    /// Rejected.
    Rejected,
}

/// A stored time that ends a state by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deadline {
    /// [`Elevation::expire_time`].
    ExpireTime,
    /// [`Approval::pending_expire_time`].
    PendingExpireTime,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Closed,
        Self::Expired,
        Self::PendingApproval,
        Self::Rejected,
        Self::Scheduled,
    ];
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Closed,
        Self::Expired,
        Self::PendingApproval,
        Self::Rejected,
        Self::Scheduled,
    ];

    /// The state in one word, which is also what the store holds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Closed => "Closed",
            Self::Expired => "Expired",
            Self::PendingApproval => "PendingApproval",
            Self::Rejected => "Rejected",
            Self::Scheduled => "Scheduled",
        }
    }

    /// How a state reads: its status, and the deadline at which that turns into [`Status::Expired`].
    ///
    /// This is the one rule of expiry. [`Elevation::status`] follows it for one elevation, a store's predicate for many.
    pub const fn reads(self) -> (Status, Option<Deadline>) {
        match self {
            Self::Active => (Status::Active, Some(Deadline::ExpireTime)),
            Self::Closed => (Status::Closed, None),
            Self::Expired => (Status::Expired, None),
            Self::PendingApproval => (Status::PendingApproval, Some(Deadline::PendingExpireTime)),
            Self::Rejected => (Status::Rejected, None),
            Self::Scheduled => (Status::Scheduled, None),
        }
    }
}

impl Elevation {
    /// What is true after `event`. `before` is what was true, `None` before the first event. A fact that cannot follow
    /// is refused with the names of both; that is a defect or a forged record, never something a caller did.
    pub fn apply(before: Option<Self>, event: &Event) -> Result<Self, Error> {
        let Subject::Elevation(id) = event.subject else {
            return Err(Error::internal(
                "an event of another subject was applied to an elevation",
            ));
        };
        match (before, &event.fact) {
            (None, Fact::Filed(filed)) => Self::filed(id, event, filed),
            (Some(elevation), fact) if elevation.id == id => elevation.next(event, fact),
            (Some(_), fact) => Err(illegal("another elevation", fact)),
            (None, fact) => Err(illegal("nothing", fact)),
        }
    }

    /// One match; every pair that is not listed is refused.
    fn next(self, event: &Event, fact: &Fact) -> Result<Self, Error> {
        match (self.state, fact) {
            (State::PendingApproval, Fact::Approved(decided)) => {
                self.decided(Verdict::Approve, event, decided)
            }
            (State::PendingApproval, Fact::Rejected(decided)) => {
                let decided = self.decided(Verdict::Reject, event, decided)?;
                Ok(decided.outcome(Verdict::Reject, State::Rejected))
            }
            (State::PendingApproval, Fact::Activated(activated)) => {
                let approved = self.outcome(Verdict::Approve, State::Scheduled);
                Ok(approved.activated(event.time, activated))
            }
            (State::PendingApproval, Fact::Scheduled) => {
                Ok(self.outcome(Verdict::Approve, State::Scheduled))
            }
            (State::Scheduled, Fact::Activated(activated)) => {
                Ok(self.activated(event.time, activated))
            }
            (State::Scheduled, Fact::Lapsed(_)) => Ok(Self {
                state: State::Rejected,
                ..self
            }),
            (State::Active | State::PendingApproval, Fact::Expired) => Ok(Self {
                state: State::Expired,
                ..self
            }),
            (State::Active | State::PendingApproval | State::Scheduled, Fact::Closed) => {
                Ok(self.given_up(event.time))
            }
            (state, fact) => Err(illegal(state.name(), fact)),
        }
    }

    /// When time alone will do something to the elevation: start it or end it. `None` when it has ended.
    pub fn due(&self) -> Option<Moment> {
        match self.state {
            State::Active => self.expire_time,
            State::Closed | State::Expired | State::Rejected => None,
            State::PendingApproval => self
                .approval
                .as_ref()
                .map(|approval| approval.pending_expire_time),
            State::Scheduled => Some(self.requested_start_time),
        }
    }

    /// Where the elevation stands at `now`.
    pub fn status(&self, now: Moment) -> Status {
        let (status, deadline) = self.state.reads();
        let deadline = deadline.and_then(|deadline| match deadline {
            Deadline::ExpireTime => self.expire_time,
            Deadline::PendingExpireTime => self
                .approval
                .as_ref()
                .map(|approval| approval.pending_expire_time),
        });
        if deadline.is_some_and(|deadline| deadline <= now) {
            Status::Expired
        } else {
            status
        }
    }

    /// Where the approval stands at `now`; `None` when there is none.
    pub fn approval_status(&self, now: Moment) -> Option<ApprovalStatus> {
        Some(match self.approval.as_ref()?.outcome {
            Some(Verdict::Approve) => ApprovalStatus::Approved,
            Some(Verdict::Reject) => ApprovalStatus::Rejected,
            None => match self.status(now) {
                Status::PendingApproval => ApprovalStatus::Pending,
                Status::Closed => ApprovalStatus::Closed,
                _ => ApprovalStatus::Expired,
            },
        })
    }

    fn filed(id: ElevationId, event: &Event, filed: &Filed) -> Result<Self, Error> {
        let by = actor(event)?;
        let approval = filed.approval.map(|opened| Approval {
            id: opened.id,
            pending_expire_time: opened.pending_expire_time,
            outcome: None,
            stage: 0,
            decisions: Vec::new(),
        });
        Ok(Self {
            id,
            requester: by.account.clone(),
            role: filed.role,
            role_display_name: filed.role_display_name.clone(),
            justification: filed.justification.clone(),
            requested_duration: filed.requested_duration,
            duration: filed.duration,
            requested_start_time: filed.requested_start_time,
            create_time: event.time,
            channel: by.origin.channel,
            activate_time: None,
            expire_time: None,
            state: if approval.is_some() {
                State::PendingApproval
            } else {
                State::Scheduled
            },
            approval,
            client_request: filed.client_request,
        })
    }

    fn decided(
        mut self,
        verdict: Verdict,
        event: &Event,
        decided: &Decided,
    ) -> Result<Self, Error> {
        if let Some(approval) = &mut self.approval {
            approval.stage = decided.open_stage;
            approval.decisions.push(Decision {
                approver: actor(event)?.account.clone(),
                stage: decided.stage,
                verdict,
                reason: decided.reason.clone(),
                decide_time: event.time,
            });
        }
        Ok(self)
    }

    fn outcome(mut self, outcome: Verdict, state: State) -> Self {
        if let Some(approval) = &mut self.approval {
            approval.outcome = Some(outcome);
        }
        Self { state, ..self }
    }

    /// What was active ends now, and no later than it would have; what never was has no end.
    fn given_up(self, time: Moment) -> Self {
        let ends = |end: Moment| time.min(end).max(self.activate_time.unwrap_or(end));
        Self {
            state: State::Closed,
            expire_time: self.expire_time.map(ends),
            ..self
        }
    }

    fn activated(self, time: Moment, activated: &Activated) -> Self {
        Self {
            state: State::Active,
            activate_time: Some(time),
            expire_time: Some(activated.expire_time),
            duration: Seconds::between(time, activated.expire_time),
            ..self
        }
    }
}

/// Who made an event happen that time alone cannot.
fn actor(event: &Event) -> Result<&Actor, Error> {
    event
        .by
        .as_ref()
        .ok_or_else(|| Error::internal(format!("nobody made {} happen", event.fact.name())))
}

fn illegal(before: &str, fact: &Fact) -> Error {
    Error::internal(format!("{} cannot follow {before}", fact.name()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::{Actor, Lapse, Opened, Origin};
    use crate::domain::role::{Role, Rules};

    const ID: ElevationId = ElevationId(Uuid::from_u128(1));

    fn event(seconds: i64, fact: Fact) -> Event {
        Event {
            time: at(seconds),
            subject: Subject::Elevation(ID),
            by: Some(by()),
            fact,
        }
    }

    fn by() -> Actor {
        let origin = Origin {
            channel: Channel::Grpc,
            request_id: "1".into(),
        };
        let account = Account::named("PRIV\\jen").unwrap();
        Actor {
            account,
            via: None,
            credential: "bearer:1".into(),
            origin,
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_ticks(seconds * Moment::TICKS_PER_SECOND)
    }

    fn filed(approval: bool) -> Fact {
        Fact::Filed(Box::new(Filed {
            role: RoleId(Uuid::from_u128(2)),
            role_revision: 1,
            role_display_name: "SQL".into(),
            justification: None,
            requested_duration: Seconds::new(60).unwrap(),
            duration: Seconds::new(60).unwrap(),
            requested_start_time: at(0),
            approval: approval.then(|| Opened {
                id: ApprovalId(Uuid::from_u128(3)),
                pending_expire_time: at(100),
            }),
            approved_as: None,
            client_request: None,
        }))
    }

    fn role() -> Role {
        Role {
            id: RoleId(Uuid::from_u128(2)),
            display_name: "SQL".into(),
            description: String::new(),
            max_duration: Seconds::HOUR,
            candidates: Vec::new(),
            stages: Vec::new(),
            rules: Rules::default(),
        }
    }

    fn decided() -> Decided {
        Decided {
            reason: None,
            role_revision: 1,
            requester_via: None,
            stage: 0,
            open_stage: 0,
        }
    }

    /// One of each, in the order of the columns of [`every_state`].
    fn facts() -> [Fact; 12] {
        let activated = Activated {
            expire_time: at(70),
            role_revision: 1,
            requester_via: None,
        };
        [
            filed(true),
            filed(false),
            Fact::Approved(decided()),
            Fact::Rejected(decided()),
            Fact::Scheduled,
            Fact::Activated(activated),
            Fact::Lapsed(Lapse::Candidacy),
            Fact::Closed,
            Fact::Expired,
            Fact::RoleCreated(Box::new(role())),
            Fact::RoleUpdated(Box::new(role())),
            Fact::RoleDeleted,
        ]
    }

    fn fold(facts: &[Fact]) -> Result<Elevation, Error> {
        let mut elevation = None;
        for (seconds, fact) in (0..).zip(facts) {
            elevation = Some(Elevation::apply(elevation, &event(seconds, fact.clone()))?);
        }
        elevation.ok_or_else(|| Error::internal("no facts"))
    }

    /// What follows from each of [`facts`] after a history, by its first letter; a dot is refused.
    struct Row {
        before: &'static str,
        history: Vec<Fact>,
        after: &'static str,
    }

    fn every_state() -> [Row; 9] {
        let [
            pending,
            scheduled,
            _,
            rejected,
            waits,
            activated,
            lapsed,
            closed,
            expired,
            ..,
        ] = facts();
        let row = |before, history, after| Row {
            before,
            history,
            after,
        };
        #[rustfmt::skip]
        let rows = [
            //                                                                          asks, files, approved, rejected,
            //                                   scheduled, activated, lapsed, closed, expired, of the role (three)
            row("nothing",         vec![],                                              "PS.........."),
            row("PendingApproval", vec![pending.clone()],                               "..PRSA.CE..."),
            row("Scheduled",       vec![scheduled.clone()],                             ".....ARC...."),
            row("Scheduled",       vec![pending.clone(), waits],                        ".....ARC...."),
            row("Active",          vec![scheduled.clone(), activated],                  ".......CE..."),
            row("Closed",          vec![pending.clone(), closed],                       "............"),
            row("Rejected",        vec![pending.clone(), rejected],                     "............"),
            row("Rejected",        vec![scheduled, lapsed],                             "............"),
            row("Expired",         vec![pending, expired],                              "............"),
        ];
        rows
    }

    #[test]
    fn every_state_meets_every_fact() {
        for Row {
            before,
            history,
            after,
        } in every_state()
        {
            for (fact, expected) in facts().into_iter().zip(after.chars()) {
                let applied = Elevation::apply(fold(&history).ok(), &event(9, fact.clone()));
                match (applied, expected) {
                    (Ok(elevation), expected) => {
                        assert!(
                            elevation.state.name().starts_with(expected),
                            "{before} + {}",
                            fact.name()
                        );
                    }
                    (Err(error), '.') => {
                        let cause = error.cause.expect("a cause for the log").to_string();
                        assert_eq!(cause, format!("{} cannot follow {before}", fact.name()));
                    }
                    (applied, _) => panic!("{before} + {}: {applied:?}", fact.name()),
                }
            }
        }
    }

    #[test]
    fn a_fact_of_another_subject_is_refused() {
        let stranger = ElevationId(Uuid::from_u128(9));
        let event = Event {
            time: at(1),
            subject: Subject::Elevation(stranger),
            ..event(1, facts()[2].clone())
        };
        assert!(Elevation::apply(Some(fold(&[filed(true)]).unwrap()), &event).is_err());
    }

    #[test]
    fn time_alone_expires() {
        let [pending, _, approved, rejected, _, activated, _, closed, ..] = facts();
        let table = [
            (
                vec![pending.clone()],
                99,
                Status::PendingApproval,
                ApprovalStatus::Pending,
            ),
            (
                vec![pending.clone()],
                100,
                Status::Expired,
                ApprovalStatus::Expired,
            ),
            (
                vec![pending.clone(), approved.clone(), activated.clone()],
                69,
                Status::Active,
                ApprovalStatus::Approved,
            ),
            (
                vec![pending.clone(), approved.clone(), activated.clone()],
                70,
                Status::Expired,
                ApprovalStatus::Approved,
            ),
            (
                vec![pending.clone(), closed.clone()],
                100,
                Status::Closed,
                ApprovalStatus::Closed,
            ),
            (
                vec![pending.clone(), approved, activated, closed],
                100,
                Status::Closed,
                ApprovalStatus::Approved,
            ),
            (
                vec![pending, rejected],
                100,
                Status::Rejected,
                ApprovalStatus::Rejected,
            ),
        ];
        for (history, seconds, status, approval) in table {
            let elevation = fold(&history).unwrap();
            assert_eq!(elevation.status(at(seconds)), status, "{seconds}");
            assert_eq!(
                elevation.approval_status(at(seconds)),
                Some(approval),
                "{seconds}"
            );
        }
        assert_eq!(fold(&[filed(false)]).unwrap().approval_status(at(0)), None);
    }
}
