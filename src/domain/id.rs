//! The ids of objects. Each has a type of its own, so that an approval is never looked up by the id of an elevation.

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
    /// The id of an account: the UUIDv5 of its normalised name.
    AccountId;
    /// The id of an approval, which the legacy action URLs carry.
    ApprovalId;
    /// The id of an effect.
    EffectId;
    /// The id of an elevation.
    ElevationId;
    /// The id that rights are compared by: an account's id, or the UUIDv5 of a group's normalised name. Groups have a
    /// namespace of their own, so that a group can never be taken for an account of the same name.
    PrincipalId;
    /// The id of a role.
    RoleId;
}

impl From<AccountId> for PrincipalId {
    fn from(account: AccountId) -> Self {
        Self(account.0)
    }
}

impl ElevationId {
    /// Returns the id that legacy clients know as `FIMRequestID`. The original had a third GUID in every pending row
    /// (`docs/rest-api.md` B32); ours follows from the elevation's id.
    pub fn fim_request_id(self) -> Uuid {
        Uuid::new_v5(&FIM_REQUESTS, self.0.as_bytes())
    }
}

/// The namespace of account ids. It must never change, since every stored right depends on it.
pub(super) const ACCOUNTS: Uuid = uuid!("8c6a1d0e-52f3-4a39-9a5e-0f1b7c3d2e01");
/// The namespace of group ids. It must never change either.
pub(super) const GROUPS: Uuid = uuid!("8c6a1d0e-52f3-4a39-9a5e-0f1b7c3d2e02");
/// The namespace of the fingerprints of client requests.
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
