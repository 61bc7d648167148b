//! The outbox: an effect is written with its cause, and is read until it is settled.

use std::sync::Arc;

use countersign::domain::effect::{Effect, EffectPayload};
use countersign::domain::error::Kind;
use countersign::domain::id::EffectId;
use countersign::domain::version::{Version, Versioned};
use countersign::store::{Change, Commit, Key, Record, Store};

use super::Backend;
use super::history::{
    History, at, committed, filing, read, record, rejected_by, together, was_committed,
    was_conflict,
};
use crate::kit::{SAM, START};
use uuid::Uuid;

pub async fn an_effect_appears_with_its_commit_or_not_at_all(backend: impl Backend) {
    let store = backend.open().await;
    let first = effect(1, 1, 0);
    committed(&store, causing(&History::filed(1), [&first])).await;
    assert_eq!(due(&store, 0).await, [new(&first)]);

    let stale = causing(&History::filed(1), [&effect(2, 2, 0)]);
    assert_eq!(store.commit(stale).await.unwrap(), Commit::Conflict);
    assert_eq!(due(&store, 0).await, [new(&first)]);

    // Among changes that arrive together, one that cannot be written takes neither its effect in nor others out.
    let cannot = History::of(51, START, filing(1));
    let mut changes: Vec<Change> = (2..=20)
        .map(|number| causing(&History::filed(number), [&effect(number, number, 0)]))
        .collect();
    changes.insert(9, causing(&cannot, [&effect(51, 51, 0)]));
    let mut answers = together(&store, changes).await;
    assert!(answers.remove(9).is_err());
    assert!(answers.iter().all(was_committed), "{answers:?}");
    let mut found: Vec<Uuid> = due(&store, 0)
        .await
        .iter()
        .map(|effect| effect.value.id.0)
        .collect();
    found.sort();
    let expected: Vec<Uuid> = (1..=20).map(Uuid::from_u128).collect();
    assert_eq!(found, expected);
}

pub async fn an_effect_is_not_written_without_an_event(backend: impl Backend) {
    let store = backend.open().await;
    let change = attempt(Version::ABSENT, Record::Effect(Box::new(effect(1, 1, 0))));
    assert_eq!(store.commit(change).await.unwrap_err().kind, Kind::Internal);
    // A change that settles or postpones effects writes nothing else without an event.
    committed(&store, causing(&History::filed(1), [&effect(1, 1, 0)])).await;
    let rejected = History::filed(1).then(at(60), [rejected_by(SAM)]);
    let mut change = attempt(Version(1), Record::EffectSettled(effect(1, 1, 0).id));
    change.expects.extend(rejected.change().expects);
    change.puts.extend(rejected.change().puts);
    assert_eq!(store.commit(change).await.unwrap_err().kind, Kind::Internal);
    assert_eq!(due(&store, 0).await.len(), 1);
}

pub async fn the_effects_of_one_subject_come_one_after_the_other(backend: impl Backend) {
    let store = backend.open().await;
    // The later ones are due before the earlier ones, and have smaller ids.
    let (one, two, three) = (effect(9, 7, 50), effect(8, 7, 20), effect(7, 7, 0));
    let other = effect(1, 8, 30);
    let filed = History::filed(1);
    committed(&store, causing(&filed, [&one, &two])).await;
    let rejected = filed.then(at(60), [rejected_by(SAM)]);
    committed(&store, causing(&rejected, [&three])).await;
    committed(&store, causing(&History::filed(2), [&other])).await;

    assert_eq!(due(&store, 49).await, [new(&other)]);
    assert_eq!(due(&store, 50).await, [new(&other), new(&one)]);
    committed(&store, settled(&one)).await;
    assert_eq!(due(&store, 50).await, [new(&two), new(&other)]);
    committed(&store, settled(&two)).await;
    assert_eq!(due(&store, 50).await, [new(&three), new(&other)]);
}

pub async fn effects_are_read_the_earliest_first_up_to_a_limit(backend: impl Backend) {
    let store = backend.open().await;
    for (number, seconds) in (1..).zip([4, 8, 3, 7, 2, 6, 1, 5, 0]) {
        let effect = effect(number, number, seconds);
        committed(&store, causing(&History::filed(number), [&effect])).await;
    }
    let effects = store.effects_due(at(5), 4).await.unwrap();
    let times: Vec<_> = effects.iter().map(|effect| effect.value.due).collect();
    assert_eq!(times, [0, 1, 2, 3].map(at));
    assert_eq!(due(&store, 5).await.len(), 6);
    assert_eq!(due(&store, -1).await, []);
}

