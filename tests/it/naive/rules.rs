//! The rules once more, as the contract words them: sets, loops, and every combination tried. Nothing here calls the
//! domain.

use std::collections::BTreeSet;

use super::world::{
    Approval, Command, DAY, Decided, Decision, Elevation, Event, EventKind, Filing, HOUR, LONGEST,
    Name, PATTERNS, PlainActor, PlainExplanation, PlainStage, Role, Rule, SECOND, World,
};

/// Returns the events of a call, or the reason of its refusal.
pub fn answer(world: &World, who: Name, ask: &Command) -> Result<Vec<Event>, String> {
    match ask {
        Command::Close { elevation } => close(world, who, *elevation),
        Command::CreateRole(_) => {
            unless(&[
                (!is_administrator(world, who), "AccessDenied"),
                (world.revision > 0, "RoleExists"),
            ])?;
            Ok(vec![of_role(world, who, EventKind::RoleCreated)])
        }
        Command::Decide {
            elevation,
            approve,
            reason,
        } => decide(world, who, *elevation, *approve, *reason),
        Command::DeleteRole => {
            let is_in_use = world
                .elevations
                .iter()
                .any(|elevation| is_live(elevation, world.now));
            unless(&[
                (
                    !is_administrator(world, who) || world.role.is_none(),
                    "AccessDenied",
                ),
                (is_in_use, "RoleInUse"),
            ])?;
            Ok(vec![of_role(world, who, EventKind::RoleDeleted)])
        }
        Command::File { filing, request } => file(world, who, filing, *request),
        Command::UpdateRole { revision, .. } => {
            unless(&[
                (
                    !is_administrator(world, who) || world.role.is_none(),
                    "AccessDenied",
                ),
                (*revision != world.revision, "RoleChanged"),
            ])?;
            Ok(vec![of_role(world, who, EventKind::RoleUpdated)])
        }
    }
}

/// What time alone has done to an elevation.
pub fn pass(world: &World, number: usize) -> Vec<Event> {
    let elevation = &world.elevations[number];
    if due(elevation).is_none_or(|due| due > world.now) {
        return Vec::new();
    }
    let what = match (elevation.state, &world.role) {
        ("Active" | "PendingApproval", _) => EventKind::Expired,
        (_, None) => EventKind::Lapsed("Role"),
        (_, Some(role)) => start(world, elevation, role),
    };
    vec![Event {
        at: world.now,
        by: None,
        elevation: Some(number),
        what,
    }]
}

fn start(world: &World, elevation: &Elevation, role: &Role) -> EventKind {
    let Some(candidate) = world.as_whom(elevation.requester, &role.candidates) else {
        return EventKind::Lapsed("Candidacy");
    };
    let stages = 0..role.stages.len();
    let is_approved = match &elevation.approval {
        Some(_) => stages
            .into_iter()
            .all(|stage| lacks(world, role, elevation, stage) == 0),
        None => role.stages.is_empty() || is_owner(world, elevation.requester, role),
    };
    if is_approved {
        begin(world, role, elevation, candidate)
    } else {
        EventKind::Lapsed("Approvals")
    }
}

/// Changes the world by an event. `ask` is the call that caused it, if any.
pub fn happen(world: &mut World, event: &Event, ask: Option<&Command>) {
    let Some(number) = event.elevation else {
        world.revision += 1;
        world.role = match ask {
            Some(Command::CreateRole(role) | Command::UpdateRole { role, .. }) => {
                Some(role.clone())
            }
            _ => None,
        };
        return;
    };
    if let EventKind::Filed { elevation, .. } = &event.what {
        assert_eq!(number, world.elevations.len());
        world.elevations.push(elevation.clone());
        return;
    }
    let elevation = &mut world.elevations[number];
    match &event.what {
        EventKind::Activated { until, .. } => {
            elevation.activate_time = Some(event.at);
            elevation.ends_at = Some(*until);
            elevation.duration = (until - event.at) / SECOND;
            settle(elevation, "Active", true);
        }
        EventKind::Approved(decided) => note(elevation, event, decided, true),
        EventKind::Closed => {
            elevation.state = "Closed";
            elevation.ends_at = elevation.ends_at.map(|end| end.min(event.at));
        }
        EventKind::Expired => elevation.state = "Expired",
        EventKind::Lapsed(_) => elevation.state = "Rejected",
        EventKind::Rejected(decided) => {
            note(elevation, event, decided, false);
            settle(elevation, "Rejected", false);
        }
        EventKind::Scheduled => settle(elevation, "Scheduled", true),
        EventKind::Filed { .. }
        | EventKind::RoleCreated
        | EventKind::RoleDeleted
        | EventKind::RoleUpdated => {
            unreachable!()
        }
    }
}

