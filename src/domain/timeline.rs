//! The history of an elevation, in plain words.

use jiff::SignedDuration;

use super::event::{Event, Fact, Filed, Lapse};
use super::moment::Seconds;

/// Describes an event in one sentence. Never names a candidate or approver that the role names, since the reader may
/// not be allowed to see the role.
pub fn words(event: &Event) -> String {
    let name: &str = match &event.by {
        Some(by) => &by.account.name,
        None => "An unknown account",
    };
    match &event.fact {
        Fact::Activated(activated) => format!("It became active, until {}.", activated.expire_time),
        Fact::Approved(decided) => format!("{name} approved it in stage {}.", decided.stage + 1),
        Fact::Closed => format!("{name} closed it."),
        Fact::Expired => "Its time had passed, so it expired.".to_owned(),
        Fact::Filed(filed) if filed.requested_duration == Seconds::ZERO => {
            format!("{name} gave {} up.", filed.role_display_name)
        }
        Fact::Filed(filed) => format!("{name} asked to hold {}.", asked(filed)),
        Fact::Lapsed(Lapse::Approvals) => {
            "It did not start: too few of the people who approved are still approvers.".to_owned()
        }
        Fact::Lapsed(Lapse::Candidacy) => {
            "It did not start: the requester may no longer hold the role.".to_owned()
        }
        Fact::Lapsed(Lapse::Role) => "It did not start: the role no longer exists.".to_owned(),
        Fact::Rejected(decided) => format!("{name} rejected it in stage {}.", decided.stage + 1),
        Fact::RoleCreated(_) => format!("{name} created the role."),
        Fact::RoleDeleted => format!("{name} deleted the role."),
        Fact::RoleUpdated(_) => format!("{name} changed the role."),
        Fact::Scheduled => "It waits for its start.".to_owned(),
    }
}

fn asked(filed: &Filed) -> String {
    let duration = SignedDuration::from_secs(filed.requested_duration.seconds());
    let how = match (&filed.approval, &filed.approved_as) {
        (Some(approval), _) => format!(
            "approvers may decide until {}",
            approval.pending_expire_time
        ),
        (None, Some(owner)) => format!("approved as {}, an owner of the role", owner.name()),
        (None, None) => "no approval is required".to_owned(),
    };
    format!(
        "{} for {duration:#} from {}; {how}",
        filed.role_display_name, filed.requested_start_time
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::{Account, Group, Principal};
    use crate::domain::event::{Activated, Actor, Channel, Decided, Opened, Origin, Subject};
    use crate::domain::id::{ApprovalId, ElevationId, RoleId};
    use crate::domain::moment::Moment;
    use crate::domain::role::{Role, Rules};

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn every_event_is_a_sentence() {
        let ops = Principal::Group(Group::named("SQL Owners").unwrap());
        let sam = Principal::Account(Account::named("PRIV\\sam").unwrap());
        let table = [
            (
                filed(600, None, None),
                None,
                "sam asked to hold SQL for 10m from 1970-01-01T00:01:00Z; no approval is required.",
            ),
            (
                filed(90, Some(opened()), None),
                None,
                "sam asked to hold SQL for 1m 30s from 1970-01-01T00:01:00Z; approvers may decide until 1970-01-01T01:00:00Z.",
            ),
            (
                filed(60, None, Some(ops.clone())),
                None,
                "sam asked to hold SQL for 1m from 1970-01-01T00:01:00Z; approved as SQL Owners, an owner of the role.",
            ),
            (
                filed(60, None, Some(sam.clone())),
                None,
                "sam asked to hold SQL for 1m from 1970-01-01T00:01:00Z; approved as PRIV\\sam, an owner of the role.",
            ),
            (filed(0, None, None), None, "sam gave SQL up."),
            (
                Fact::Approved(decided()),
                Some(ops.clone()),
                "sam approved it in stage 2.",
            ),
            (
                Fact::Approved(decided()),
                Some(sam),
                "sam approved it in stage 2.",
            ),
            (
                Fact::Rejected(decided()),
                Some(ops),
                "sam rejected it in stage 2.",
            ),
            (
                Fact::Rejected(decided()),
                None,
                "sam rejected it in stage 2.",
            ),
            (Fact::Closed, None, "sam closed it."),
            (
                Fact::RoleCreated(Box::new(role())),
                None,
                "sam created the role.",
            ),
            (
                Fact::RoleUpdated(Box::new(role())),
                None,
                "sam changed the role.",
            ),
            (Fact::RoleDeleted, None, "sam deleted the role."),
        ];
        for (fact, via, sentence) in table {
            assert_eq!(
                words(&event(Some(by(via)), fact)),
                format!("PRIV\\{sentence}")
            );
        }
    }

    #[test]
    fn what_time_does_is_a_sentence_too() {
        let activated = Activated {
            expire_time: at(60),
            role_revision: 1,
            requester_via: None,
        };
        let table = [
            (
                Fact::Activated(activated),
                "It became active, until 1970-01-01T00:01:00Z.",
            ),
            (Fact::Expired, "Its time had passed, so it expired."),
            (Fact::Scheduled, "It waits for its start."),
            (
                Fact::Lapsed(Lapse::Approvals),
                "It did not start: too few of the people who approved are still approvers.",
            ),
            (
                Fact::Lapsed(Lapse::Candidacy),
                "It did not start: the requester may no longer hold the role.",
            ),
            (
                Fact::Lapsed(Lapse::Role),
                "It did not start: the role no longer exists.",
            ),
            (Fact::Closed, "An unknown account closed it."),
        ];
        for (fact, sentence) in table {
            assert_eq!(words(&event(None, fact)), sentence);
        }
    }

    fn event(by: Option<Actor>, fact: Fact) -> Event {
        Event {
            time: at(0),
            subject: Subject::Elevation(ElevationId(Uuid::nil())),
            by,
            fact,
        }
    }

    fn by(via: Option<Principal>) -> Actor {
        let origin = Origin {
            channel: Channel::Grpc,
            request_id: "1".into(),
        };
        Actor {
            account: Account::named("PRIV\\sam").unwrap(),
            via,
            credential: "bearer:1".into(),
            origin,
        }
    }

    fn filed(seconds: i64, approval: Option<Opened>, approved_as: Option<Principal>) -> Fact {
        let duration = Seconds::new(seconds).unwrap();
        Fact::Filed(Box::new(Filed {
            role: RoleId(Uuid::nil()),
            role_revision: 1,
            role_display_name: "SQL".into(),
            justification: None,
            requested_duration: duration,
            duration,
            requested_start_time: at(60),
            approval,
            approved_as,
            client_request: None,
        }))
    }

    fn opened() -> Opened {
        Opened {
            id: ApprovalId(Uuid::nil()),
            pending_expire_time: at(3_600),
        }
    }

    fn decided() -> Decided {
        Decided {
            reason: None,
            role_revision: 1,
            requester_via: None,
            stage: 1,
            open_stage: 1,
        }
    }

    fn role() -> Role {
        Role {
            id: RoleId(Uuid::nil()),
            display_name: "SQL".into(),
            description: String::new(),
            max_duration: Seconds::HOUR,
            candidates: Vec::new(),
            stages: Vec::new(),
            rules: Rules::default(),
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_ticks(seconds * Moment::TICKS_PER_SECOND)
    }
}
