//! The wording of refusals.

use std::borrow::Cow;

use super::error::{Error, Kind};
use super::fault::{ReasonFault, ReasonRequirement};
use super::refusal::{Refusal, RefusalKind};
use super::status::{ApprovalStatus, Status};

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(
            Kind::Refused(RefusalKind::from(&refusal)),
            message(&refusal),
        );
        match refusal {
            Refusal::ApprovalNotPending(status) => Self {
                status: Some(status.name()),
                ..error
            },
            Refusal::ElevationEnded(status) => Self {
                status: Some(if status == Status::Rejected {
                    "REJECTED"
                } else {
                    "EXPIRED"
                }),
                ..error
            },
            Refusal::ReasonNotAccepted(_, requirement) => Self {
                details: details(*requirement),
                ..error
            },
            Refusal::StartTooLate => error.in_field("requested_start_time"),
            _ => error,
        }
    }
}

fn message(refusal: &Refusal) -> Cow<'static, str> {
    let message = match refusal {
        Refusal::AccessDenied => "You may not do this, or there is no such object.",
        Refusal::AlreadyDecided => "You have decided this approval the other way.",
        Refusal::ApprovalNotPending(status) => not_pending(*status),
        Refusal::ElevationEnded(Status::Rejected) => "The request has ended: it was rejected.",
        Refusal::ElevationEnded(_) => "The request has ended: it expired.",
        Refusal::OutsideWindow => {
            "The role cannot be held from that time of day; see its availability window."
        }
        Refusal::ReasonNotAccepted(fault, requirement) => {
            return not_accepted(*fault, requirement);
        }
        Refusal::RequestIdReused => {
            "This request id was given to another request within the last day."
        }
        Refusal::RequesterNotCandidate => {
            "The requester may no longer hold this role; the request can only be rejected."
        }
        Refusal::RoleChanged => "The role was changed since it was read. Read it again.",
        Refusal::RoleExists => "There is, or was, a role with this id.",
        Refusal::RoleInUse => {
            "Elevations of the role are pending, scheduled or active; they have to end first."
        }
        Refusal::StageNotOpen => "The approval waits for approvers of another stage.",
        Refusal::StartTooLate => "A start must be at most 3,660 days ahead.",
        Refusal::TooManyFilings(most) => {
            return format!("You have reached the limit of {most} requests per hour.").into();
        }
        Refusal::TooManyPending(most) => {
            return format!(
                "You have reached the limit of {most} requests that wait for approval."
            )
            .into();
        }
    };
    message.into()
}

fn not_pending(status: ApprovalStatus) -> &'static str {
    match status {
        ApprovalStatus::Approved => "The approval is no longer pending: it was approved.",
        ApprovalStatus::Closed => "The approval is no longer pending: the request was closed.",
        ApprovalStatus::Expired => "The approval is no longer pending: it expired.",
        ApprovalStatus::Pending => "The approval is pending.",
        ApprovalStatus::Rejected => "The approval is no longer pending: it was rejected.",
    }
}

fn not_accepted(fault: ReasonFault, requirement: &ReasonRequirement) -> Cow<'static, str> {
    let wrong = match fault {
        ReasonFault::Missing => "The role requires a reason",
        ReasonFault::TooShort(_) => "The reason is too short",
        ReasonFault::Unlike => "The reason does not match the pattern of the role",
    };
    match required(requirement) {
        Some(required) => format!("{wrong}; it must {required}.").into(),
        None => format!("{wrong}.").into(),
    }
}

fn details(requirement: ReasonRequirement) -> Vec<(&'static str, String)> {
    let ReasonRequirement {
        min_length,
        pattern,
    } = requirement;
    let mut details = vec![("minLength", min_length.to_string())];
    if let Some(pattern) = pattern {
        details.push(("pattern", pattern));
    }
    details
}