fn settle(elevation: &mut Elevation, state: &'static str, approved: bool) {
    elevation.state = state;
    if let Some(approval) = &mut elevation.approval {
        approval.approved = Some(approved);
    }
}

fn note(elevation: &mut Elevation, event: &Event, decided: &Decided, approve: bool) {
    let by = event.by.as_ref().unwrap().who;
    let approval = elevation.approval.as_mut().unwrap();
    approval.reached = decided.open;
    let Decided { reason, stage, .. } = *decided;
    approval.decisions.push(Decision {
        by,
        stage,
        approve,
        reason,
        at: event.at,
    });
}

/// Returns the state of an approval for a caller, and the response to a decision with `reason`.
pub fn explain(
    world: &World,
    who: Name,
    number: usize,
    reason: Option<&'static str>,
) -> Result<PlainExplanation, String> {
    let elevation = &world.elevations[number];
    let may = who == elevation.requester
        || is_administrator(world, who)
        || may_decide(world, who, elevation);
    unless(&[(!may || elevation.approval.is_none(), "AccessDenied")])?;
    let status = approval_status(elevation, world.now).unwrap();
    let would = |approve| {
        decide(world, who, number, approve, reason)
            .err()
            .unwrap_or_default()
    };
    let candidates = world.role.as_ref().map_or(&[][..], |role| &role.candidates);
    Ok(PlainExplanation {
        status,
        candidate: world.as_whom(elevation.requester, candidates).is_some(),
        undecidable: status == "Pending" && is_undecidable(world, elevation),
        stages: world
            .role
            .as_ref()
            .map_or(Vec::new(), |role| stages(world, who, role, elevation)),
        approve: would(true),
        reject: would(false),
    })
}

fn stages(world: &World, who: Name, role: &Role, elevation: &Elevation) -> Vec<PlainStage> {
    let is_pending = approval_status(elevation, world.now) == Some("Pending");
    let may_read = world.as_whom(who, &role.candidates).is_some()
        || is_approver(world, who, role)
        || is_administrator(world, who);
    let approval = elevation.approval.as_ref().unwrap();
    let mut explained = Vec::new();
    for (index, stage) in role.stages.iter().enumerate() {
        let open = is_pending && taking(world, role, elevation).contains(&index);
        let could =
            |named: &&Name| **named != elevation.requester && !has_decided(elevation, named);
        let deciders = if open {
            stage.named.iter().filter(could).copied().collect()
        } else {
            Vec::new()
        };
        let people = left(world, role, elevation, index).map(|people| people.len());
        let decisions = approval
            .decisions
            .iter()
            .filter(|decision| decision.stage == index);
        let counted = counted(world, role, elevation, index);
        explained.push(PlainStage {
            open,
            required_approvals: stage.required_approvals,
            missing: lacks(world, role, elevation, index),
            decisions: decisions
                .map(|made| (made.by, made.approve && counted.contains(made.by)))
                .collect(),
            deciders: may_read.then_some(deciders),
            people: people.filter(|_| open),
            insufficient: is_pending && is_short(world, role, elevation, index),
        });
    }
    explained
}

/// No order of the remaining people completes the approval.
fn is_undecidable(world: &World, elevation: &Elevation) -> bool {
    let Some(role) = world.role.as_ref().filter(|role| !role.stages.is_empty()) else {
        return true;
    };
    let mut indices = 0..role.stages.len();
    if indices
        .clone()
        .all(|stage| left(world, role, elevation, stage).is_some())
    {
        return !can_be_completed(world, role, elevation);
    }
    indices.any(|stage| is_short(world, role, elevation, stage))
}