pub async fn of_two_that_settle_an_effect_one_is_refused(backend: impl Backend) {
    let store = backend.open().await;
    for number in 1..=20 {
        let effect = effect(number, number, 0);
        committed(&store, causing(&History::filed(number), [&effect])).await;
        let later = attempt(
            Version(1),
            Record::Effect(Box::new(effect.clone().postponed(at(60)))),
        );
        let answers = together(&store, [settled(&effect), later, settled(&effect)]).await;
        let committed = answers.iter().filter(|answer| was_committed(answer));
        assert_eq!(committed.count(), 1, "{answers:?}");
        let refused = answers.iter().filter(|answer| was_conflict(answer));
        assert_eq!(refused.count(), 2, "{answers:?}");
    }
}

pub async fn a_postponed_effect_is_due_later_and_keeps_its_place(backend: impl Backend) {
    let store = backend.open().await;
    let (one, two) = (effect(2, 7, 0), effect(1, 7, 0));
    committed(&store, causing(&History::filed(1), [&one, &two])).await;
    let later = one.clone().postponed(at(600));
    let change = attempt(Version(1), Record::Effect(Box::new(later.clone())));
    committed(&store, change.clone()).await;
    assert_eq!(store.commit(change).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(settled(&one)).await.unwrap(), Commit::Conflict);

    assert_eq!(due(&store, 599).await, []);
    let found = Versioned {
        version: Version(2),
        value: later,
    };
    assert_eq!(due(&store, 600).await, [found]);
    let end = attempt(Version(2), Record::EffectSettled(one.id));
    committed(&store, end).await;
    assert_eq!(due(&store, 0).await, [new(&two)]);
}

pub async fn an_effect_is_there_after_reopening_until_it_is_settled(backend: impl Backend) {
    let store = backend.open().await;
    let mut one = effect(1, 1, 0);
    one.payload = EffectPayload::new(vec![0xFF; EffectPayload::MAX_LENGTH]).unwrap();
    committed(&store, causing(&History::filed(1), [&one])).await;
    drop(store);

    let store = backend.open().await;
    assert_eq!(due(&store, 0).await, [new(&one)]);
    committed(&store, settled(&one)).await;
    drop(store);

    let store = backend.open().await;
    assert_eq!(due(&store, 0).await, []);
    assert_eq!(store.commit(settled(&one)).await.unwrap(), Commit::Conflict);
}

pub async fn a_commit_of_effects_alone_leaves_the_record_as_it_is(backend: impl Backend) {
    let store = backend.open().await;
    let filed = History::filed(1);
    let one = effect(1, 1, 0);
    committed(&store, causing(&filed, [&one])).await;
    let events = record(&store).await;
    let sequence = committed(&store, settled(&one)).await;
    assert_eq!(sequence, 1);
    assert_eq!(record(&store).await, events);
    assert_eq!(due(&store, 0).await, []);
    let found = read(&store, &filed).await.unwrap().elevation;
    assert_eq!((found.version, found.value), (Version(1), filed.elevation));
    assert_eq!(committed(&store, History::filed(2).change()).await, 2);
}

/// An effect that is due some seconds after [`START`].
fn effect(number: u128, subject: u128, seconds: i64) -> Effect {
    Effect {
        id: EffectId(Uuid::from_u128(number)),
        subject: Uuid::from_u128(subject),
        payload: EffectPayload::new(format!("tell jen, {number}").into_bytes()).unwrap(),
        due: at(seconds),
        attempts: 0,
    }
}

/// The last step of a history, with the effects that it causes.
fn causing<const N: usize>(history: &History, effects: [&Effect; N]) -> Change {
    let mut change = history.change();
    for effect in effects {
        change
            .expects
            .push((Key::Effect(effect.id), Version::ABSENT));
        change.puts.push(Record::Effect(Box::new(effect.clone())));
    }
    change
}

/// The change after the first attempt at an effect, which succeeded.
fn settled(effect: &Effect) -> Change {
    attempt(Version(1), Record::EffectSettled(effect.id))
}

fn attempt(expected: Version, outcome: Record) -> Change {
    Change {
        expects: vec![(outcome.key(), expected)],
        puts: vec![outcome],
        events: vec![],
        deadline: None,
    }
}

fn new(effect: &Effect) -> Versioned<Effect> {
    Versioned {
        version: Version(1),
        value: effect.clone(),
    }
}

/// The effects that are due some seconds after [`START`].
async fn due(store: &Arc<dyn Store>, seconds: i64) -> Vec<Versioned<Effect>> {
    store.effects_due(at(seconds), 100).await.unwrap()
}
