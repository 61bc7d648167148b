//! The judge: compares the responses to the clients with the record and the rows.

use std::collections::{HashMap, HashSet};

use countersign::domain::approval::Verdict;
use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Event, Fact, Subject};
use countersign::record::{Envelope, Hash};

use super::client::{Act, Answer, Entry, Filed};

/// The data of a killed server.
#[derive(Clone)]
pub struct Remains {
    /// The record, from the first event on.
    pub record: Vec<Envelope>,
    /// The stored elevations, by their ids.
    pub rows: HashMap<String, Elevation>,
    /// How many approvals each role needs, by its id.
    pub required_approvals: HashMap<String, usize>,
}

/// Everything that is wrong, in words.
pub fn judge(log: &[Entry], remains: &Remains) -> Vec<String> {
    let mut wrong = chain(&remains.record);
    let events: Vec<Event> = match remains.record.iter().map(Envelope::event).collect() {
        Ok(events) => events,
        Err(_) => return [wrong, vec!["an event cannot be read".to_owned()]].concat(),
    };
    let told: HashMap<&str, &Entry> = log.iter().map(|entry| (&*entry.request, entry)).collect();
    let mut written: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in events
        .iter()
        .filter(|event| matches!(event.subject, Subject::Elevation(_)))
    {
        // Events that time alone caused have no request.
        if let Some(by) = &event.by {
            written
                .entry(&by.origin.request_id)
                .or_default()
                .push(event);
        }
    }
    for (request, events) in &written {
        match told.get(request) {
            Some(entry) => wrong.extend(unfaithful(entry, events)),
            None => wrong.push(format!("{request}: nobody has sent what the record tells")),
        }
    }
    let mut lives: HashMap<String, Vec<&Event>> = HashMap::new();
    for event in &events {
        lives
            .entry(event.subject.id().to_string())
            .or_default()
            .push(event);
    }
    wrong.extend(log.iter().filter_map(|entry| lost(entry, &written, &lives)));
    wrong.extend(twice(&events));
    wrong.extend(folded(&events, remains));
    wrong
}

/// The sequence has no gap, every header carries the hash of the one before, and of its payload.
fn chain(record: &[Envelope]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut before: Option<Hash> = None;
    for (sequence, envelope) in (1..).zip(record) {
        let Ok(header) = envelope.header() else {
            return vec![format!("{sequence}: no header")];
        };
        if (envelope.sequence, header.sequence) != (sequence, sequence) {
            wrong.push(format!("{sequence}: a gap before {}", header.sequence));
        }
        if before.is_some_and(|before| header.previous_hash != before.0) {
            wrong.push(format!("{sequence}: not chained to the one before"));
        }
        if header.payload_sha256 != Hash::of(&envelope.payload).0 {
            wrong.push(format!(
                "{sequence}: not the payload that the header tells of"
            ));
        }
        before = Some(envelope.hash());
    }
    wrong
}

/// What a request wrote is what it asked for, and whole.
fn unfaithful(entry: &Entry, events: &[&Event]) -> Option<String> {
    let by = events.iter().all(|event| is_by(event, entry.who));
    let facts: Vec<&Fact> = events.iter().map(|event| &event.fact).collect();
    let about = |id: &str| {
        events
            .iter()
            .all(|event| event.subject.id().to_string() == id)
    };
    let faithful = match (&entry.act, &facts[..]) {
        (Act::Close(filed), [Fact::Closed]) => about(&filed.elevation),
        (Act::Decide(filed, Verdict::Approve), [Fact::Approved(_)])
        | (Act::Decide(filed, Verdict::Approve), [Fact::Approved(_), Fact::Activated { .. }])
        | (Act::Decide(filed, Verdict::Reject), [Fact::Rejected(_)]) => about(&filed.elevation),
        (Act::File(role), [Fact::Filed(filed)]) => filed.role.to_string() == *role,
        _ => false,
    };
    let refused = matches!(entry.answer, Answer::Refused(_));
    (!by || !faithful || refused).then(|| format!("{entry:?} has written {facts:?}"))
}

/// Every acknowledged change is in the record: written by this request, or by an earlier one that
/// it repeats.
fn lost(
    entry: &Entry,
    written: &HashMap<&str, Vec<&Event>>,
    lives: &HashMap<String, Vec<&Event>>,
) -> Option<String> {
    let Answer::Done(made) = &entry.answer else {
        return None;
    };
    let own = written.get(&*entry.request);
    let among = |filed: &Filed, is: fn(&Fact) -> bool| {
        let mut duration = lives.get(&filed.elevation).into_iter().flatten();
        duration.any(|event| is_by(event, entry.who) && is(&event.fact))
    };
    let there = match &entry.act {
        Act::Close(filed) => among(filed, |fact| matches!(fact, Fact::Closed)),
        Act::Decide(filed, Verdict::Approve) => {
            among(filed, |fact| matches!(fact, Fact::Approved(_)))
        }
        Act::Decide(filed, Verdict::Reject) => {
            among(filed, |fact| matches!(fact, Fact::Rejected(_)))
        }
        Act::File(_) => own.is_some_and(|own| {
            made.as_ref()
                .is_none_or(|made| own[0].subject.id().to_string() == made.elevation)
        }),
    };
    (!there).then(|| format!("{entry:?} was acknowledged and is not in the record"))
}

fn is_by(event: &Event, name: &str) -> bool {
    event.by.as_ref().is_some_and(|by| by.account.name == name)
}

/// No account has decided or closed the same elevation twice.
fn twice(events: &[Event]) -> Vec<String> {
    let mut seen = HashSet::new();
    let once = events.iter().filter(|event| {
        matches!(
            event.fact,
            Fact::Approved(_) | Fact::Rejected(_) | Fact::Closed | Fact::Filed(_)
        )
    });
    once.filter(|event| {
        let decision = matches!(event.fact, Fact::Approved(_) | Fact::Rejected(_));
        let what = if decision {
            "Decided"
        } else {
            event.fact.name()
        };
        !seen.insert((
            event.subject.id(),
            event.by.as_ref().map(|by| by.account.id),
            what,
        ))
    })
    .map(|event| format!("{event:?} is there twice"))
    .collect()
}

/// Every row is the fold of its events, and an elevation with all its approvals is active.
fn folded(events: &[Event], remains: &Remains) -> Vec<String> {
    let mut folds: HashMap<String, Elevation> = HashMap::new();
    for event in events
        .iter()
        .filter(|event| matches!(event.subject, Subject::Elevation(_)))
    {
        let id = event.subject.id().to_string();
        match Elevation::apply(folds.remove(&id), event) {
            Ok(after) => drop(folds.insert(id, after)),
            Err(error) => return vec![format!("{id}: {error:?}")],
        }
    }
    let mut wrong = Vec::new();
    for (id, elevation) in &folds {
        if remains.rows.get(id) != Some(elevation) {
            wrong.push(format!(
                "{id}: the row is not the fold: {:?}",
                remains.rows.get(id)
            ));
        }
        let decisions = elevation
            .approval
            .iter()
            .flat_map(|approval| &approval.decisions);
        let approvals = decisions
            .filter(|decision| decision.verdict == Verdict::Approve)
            .count();
        if (approvals == remains.required_approvals[&elevation.role.to_string()])
            != elevation.activate_time.is_some()
        {
            wrong.push(format!("{id}: half an approval: {elevation:?}"));
        }
    }
    wrong
}