/// Whether some of the people left, one after the other in some order, complete the approval.
fn can_be_completed(world: &World, role: &Role, elevation: &Elevation) -> bool {
    world.people.iter().any(|who| {
        if *who == elevation.requester
            || has_decided(elevation, who)
            || world.strangers.contains(who)
        {
            return false;
        }
        let Some(stage) = stage_for(world, role, elevation, who) else {
            return false;
        };
        let (after, open) = approved_by(world, role, elevation, who, stage);
        open.is_none() || can_be_completed(world, role, &after)
    })
}

/// Whether a stage gets fewer people than it lacks, when the stages before it have taken as many as they can and everybody
/// is given to one stage only, in the best of all ways.
fn is_short(world: &World, role: &Role, elevation: &Elevation, stage: usize) -> bool {
    if left(world, role, elevation, stage).is_none() {
        return false;
    }
    let wanted = wanted(world, role, elevation);
    let mut given = vec![0; role.stages.len()];
    let placed =
        |end, given: &mut Vec<usize>| best(world, role, elevation, &wanted[..end], given, 0);
    placed(stage + 1, &mut given) - placed(stage, &mut given) < wanted[stage]
}

/// Returns the missing approvals of each stage. If no stage lacks any but the elevation is still
/// pending, the open stage needs one more.
fn wanted(world: &World, role: &Role, elevation: &Elevation) -> Vec<usize> {
    let mut wanted: Vec<usize> = (0..role.stages.len())
        .map(|stage| lacks(world, role, elevation, stage))
        .collect();
    if wanted.iter().all(|wanted| *wanted == 0) {
        wanted[reached(role, elevation)] = 1;
    }
    wanted
}

/// The most approvals that the people from `from` on can give to these stages, tried in every way.
fn best(
    world: &World,
    role: &Role,
    elevation: &Elevation,
    wanted: &[usize],
    given: &mut Vec<usize>,
    from: usize,
) -> usize {
    let Some(who) = world.people.get(from) else {
        return 0;
    };
    let mut most = best(world, role, elevation, wanted, given, from + 1);
    for stage in 0..wanted.len() {
        let people = left(world, role, elevation, stage);
        if given[stage] < wanted[stage] && people.is_some_and(|people| people.contains(who)) {
            given[stage] += 1;
            most = most.max(1 + best(world, role, elevation, wanted, given, from + 1));
            given[stage] -= 1;
        }
    }
    most
}

/// Returns the people who could still decide in a stage; `None` if the directory cannot count them.
fn left(world: &World, role: &Role, elevation: &Elevation, stage: usize) -> Option<BTreeSet<Name>> {
    let could = |who: &Name| *who != elevation.requester && !has_decided(elevation, who);
    Some(
        world
            .callers(&role.stages[stage].named)?
            .into_iter()
            .filter(could)
            .collect(),
    )
}

/// Whether no candidate and no other account could have a request for the role approved.
pub fn role_is_short(world: &World, role: &Role) -> bool {
    let people: Vec<_> = role
        .stages
        .iter()
        .map(|stage| world.callers(&stage.named))
        .collect();
    let required_approvals: Vec<usize> = role
        .stages
        .iter()
        .map(|stage| stage.required_approvals)
        .collect();
    let is_enough = |requester: Name| {
        let others: Vec<Name> = world
            .people
            .iter()
            .copied()
            .filter(|who| *who != requester)
            .collect();
        can_fill(&people, &required_approvals, &others)
    };
    let owns = |requester: &Name| {
        role.auto_approve_owners
            && people
                .iter()
                .all(|known| known.as_ref().is_none_or(|known| known.contains(requester)))
    };
    match world.callers(&role.candidates) {
        Some(candidates) if !candidates.is_empty() && !candidates.iter().any(owns) => {
            !candidates.into_iter().any(is_enough)
        }
        _ => !can_fill(&people, &required_approvals, &world.people),
    }
}

