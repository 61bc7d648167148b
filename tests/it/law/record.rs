//! The record, from the bytes as they are stored.

use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Event, Filed, Subject};
use countersign::domain::version::Version;
use countersign::proto::record::v1::SubjectKind;
use countersign::record::Envelope;
use sha2::{Digest, Sha256};

use super::Backend;
use super::history::{
    History, ROLE, activated_until, approved_by, at, both, committed, elevation_id, filing, read,
    record, rejected_by, role_change, sams_role,
};
use crate::kit::{KIM, SAM, START};

pub async fn every_header_carries_the_hash_of_the_one_before(backend: impl Backend) {
    let store = backend.open().await;
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    for history in lives().into_iter().flatten() {
        committed(&store, history.change()).await;
    }
    assert_chained(&record(&store).await, 13);
}

pub async fn the_chain_goes_on_after_reopening(backend: impl Backend) {
    for number in 1..=3 {
        let store = backend.open().await;
        committed(&store, History::filed(number).change()).await;
    }
    assert_chained(&record(&backend.open().await).await, 3);
}

/// As when a requester gives a role up. The second change continues what the first has begun.
pub async fn the_events_of_two_elevations_in_one_change_are_told_apart(backend: impl Backend) {
    let store = backend.open().await;
    let [one, other] = [1, 2].map(History::filed);
    let active = one.then(at(60), [approved_by(SAM), activated_until(at(3_660))]);
    let rejected = other.then(at(60), [rejected_by(SAM)]);
    committed(&store, both(one.change(), other.change())).await;
    committed(&store, both(active.change(), rejected.change())).await;
    drop(store);
    let store = backend.open().await;
    for (history, expected) in [(&one, &[1, 3, 4][..]), (&other, &[2, 5])] {
        let events = store.events_of(history.elevation.id).await.unwrap();
        let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, expected);
    }
}

pub async fn a_header_names_the_time_and_the_subject_of_its_event(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let rejected = filed.then(at(60), [rejected_by(SAM)]);
    committed(&store, role_change(&sams_role(), Version::ABSENT)).await;
    committed(&store, filed.change()).await;
    committed(&store, rejected.change()).await;
    let headers = record(&store)
        .await
        .into_iter()
        .map(|envelope| envelope.header().unwrap());
    let headers: Vec<_> = headers
        .map(|it| (it.time, it.subject_kind(), it.subject))
        .collect();
    let [role, elevation] = [ROLE.0, elevation_id(1).0].map(|id| id.into_bytes().to_vec());
    let expected = [
        (START.ticks(), SubjectKind::Role, role),
        (START.ticks(), SubjectKind::Elevation, elevation.clone()),
        (at(60).ticks(), SubjectKind::Elevation, elevation),
    ];
    assert_eq!(headers, expected);
}

pub async fn the_stored_elevation_is_the_fold_of_its_stored_events(backend: impl Backend) {
    let store = backend.open().await;
    for history in lives().into_iter().flatten() {
        committed(&store, history.change()).await;
    }
    let events: Vec<Event> = record(&store)
        .await
        .iter()
        .map(|envelope| envelope.event().unwrap())
        .collect();
    for duration in lives() {
        let last = duration.last().unwrap();
        let subject = Subject::Elevation(last.elevation.id);
        let own = events.iter().filter(|event| event.subject == subject);
        let fold = own.fold(None, |before, event| {
            Some(Elevation::apply(before, event).unwrap())
        });
        assert_eq!(fold.as_ref(), Some(&last.elevation));
        let stored = read(&store, last).await.unwrap().elevation;
        assert_eq!(stored.value, last.elevation);
        assert_eq!(usize::try_from(stored.version.0).unwrap(), duration.len());
    }
}

pub async fn events_are_read_from_behind_a_sequence_up_to_a_limit(backend: impl Backend) {
    let store = backend.open().await;
    for number in 1..=5 {
        committed(&store, History::filed(number).change()).await;
    }
    for (after, limit, expected) in [
        (0, 2, &[1, 2][..]),
        (2, 2, &[3, 4]),
        (4, 2, &[5]),
        (5, 2, &[]),
        (9, 2, &[]),
        (0, 0, &[]),
    ] {
        let events = store.events(after, limit).await.unwrap();
        let sequences: Vec<u64> = events.iter().map(|envelope| envelope.sequence).collect();
        assert_eq!(sequences, expected, "{after}, {limit}");
    }
}

/// One duration after the other, each with its steps.
fn lives() -> [Vec<History>; 5] {
    let [undecided, two, three, four] = [1, 2, 3, 4].map(History::filed);
    let activated = |seconds| activated_until(at(seconds));
    let half = two.then(at(60), [approved_by(SAM)]);
    let active = half.then(at(61), [approved_by(KIM), activated(3_661)]);
    let ended = three.then(at(62), [rejected_by(SAM)]);
    let split = four.then(at(63), [approved_by(SAM)]);
    let split_ended = split.then(at(64), [rejected_by(KIM)]);
    let free = History::of(
        5,
        START,
        Filed {
            approval: None,
            justification: None,
            ..filing(5)
        },
    );
    let free_active = free.then(START, [activated(3_600)]);
    [
        vec![undecided],
        vec![two, half, active],
        vec![three, ended],
        vec![four, split, split_ended],
        vec![free, free_active],
    ]
}

fn assert_chained(record: &[Envelope], length: usize) {
    assert_eq!(record.len(), length);
    let mut previous = record[0].header().unwrap().previous_hash;
    assert_eq!(previous.len(), 32, "the random id of the record");
    for (sequence, envelope) in (1..).zip(record) {
        let header = envelope.header().unwrap();
        assert_eq!((envelope.sequence, header.sequence), (sequence, sequence));
        assert_eq!(
            header.payload_sha256,
            Sha256::digest(&envelope.payload).to_vec()
        );
        assert_eq!(header.previous_hash, previous, "{sequence}");
        previous = Sha256::digest(&envelope.header).to_vec();
    }
}
