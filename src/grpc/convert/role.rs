//! Roles.

use super::fields::{counted, in_field, principals, uuid};
use super::mask::RoleMask;
use crate::domain::error::Error;
use crate::domain::id::RoleId;
use crate::domain::moment::Seconds;
use crate::domain::reason::{self, Pattern};
use crate::domain::role::{Role, Rules};
use crate::domain::shortage::Shortage;
use crate::domain::stages;
use crate::domain::text;
use crate::domain::version::{Version, Versioned};
use crate::domain::window::{TimeOfDay, Window};
use crate::proto::pam::v1;

impl From<Versioned<Role>> for v1::Role {
    fn from(
        Versioned {
            version,
            value: role,
        }: Versioned<Role>,
    ) -> Self {
        let rules = role.rules;
        let time_of_day =
            |of: fn(Window) -> TimeOfDay| rules.window.map(of).map(|time| time.to_string());
        Self {
            id: role.id.to_string(),
            display_name: text::shown(&role.display_name),
            description: role.description,
            max_duration: Some(role.max_duration.into()),
            available_from: time_of_day(Window::from).unwrap_or_default(),
            available_to: time_of_day(Window::to).unwrap_or_default(),
            candidates: role
                .candidates
                .into_iter()
                .map(v1::Principal::from)
                .collect(),
            approval_required: !role.stages.is_empty(),
            stages: role.stages.into_iter().map(v1::Stage::from).collect(),
            revision: version.0,
            auto_approve_owners: rules.auto_approve_owners,
            pending_timeout: rules.pending_timeout.map(prost_types::Duration::from),
            justification_rule: reason_rule(rules.justification),
            decision_reason_rule: reason_rule(rules.decision_reason),
            mfa_required: false,
            break_glass: false,
            escalate_after: None,
            delegation_allowed: false,
        }
    }
}

/// Reads the role of a message, which gets `id` if it has no id of its own.
pub(in crate::grpc) fn role(role: Option<v1::Role>, id: RoleId) -> Result<Role, Error> {
    let role = role.ok_or_else(|| Error::required("role"))?;
    refuse_unsupported(&role)?;
    if role.approval_required == role.stages.is_empty() {
        let message = "A role must have stages if approval is required, and no stages otherwise.";
        return Err(Error::invalid(message).in_field("role.stages"));
    }
    let rules = Rules {
        auto_approve_owners: role.auto_approve_owners,
        pending_timeout: role
            .pending_timeout
            .map(Seconds::try_from)
            .transpose()
            .map_err(in_field("role.pending_timeout"))?,
        window: Window::read(&role.available_from, &role.available_to)
            .map_err(in_field("role.available_from"))?,
        justification: read_reason_rule(role.justification_rule)
            .map_err(in_field("role.justification_rule.pattern"))?,
        decision_reason: read_reason_rule(role.decision_reason_rule)
            .map_err(in_field("role.decision_reason_rule.pattern"))?,
    };
    let duration = role
        .max_duration
        .ok_or_else(|| Error::required("role.max_duration"))?;
    let stages = role.stages.into_iter().enumerate().map(|(index, stage)| {
        stages::Stage::try_from(stage).map_err(|error| error.at("role.stages", index))
    });
    Role {
        id: if role.id.is_empty() {
            id
        } else {
            RoleId(uuid(&role.id, "role.id")?)
        },
        display_name: role.display_name,
        description: role.description,
        max_duration: Seconds::try_from(duration).map_err(in_field("role.max_duration"))?,
        candidates: principals(role.candidates, "role.candidates")?,
        stages: stages.collect::<Result<_, _>>()?,
        rules,
    }
    .checked()
    .map_err(|error| error.within("role"))
}

/// Reads which role an update changes, and the version that the caller knows.
pub(in crate::grpc) fn role_version(message: &v1::Role) -> Result<(RoleId, Version), Error> {
    let id = RoleId(uuid(&message.id, "role.id")?);
    if message.revision == 0 {
        let message = "is required: read the role, and send the revision that it has.";
        return Err(Error::invalid(message).in_field("role.revision"));
    }
    Ok((id, Version(message.revision)))
}