/// Whether every stage of known people gets as many as it needs, each person given to one stage in every way.
fn can_fill(
    people: &[Option<BTreeSet<Name>>],
    required_approvals: &[usize],
    from: &[Name],
) -> bool {
    let is_full = |(known, required_approvals): (&Option<BTreeSet<Name>>, &usize)| {
        known.is_none() || *required_approvals == 0
    };
    if people.iter().zip(required_approvals).all(is_full) {
        return true;
    }
    let [who, others @ ..] = from else {
        return false;
    };
    let fits = |stage: usize| {
        let takes = required_approvals[stage] > 0
            && people[stage]
                .as_ref()
                .is_some_and(|known| known.contains(who));
        let mut less = required_approvals.to_vec();
        less[stage] = less[stage].saturating_sub(1);
        takes && can_fill(people, &less, others)
    };
    can_fill(people, required_approvals, others) || (0..required_approvals.len()).any(fits)
}

fn close(world: &World, who: Name, number: usize) -> Result<Vec<Event>, String> {
    let elevation = &world.elevations[number];
    let status = status(elevation, world.now);
    unless(&[
        (elevation.requester != who, "AccessDenied"),
        (status == "Rejected", "ElevationEnded(Rejected)"),
        (status == "Expired", "ElevationEnded(Expired)"),
    ])?;
    let by = Some(PlainActor { who, via: None });
    let closed = Event {
        at: world.now,
        by,
        elevation: Some(number),
        what: EventKind::Closed,
    };
    Ok(if status == "Closed" {
        Vec::new()
    } else {
        vec![closed]
    })
}

fn file(
    world: &World,
    who: Name,
    filing: &Filing,
    request: Option<u128>,
) -> Result<Vec<Event>, String> {
    let named = request.map(|id| (id, filing.clone()));
    for before in world
        .elevations
        .iter()
        .rev()
        .filter(|before| before.requester == who)
    {
        let is_named = request.is_some() && before.request.as_ref().map(|(id, _)| *id) == request;
        if is_named && world.now - before.create_time < DAY {
            return if before.request == named {
                Ok(Vec::new())
            } else {
                Err("RequestIdReused".into())
            };
        }
    }
    let role = world.role.as_ref().ok_or("AccessDenied")?;
    let asked = filing.duration.unwrap_or(role.longest);
    let elevation = Elevation {
        requester: who,
        create_time: world.now,
        justification: filing.justification,
        asked,
        duration: asked.min(role.longest),
        start: filing.start.unwrap_or(world.now),
        state: "Scheduled",
        activate_time: None,
        ends_at: None,
        approval: None,
        request: named,
    };
    if filing.duration == Some(0) {
        give_up(world, who, role, elevation)
    } else {
        ask(world, who, role, elevation)
    }
}

fn give_up(
    world: &World,
    who: Name,
    role: &Role,
    elevation: Elevation,
) -> Result<Vec<Event>, String> {
    let held: Vec<usize> = (0..world.elevations.len())
        .filter(|number| world.elevations[*number].requester == who)
        .filter(|number| is_live(&world.elevations[*number], world.now))
        .collect();
    let via = world.as_whom(who, &role.candidates);
    if held.is_empty() {
        unless(&[
            (via.is_none(), "AccessDenied"),
            has_filed_too_many(world, who),
        ])?;
    }
    let number = world.elevations.len();
    let what = EventKind::Filed {
        elevation,
        revision: world.revision,
        approved_as: None,
    };
    let mut events = vec![Event {
        at: world.now,
        by: Some(PlainActor { who, via }),
        elevation: Some(number),
        what,
    }];
    for closed in [number].into_iter().chain(held) {
        let by = Some(PlainActor { who, via: None });
        events.push(Event {
            at: world.now,
            by,
            elevation: Some(closed),
            what: EventKind::Closed,
        });
    }
    Ok(events)
}

