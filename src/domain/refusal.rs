//! Why something may not happen: the expected outcomes that are no events.

use std::borrow::Cow;

use super::elevation::{ApprovalStatus, Status};
use super::error::{Error, Kind};
use super::reason::{Pattern, ReasonFault, ReasonRule};

/// Why something may not happen: an expected outcome, to be told to the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The caller may not do this, or the thing is not there; which of the two is not told.
    AccessDenied,
    /// The caller has decided the other way before.
    AlreadyDecided,
    /// The approval is decided or expired.
    ApprovalNotPending(ApprovalStatus),
    /// The elevation was rejected or has expired.
    ElevationEnded(Status),
    /// The start is outside the role's availability window.
    OutsideWindow,
    /// The reason does not follow that rule of the role.
    ReasonNotAccepted(ReasonFault, Box<ReasonRule>),
    /// The requester is not a candidate of the role any more.
    RequesterNotCandidate,
    /// The client has given this name to another request.
    RequestIdReused,
    /// Somebody else changed the role.
    RoleChanged,
    /// The id of the role is taken.
    RoleExists,
    /// Elevations of the role are pending, scheduled or active.
    RoleInUse,
    /// The approval waits for approvers of another stage.
    StageNotOpen,
    /// The start is too far ahead.
    StartTooLate,
    /// The caller has filed as many elevations within an hour as one may.
    TooManyFilings(u32),
    /// As many of the caller's elevations wait for approval as may.
    TooManyPending(u32),
}

impl Refusal {
    /// Returns whether the refusal reports a record that is there: a decision, a filing or a role. The record must be
    /// durable before the caller learns of it.
    pub const fn reports_a_record(&self) -> bool {
        match self {
            Self::AlreadyDecided
            | Self::ApprovalNotPending(_)
            | Self::ElevationEnded(_)
            | Self::RequestIdReused
            | Self::RoleChanged
            | Self::RoleExists => true,
            Self::AccessDenied
            | Self::OutsideWindow
            | Self::ReasonNotAccepted(..)
            | Self::RequesterNotCandidate
            | Self::RoleInUse
            | Self::StageNotOpen
            | Self::StartTooLate
            | Self::TooManyFilings(_)
            | Self::TooManyPending(_) => false,
        }
    }
}

impl ApprovalStatus {
    /// The status in one word, as callers are told it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Closed => "CLOSED",
            Self::Expired => "EXPIRED",
            Self::Pending => "PENDING",
            Self::Rejected => "REJECTED",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (kind, message) = match refusal {
            Refusal::ApprovalNotPending(status) => return not_pending(status),
            Refusal::ElevationEnded(status) => return ended(status),
            Refusal::ReasonNotAccepted(fault, rule) => return not_accepted(fault, &rule),
            Refusal::StartTooLate => {
                return Self::invalid("A start is at most 3,660 days ahead.")
                    .in_field("requested_start_time");
            }
            Refusal::TooManyFilings(most) => return too_many_filings(most),
            Refusal::TooManyPending(most) => return too_many_pending(most),
            Refusal::AccessDenied => (
                Kind::AccessDenied,
                "You may not do this, or there is no such object.",
            ),
            Refusal::AlreadyDecided => (
                Kind::AlreadyDecided,
                "You have decided this approval the other way.",
            ),
            Refusal::OutsideWindow => (
                Kind::OutsideWindow,
                "The role cannot be held from that time of day; see its availability window.",
            ),
            Refusal::RequesterNotCandidate => (
                Kind::RequesterNotCandidate,
                "The requester may not hold this role any more; the request can only be rejected.",
            ),
            Refusal::RequestIdReused => (
                Kind::RequestIdReused,
                "This request id was given to another request within the last day.",
            ),
            Refusal::RoleChanged => (
                Kind::RoleChanged,
                "The role was changed since it was read. Read it again.",
            ),
            Refusal::RoleExists => (Kind::RoleExists, "There is, or was, a role with this id."),
            Refusal::RoleInUse => (
                Kind::RoleInUse,
                "Elevations of the role are pending, scheduled or active; they have to end first.",
            ),
            Refusal::StageNotOpen => (
                Kind::StageNotOpen,
                "The approval waits for approvers of another stage.",
            ),
        };
        Self::new(kind, message)
    }
}

fn not_pending(status: ApprovalStatus) -> Error {
    let message = match status {
        ApprovalStatus::Approved => "The approval is no longer pending: it was approved.",
        ApprovalStatus::Closed => "The approval is no longer pending: the request was closed.",
        ApprovalStatus::Expired => "The approval is no longer pending: it expired.",
        ApprovalStatus::Pending => "The approval is pending.",
        ApprovalStatus::Rejected => "The approval is no longer pending: it was rejected.",
    };
    Error {
        status: Some(status.name()),
        ..Error::new(Kind::ApprovalNotPending, message)
    }
}

fn ended(status: Status) -> Error {
    let (name, message) = match status {
        Status::Rejected => ("REJECTED", "The request has ended: it was rejected."),
        _ => ("EXPIRED", "The request has ended: it expired."),
    };
    Error {
        status: Some(name),
        ..Error::new(Kind::ElevationEnded, message)
    }
}

