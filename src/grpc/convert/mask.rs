//! The field mask of UpdateRole.

use std::collections::BTreeSet;

use prost_types::FieldMask;

use crate::domain::error::Error;
use crate::proto::pam::v1::Role;

/// The fields of a role, without `id` and `revision`, which identify the role that is changed.
const FIELDS: [&str; 16] = [
    "display_name",
    "description",
    "max_duration",
    "candidates",
    "approval_required",
    "stages",
    "auto_approve_owners",
    "pending_timeout",
    "available_from",
    "available_to",
    "justification_rule",
    "decision_reason_rule",
    "mfa_required",
    "break_glass",
    "escalate_after",
    "delegation_allowed",
];

/// Fields of the rules of a role.
const NESTED_FIELDS: [&str; 6] = [
    "justification_rule.required",
    "justification_rule.min_length",
    "justification_rule.pattern",
    "decision_reason_rule.required",
    "decision_reason_rule.min_length",
    "decision_reason_rule.pattern",
];

/// Fields that a mask may name, so that a mask for reading can be used again, but that no update
/// changes.
const OUTPUT_ONLY: [&str; 2] = ["id", "revision"];

/// The fields that an update changes.
#[derive(Debug)]
pub(in crate::grpc) enum RoleMask {
    /// The whole role is replaced.
    Everything,
    /// Only these fields are changed.
    Fields(BTreeSet<&'static str>),
}

impl RoleMask {
    /// Reads the mask of a request. A mask without paths has all fields that are set in `role`.
    ///
    /// # Errors
    /// Invalid if a path is not a field that can be changed, or if `*` is not the only path.
    pub(in crate::grpc) fn read(mask: Option<FieldMask>, role: &Role) -> Result<Self, Error> {
        let paths = mask.unwrap_or_default().paths;
        if paths.is_empty() {
            return Ok(Self::Fields(set_fields(role)));
        }
        if paths == ["*"] {
            return Ok(Self::Everything);
        }
        let mut fields = BTreeSet::new();
        for (index, path) in paths.iter().enumerate() {
            let known = FIELDS
                .iter()
                .chain(&NESTED_FIELDS)
                .find(|field| *field == path);
            match known {
                Some(field) => {
                    fields.insert(*field);
                }
                None if OUTPUT_ONLY.contains(&&**path) => {}
                None => return Err(unknown(index, path)),
            }
        }
        Ok(Self::Fields(fields))
    }

    /// Returns whether a field of the top level is replaced as a whole.
    pub(in crate::grpc) fn selects(&self, field: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Fields(fields) => fields.contains(field),
        }
    }

    /// Copies the selected fields.
    pub(in crate::grpc) fn apply(&self, from: &Role, to: &mut Role) {
        match self {
            Self::Everything => to.clone_from(from),
            // In the order of the alphabet a rule comes before its fields.
            Self::Fields(fields) => fields.iter().for_each(|field| copy(field, from, to)),
        }
    }
}

fn unknown(index: usize, path: &str) -> Error {
    let message = if path == "*" {
        "`*` must be the only path."
    } else {
        "A path must name a field of Role or of one of its rules, such as `description` or \
         `justification_rule.pattern`."
    };
    Error::invalid(message).in_field(format!("update_mask.paths[{index}]"))
}

/// Returns the fields of a role that differ from those of an empty message.
fn set_fields(role: &Role) -> BTreeSet<&'static str> {
    let mut set = BTreeSet::new();
    for field in FIELDS {
        let mut only_this = Role::default();
        copy(field, role, &mut only_this);
        if only_this != Role::default() {
            set.insert(field);
        }
    }
    set
}

fn copy(field: &str, from: &Role, to: &mut Role) {
    match field {
        "display_name" => to.display_name.clone_from(&from.display_name),
        "description" => to.description.clone_from(&from.description),
        "max_duration" => to.max_duration = from.max_duration,
        "candidates" => to.candidates.clone_from(&from.candidates),
        "approval_required" => to.approval_required = from.approval_required,
        "stages" => to.stages.clone_from(&from.stages),
        "auto_approve_owners" => to.auto_approve_owners = from.auto_approve_owners,
        "pending_timeout" => to.pending_timeout = from.pending_timeout,
        "available_from" => to.available_from.clone_from(&from.available_from),
        "available_to" => to.available_to.clone_from(&from.available_to),
        "justification_rule" => to.justification_rule.clone_from(&from.justification_rule),
        "decision_reason_rule" => to
            .decision_reason_rule
            .clone_from(&from.decision_reason_rule),
        "mfa_required" => to.mfa_required = from.mfa_required,
        "break_glass" => to.break_glass = from.break_glass,
        "escalate_after" => to.escalate_after = from.escalate_after,
        "delegation_allowed" => to.delegation_allowed = from.delegation_allowed,
        _ => copy_nested(field, from, to),
    }
}

