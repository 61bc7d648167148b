//! What must hold whatever the rules are.

use std::collections::HashSet;

use countersign::domain::approval::Verdict;
use countersign::domain::elevation::Elevation;
use countersign::domain::event::{Event, Fact, Subject};
use countersign::domain::refusal::Refusal;
use countersign::domain::status::Status;
use countersign::domain::version::{Version, Versioned};

use super::chance::{Chance, REASONS};
use super::real::{Real, person, plain_refusal, role_of};
use super::world::{Command, Name, Role, World};
use super::{Case, rules};

/// The explanation agrees with the naive rules and with the response to a decision. Exactly the
/// people whom it lists can decide.
pub fn explained(case: &mut Case) {
    let Some(last) = case.world.elevations.len().checked_sub(1) else {
        return;
    };
    let number = if case.chance.below(4) == 0 {
        case.chance.below(last + 1)
    } else {
        last
    };
    let reason = case.chance.reason();
    let world = &case.world;
    for who in &world.people {
        case.story.push(format!(
            "{who} has {number} explained, with the reason {reason:?}"
        ));
        let naive = rules::explain(world, who, number, reason);
        let real = case.real.explain(world, who, number, reason);
        if let Ok(explained) = &real {
            for (approve, would) in [(true, &explained.approve), (false, &explained.reject)] {
                let ask = Command::Decide {
                    elevation: number,
                    approve,
                    reason,
                };
                let answer = case.real.answer(world, who, &ask).err();
                assert_eq!(*would, answer.map(plain_refusal).unwrap_or_default());
            }
        }
        assert_eq!(naive, real.map_err(plain_refusal));
    }
    named_can_decide(world, &case.real, number);
}

/// A role is short of people by both rules, or by neither; the one of the world, and any other.
pub fn short(case: &mut Case) {
    let other = case.chance.role(&case.world);
    for role in case.world.role.iter().chain([&other]) {
        let real = case.real.is_short(&case.world, &role_of(role));
        assert_eq!(real, rules::role_is_short(&case.world, role), "{role:?}");
    }
}

/// Every approver that an administrator sees can decide, except the members of a group who
/// requested or have decided; no other account can.
fn named_can_decide(world: &World, real: &Real, number: usize) {
    let Some(role) = &world.role else { return };
    let acceptable = REASONS
        .into_iter()
        .find(|reason| rules::fault(&role.decision, *reason).is_none());
    let (Some(reason), Some(clerk)) = (acceptable, world.people.first()) else {
        return;
    };
    let mut told = world.clone();
    told.administrators.insert(clerk);
    let Ok(explained) = real.explain(&told, clerk, number, reason) else {
        return;
    };
    let named: Vec<Name> = explained
        .stages
        .iter()
        .flat_map(|stage| stage.deciders.iter().flatten())
        .copied()
        .collect();
    let elevation = &real.elevations[number];
    let decisions = elevation
        .approval
        .iter()
        .flat_map(|approval| &approval.decisions);
    let mut barred: Vec<Name> = decisions
        .map(|decision| person(decision.approver.id))
        .collect();
    barred.push(person(elevation.requester.id));
    for who in &world.people {
        let in_group = !barred.contains(who) && named.iter().any(|named| world.is(who, named));
        let could = named.contains(who) || in_group;
        for approve in [true, false] {
            let ask = Command::Decide {
                elevation: number,
                approve,
                reason,
            };
            let can = real
                .answer(world, who, &ask)
                .is_ok_and(|events| !events.is_empty());
            assert_eq!(
                can,
                could && (explained.candidate || !approve),
                "{who} {approve}"
            );
        }
    }
}

/// With fewer rights of the caller or the requester, a refusal stays a refusal. With fewer rights
/// or approvers, an elevation that could not start still cannot.
pub fn less_authority(
    case: &mut Case,
    who: Name,
    ask: &Command,
    answer: &Result<Vec<Event>, Refusal>,
) {
    let Case {
        chance,
        world,
        real,
        ..
    } = case;
    let requester = match ask {
        Command::Decide { elevation, .. } => world.elevations[*elevation].requester,
        _ => who,
    };
    let approver = chance.pick(&world.people);
    for (gone, is_own) in [(who, true), (approver, approver == who)] {
        let less = lessened(chance, world, gone, requester);
        let role = less.role.as_ref().map(role_of);
        let role = role.map(|value| Versioned {
            version: Version(world.revision),
            value,
        });
        let poor = real.answer_by(role.as_ref(), &less, who, ask);
        assert!(
            !is_own || answer.is_ok() || poor.is_err(),
            "allowed with less: {less}"
        );
        assert!(
            answer.is_err() || has_begun(answer) || !has_begun(&poor),
            "begun with less: {less}"
        );
    }
    if let (
        Command::Decide {
            approve: true,
            elevation,
            ..
        },
        Ok(events),
    ) = (ask, answer)
    {
        is_supported(world, &real.elevations[*elevation], who, events);
    }
}