fn not_accepted(fault: ReasonFault, rule: &ReasonRule) -> Error {
    let wrong = match fault {
        ReasonFault::Missing => "The role requires a reason",
        ReasonFault::TooShort(_) => "The reason is too short",
        ReasonFault::Unlike => "The reason does not match the pattern of the role",
    };
    let message = match required(rule) {
        Some(required) => format!("{wrong}; it must {required}.").into(),
        None => Cow::from(format!("{wrong}.")),
    };
    let mut details = vec![("minLength", rule.min_length.to_string())];
    details.extend(
        rule.pattern
            .iter()
            .map(|pattern| ("pattern", pattern.as_str().to_owned())),
    );
    Error {
        details,
        ..Error::new(Kind::ReasonNotAccepted, message)
    }
}

/// What a rule requires of a reason that is there. Legacy clients render messages as HTML, so a pattern with its characters
/// is not repeated in the message.
fn required(rule: &ReasonRule) -> Option<String> {
    let length = (rule.min_length > 0)
        .then(|| format!("have at least {} visible characters", rule.min_length));
    let pattern = rule.pattern.as_ref().map(Pattern::as_str).map(|pattern| {
        if pattern.contains(['<', '>', '&']) {
            "match the pattern that the role has".to_owned()
        } else {
            format!("match the pattern {pattern}")
        }
    });
    match (length, pattern) {
        (Some(length), Some(pattern)) => Some(format!("{length} and {pattern}")),
        (length, pattern) => length.or(pattern),
    }
}

fn too_many_filings(most: u32) -> Error {
    let message =
        format!("You have filed {most} requests within an hour, and one may not file more.");
    Error::new(Kind::TooManyFilings, message)
}

fn too_many_pending(most: u32) -> Error {
    let message =
        format!("{most} of your requests wait for approval, and no more may wait at once.");
    Error::new(Kind::TooManyPending, message)
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
                Kind::AccessDenied,
                None,
                "You may not do this, or there is no such object.",
            ),
            (
                Refusal::AlreadyDecided,
                Kind::AlreadyDecided,
                None,
                "the other way",
            ),
            (
                pending(ApprovalStatus::Approved),
                Kind::ApprovalNotPending,
                Some("APPROVED"),
                "it was approved.",
            ),
            (
                pending(ApprovalStatus::Closed),
                Kind::ApprovalNotPending,
                Some("CLOSED"),
                "the request was closed.",
            ),
            (
                pending(ApprovalStatus::Expired),
                Kind::ApprovalNotPending,
                Some("EXPIRED"),
                "it expired.",
            ),
            (
                pending(ApprovalStatus::Pending),
                Kind::ApprovalNotPending,
                Some("PENDING"),
                "is pending.",
            ),
            (
                pending(ApprovalStatus::Rejected),
                Kind::ApprovalNotPending,
                Some("REJECTED"),
                "it was rejected.",
            ),
            (
                ended(Status::Expired),
                Kind::ElevationEnded,
                Some("EXPIRED"),
                "it expired.",
            ),
            (
                ended(Status::Rejected),
                Kind::ElevationEnded,
                Some("REJECTED"),
                "it was rejected.",
            ),
            (
                Refusal::OutsideWindow,
                Kind::OutsideWindow,
                None,
                "availability window",
            ),
            (
                Refusal::RequestIdReused,
                Kind::RequestIdReused,
                None,
                "another request",
            ),
            (
                Refusal::RequesterNotCandidate,
                Kind::RequesterNotCandidate,
                None,
                "only be rejected",
            ),
            (
                Refusal::RoleChanged,
                Kind::RoleChanged,
                None,
                "Read it again.",
            ),
            (
                Refusal::RoleExists,
                Kind::RoleExists,
                None,
                "There is, or was, a role",
            ),
            (
                Refusal::RoleInUse,
                Kind::RoleInUse,
                None,
                "have to end first",
            ),
            (
                Refusal::StageNotOpen,
                Kind::StageNotOpen,
                None,
                "another stage",
            ),
            (
                Refusal::StartTooLate,
                Kind::InvalidArgument,
                None,
                "at most 3,660 days ahead",
            ),
            (
                Refusal::TooManyFilings(5),
                Kind::TooManyFilings,
                None,
                "5 requests within an hour",
            ),
            (
                Refusal::TooManyPending(6),
                Kind::TooManyPending,
                None,
                "6 of your requests wait",
            ),
        ];
        for (refusal, kind, status, words) in table {
            let error = Error::from(refusal.clone());
            assert_eq!((error.kind, error.status), (kind, status), "{refusal:?}");
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
            let rule = ReasonRule {
                required: true,
                min_length,
                pattern: Pattern::read(pattern).unwrap(),
            };
            let error = Error::from(Refusal::ReasonNotAccepted(fault, Box::new(rule)));
            assert_eq!(
                (error.kind, &*error.message),
                (Kind::ReasonNotAccepted, message)
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
