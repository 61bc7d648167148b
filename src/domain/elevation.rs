//! Elevations: one request to hold a role, and its whole duration.

use super::account::Account;
use super::approval::{Approval, Decision, Verdict};
use super::error::Error;
use super::event::{
    Activated, Actor, Channel, ClientRequest, Decided, Event, Fact, Filed, Subject,
};
use super::id::{ElevationId, RoleId};
use super::moment::{Moment, Seconds};
use super::status::{ApprovalStatus, Expiry, Status};

/// One request to hold a role, and its outcome: the fold of its events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Elevation {
    /// The id, which never changes.
    pub id: ElevationId,
    /// The requester.
    pub requester: Account,
    /// The requested role.
    pub role: RoleId,
    /// The role's display name when the elevation was filed.
    pub role_display_name: String,
    /// The justification, if there is one.
    pub justification: Option<String>,
    /// The requested duration.
    pub requested_duration: Seconds,
    /// How long the role is held from activation: the requested duration, or the role's maximum if that is shorter. The
    /// maximum is that of the role at filing and at activation.
    pub duration: Seconds,
    /// The requested start.
    pub requested_start_time: Moment,
    /// The time of filing.
    pub create_time: Moment,
    /// The channel of filing.
    pub channel: Channel,
    /// The time of the activation event; `None` until then.
    pub activate_time: Option<Moment>,
    /// The time of its end: activation plus duration, or the moment it was closed; `None` until activation.
    pub expire_time: Option<Moment>,
    /// The status after the last event; [`Elevation::status_at`] adds the effect of time since then.
    pub status: Status,
    /// The approval that it waits for, or waited for; `None` if the role needed none.
    pub approval: Option<Approval>,
    /// The client's own id of the request, if it gave one.
    pub client_request: Option<ClientRequest>,
}

impl Elevation {
    /// Returns the state after `event`. `before` is the state until then, `None` before the first event. Refuses a fact
    /// that cannot follow, with the names of both. That is a defect or a forged record, never the fault of a caller.
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

    /// Returns the state after `fact`. One match; every pair that is not listed is refused.
    fn next(self, event: &Event, fact: &Fact) -> Result<Self, Error> {
        match (self.status, fact) {
            (Status::PendingApproval, Fact::Approved(decided)) => {
                self.decided(Verdict::Approve, event, decided)
            }
            (Status::PendingApproval, Fact::Rejected(decided)) => {
                let decided = self.decided(Verdict::Reject, event, decided)?;
                Ok(decided.outcome(Verdict::Reject, Status::Rejected))
            }
            (Status::PendingApproval, Fact::Activated(activated)) => {
                let approved = self.outcome(Verdict::Approve, Status::Scheduled);
                Ok(approved.activated(event.time, activated))
            }
            (Status::PendingApproval, Fact::Scheduled) => {
                Ok(self.outcome(Verdict::Approve, Status::Scheduled))
            }
            (Status::Scheduled, Fact::Activated(activated)) => {
                Ok(self.activated(event.time, activated))
            }
            (Status::Scheduled, Fact::Lapsed(_)) => Ok(Self {
                status: Status::Rejected,
                ..self
            }),
            (Status::Active | Status::PendingApproval, Fact::Expired) => Ok(Self {
                status: Status::Expired,
                ..self
            }),
            (Status::Active | Status::PendingApproval | Status::Scheduled, Fact::Closed) => {
                Ok(self.given_up(event.time))
            }
            (status, fact) => Err(illegal(status.name(), fact)),
        }
    }

    /// Returns when time alone will start or end the elevation; `None` if it has ended.
    pub fn due(&self) -> Option<Moment> {
        match self.status {
            Status::Active => self.expire_time,
            Status::Closed | Status::Expired | Status::Rejected => None,
            Status::PendingApproval => self.pending_expire_time(),
            Status::Scheduled => Some(self.requested_start_time),
        }
    }

    /// Returns the status at `now`.
    pub fn status_at(&self, now: Moment) -> Status {
        let expires = match self.status.expiry() {
            Some(Expiry::ExpireTime) => self.expire_time,
            Some(Expiry::PendingExpireTime) => self.pending_expire_time(),
            None => None,
        };
        match expires {
            Some(expires) if expires <= now => Status::Expired,
            _ => self.status,
        }
    }

    /// Returns the status of the approval at `now`; `None` if there is no approval.
    pub fn approval_status_at(&self, now: Moment) -> Option<ApprovalStatus> {
        Some(match self.approval.as_ref()?.outcome {
            Some(Verdict::Approve) => ApprovalStatus::Approved,
            Some(Verdict::Reject) => ApprovalStatus::Rejected,
            None => match self.status_at(now) {
                Status::PendingApproval => ApprovalStatus::Pending,
                Status::Closed => ApprovalStatus::Closed,
                _ => ApprovalStatus::Expired,
            },
        })
    }

    fn pending_expire_time(&self) -> Option<Moment> {
        Some(self.approval.as_ref()?.pending_expire_time)
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
            status: if approval.is_some() {
                Status::PendingApproval
            } else {
                Status::Scheduled
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

    fn outcome(mut self, outcome: Verdict, status: Status) -> Self {
        if let Some(approval) = &mut self.approval {
            approval.outcome = Some(outcome);
        }
        Self { status, ..self }
    }

    /// Ends an active elevation now, or at its scheduled end if that is earlier. An elevation that was never active has
    /// no end.
    fn given_up(self, time: Moment) -> Self {
        let expire_time = match (self.expire_time, self.activate_time) {
            (Some(end), Some(start)) => Some(time.min(end).max(start)),
            (end, _) => end,
        };
        Self {
            status: Status::Closed,
            expire_time,
            ..self
        }
    }

    fn activated(self, time: Moment, activated: &Activated) -> Self {
        Self {
            status: Status::Active,
            activate_time: Some(time),
            expire_time: Some(activated.expire_time),
            duration: Seconds::between(time, activated.expire_time),
            ..self
        }
    }
}

/// Returns the actor of an event that time alone cannot cause.
fn actor(event: &Event) -> Result<&Actor, Error> {
    event
        .by
        .as_ref()
        .ok_or_else(|| Error::internal(format!("the event {} has no actor", event.fact.name())))
}

fn illegal(before: &str, fact: &Fact) -> Error {
    Error::internal(format!("{} cannot follow {before}", fact.name()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::{Actor, Lapse, Opened, Origin};
    use crate::domain::id::ApprovalId;
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

    /// Returns one of each fact, in the order of the columns of [`every_state`].
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

    /// The status after each of [`facts`] follows a history, by its first letter; a dot is refused.
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
                            elevation.status.name().starts_with(expected),
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
            assert_eq!(elevation.status_at(at(seconds)), status, "{seconds}");
            assert_eq!(
                elevation.approval_status_at(at(seconds)),
                Some(approval),
                "{seconds}"
            );
        }
        assert_eq!(
            fold(&[filed(false)]).unwrap().approval_status_at(at(0)),
            None
        );
    }
}