fn ask(
    world: &World,
    who: Name,
    role: &Role,
    mut elevation: Elevation,
) -> Result<Vec<Event>, String> {
    let start = elevation.start.max(world.now);
    let via = world.as_whom(who, &role.candidates);
    let fault = fault(&role.justification, elevation.justification);
    let needs_approval = !role.stages.is_empty() && !is_owner(world, who, role);
    let pending = world
        .elevations
        .iter()
        .filter(|other| other.requester == who);
    let pending = pending
        .filter(|other| status(other, world.now) == "PendingApproval")
        .count();
    let most = world.most_pending.unwrap_or(usize::MAX);
    unless(&[
        (via.is_none(), "AccessDenied"),
        has_filed_too_many(world, who),
        (fault.is_some(), &fault.unwrap_or_default()),
        (start - world.now > LONGEST * SECOND, "StartTooLate"),
        (is_outside(world, role, start), "OutsideWindow"),
        (
            needs_approval && pending >= most,
            &format!("TooManyPending({most})"),
        ),
    ])?;
    let (by, number) = (Some(PlainActor { who, via }), Some(world.elevations.len()));
    let mut begun = None;
    if needs_approval {
        let until = world.now + role.timeout.unwrap_or(world.timeout) * SECOND;
        elevation.state = "PendingApproval";
        elevation.approval = Some(Approval {
            until,
            reached: 0,
            approved: None,
            decisions: Vec::new(),
        });
    } else if start == world.now {
        begun = Some(begin(world, role, &elevation, via.unwrap_or_default()));
    }
    let approves_itself = !role.stages.is_empty() && !needs_approval;
    let approved_as = role.stages.first().filter(|_| approves_itself);
    let approved_as = approved_as.and_then(|stage| world.as_whom(who, &stage.named));
    let filed = EventKind::Filed {
        elevation,
        revision: world.revision,
        approved_as,
    };
    let event = |what| Event {
        at: world.now,
        by: by.clone(),
        elevation: number,
        what,
    };
    Ok([Some(filed), begun]
        .into_iter()
        .flatten()
        .map(event)
        .collect())
}

fn has_filed_too_many(world: &World, who: Name) -> (bool, &'static str) {
    let within_the_hour =
        |other: &&Elevation| other.requester == who && world.now - other.create_time < HOUR;
    let filed = world.elevations.iter().filter(within_the_hour).count();
    match world.most_filings {
        Some(1) => (filed >= 1, "TooManyFilings(1)"),
        Some(3) => (filed >= 3, "TooManyFilings(3)"),
        _ => (false, ""),
    }
}

fn decide(
    world: &World,
    who: Name,
    number: usize,
    approve: bool,
    reason: Option<&'static str>,
) -> Result<Vec<Event>, String> {
    let elevation = &world.elevations[number];
    let may = may_decide(world, who, elevation);
    let (Some(role), Some(approval), true) = (&world.role, &elevation.approval, may) else {
        return Err("AccessDenied".into());
    };
    let own = approval
        .decisions
        .iter()
        .find(|decision| decision.by == who)
        .map(|own| own.approve);
    if own == Some(approve) {
        return Ok(Vec::new());
    }
    let status = approval_status(elevation, world.now).unwrap_or_default();
    let stage = stage_for(world, role, elevation, who);
    let fault = fault(&role.decision, reason);
    let candidate = world.as_whom(elevation.requester, &role.candidates);
    unless(&[
        (
            status != "Pending",
            &format!("ApprovalNotPending({status})"),
        ),
        (own.is_some(), "AlreadyDecided"),
        (stage.is_none(), "StageNotOpen"),
        (fault.is_some(), &fault.unwrap_or_default()),
        (approve && candidate.is_none(), "RequesterNotCandidate"),
    ])?;
    let stage = stage.unwrap();
    let via = world.as_whom(who, &role.stages[stage].named);
    let event = |what| Event {
        at: world.now,
        by: Some(PlainActor { who, via }),
        elevation: Some(number),
        what,
    };
    let decided = Decided {
        reason,
        revision: world.revision,
        candidate: None,
        stage,
        open: approval.reached,
    };
    if !approve {
        return Ok(vec![event(EventKind::Rejected(decided))]);
    }
    let (_, open) = approved_by(world, role, elevation, who, stage);
    let approved = EventKind::Approved(Decided {
        candidate,
        open: open.unwrap_or(stage),
        ..decided
    });
    let begun = open
        .is_none()
        .then(|| begin(world, role, elevation, candidate.unwrap()));
    Ok([Some(approved), begun]
        .into_iter()
        .flatten()
        .map(event)
        .collect())
}

