//! Reads: they see every acknowledged change, and each of them is one snapshot.

use std::sync::Arc;

use countersign::domain::id::{ApprovalId, RoleId};
use countersign::domain::version::Version;
use countersign::store::{Change, ElevationKey, Store};

use super::Backend;
use super::history::{
    History, ROLE, approval_id, approved_by, at, both, committed, elevation_id, read, rejected_by,
    role_change, sams_role,
};
use super::lists::{caller, everything, list};
use crate::kit::{KIM, SAM, START};

pub async fn what_was_acknowledged_is_read_and_versions_count_up(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let half = filed.then(at(60), [approved_by(KIM)]);
    let rejected = half.then(at(61), [rejected_by(SAM)]);
    for (version, history) in (1..).zip([filed, half, rejected]) {
        let sequence = committed(
            &store,
            both(
                history.change(),
                role_change(&sams_role(), Version(version - 1)),
            ),
        );
        let sequence = sequence.await;
        let found = read(&store, &history).await.unwrap();
        assert_eq!(found.elevation.value, history.elevation);
        assert_eq!(found.elevation.version, Version(version));
        assert_eq!(found.role.unwrap().version, Version(version));
        assert_eq!(
            store.role(ROLE).await.unwrap().unwrap().version,
            Version(version)
        );
        let listed = list(&store, &caller(SAM, &[]), everything(), at(100)).await;
        assert_eq!(listed.items.len(), usize::from(version < 3));
        let last = &store.events(sequence - 1, 9).await.unwrap()[..];
        assert!(matches!(last, [envelope] if envelope.sequence == sequence));
    }
}

pub async fn what_is_not_there_reads_as_nothing(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    assert!(read(&store, &filed).await.is_none());
    committed(&store, filed.change()).await;
    let found = store
        .elevation(ElevationKey::Approval(approval_id(1)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.elevation.value, filed.elevation);
    assert!(found.role.is_none());
    assert!(store.role(ROLE).await.unwrap().is_none());
    let mistaken = ElevationKey::Approval(ApprovalId(elevation_id(1).0));
    assert!(store.elevation(mistaken).await.unwrap().is_none());
    assert!(
        store
            .role(RoleId(elevation_id(1).0))
            .await
            .unwrap()
            .is_none()
    );
}

/// Both are written by every change, so that their versions are always the same.
pub async fn an_elevation_and_its_role_are_read_as_of_one_moment(backend: impl Backend) {
    let store = backend.open().await;
    let mut history = History::filed(1);
    let mut changes = vec![both(
        history.change(),
        role_change(&sams_role(), Version::ABSENT),
    )];
    for version in 1..=150 {
        history = history.then(START, [approved_by(SAM)]);
        changes.push(both(
            history.change(),
            role_change(&sams_role(), Version(version)),
        ));
    }
    let writing = tokio::spawn(write(store.clone(), changes));
    while !writing.is_finished() {
        if let Some(found) = read(&store, &history).await {
            assert_eq!(found.elevation.version, found.role.unwrap().version);
        }
    }
    writing.await.unwrap();
}

/// Each of many writers reads what it has written a moment ago, while the others read too.
pub async fn of_many_reads_at_once_each_sees_what_was_acknowledged_before_it(
    backend: impl Backend,
) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let write_and_read = |number| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut history = History::filed(number);
            for version in 1..=30 {
                committed(&store, history.change()).await;
                let key = if version % 2 == 0 {
                    ElevationKey::Elevation(elevation_id(number))
                } else {
                    ElevationKey::Approval(approval_id(number))
                };
                let found = store.elevation(key).await.unwrap().unwrap();
                assert_eq!(found.elevation.version, Version(version));
                assert_eq!(found.elevation.value, history.elevation);
                assert_eq!(found.role.unwrap().value, sams_role());
                history = history.then(START, [approved_by(SAM)]);
            }
        })
    };
    for writer in (1..=32).map(write_and_read).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// Every change files two, so that there is never an odd one.
pub async fn a_list_never_shows_half_a_change(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    let pair = |number| {
        both(
            History::filed(number).change(),
            History::filed(number + 1_000).change(),
        )
    };
    let writing = tokio::spawn(write(store.clone(), (1..=150).map(pair).collect()));
    while !writing.is_finished() {
        let page = list(&store, &caller(SAM, &[]), everything(), START).await;
        assert_eq!(page.items.len() % 2, 0);
        assert_eq!(page.total, Some(page.items.len() as u64));
    }
    writing.await.unwrap();
    assert_eq!(
        list(&store, &caller(SAM, &[]), everything(), START)
            .await
            .items
            .len(),
        300
    );
}

async fn write(store: Arc<dyn Store>, changes: Vec<Change>) {
    for change in changes {
        committed(&store, change).await;
    }
}
