//! The ids of things, each of a type of its own, so that an approval is never looked up by the id of an elevation.

use std::fmt;

use uuid::{Uuid, uuid};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// Names an account: the UUIDv5 of its normalised name.
    AccountId;
    /// Names an approval; what the legacy action URLs carry.
    ApprovalId;
    /// Names an elevation.
    ElevationId;
    /// What rights are compared by: an account's id, or the UUIDv5 of a group's normalised name in a namespace of
    /// groups, so that a group can never be taken for an account of the same name.
    PrincipalId;
    /// Names a role.
    RoleId;
}

impl From<AccountId> for PrincipalId {
    fn from(account: AccountId) -> Self {
        Self(account.0)
    }
}

impl ElevationId {
    /// The id that legacy clients know as `FIMRequestID`: the original had a third GUID in every pending row
    /// (`docs/rest-api.md` B32), ours follows from the elevation's.
    pub fn fim_request_id(self) -> Uuid {
        Uuid::new_v5(&FIM_REQUESTS, self.0.as_bytes())
    }
}

/// The namespace of account ids. It must never change: every stored right hangs on it.
pub(super) const ACCOUNTS: Uuid = uuid!("8c6a1d0e-52f3-4a39-9a5e-0f1b7c3d2e01");
/// The namespace of group ids; as final as [`ACCOUNTS`].
pub(super) const GROUPS: Uuid = uuid!("8c6a1d0e-52f3-4a39-9a5e-0f1b7c3d2e02");
/// The namespace of the fingerprints of what clients ask under names of their own.
pub(super) const CLIENT_REQUESTS: Uuid = uuid!("8c6a1d0e-52f3-4a39-9a5e-0f1b7c3d2e04");
/// The namespace of [`ElevationId::fim_request_id`].
const FIM_REQUESTS: Uuid = uuid!("8c6a1d0e-52f3-4a39-9a5e-0f1b7c3d2e03");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legacy_id_follows_from_the_elevation_and_never_changes() {
        let elevation = ElevationId(uuid!("01a2088d-2623-717f-9880-527c73873193"));
        assert_eq!(
            elevation.to_string(),
            "01a2088d-2623-717f-9880-527c73873193"
        );
        assert_eq!(
            elevation.fim_request_id(),
            uuid!("01539896-8423-5c63-a90e-895a7b320725")
        );
    }
}
