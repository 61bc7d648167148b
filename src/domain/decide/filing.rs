//! Filing an elevation, and giving a role up.

use super::{Facts, Filing, begin, events};
use crate::domain::elevation::Elevation;
use crate::domain::event::{Event, Fact, Filed, Opened};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;

pub(super) fn file(facts: &Facts<'_>, filing: &Filing, now: Moment) -> Result<Vec<Event>, Refusal> {
    if repeats(facts, filing, now)? {
        return Ok(Vec::new());
    }
    match filing.duration {
        Some(Seconds::ZERO) => give_up(facts, filing, now),
        _ => ask(facts, filing, now),
    }
}

/// Whether this was filed before, under the client's own name of it; not when that was more than a day ago.
fn repeats(facts: &Facts<'_>, filing: &Filing, now: Moment) -> Result<bool, Refusal> {
    let within_a_day = |before: &&Elevation| now < before.create_time.after(Seconds::DAY);
    match (
        facts.filed_before.filter(within_a_day),
        filing.client_request,
    ) {
        (Some(before), Some(_)) if before.client_request == filing.client_request => Ok(true),
        (Some(_), Some(_)) => Err(Refusal::RequestIdReused),
        _ => Ok(false),
    }
}

/// Closes what is live of the role, and files an elevation of no duration that says so in the caller's history. Whoever holds
/// a role may give it up, candidate or not, and however much was filed before.
fn give_up(facts: &Facts<'_>, filing: &Filing, now: Moment) -> Result<Vec<Event>, Refusal> {
    let role = &facts.role.ok_or(Refusal::AccessDenied)?.value;
    let candidate = rights::requests(facts.caller.principals(), Some(role));
    if facts.live.is_empty() {
        candidate.clone()?;
        facts.policy.quota.allow_filing(facts.load)?;
    }
    let filed = Fact::Filed(Box::new(filed(facts, filing, role, now)));
    let mut happened = events(
        filing.elevation,
        now,
        Some(&facts.actor(candidate.ok())),
        [Some(filed), None],
    );
    let by = facts.actor(None);
    let given_up = [filing.elevation]
        .into_iter()
        .chain(facts.live.iter().map(|live| live.value.id));
    happened.extend(given_up.flat_map(|id| events(id, now, Some(&by), [Some(Fact::Closed), None])));
    Ok(happened)
}

fn ask(facts: &Facts<'_>, filing: &Filing, now: Moment) -> Result<Vec<Event>, Refusal> {
    let role = facts.role.ok_or(Refusal::AccessDenied)?;
    let via = rights::requests(facts.caller.principals(), Some(&role.value))?;
    check(facts, filing, &role.value, now)?;
    let filed = with_approval(
        filed(facts, filing, &role.value, now),
        facts,
        filing,
        &role.value,
        now,
    )?;
    let begun = match filed.approval {
        Some(_) => None,
        None => Some(begin(
            filed.requested_start_time,
            filed.duration,
            role,
            via,
            now,
        )),
    };
    // What is filed without approval is scheduled by that alone.
    let activated = begun.filter(|fact| *fact != Fact::Scheduled);
    let by = facts.actor(Some(via));
    Ok(events(
        filing.elevation,
        now,
        Some(&by),
        [Some(Fact::Filed(Box::new(filed))), activated],
    ))
}

/// Checks what everybody who asks is held to, whoever approves.
fn check(facts: &Facts<'_>, filing: &Filing, role: &Role, now: Moment) -> Result<(), Refusal> {
    facts.policy.quota.allow_filing(facts.load)?;
    role.rules
        .justification
        .allows(filing.justification.as_deref())?;
    let start = filing.requested_start_time.unwrap_or(now).max(now);
    if start > now.after(Seconds::LONGEST) {
        return Err(Refusal::StartTooLate);
    }
    match role.rules.window {
        Some(window) if !window.contains(start, &facts.policy.zone) => Err(Refusal::OutsideWindow),
        _ => Ok(()),
    }
}

/// Adds the approval that the role asks for, or by what right there is none.
fn with_approval(
    filed: Filed,
    facts: &Facts<'_>,
    filing: &Filing,
    role: &Role,
    now: Moment,
) -> Result<Filed, Refusal> {
    if role.stages.is_empty() {
        return Ok(filed);
    }
    if let Some(owner) = role.auto_approves(facts.caller.principals()) {
        return Ok(Filed {
            approved_as: Some(owner.clone()),
            ..filed
        });
    }
    facts.policy.quota.allow_pending(facts.load)?;
    let timeout = role
        .rules
        .pending_timeout
        .unwrap_or(facts.policy.pending_timeout);
    let opened = Opened {
        id: filing.approval,
        pending_expire_time: now.after(timeout),
    };
    Ok(Filed {
        approval: Some(opened),
        ..filed
    })
}

fn filed(facts: &Facts<'_>, filing: &Filing, role: &Role, now: Moment) -> Filed {
    let requested_duration = filing.duration.unwrap_or(role.max_duration);
    Filed {
        role: role.id,
        role_revision: facts.role_revision(),
        role_display_name: role.display_name.clone(),
        justification: filing.justification.clone(),
        requested_duration,
        duration: requested_duration.min(role.max_duration),
        requested_start_time: filing.requested_start_time.unwrap_or(now),
        approval: None,
        approved_as: None,
        client_request: filing.client_request,
    }
}