/// The elevation with one more approval, and the stage that lacks some then.
fn approved_by(
    world: &World,
    role: &Role,
    elevation: &Elevation,
    by: Name,
    stage: usize,
) -> (Elevation, Option<usize>) {
    let mut after = elevation.clone();
    let approval = after.approval.as_mut().unwrap();
    approval.decisions.push(Decision {
        by,
        stage,
        approve: true,
        reason: None,
        at: world.now,
    });
    let open = (0..role.stages.len()).find(|stage| lacks(world, role, &after, *stage) > 0);
    after.approval.as_mut().unwrap().reached = open.unwrap_or(stage);
    (after, open)
}

fn begin(world: &World, role: &Role, elevation: &Elevation, candidate: Name) -> EventKind {
    if elevation.start > world.now {
        return EventKind::Scheduled;
    }
    let duration = elevation.asked.min(elevation.duration).min(role.longest);
    let until = world.now + duration * SECOND;
    EventKind::Activated {
        until,
        revision: world.revision,
        candidate: Some(candidate),
    }
}

/// Returns the stage of a caller's decision: the first that lacks approvals, or else the first.
fn stage_for(world: &World, role: &Role, elevation: &Elevation, who: Name) -> Option<usize> {
    let taking = taking(world, role, elevation);
    let (lacking, complete): (Vec<usize>, Vec<usize>) = taking
        .into_iter()
        .partition(|stage| lacks(world, role, elevation, *stage) > 0);
    let mut in_turn = lacking.into_iter().chain(complete);
    in_turn.find(|stage| world.as_whom(who, &role.stages[*stage].named).is_some())
}

/// The stages that take decisions: the first that lacks approvals, those up to the one that was reached that lack some
/// again, and the one that was reached.
fn taking(world: &World, role: &Role, elevation: &Elevation) -> BTreeSet<usize> {
    let reached = reached(role, elevation);
    let lacking: Vec<usize> = (0..role.stages.len())
        .filter(|stage| lacks(world, role, elevation, *stage) > 0)
        .collect();
    let first = lacking.first().copied();
    let again = lacking.into_iter().filter(|stage| *stage <= reached);
    again
        .chain(first)
        .chain([reached])
        .filter(|stage| *stage < role.stages.len())
        .collect()
}

/// The stage that was reached, or the last one where there are fewer by now.
fn reached(role: &Role, elevation: &Elevation) -> usize {
    elevation
        .approval
        .as_ref()
        .unwrap()
        .reached
        .min(role.stages.len().max(1) - 1)
}

fn lacks(world: &World, role: &Role, elevation: &Elevation, stage: usize) -> usize {
    role.stages[stage]
        .required_approvals
        .saturating_sub(counted(world, role, elevation, stage).len())
}

/// The people whose approval counts for a stage now.
pub fn counted(world: &World, role: &Role, elevation: &Elevation, stage: usize) -> BTreeSet<Name> {
    let decisions = elevation
        .approval
        .iter()
        .flat_map(|approval| &approval.decisions);
    let approvals = decisions.filter(|decision| decision.approve && decision.stage == stage);
    let others = approvals
        .map(|decision| decision.by)
        .filter(|who| *who != elevation.requester);
    others
        .filter(|who| world.as_whom(who, &role.stages[stage].named).is_some())
        .collect()
}

fn has_decided(elevation: &Elevation, who: Name) -> bool {
    elevation
        .approval
        .iter()
        .flat_map(|approval| &approval.decisions)
        .any(|decision| decision.by == who)
}

fn is_administrator(world: &World, who: Name) -> bool {
    world.administrators.contains(who)
}

fn is_approver(world: &World, who: Name, role: &Role) -> bool {
    role.stages
        .iter()
        .any(|stage| world.as_whom(who, &stage.named).is_some())
}

fn may_decide(world: &World, who: Name, elevation: &Elevation) -> bool {
    who != elevation.requester
        && world
            .role
            .as_ref()
            .is_some_and(|role| is_approver(world, who, role))
}

/// Whether an account needs no other approval although the role requires approval.
pub fn is_owner(world: &World, who: Name, role: &Role) -> bool {
    role.auto_approve_owners
        && role
            .stages
            .iter()
            .all(|stage| world.as_whom(who, &stage.named).is_some())
}