fn copy_nested(field: &str, from: &Role, to: &mut Role) {
    let Some((rule, field)) = field.split_once('.') else {
        return;
    };
    let (from, to) = match rule {
        "justification_rule" => (&from.justification_rule, &mut to.justification_rule),
        "decision_reason_rule" => (&from.decision_reason_rule, &mut to.decision_reason_rule),
        _ => return,
    };
    let from = from.clone().unwrap_or_default();
    let to = to.get_or_insert_default();
    match field {
        "required" => to.required = from.required,
        "min_length" => to.min_length = from.min_length,
        "pattern" => to.pattern = from.pattern,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::proto::pam::v1::FILE_DESCRIPTOR_SET;
    use crate::proto::pam::v1::ReasonRule;

    fn mask(paths: &[&str]) -> Option<FieldMask> {
        Some(FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        })
    }

    fn refused(paths: &[&str]) -> Option<String> {
        RoleMask::read(mask(paths), &Role::default())
            .err()?
            .field
            .map(String::from)
    }

    #[test]
    fn every_field_of_the_message_is_a_path() {
        let set: FileDescriptorSet = prost::Message::decode(FILE_DESCRIPTOR_SET).unwrap();
        let messages = set.file.iter().filter(|file| file.package() == "pam.v1");
        let mut messages = messages.flat_map(|file| &file.message_type);
        let role = messages.find(|message| message.name() == "Role").unwrap();
        let mut declared: Vec<&str> = role.field.iter().map(|field| field.name()).collect();
        let mut known: Vec<&str> = FIELDS.into_iter().chain(OUTPUT_ONLY).collect();
        declared.sort_unstable();
        known.sort_unstable();
        assert_eq!(declared, known);
    }

    #[test]
    fn an_unknown_path_is_refused_by_its_index() {
        let table: [(&[&str], Option<&str>); 15] = [
            (&["description"], None),
            (&["description", "description", "stages"], None),
            (&["id", "revision"], None),
            (&["decision_reason_rule.min_length"], None),
            (&["*"], None),
            (&["*", "description"], Some("update_mask.paths[0]")),
            (&["description", "*"], Some("update_mask.paths[1]")),
            (
                &["description", "stages.approvers"],
                Some("update_mask.paths[1]"),
            ),
            (&["stages[0]"], Some("update_mask.paths[0]")),
            (&["candidates.*"], Some("update_mask.paths[0]")),
            (&["max_duration.seconds"], Some("update_mask.paths[0]")),
            (&["role.description"], Some("update_mask.paths[0]")),
            (&["Description"], Some("update_mask.paths[0]")),
            (&["displayName"], Some("update_mask.paths[0]")),
            (&[""], Some("update_mask.paths[0]")),
        ];
        for (paths, field) in table {
            assert_eq!(refused(paths).as_deref(), field, "{paths:?}");
        }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
    fn each_field_is_copied_alone() {
        let rule = ReasonRule {
            required: true,
            min_length: 3,
            pattern: "x".into(),
        };
        let duration = Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        });
        let full = Role {
            id: "id".into(),
            display_name: "name".into(),
            description: "description".into(),
            max_duration: duration,
            candidates: vec![crate::proto::pam::v1::Principal::default()],
            approval_required: true,
            stages: vec![crate::proto::pam::v1::Stage::default()],
            revision: 7,
            auto_approve_owners: true,
            pending_timeout: duration,
            available_from: "08:00".into(),
            available_to: "09:00".into(),
            justification_rule: Some(rule.clone()),
            decision_reason_rule: Some(rule),
            mfa_required: true,
            break_glass: true,
            escalate_after: duration,
            delegation_allowed: true,
        };
        let implied = RoleMask::read(None, &full).unwrap();
        let empty = RoleMask::read(mask(&[]), &full).unwrap();
        let mut union = Role {
            id: "id".into(),
            revision: 7,
            ..Role::default()
        };
        for field in FIELDS {
            assert!(implied.selects(field) && empty.selects(field), "{field}");
            let mut only_this = Role::default();
            RoleMask::read(mask(&[field]), &full)
                .unwrap()
                .apply(&full, &mut only_this);
            assert_eq!(set_fields(&only_this), BTreeSet::from([field]));
            copy(field, &full, &mut union);
            let mut cleared = full.clone();
            RoleMask::read(mask(&[field]), &full)
                .unwrap()
                .apply(&Role::default(), &mut cleared);
            assert!(!set_fields(&cleared).contains(field), "{field}");
        }
        assert_eq!(union, full);
        for field in NESTED_FIELDS {
            let mut only_this = Role::default();
            RoleMask::read(mask(&[field]), &full)
                .unwrap()
                .apply(&full, &mut only_this);
            let rule = field.split('.').next().unwrap();
            assert_eq!(set_fields(&only_this), BTreeSet::from([rule]), "{field}");
            assert_ne!(
                only_this.justification_rule, full.justification_rule,
                "{field}"
            );
            assert_ne!(
                only_this.decision_reason_rule, full.decision_reason_rule,
                "{field}"
            );
        }
    }

    #[test]
    fn fields_that_are_not_set_are_not_implied() {
        let role = Role {
            description: "new".into(),
            ..Role::default()
        };
        let mut stored = Role {
            approval_required: true,
            display_name: "SQL".into(),
            ..role.clone()
        };
        stored.description = "old".into();
        RoleMask::read(None, &role)
            .unwrap()
            .apply(&role, &mut stored);
        assert!(stored.approval_required);
        assert_eq!(
            (&*stored.display_name, &*stored.description),
            ("SQL", "new")
        );
    }
}
