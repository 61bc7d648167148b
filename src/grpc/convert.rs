//! Conversions between messages and domain types. The conversion from a message validates it.

mod explanation;
mod fields;
mod mask;
mod role;

use prost_types::{Duration, Timestamp};

use crate::domain::account::{self, Group};
use crate::domain::approval::{self, Verdict};
use crate::domain::caller::Caller;
use crate::domain::elevation::Elevation;
use crate::domain::error::Error;
use crate::domain::event::Channel;
use crate::domain::moment::{Moment, Seconds};
use crate::domain::status::{ApprovalStatus, Status};
use crate::domain::text;
use crate::domain::version::Versioned;
use crate::proto::pam::v1;
use crate::service::ElevationView;
use fields::counted;
pub(super) use fields::{in_field, remark, uuid};
pub(super) use mask::RoleMask;
pub(super) use role::{merged_role, role, role_version};

/// Returns the approval of an elevation at `now`. The elevation must have an approval.
pub(super) fn approval(elevation: Elevation, now: Moment) -> Result<v1::Approval, Error> {
    let status = elevation.approval_status_at(now);
    let (Some(approval), Some(status)) = (elevation.approval, status) else {
        return Err(Error::internal(
            "an elevation without approval was listed as one",
        ));
    };
    Ok(v1::Approval {
        id: approval.id.to_string(),
        elevation_id: elevation.id.to_string(),
        role_id: elevation.role.to_string(),
        role_display_name: text::shown(&elevation.role_display_name),
        requester: Some(elevation.requester.into()),
        justification: elevation.justification,
        requested_duration: Some(elevation.requested_duration.into()),
        requested_start_time: Some(elevation.requested_start_time.into()),
        create_time: Some(elevation.create_time.into()),
        pending_expire_time: Some(approval.pending_expire_time.into()),
        status: v1::ApprovalStatus::from(status).into(),
        decisions: approval
            .decisions
            .into_iter()
            .map(v1::Decision::from)
            .collect(),
        fim_request_id: elevation.id.fim_request_id().to_string(),
        stage: counted(approval.stage),
    })
}

impl From<ElevationView> for v1::Elevation {
    fn from(view: ElevationView) -> Self {
        let Versioned {
            version,
            value: elevation,
        } = view.elevation;
        Self {
            id: elevation.id.to_string(),
            status: v1::ElevationStatus::from(elevation.status_at(view.now)).into(),
            requester: Some(elevation.requester.into()),
            role_id: elevation.role.to_string(),
            role_display_name: text::shown(&elevation.role_display_name),
            justification: elevation.justification,
            requested_duration: Some(elevation.requested_duration.into()),
            duration: Some(elevation.duration.into()),
            requested_start_time: Some(elevation.requested_start_time.into()),
            create_time: Some(elevation.create_time.into()),
            activate_time: elevation.activate_time.map(Timestamp::from),
            expire_time: elevation.expire_time.map(Timestamp::from),
            approval_id: elevation
                .approval
                .map(|approval| approval.id.to_string())
                .unwrap_or_default(),
            revision: version.0,
            creation_method: v1::CreationMethod::from(elevation.channel).into(),
        }
    }
}

impl From<Channel> for v1::CreationMethod {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Grpc => Self::Grpc,
            Channel::PamWebApi => Self::PamWebApi,
        }
    }
}

impl From<&Caller> for v1::Session {
    fn from(caller: &Caller) -> Self {
        Self {
            account: Some(caller.account.clone().into()),
            groups: caller
                .groups
                .iter()
                .map(|group| group.name.clone())
                .collect(),
            administrator: caller.administrator,
        }
    }
}

impl From<account::Account> for v1::Account {
    fn from(account: account::Account) -> Self {
        Self {
            id: account.id.to_string(),
            user: text::shown_name(account.user()),
            name: text::shown_name(&account.name),
        }
    }
}