/// Returns the requirements for a reason in words. Legacy clients render messages as HTML, so the message does not
/// repeat a pattern with HTML characters.
fn required(requirement: &ReasonRequirement) -> Option<String> {
    let mut required = Vec::new();
    if requirement.min_length > 0 {
        let min_length = requirement.min_length;
        required.push(format!("have at least {min_length} visible characters"));
    }
    match &requirement.pattern {
        Some(pattern) if pattern.contains(['<', '>', '&']) => {
            required.push("match the pattern that the role has".to_owned());
        }
        Some(pattern) => required.push(format!("match the pattern {pattern}")),
        None => {}
    }
    if required.is_empty() {
        None
    } else {
        Some(required.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn everybody_is_told_what_to_do_next() {
        let table = [
            (
                Refusal::AccessDenied,
                RefusalKind::AccessDenied,
                None,
                "You may not do this, or there is no such object.",
            ),
            (
                Refusal::AlreadyDecided,
                RefusalKind::AlreadyDecided,
                None,
                "the other way",
            ),
            (
                pending(ApprovalStatus::Approved),
                RefusalKind::ApprovalNotPending,
                Some("APPROVED"),
                "it was approved.",
            ),
            (
                pending(ApprovalStatus::Closed),
                RefusalKind::ApprovalNotPending,
                Some("CLOSED"),
                "the request was closed.",
            ),
            (
                pending(ApprovalStatus::Expired),
                RefusalKind::ApprovalNotPending,
                Some("EXPIRED"),
                "it expired.",
            ),
            (
                pending(ApprovalStatus::Pending),
                RefusalKind::ApprovalNotPending,
                Some("PENDING"),
                "is pending.",
            ),
            (
                pending(ApprovalStatus::Rejected),
                RefusalKind::ApprovalNotPending,
                Some("REJECTED"),
                "it was rejected.",
            ),
            (
                ended(Status::Expired),
                RefusalKind::ElevationEnded,
                Some("EXPIRED"),
                "it expired.",
            ),
            (
                ended(Status::Rejected),
                RefusalKind::ElevationEnded,
                Some("REJECTED"),
                "it was rejected.",
            ),
            (
                Refusal::OutsideWindow,
                RefusalKind::OutsideWindow,
                None,
                "availability window",
            ),
            (
                Refusal::RequestIdReused,
                RefusalKind::RequestIdReused,
                None,
                "another request",
            ),
            (
                Refusal::RequesterNotCandidate,
                RefusalKind::RequesterNotCandidate,
                None,
                "only be rejected",
            ),
            (
                Refusal::RoleChanged,
                RefusalKind::RoleChanged,
                None,
                "Read it again.",
            ),
            (
                Refusal::RoleExists,
                RefusalKind::RoleExists,
                None,
                "There is, or was, a role",
            ),
            (
                Refusal::RoleInUse,
                RefusalKind::RoleInUse,
                None,
                "have to end first",
            ),
            (
                Refusal::StageNotOpen,
                RefusalKind::StageNotOpen,
                None,
                "another stage",
            ),
            (
                Refusal::StartTooLate,
                RefusalKind::StartTooLate,
                None,
                "at most 3,660 days ahead",
            ),
            (
                Refusal::TooManyFilings(5),
                RefusalKind::TooManyFilings,
                None,
                "limit of 5 requests per hour",
            ),
            (
                Refusal::TooManyPending(6),
                RefusalKind::TooManyPending,
                None,
                "limit of 6 requests that wait",
            ),
        ];
        for (refusal, kind, status, words) in table {
            let error = Error::from(refusal.clone());
            assert_eq!(
                (error.kind, error.status),
                (Kind::Refused(kind), status),
                "{refusal:?}"
            );
            assert!(error.message.contains(words), "{refusal:?}: {error}");
        }
        assert_eq!(
            Error::from(Refusal::StartTooLate).field.as_deref(),
            Some("requested_start_time")
        );
    }

    #[test]
    fn a_refused_reason_says_what_the_role_requires() {
        use ReasonFault::{Missing, TooShort, Unlike};
        let table = [
            (Missing, 0, "", "The role requires a reason."),
            (
                TooShort(9),
                9,
                "",
                "The reason is too short; it must have at least 9 visible characters.",
            ),
            (
                Unlike,
                0,
                "INC",
                "The reason does not match the pattern of the role; it must match the pattern INC.",
            ),
            (
                Missing,
                9,
                "^INC[0-9]",
                "The role requires a reason; it must have at least 9 visible characters and match the pattern ^INC[0-9].",
            ),
            (
                Missing,
                0,
                "^(?<id>a)",
                "The role requires a reason; it must match the pattern that the role has.",
            ),
        ];
        for (fault, min_length, pattern, message) in table {
            let requirement = ReasonRequirement {
                min_length,
                pattern: Some(pattern.to_owned()).filter(|pattern| !pattern.is_empty()),
            };
            let error = Error::from(Refusal::ReasonNotAccepted(fault, Box::new(requirement)));
            assert_eq!(
                (error.kind, &*error.message),
                (Kind::Refused(RefusalKind::ReasonNotAccepted), message)
            );
            let pattern = (!pattern.is_empty()).then(|| ("pattern", pattern.to_owned()));
            let details: Vec<_> = [("minLength", min_length.to_string())]
                .into_iter()
                .chain(pattern)
                .collect();
            assert_eq!(error.details, details);
        }
    }

    fn pending(status: ApprovalStatus) -> Refusal {
        Refusal::ApprovalNotPending(status)
    }

    fn ended(status: Status) -> Refusal {
        Refusal::ElevationEnded(status)
    }
}
