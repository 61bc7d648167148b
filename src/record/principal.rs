//! Principals and stages as messages of the record, and back.

use uuid::Uuid;

use crate::domain::account::{self, Group};
use crate::domain::error::Error;
use crate::domain::id::{AccountId, PrincipalId};
use crate::domain::stages;
use crate::proto::record::v1::{Principal, Stage};

impl From<&account::Principal> for Principal {
    fn from(principal: &account::Principal) -> Self {
        let (name, group) = match principal {
            account::Principal::Account(account) => (account.name.clone(), false),
            account::Principal::Group(group) => (group.name.clone(), true),
        };
        Self {
            id: principal.id().0.into_bytes().to_vec(),
            name,
            group,
        }
    }
}

impl TryFrom<Principal> for account::Principal {
    type Error = Error;

    fn try_from(principal: Principal) -> Result<Self, Error> {
        let (id, name) = (uuid(&principal.id)?, principal.name);
        Ok(if principal.group {
            Self::Group(Group {
                id: PrincipalId(id),
                name,
            })
        } else {
            Self::Account(account::Account {
                id: AccountId(id),
                name,
            })
        })
    }
}

impl From<&stages::Stage> for Stage {
    fn from(stage: &stages::Stage) -> Self {
        Self {
            approvers: stage.approvers.iter().map(Principal::from).collect(),
            required_approvals: stage.required_approvals,
        }
    }
}

impl TryFrom<Stage> for stages::Stage {
    type Error = Error;

    fn try_from(stage: Stage) -> Result<Self, Error> {
        Ok(Self {
            approvers: all(stage.approvers)?,
            required_approvals: stage.required_approvals,
        })
    }
}

/// Reads principals from their messages.
pub(super) fn all(principals: Vec<Principal>) -> Result<Vec<account::Principal>, Error> {
    principals
        .into_iter()
        .map(account::Principal::try_from)
        .collect()
}

/// Reads an id from its 16 bytes.
pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid, Error> {
    Uuid::from_slice(bytes).map_err(Error::internal)
}
