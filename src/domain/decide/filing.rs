//! Filing an elevation, and giving up a role.

use super::call::Call;
use super::ruling::{Ruling, begin, check_reason};
use crate::domain::elevation::Elevation;
use crate::domain::event::{ClientRequest, Fact, Filed, Opened};
use crate::domain::id::{ApprovalId, ElevationId};
use crate::domain::moment::{Moment, Seconds};
use crate::domain::policy::Policy;
use crate::domain::quota::Allowance;
use crate::domain::refusal::Refusal;
use crate::domain::rights;
use crate::domain::role::Role;
use crate::domain::version::Versioned;

/// An elevation to file, with its new ids.
#[derive(Clone, Debug)]
pub struct Filing {
    /// The id of the elevation.
    pub elevation: ElevationId,
    /// The id of its approval, if the role requires one.
    pub approval: ApprovalId,
    /// The duration to hold the role; `None` for the maximum of the role, zero to give it up.
    pub duration: Option<Seconds>,
    /// The justification, if there is one.
    pub justification: Option<String>,
    /// The requested start; `None` for now.
    pub requested_start_time: Option<Moment>,
    /// The client's own id of the request, if it gives one.
    pub client_request: Option<ClientRequest>,
}

impl Filing {
    /// Returns whether the filing gives the role up, so that [`release`] decides it.
    pub fn is_release(&self) -> bool {
        self.duration == Some(Seconds::ZERO)
    }
}

/// The facts that a filing relies on.
#[derive(Clone, Copy, Debug)]
pub struct FilingFacts<'a> {
    /// The call of the requester.
    pub call: Call<'a>,
    /// The settings of the operator.
    pub policy: &'a Policy,
    /// The role as it is now; `None` if there is none.
    pub role: Option<&'a Versioned<Role>>,
    /// The quota of the requester; `None` if the operator sets none.
    pub allowance: Option<Allowance>,
    /// The last elevation that the caller filed under the same client request; `None` if there is none, as for every
    /// filing without a client request.
    pub filed_before: Option<&'a Elevation>,
}

/// The facts that giving up a role relies on.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseFacts<'a> {
    /// The facts of every filing.
    pub filing: FilingFacts<'a>,
    /// The elevations of the role that the caller holds or waits for.
    pub live: &'a [Versioned<Elevation>],
}

/// Decides whether the caller files an elevation at `now`. The filing is not a [release](Filing::is_release).
///
/// # Errors
///
/// `AccessDenied` if there is no such role or the caller is no candidate. `RequestIdReused` if the client request was
/// used for another filing. Other refusals by the quota and the rules of the role.
pub fn filing(facts: &FilingFacts<'_>, filing: &Filing, now: Moment) -> Result<Ruling, Refusal> {
    if is_repeated(facts, filing, now)? {
        return Ok(Ruling::AlreadySo);
    }
    let role = facts.role.ok_or(Refusal::AccessDenied)?;
    let via = rights::requests(facts.call.caller.principals(), &role.value)?;
    check(facts, filing, &role.value, now)?;
    let mut filed = filed(filing, role, now);
    if !role.value.stages.is_empty() {
        match role.value.auto_approves(facts.call.caller.principals()) {
            Some(owner) => filed.approved_as = Some(owner.clone()),
            None => filed.approval = Some(opened(facts, filing, &role.value, now)?),
        }
    }
    let (start, duration) = (filed.requested_start_time, filed.duration);
    let needs_approval = filed.approval.is_some();
    let mut happened = vec![Fact::Filed(Box::new(filed))];
    // A filing without approval that starts later is scheduled by the filing alone.
    if !needs_approval && start <= now {
        happened.push(begin(start, duration, role, via, now));
    }
    let events = happened
        .into_iter()
        .map(|fact| facts.call.event(filing.elevation, Some(via), now, fact));
    Ok(Ruling::Happened(events.collect()))
}