/// Returns the stored role with the fields of the message that the mask selects.
pub(in crate::grpc) fn merged_role(
    stored: Role,
    message: &v1::Role,
    mask: &RoleMask,
) -> Result<Role, Error> {
    let id = stored.id;
    let mut merged = v1::Role::from(Versioned {
        version: Version::ABSENT,
        value: stored.clone(),
    });
    mask.apply(message, &mut merged);
    let mut merged = role(Some(merged), id)?;
    // A message writes hidden characters of old names as numbers, which must not be stored.
    if !mask.selects("display_name") {
        merged.display_name = stored.display_name;
    }
    if !mask.selects("candidates") {
        merged.candidates = stored.candidates;
    }
    if !mask.selects("stages") && !merged.stages.is_empty() {
        merged.stages = stored.stages;
    }
    Ok(merged)
}

/// Refuses fields that are not supported, so that no role appears stricter than it is.
fn refuse_unsupported(role: &v1::Role) -> Result<(), Error> {
    let asked = [
        (
            role.mfa_required,
            "role.mfa_required",
            "A second factor is not supported.",
        ),
        (
            role.break_glass,
            "role.break_glass",
            "Break-glass access is not supported.",
        ),
        (
            role.escalate_after.is_some(),
            "role.escalate_after",
            "Escalation of approvals is not supported.",
        ),
        (
            role.delegation_allowed,
            "role.delegation_allowed",
            "Delegation of approvals is not supported.",
        ),
    ];
    match asked.into_iter().find(|(asked, ..)| *asked) {
        Some((_, field, message)) => Err(Error::invalid(message).in_field(field)),
        None => Ok(()),
    }
}

fn reason_rule(rule: reason::ReasonRule) -> Option<v1::ReasonRule> {
    let pattern = rule.pattern.as_ref().map_or("", Pattern::as_str).to_owned();
    (rule != reason::ReasonRule::default()).then_some(v1::ReasonRule {
        required: rule.required,
        min_length: rule.min_length,
        pattern,
    })
}

fn read_reason_rule(rule: Option<v1::ReasonRule>) -> Result<reason::ReasonRule, Error> {
    let v1::ReasonRule {
        required,
        min_length,
        pattern,
    } = rule.unwrap_or_default();
    Ok(reason::ReasonRule {
        required,
        min_length,
        pattern: Pattern::read(&pattern)?,
    })
}

impl From<stages::Stage> for v1::Stage {
    fn from(stage: stages::Stage) -> Self {
        Self {
            approvers: stage
                .approvers
                .into_iter()
                .map(v1::Principal::from)
                .collect(),
            required_approvals: stage.required_approvals,
        }
    }
}

impl TryFrom<v1::Stage> for stages::Stage {
    type Error = Error;

    fn try_from(stage: v1::Stage) -> Result<Self, Error> {
        Ok(Self {
            approvers: principals(stage.approvers, "approvers")?,
            required_approvals: stage.required_approvals,
        })
    }
}

