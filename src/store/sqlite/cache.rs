//! The pending elevations and the roles in memory, so that a decision reads nothing from the file.
//!
//! Only the thread that commits writes here: at the start, and after a commit is durable but before its callers learn of
//! it. So a read that starts after an acknowledgement sees that commit, and nothing here can be lost. No other process
//! writes to the file. A decision on a record from here expects its version like any other, and the commit compares it
//! with the file.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::bulk::Bulk;
use crate::domain::elevation::Elevation;
use crate::domain::id::{ApprovalId, ElevationId, RoleId};
use crate::domain::role::Role;
use crate::domain::status::Status;
use crate::domain::version::{Version, Versioned};
use crate::store::{ElevationKey, ElevationRead, Key, Record};

/// The cache. A record that it lacks may still exist.
#[derive(Debug)]
pub(super) struct Cache(RwLock<Records>);

/// The records, up to a number of octets.
#[derive(Debug)]
struct Records {
    elevations: HashMap<ElevationId, Versioned<Elevation>>,
    /// The elevations by their approvals.
    approvals: HashMap<ApprovalId, ElevationId>,
    roles: HashMap<RoleId, Arc<Versioned<Role>>>,
    /// The octets of all of them.
    octets: usize,
    /// The maximum of `octets`.
    bound: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self::bounded(MAX_OCTETS)
    }
}

impl Cache {
    fn bounded(bound: usize) -> Self {
        Self(RwLock::new(Records {
            elevations: HashMap::new(),
            approvals: HashMap::new(),
            roles: HashMap::new(),
            octets: 0,
            bound,
        }))
    }

    /// Returns an elevation and its role, if the cache has both. One lock, so that they are of one moment. A role that was
    /// deleted is not here either, so the file has to say which it is.
    pub(super) fn elevation(&self, key: ElevationKey) -> Option<ElevationRead> {
        let records = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let id = match key {
            ElevationKey::Approval(id) => records.approvals.get(&id)?,
            ElevationKey::Elevation(ref id) => id,
        };
        let elevation = records.elevations.get(id)?.clone();
        let role = records.roles.get(&elevation.value.role)?.clone();
        Some(ElevationRead {
            elevation,
            role: Some(role),
        })
    }

    /// Takes in the records of changes that are durable, in their order.
    pub(super) fn apply<'a>(&self, puts: impl IntoIterator<Item = &'a (Record, Version)>) {
        let mut records = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (record, version) in puts {
            match record {
                Record::Effect(_) | Record::EffectSettled(_) | Record::Guard(_) => {}
                Record::Elevation(elevation) => records.put_elevation(Versioned {
                    version: *version,
                    value: Elevation::clone(elevation),
                }),
                Record::Role(role) => records.put_role(Versioned {
                    version: *version,
                    value: Role::clone(role),
                }),
                Record::RoleDeleted(id) => records.remove_role(*id),
            }
        }
    }

    /// Removes a record if its version in the file is another one, so that the next decision reads the file.
    pub(super) fn check(&self, key: Key, version: Version) {
        let mut records = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match key {
            Key::Elevation(id) => {
                if records
                    .elevations
                    .get(&id)
                    .is_some_and(|held| held.version != version)
                {
                    records.remove_elevation(id);
                }
            }
            Key::Role(id) => {
                if records
                    .roles
                    .get(&id)
                    .is_some_and(|held| held.version != version)
                {
                    records.remove_role(id);
                }
            }
            Key::Effect(_) | Key::Guard(_) | Key::Live(..) => {}
        }
    }

    /// Takes in a role of the file at the start. Returns whether there may be room for more.
    pub(super) fn load_role(&self, role: Versioned<Role>) -> bool {
        let mut records = self.0.write().unwrap_or_else(PoisonError::into_inner);
        records.put_role(role);
        records.has_room()
    }

    /// Takes in a pending elevation of the file at the start. Returns whether there may be room for more.
    pub(super) fn load_elevation(&self, elevation: Versioned<Elevation>) -> bool {
        let mut records = self.0.write().unwrap_or_else(PoisonError::into_inner);
        records.put_elevation(elevation);
        records.has_room()
    }
}

impl Records {
    /// Replaces an elevation. Keeps it only while it is pending, which a quota bounds, and if there is room.
    fn put_elevation(&mut self, elevation: Versioned<Elevation>) {
        let id = elevation.value.id;
        self.remove_elevation(id);
        let octets = elevation.octets();
        let is_pending = elevation.value.status == Status::PendingApproval;
        if !is_pending || self.octets + octets > self.bound {
            return;
        }
        self.octets += octets;
        if let Some(approval) = &elevation.value.approval {
            self.approvals.insert(approval.id, id);
        }
        self.elevations.insert(id, elevation);
    }

    fn remove_elevation(&mut self, id: ElevationId) {
        if let Some(before) = self.elevations.remove(&id) {
            self.octets -= before.octets();
            if let Some(approval) = &before.value.approval {
                self.approvals.remove(&approval.id);
            }
        }
    }

    /// Replaces a role. Keeps it only if there is room.
    fn put_role(&mut self, role: Versioned<Role>) {
        let id = role.value.id;
        self.remove_role(id);
        let octets = role.octets();
        if self.octets + octets <= self.bound {
            self.octets += octets;
            self.roles.insert(id, Arc::new(role));
        }
    }

