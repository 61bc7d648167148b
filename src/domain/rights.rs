//! The rights of callers. Only this module knows them.
//!
//! If the object does not exist or the caller may not use it, each function refuses with `AccessDenied`. No response
//! distinguishes the two.

use super::account::Principal;
use super::caller::{Caller, Principals};
use super::elevation::Elevation;
use super::refusal::Refusal;
use super::role::Role;
use super::version::Versioned;

/// Checks that the caller may create, change and delete roles, and list all of them. Only administrators may.
pub fn administers(caller: &Caller) -> Result<(), Refusal> {
    if caller.administrator {
        Ok(())
    } else {
        Err(Refusal::AccessDenied)
    }
}

/// Checks that the caller may read the metrics. Only administrators and monitors may.
pub fn monitors(caller: &Caller) -> Result<(), Refusal> {
    if caller.administrator || caller.monitor {
        Ok(())
    } else {
        Err(Refusal::AccessDenied)
    }
}

/// Returns the candidate that is one of these principals. Only candidates may request to hold a role.
pub fn requests<'a>(principals: &Principals, role: &'a Role) -> Result<&'a Principal, Refusal> {
    role.candidate(principals).ok_or(Refusal::AccessDenied)
}

/// Checks that the caller may close an elevation. Only its requester may.
pub fn closes(caller: &Caller, elevation: &Elevation) -> Result<(), Refusal> {
    if elevation.requester.id == caller.account.id {
        Ok(())
    } else {
        Err(Refusal::AccessDenied)
    }
}

/// Returns the role, if the caller may decide an elevation of it. The approvers of any stage may, except for their own
/// elevations. Being an administrator never helps.
pub fn decides<'a>(
    caller: &Caller,
    elevation: &Elevation,
    role: Option<&'a Versioned<Role>>,
) -> Result<&'a Versioned<Role>, Refusal> {
    let role = role.ok_or(Refusal::AccessDenied)?;
    let is_approver = role.value.approver(caller.principals()).is_some();
    if is_approver && caller.account.id != elevation.requester.id {
        Ok(role)
    } else {
        Err(Refusal::AccessDenied)
    }
}

/// Checks that the caller may read an elevation and its approval. Its requester, the approvers of the role and
/// administrators may.
pub fn reads_elevation(
    caller: &Caller,
    elevation: &Elevation,
    role: Option<&Versioned<Role>>,
) -> Result<(), Refusal> {
    if caller.account.id == elevation.requester.id || caller.administrator {
        return Ok(());
    }
    decides(caller, elevation, role).map(|_| ())
}

/// Checks that the caller may read a role. Its candidates, its approvers and administrators may.
pub fn reads_role(caller: &Caller, role: &Role) -> Result<(), Refusal> {
    let named = role
        .candidate(caller.principals())
        .or_else(|| role.approver(caller.principals()));
    if named.is_some() || caller.administrator {
        Ok(())
    } else {
        Err(Refusal::AccessDenied)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::{Account, Group};
    use crate::domain::id::RoleId;
    use crate::domain::moment::Seconds;
    use crate::domain::role::Rules;
    use crate::domain::stages::Stage;

    /// Jen is a candidate, Sam an approver, Ada an administrator, Mon a monitor, and Eve has no rights.
    #[test]
    fn everybody_may_what_they_are_named_for() {
        for (name, administers_, monitors_, reads) in [
            ("jen", false, false, true),
            ("sam", false, false, true),
            ("ada", true, true, true),
            ("mon", false, true, false),
            ("eve", false, false, false),
        ] {
            let caller = caller(name);
            assert_eq!(administers(&caller).is_ok(), administers_, "{name}");
            assert_eq!(monitors(&caller).is_ok(), monitors_, "{name}");
            assert_eq!(reads_role(&caller, &role()).is_ok(), reads, "{name}");
            assert_eq!(
                requests(caller.principals(), &role()).is_ok(),
                name == "jen",
                "{name}"
            );
        }
    }

    fn caller(name: &str) -> Caller {
        let groups = if name == "sam" {
            vec![Group::named("SQL Owners").unwrap()]
        } else {
            Vec::new()
        };
        let mut caller = Caller::new(account(name), groups, name == "ada", "bearer:1".into());
        caller.monitor = name == "mon";
        caller
    }

    fn role() -> Role {
        let owners = Principal::Group(Group::named("sql owners").unwrap());
        Role {
            id: RoleId(Uuid::nil()),
            display_name: "SQL".into(),
            description: String::new(),
            max_duration: Seconds::HOUR,
            candidates: vec![Principal::Account(account("jen"))],
            stages: vec![Stage {
                approvers: vec![owners],
                required_approvals: 1,
            }],
            rules: Rules::default(),
        }
    }

    fn account(name: &str) -> Account {
        Account::named(&format!("PRIV\\{name}")).unwrap()
    }
}