impl From<Shortage> for v1::Shortage {
    fn from(shortage: Shortage) -> Self {
        Self {
            stage: counted(shortage.stage),
            required_approvals: shortage.missing,
            available: shortage.available,
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::Duration;
    use uuid::Uuid;

    use super::*;
    use crate::domain::bulk::Bulk;

    fn named(name: &str) -> v1::Principal {
        v1::Principal {
            kind: Some(v1::principal::Kind::Account(name.into())),
        }
    }

    fn group(name: &str) -> v1::Principal {
        v1::Principal {
            kind: Some(v1::principal::Kind::Group(name.into())),
        }
    }

    fn valid(stages: Vec<v1::Stage>) -> v1::Role {
        v1::Role {
            display_name: "SQL".into(),
            max_duration: Some(Duration {
                seconds: 60,
                nanos: 0,
            }),
            candidates: vec![named("PRIV\\jen")],
            approval_required: !stages.is_empty(),
            stages,
            ..v1::Role::default()
        }
    }

    fn stage(approvers: &[v1::Principal], required_approvals: u32) -> v1::Stage {
        v1::Stage {
            approvers: approvers.to_vec(),
            required_approvals,
        }
    }

    fn is_accepted(message: v1::Role) -> bool {
        role(Some(message), RoleId(Uuid::nil())).is_ok()
    }

    #[test]
    fn a_role_has_stages_when_approval_is_required() {
        let sam = stage(&[named("PRIV\\sam")], 1);
        assert!(is_accepted(valid(vec![])));
        assert!(is_accepted(valid(vec![sam.clone()])));
        assert!(!is_accepted(v1::Role {
            approval_required: true,
            ..valid(vec![])
        }));
        assert!(!is_accepted(v1::Role {
            approval_required: false,
            ..valid(vec![sam])
        }));
        let everybody = stage(&[group("Owners")], 1);
        assert!(is_accepted(valid(vec![everybody.clone(); 8])));
        assert!(!is_accepted(valid(vec![everybody; 9])));
    }

    #[test]
    fn the_stages_name_enough_people() {
        let [sam, kim, sam_again] = ["PRIV\\sam", "PRIV\\kim", "priv\\SAM"].map(named);
        let (sams, both) = (std::slice::from_ref(&sam), &[sam.clone(), kim][..]);
        let table = [
            (vec![stage(sams, 2)], false),
            (vec![stage(&[sam.clone(), sam_again], 2)], false),
            (vec![stage(both, 2)], true),
            (vec![stage(&[sam.clone(), group("Owners")], 9)], true),
            (vec![stage(sams, 1), stage(sams, 1)], false),
            (vec![stage(both, 1), stage(sams, 1)], true),
            (vec![stage(both, 2), stage(sams, 1)], false),
        ];
        for (stages, decidable) in table {
            assert_eq!(is_accepted(valid(stages.clone())), decidable, "{stages:?}");
        }
    }

    /// The limit of a page depends on this.
    #[test]
    fn a_message_is_no_longer_than_its_bulk() {
        let text = |length: usize| "\u{10000}".repeat(length);
        let rule = || reason::ReasonRule {
            required: true,
            min_length: 1_024,
            pattern: Pattern::read(&text(64)).unwrap(),
        };
        for (names, stages) in [(1, 0), (1, 8), (100, 0), (100, 8)] {
            let principal = principals(vec![group(&text(256))], "candidates")
                .unwrap()
                .remove(0);
            let stage = stages::Stage {
                approvers: vec![principal.clone(); names],
                required_approvals: 50,
            };
            let role = Role {
                id: RoleId(Uuid::max()),
                display_name: text(256),
                description: text(1_024),
                max_duration: Seconds::new(316_224_000).unwrap(),
                candidates: vec![principal; names],
                stages: vec![stage; stages],
                rules: Rules {
                    auto_approve_owners: true,
                    pending_timeout: Some(Seconds::new(316_224_000).unwrap()),
                    window: Window::read("08:00", "24:00").unwrap(),
                    justification: rule(),
                    decision_reason: rule(),
                },
            };
            let role = Versioned {
                version: Version(u64::MAX),
                value: role.checked().unwrap(),
            };
            let octets = role.octets();
            let message = v1::Role::from(role);
            // In a list the field number and the length come before the message.
            assert!(
                message.encoded_len() + 5 <= octets,
                "{} {octets}",
                message.encoded_len()
            );
        }
    }

    #[test]
    fn unsupported_fields_are_refused_by_name() {
        let table = [
            (
                v1::Role {
                    mfa_required: true,
                    ..valid(vec![])
                },
                "role.mfa_required",
            ),
            (
                v1::Role {
                    break_glass: true,
                    ..valid(vec![])
                },
                "role.break_glass",
            ),
            (
                v1::Role {
                    escalate_after: Some(Duration::default()),
                    ..valid(vec![])
                },
                "role.escalate_after",
            ),
            (
                v1::Role {
                    delegation_allowed: true,
                    ..valid(vec![])
                },
                "role.delegation_allowed",
            ),
        ];
        for (message, field) in table {
            assert_eq!(
                role(Some(message), RoleId(Uuid::nil()))
                    .unwrap_err()
                    .field
                    .as_deref(),
                Some(field)
            );
        }
    }
}