impl From<account::Principal> for v1::Principal {
    fn from(principal: account::Principal) -> Self {
        let kind = match principal {
            account::Principal::Account(account) => {
                v1::principal::Kind::Account(text::shown_name(&account.name))
            }
            account::Principal::Group(group) => {
                v1::principal::Kind::Group(text::shown_name(&group.name))
            }
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<v1::Principal> for account::Principal {
    type Error = Error;

    fn try_from(principal: v1::Principal) -> Result<Self, Error> {
        match principal.kind {
            Some(v1::principal::Kind::Account(name)) => Ok(Self::Account(
                account::Account::named(&name).map_err(in_field("account"))?,
            )),
            Some(v1::principal::Kind::Group(name)) => {
                Ok(Self::Group(Group::named(&name).map_err(in_field("group"))?))
            }
            None => Err(Error::invalid("must have an account or a group.")),
        }
    }
}

impl From<approval::Decision> for v1::Decision {
    fn from(decision: approval::Decision) -> Self {
        Self {
            approver: Some(decision.approver.into()),
            verdict: v1::Verdict::from(decision.verdict).into(),
            reason: decision.reason,
            decide_time: Some(decision.decide_time.into()),
            stage: counted(decision.stage),
        }
    }
}

impl From<Verdict> for v1::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Approve => Self::Approve,
            Verdict::Reject => Self::Reject,
        }
    }
}

impl From<ApprovalStatus> for v1::ApprovalStatus {
    fn from(status: ApprovalStatus) -> Self {
        match status {
            ApprovalStatus::Approved => Self::Approved,
            ApprovalStatus::Closed => Self::Closed,
            ApprovalStatus::Expired => Self::Expired,
            ApprovalStatus::Pending => Self::Pending,
            ApprovalStatus::Rejected => Self::Rejected,
        }
    }
}

impl From<Status> for v1::ElevationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Closed => Self::Closed,
            Status::Expired => Self::Expired,
            Status::PendingApproval => Self::PendingApproval,
            Status::Rejected => Self::Rejected,
            Status::Scheduled => Self::Scheduled,
        }
    }
}

impl From<Seconds> for Duration {
    fn from(duration: Seconds) -> Self {
        Self {
            seconds: duration.seconds(),
            nanos: 0,
        }
    }
}

impl TryFrom<Duration> for Seconds {
    type Error = Error;

    fn try_from(duration: Duration) -> Result<Self, Error> {
        match duration.nanos {
            0 => Self::new(duration.seconds),
            _ => Err(Error::invalid("A duration is a number of whole seconds.")),
        }
    }
}

impl From<Moment> for Timestamp {
    /// A time outside the years 1 to 9999, which an older version may have stored, becomes the nearest time inside them.
    /// Otherwise strict clients would refuse a whole list because of one value.
    fn from(moment: Moment) -> Self {
        let ticks = moment.clamp(Moment::FIRST, Moment::LAST).ticks();
        let subsecond = ticks.rem_euclid(Moment::TICKS_PER_SECOND);
        let nanos =
            i32::try_from(subsecond * 100).expect("less than a second of nanoseconds fits 32 bits");
        Self {
            seconds: ticks.div_euclid(Moment::TICKS_PER_SECOND),
            nanos,
        }
    }
}

impl TryFrom<Timestamp> for Moment {
    type Error = Error;