pub fn is_live(elevation: &Elevation, now: i64) -> bool {
    ["Active", "PendingApproval", "Scheduled"].contains(&status(elevation, now))
}

/// When time alone does something to an elevation.
pub fn due(elevation: &Elevation) -> Option<i64> {
    match elevation.state {
        "Active" => elevation.ends_at,
        "PendingApproval" => elevation.approval.as_ref().map(|approval| approval.until),
        "Scheduled" => Some(elevation.start),
        _ => None,
    }
}

pub fn status(elevation: &Elevation, now: i64) -> &'static str {
    match elevation.state {
        "Active" | "PendingApproval" if due(elevation).is_some_and(|due| due <= now) => "Expired",
        state => state,
    }
}

pub fn approval_status(elevation: &Elevation, now: i64) -> Option<&'static str> {
    let approval = elevation.approval.as_ref()?;
    Some(match (approval.approved, status(elevation, now)) {
        (Some(true), _) => "Approved",
        (Some(false), _) => "Rejected",
        (None, "PendingApproval") => "Pending",
        (None, "Closed") => "Closed",
        (None, _) => "Expired",
    })
}

/// Returns the fault of a reason.
pub fn fault(rule: &Rule, reason: Option<&str>) -> Option<String> {
    let reason = reason.unwrap_or_default().trim_matches(char::is_whitespace);
    let seen = reason
        .chars()
        .filter(|letter| !" \u{200b}\u{308}\u{3164}".contains(*letter))
        .count();
    if seen == 0 {
        return rule.required.then(|| "ReasonNotAccepted(Missing)".into());
    }
    if seen < rule.min_length {
        return Some(format!("ReasonNotAccepted(TooShort({}))", rule.min_length));
    }
    let is_ticket =
        |text: &[u8]| text.starts_with(b"INC") && text.get(3).is_some_and(u8::is_ascii_digit);
    let is_found = match rule.pattern {
        None => true,
        Some(anywhere) if anywhere == PATTERNS[0] => {
            (0..reason.len()).any(|from| is_ticket(&reason.as_bytes()[from..]))
        }
        Some(_) => reason.len() == 4 && is_ticket(reason.as_bytes()),
    };
    (!is_found).then(|| "ReasonNotAccepted(Unlike)".into())
}

fn is_outside(world: &World, role: &Role, start: i64) -> bool {
    let Some((from, to)) = role.window else {
        return false;
    };
    let seconds = (world.began + start).div_euclid(SECOND);
    let minute = (seconds + berlin(seconds)).rem_euclid(86_400) / 60;
    !(i64::from(from)..i64::from(to)).contains(&minute)
}

/// How far the clocks in Berlin are ahead at a moment in seconds since 1970: an hour, and in summer, which begins and ends
/// at one o'clock on the last Sundays of March and October, another.
fn berlin(seconds: i64) -> i64 {
    let mut year = 1970;
    let mut began = 0;
    let days = |year: i64| if year % 4 == 0 { 366 } else { 365 };
    while began + days(year) * 86_400 <= seconds {
        began += days(year) * 86_400;
        year += 1;
    }
    let february = days(year) - 337;
    let march = began / 86_400 + 31 + february;
    let last_sunday = |last: i64| last - (last + 4) % 7;
    let spring = last_sunday(march + 30) * 86_400 + HOUR / SECOND;
    let autumn =
        last_sunday(march + 31 + 30 + 31 + 30 + 31 + 31 + 30 + 30) * 86_400 + HOUR / SECOND;
    if (spring..autumn).contains(&seconds) {
        7_200
    } else {
        3_600
    }
}

fn of_role(world: &World, who: Name, what: EventKind) -> Event {
    Event {
        at: world.now,
        by: Some(PlainActor { who, via: None }),
        elevation: None,
        what,
    }
}

/// The first of the objections that holds.
fn unless(objections: &[(bool, &str)]) -> Result<(), String> {
    objections
        .iter()
        .find(|(holds, _)| *holds)
        .map_or(Ok(()), |(_, name)| Err((*name).into()))
}