    fn remove_role(&mut self, id: RoleId) {
        if let Some(before) = self.roles.remove(&id) {
            self.octets -= before.octets();
        }
    }

    fn has_room(&self) -> bool {
        self.octets < self.bound
    }
}

/// The octets of all records, which is about half of the memory that they take: some 70,000 elevations. When there is no
/// more room, a record is not taken in, and is read from the file. Room is made when elevations are decided.
const MAX_OCTETS: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::Account;
    use crate::domain::approval::Approval;
    use crate::domain::event::Channel;
    use crate::domain::moment::{Moment, Seconds};
    use crate::domain::role::Rules;

    const ROLE: RoleId = RoleId(Uuid::from_u128(7));

    fn role(description: &str) -> Record {
        Record::Role(Box::new(Role {
            id: ROLE,
            display_name: "SQL File Access".to_owned(),
            description: description.to_owned(),
            max_duration: Seconds::new(3_600).unwrap(),
            candidates: vec![],
            stages: vec![],
            rules: Rules::default(),
        }))
    }

    fn elevation(number: u128, status: Status) -> Record {
        let moment = Moment::from_ticks(0);
        Record::Elevation(Box::new(Elevation {
            id: ElevationId(Uuid::from_u128(number)),
            requester: Account::named("PRIV\\jen").unwrap(),
            role: ROLE,
            role_display_name: "SQL File Access".to_owned(),
            justification: None,
            requested_duration: Seconds::new(60).unwrap(),
            duration: Seconds::new(60).unwrap(),
            requested_start_time: moment,
            create_time: moment,
            channel: Channel::Grpc,
            activate_time: None,
            expire_time: None,
            status,
            approval: Some(Approval {
                id: ApprovalId(Uuid::from_u128(number)),
                pending_expire_time: moment,
                outcome: None,
                stage: 0,
                decisions: vec![],
            }),
            client_request: None,
        }))
    }

    /// Returns the versions of an elevation and its role, which both keys find.
    fn versions(cache: &Cache, number: u128) -> Option<(u64, u64)> {
        let id = Uuid::from_u128(number);
        let [by_id, by_approval] = [
            ElevationKey::Elevation(ElevationId(id)),
            ElevationKey::Approval(ApprovalId(id)),
        ]
        .map(|key| {
            let read = cache.elevation(key)?;
            Some((read.elevation.version.0, read.role?.version.0))
        });
        assert_eq!(by_id, by_approval);
        by_id
    }

    #[test]
    fn the_last_write_of_a_record_counts_until_it_is_decided() {
        let cache = Cache::default();
        let pending = elevation(1, Status::PendingApproval);
        cache.apply(&[(pending.clone(), Version(1))]);
        assert_eq!(versions(&cache, 1), None, "its role is not there");
        cache.apply(&[(role(""), Version(1)), (role("x"), Version(2))]);
        assert_eq!(versions(&cache, 1), Some((1, 2)));
        cache.apply(&[(pending.clone(), Version(2)), (pending, Version(3))]);
        assert_eq!(versions(&cache, 1), Some((3, 2)));
        let key = Key::Elevation(ElevationId(Uuid::from_u128(1)));
        cache.check(key, Version(3));
        cache.check(Key::Role(ROLE), Version(2));
        assert_eq!(versions(&cache, 1), Some((3, 2)));
        cache.check(key, Version(4));
        assert_eq!(versions(&cache, 1), None, "the file has another version");
        cache.apply(&[(elevation(1, Status::PendingApproval), Version(3))]);
        cache.apply(&[(Record::RoleDeleted(ROLE), Version(3))]);
        assert_eq!(versions(&cache, 1), None);
        cache.apply(&[(role(""), Version(4))]);
        cache.apply(&[(elevation(1, Status::Rejected), Version(4))]);
        assert_eq!(versions(&cache, 1), None);
        let records = cache.0.read().unwrap();
        assert!(records.elevations.is_empty() && records.approvals.is_empty());
    }

    /// A record that grows out of the cache is gone from it, and does not stay in its old version.
    #[test]
    fn the_octets_are_bounded() {
        let cache = Cache::bounded(2_000);
        cache.apply(&[(role(""), Version(1))]);
        for number in 1..=100 {
            cache.apply(&[(elevation(number, Status::PendingApproval), Version(1))]);
        }
        let held = (1..=100).filter(|number| versions(&cache, *number).is_some());
        assert!((1..10).contains(&held.count()));
        assert!(cache.0.read().unwrap().octets <= 2_000);
        cache.apply(&[(role(&"x".repeat(1_500)), Version(2))]);
        assert_eq!(versions(&cache, 1), None);
        for number in 1..=100 {
            cache.apply(&[(elevation(number, Status::Active), Version(2))]);
        }
        assert_eq!(cache.0.read().unwrap().octets, 0);
        cache.apply(&[
            (role(""), Version(3)),
            (elevation(1, Status::PendingApproval), Version(3)),
        ]);
        assert_eq!(versions(&cache, 1), Some((3, 3)));
    }
}