    fn try_from(time: Timestamp) -> Result<Self, Error> {
        Self::new(time.seconds, time.nanos)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use uuid::Uuid;

    use super::*;
    use crate::domain::bulk::Bulk;
    use crate::domain::id::{ApprovalId, ElevationId, RoleId};
    use crate::domain::version::Version;

    #[test]
    fn an_id_has_one_form() {
        assert!(uuid("5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143", "id").is_ok());
        assert!(uuid("5DBD9D0C-0A9D-4F75-8CBD-FF6FFDC00143", "id").is_ok());
        for bad in [
            "",
            "undefined",
            "5dbd9d0c0a9d4f758cbdff6ffdc00143",
            "{5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143}",
            "urn:uuid:5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143",
        ] {
            let error = uuid(bad, "id").unwrap_err();
            let message = if bad.is_empty() {
                "id is required."
            } else {
                "id must be a GUID in its hyphenated form."
            };
            assert_eq!(error.about("id"), message, "{bad}");
        }
    }

    #[test]
    fn moments_survive_the_way_there_and_back() {
        for ticks in [0, 1, -1, 16_413_312_000_000_001, -621_355_968_000_000_000] {
            let moment = Moment::from_ticks(ticks);
            assert_eq!(Moment::try_from(Timestamp::from(moment)).unwrap(), moment);
        }
    }

    #[test]
    fn a_stored_moment_without_a_place_in_the_contract_is_printed_as_the_nearest() {
        for (ticks, nearest) in [(i64::MIN, Moment::FIRST), (i64::MAX, Moment::LAST)] {
            let printed = Timestamp::from(Moment::from_ticks(ticks));
            assert_eq!(Moment::try_from(printed).unwrap(), nearest);
        }
    }

    /// The limit of a page depends on this.
    #[test]
    #[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn a_message_is_no_longer_than_its_bulk() {
        let (long, longest_moment) = (
            "\u{10000}".repeat(256),
            Moment::from_ticks(-621_355_968_000_000_000),
        );
        let account = account::Account::named(&format!("D\\{}", "\u{10000}".repeat(254))).unwrap();
        let duration = Seconds::new(316_224_000).unwrap();
        let decision = approval::Decision {
            approver: account.clone(),
            stage: 7,
            verdict: Verdict::Approve,
            reason: Some(long.repeat(4)),
            decide_time: longest_moment,
        };
        for (texts, decisions) in [
            (String::new(), 0),
            (long, 0),
            ("x".to_owned(), 1),
            (String::new(), 400),
        ] {
            let elevation = Elevation {
                id: ElevationId(Uuid::max()),
                requester: account.clone(),
                role: RoleId(Uuid::max()),
                role_display_name: texts.clone(),
                justification: Some(texts),
                requested_duration: duration,
                duration,
                requested_start_time: longest_moment,
                create_time: longest_moment,
                channel: Channel::PamWebApi,
                activate_time: Some(longest_moment),
                expire_time: Some(longest_moment),
                status: Status::PendingApproval,
                approval: Some(approval::Approval {
                    id: ApprovalId(Uuid::max()),
                    pending_expire_time: longest_moment,
                    outcome: None,
                    stage: 7,
                    decisions: vec![decision.clone(); decisions],
                }),
                client_request: None,
            };
            let elevation = Versioned {
                version: Version(u64::MAX),
                value: elevation,
            };
            let octets = elevation.octets();
            assert!(
                octets < 3 * 1_024 * 1_024,
                "a row fits into an answer: {octets}"
            );
            let message = approval(elevation.value.clone(), longest_moment).unwrap();
            assert!(
                message.encoded_len() + FIELD <= octets,
                "{} {octets}",
                message.encoded_len()
            );
            let message = v1::Elevation::from(ElevationView {
                elevation,
                now: longest_moment,
            });
            assert!(
                message.encoded_len() + FIELD <= octets,
                "{} {octets}",
                message.encoded_len()
            );
        }
    }

    /// The field number and the length before a message in a list, in octets.
    const FIELD: usize = 5;

    #[test]
    fn a_duration_is_whole_seconds() {
        assert!(
            Seconds::try_from(Duration {
                seconds: 60,
                nanos: 0
            })
            .is_ok()
        );
        assert!(
            Seconds::try_from(Duration {
                seconds: 60,
                nanos: 1
            })
            .is_err()
        );
        assert!(
            Seconds::try_from(Duration {
                seconds: -60,
                nanos: 0
            })
            .is_err()
        );
    }
}