fn has_begun(answer: &Result<Vec<Event>, Refusal>) -> bool {
    let begins = |event: &Event| matches!(event.fact, Fact::Activated(_) | Fact::Scheduled);
    answer
        .as_ref()
        .is_ok_and(|events| events.iter().any(begins))
}

/// Returns the world with fewer rights of one account, which is no longer an administrator, a
/// member of a group, or named by the role; or with a requester who is no longer a candidate.
fn lessened(chance: &mut Chance, world: &World, who: Name, requester: Name) -> World {
    let mut less = world.clone();
    match (chance.below(5), &mut less.role) {
        (0, _) => less.administrators.retain(|name| *name != who),
        (1, Some(role)) => role.candidates.retain(|named| *named != who),
        (2, Some(role)) => role.candidates.retain(|named| !world.is(requester, named)),
        (3, Some(role)) if !role.stages.is_empty() => {
            let stage = chance.below(role.stages.len());
            role.stages[stage].named.retain(|named| *named != who);
        }
        _ => less
            .groups
            .values_mut()
            .for_each(|group| group.retain(|name| *name != who)),
    }
    less
}

/// Enough people other than the requester approved each stage, each of them once, when an approval begins something.
fn is_supported(world: &World, elevation: &Elevation, who: Name, events: &[Event]) {
    let [approved, _] = events else { return };
    let (Fact::Approved(decided), Some(role)) = (&approved.fact, &world.role) else {
        panic!("not approved")
    };
    let approval = elevation.approval.as_ref().unwrap();
    let before = approval
        .decisions
        .iter()
        .filter(|decision| decision.verdict == Verdict::Approve);
    let mut votes: Vec<(usize, Name)> = before
        .map(|decision| (decision.stage, person(decision.approver.id)))
        .collect();
    votes.push((decided.stage, who));
    let people: HashSet<Name> = votes.iter().map(|(_, who)| *who).collect();
    assert_eq!(people.len(), votes.len(), "somebody counts twice");
    assert!(
        !people.contains(person(elevation.requester.id)),
        "the requester counts"
    );
    for (index, stage) in role.stages.iter().enumerate() {
        let named = |who: Name| stage.named.iter().any(|named| world.is(who, named));
        let count = votes
            .iter()
            .filter(|(stage, who)| *stage == index && named(who))
            .count();
        assert!(
            count >= stage.required_approvals,
            "stage {index} has {count}"
        );
    }
}

/// No account decides twice. No elevation starts before its time or without approval, or lasts
/// longer than requested or than the role allows. An ended elevation never changes.
pub fn lived(world: &World, real: &Real, before: &[Elevation]) {
    for (number, after) in real.elevations.iter().enumerate() {
        let decisions = after
            .approval
            .iter()
            .flat_map(|approval| &approval.decisions);
        let deciders: Vec<_> = decisions.map(|decision| decision.approver.id).collect();
        assert_eq!(
            deciders.iter().collect::<HashSet<_>>().len(),
            deciders.len(),
            "somebody decided twice"
        );
        assert!(
            !deciders.contains(&after.requester.id),
            "the requester decided"
        );
        let has_ended = |before: &&Elevation| {
            matches!(
                before.status,
                Status::Closed | Status::Expired | Status::Rejected
            )
        };
        if let Some(before) = before.get(number).filter(has_ended) {
            assert_eq!(before, after, "what has ended has changed");
        }
        let was_active = before
            .get(number)
            .is_some_and(|before| before.activate_time.is_some());
        if let Some(activate_time) = after.activate_time.filter(|_| !was_active) {
            let role = real.role.as_ref().unwrap();
            assert!(
                activate_time >= after.requested_start_time,
                "it began before its start"
            );
            assert!(
                after.duration <= after.requested_duration
                    && after.duration <= role.value.max_duration
            );
            assert_eq!(after.expire_time, Some(activate_time.after(after.duration)));
            let is_owner = |role: &Role| {
                role.stages.is_empty()
                    || rules::is_owner(world, world.elevations[number].requester, role)
            };
            assert!(after.approval.is_some() || world.role.as_ref().is_some_and(is_owner));
        }
    }
}

/// The events of each elevation come to it once more.
pub fn replayed(real: &Real) {
    let mut elevations: Vec<Elevation> = Vec::new();
    for event in &real.events {
        let known = elevations
            .iter()
            .position(|elevation| event.subject == Subject::Elevation(elevation.id));
        match known {
            Some(known) => {
                let before = elevations[known].clone();
                elevations[known] = Elevation::apply(Some(before), event).unwrap();
            }
            None if matches!(event.fact, Fact::Filed(_)) => {
                elevations.push(Elevation::apply(None, event).unwrap());
            }
            None => {}
        }
    }
    assert_eq!(elevations, real.elevations);
}