/// Decides whether the caller gives up a role at `now`. This closes the live elevations of the role, and files an
/// elevation of zero duration for the caller's history. A caller who holds the role or waits for it may give it up. The
/// caller need not be a candidate, and no quota applies.
///
/// # Errors
///
/// `AccessDenied` if there is no such role, or if the caller neither holds it, waits for it nor is a candidate.
/// `RequestIdReused` if the client request was used for another filing. `TooManyFilings` if there is nothing
/// to close and the quota is used up.
pub fn release(facts: &ReleaseFacts<'_>, filing: &Filing, now: Moment) -> Result<Ruling, Refusal> {
    let ReleaseFacts {
        filing: common,
        live,
    } = facts;
    if is_repeated(common, filing, now)? {
        return Ok(Ruling::AlreadySo);
    }
    let call = &common.call;
    let role = common.role.ok_or(Refusal::AccessDenied)?;
    let candidate = rights::requests(call.caller.principals(), &role.value);
    if live.is_empty() {
        candidate.clone()?;
        check_filings(common)?;
    }
    let filed = Fact::Filed(Box::new(filed(filing, role, now)));
    let mut events = vec![
        call.event(filing.elevation, candidate.ok(), now, filed),
        call.event(filing.elevation, None, now, Fact::Closed),
    ];
    for given_up in *live {
        events.push(call.event(given_up.value.id, None, now, Fact::Closed));
    }
    Ok(Ruling::Happened(events))
}

/// Returns whether the caller has filed the same within a day under the same client request. Refuses a client request
/// that was used for another filing within a day.
fn is_repeated(facts: &FilingFacts<'_>, filing: &Filing, now: Moment) -> Result<bool, Refusal> {
    match facts.filed_before {
        Some(before) if now < before.create_time.after(Seconds::DAY) => {
            if before.client_request == filing.client_request {
                Ok(true)
            } else {
                Err(Refusal::RequestIdReused)
            }
        }
        _ => Ok(false),
    }
}

/// Checks the rules that apply to every filing, whether it needs an approval or not.
fn check(
    facts: &FilingFacts<'_>,
    filing: &Filing,
    role: &Role,
    now: Moment,
) -> Result<(), Refusal> {
    check_filings(facts)?;
    check_reason(&role.rules.justification, filing.justification.as_deref())?;
    let start = filing.requested_start_time.unwrap_or(now).max(now);
    if start > now.after(Seconds::LONGEST) {
        return Err(Refusal::StartTooLate);
    }
    match role.rules.window {
        Some(window) if !window.contains(start, &facts.policy.zone) => Err(Refusal::OutsideWindow),
        _ => Ok(()),
    }
}

fn check_filings(facts: &FilingFacts<'_>) -> Result<(), Refusal> {
    match facts.allowance {
        Some(Allowance { quota, load }) => quota.allow_filing(load),
        None => Ok(()),
    }
}

/// Returns the approval that the elevation waits for.
fn opened(
    facts: &FilingFacts<'_>,
    filing: &Filing,
    role: &Role,
    now: Moment,
) -> Result<Opened, Refusal> {
    if let Some(Allowance { quota, load }) = facts.allowance {
        quota.allow_pending(load)?;
    }
    let timeout = role
        .rules
        .pending_timeout
        .unwrap_or(facts.policy.pending_timeout);
    Ok(Opened {
        id: filing.approval,
        pending_expire_time: now.after(timeout),
    })
}

/// Returns the filing for the record, without an approval.
fn filed(filing: &Filing, role: &Versioned<Role>, now: Moment) -> Filed {
    let Versioned { version, value } = role;
    let requested_duration = filing.duration.unwrap_or(value.max_duration);
    Filed {
        role: value.id,
        role_revision: version.0,
        role_display_name: value.display_name.clone(),
        justification: filing.justification.clone(),
        requested_duration,
        duration: requested_duration.min(value.max_duration),
        requested_start_time: filing.requested_start_time.unwrap_or(now),
        approval: None,
        approved_as: None,
        client_request: filing.client_request,
    }
}
