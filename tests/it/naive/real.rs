//! The rules under test, driven and read in the terms of a [`World`]: the world has the accounts
//! and the time; the role and the elevations are the domain's own.

use std::collections::HashSet;
use std::sync::LazyLock;

use countersign::domain::account::{Account, Group, Principal};
use countersign::domain::approval::{self, Verdict};
use countersign::domain::caller::{Caller, Principals};
use countersign::domain::decide::{
    self, ApprovalFacts, Call, ClosingFacts, CreateRoleFacts, DeleteRoleFacts, DueFacts,
    FilingFacts, ReleaseFacts, Ruling, UpdateRoleFacts,
};
use countersign::domain::elevation::Elevation;
use countersign::domain::event::{
    self, Actor, Channel, ClientRequest, Event, Fact, Lapse, Origin, Subject,
};
use countersign::domain::explain::{Explanation, StageExplanation, explain, role_shortages};
use countersign::domain::id::{AccountId, ApprovalId, ElevationId, PrincipalId, RoleId};
use countersign::domain::moment::{Moment, Seconds};
use countersign::domain::policy::Policy;
use countersign::domain::quota::{Allowance, Load, Quota};
use countersign::domain::reason::{Pattern, ReasonRule};
use countersign::domain::refusal::Refusal;
use countersign::domain::role::{Role, Rules};
use countersign::domain::stages::Stage;
use countersign::domain::status::{ApprovalStatus, Status};
use countersign::domain::version::{Version, Versioned};
use countersign::domain::window::{TimeOfDay, Window};
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::world::{
    self, Command, EventKind, Filing, GROUPS, Name, PEOPLE, PlainActor, PlainExplanation,
    PlainStage, World,
};

/// The state of the domain in addition to the world.
pub struct Real {
    pub role: Option<Versioned<Role>>,
    pub revision: u64,
    pub elevations: Vec<Elevation>,
    /// The filings, elevation by elevation.
    asked: Vec<Filing>,
    pub events: Vec<Event>,
    policy: Policy,
}

impl Real {
    /// The beginning of a world, before the first call.
    pub fn of(world: &World) -> Self {
        let [pending, filings] = [world.most_pending, world.most_filings]
            .map(|most| most.map(|most| most.try_into().unwrap()));
        let policy = Policy {
            pending_timeout: duration(world.timeout),
            quota: Quota { pending, filings },
            zone: BERLIN.clone(),
        };
        let role = world.role.as_ref();
        Self {
            role: role.map(|value| Versioned {
                version: Version(world.revision),
                value: role_of(value),
            }),
            revision: world.revision,
            elevations: Vec::new(),
            asked: Vec::new(),
            events: Vec::new(),
            policy,
        }
    }

    pub fn answer(&self, world: &World, who: Name, ask: &Command) -> Result<Vec<Event>, Refusal> {
        self.answer_by(self.role.as_ref(), world, who, ask)
    }

    /// What would be answered if that were the role.
    pub fn answer_by(
        &self,
        role: Option<&Versioned<Role>>,
        world: &World,
        who: Name,
        ask: &Command,
    ) -> Result<Vec<Event>, Refusal> {
        let (caller, now) = (caller(world, who), moment(world, world.now));
        let call = Call {
            caller: &caller,
            origin: &ORIGIN,
        };
        match ask {
            Command::Close { elevation } => {
                let elevation = self.elevations.get(*elevation);
                let elevation = elevation.ok_or(Refusal::AccessDenied)?;
                decide::closing(&ClosingFacts { call, elevation }, now).map(events)
            }
            Command::Decide {
                elevation,
                approve,
                reason,
            } => self.about(world, call, role, *elevation, |facts| {
                decide::approval(facts, verdict(*approve), *reason, now).map(events)
            }),
            Command::File { filing, request } => {
                self.file(world, call, role, filing, *request).map(events)
            }
            Command::CreateRole(new) => {
                let id_taken = self.revision > 0;
                let facts = CreateRoleFacts { call, id_taken };
                decide::create_role(&facts, &role_of(new), now).map(|event| vec![event])
            }
            Command::DeleteRole => {
                let mut elevations = self.elevations.iter();
                let in_use = elevations.any(|elevation| is_live(elevation, now));
                let facts = DeleteRoleFacts { call, role, in_use };
                decide::delete_role(&facts, now).map(|event| vec![event])
            }
            Command::UpdateRole {
                role: new,
                revision,
            } => {
                let facts = UpdateRoleFacts { call, role };
                let version = Version(*revision);
                decide::update_role(&facts, &role_of(new), version, now).map(|event| vec![event])
            }
        }
    }

    pub fn explain(
        &self,
        world: &World,
        who: Name,
        number: usize,
        reason: Option<&str>,
    ) -> Result<PlainExplanation, Refusal> {
        let stages = self.role.iter().flat_map(|role| &role.value.stages);
        let people = stages
            .map(|stage| people(world, &stage.approvers))
            .collect();
        let caller = caller(world, who);
        let call = Call {
            caller: &caller,
            origin: &ORIGIN,
        };
        let explained = self.about(world, call, self.role.as_ref(), number, |facts| {
            explain(facts, &people, reason, moment(world, world.now))
        });
        explained.map(plain_explanation)
    }

    /// Whether the role has too few people for every requester.
    pub fn is_short(&self, world: &World, role: &Role) -> bool {
        let known = role
            .stages
            .iter()
            .map(|stage| people(world, &stage.approvers))
            .collect();
        !role_shortages(role, &known, people(world, &role.candidates).as_ref()).is_empty()
    }

    pub fn pass(&self, world: &World, number: usize) -> Vec<Event> {
        let elevation = &self.elevations[number];
        let requester = principals(world, elevation.requester.id);
        let deciders = deciders(world, elevation);
        let facts = DueFacts {
            elevation,
            role: self.role.as_ref(),
            requester: &requester,
            deciders: &deciders,
        };
        decide::due(&facts, moment(world, world.now))
            .into_iter()
            .collect()
    }

    /// Records an event. `filing` is the call that filed an elevation.
    pub fn happen(&mut self, event: &Event, filing: Option<&Filing>) {
        self.events.push(event.clone());
        let number = match event.subject {
            Subject::Elevation(id) => number(id),
            Subject::Role(_) => {
                self.revision += 1;
                self.role = match &event.fact {
                    Fact::RoleCreated(role) | Fact::RoleUpdated(role) => Some(Versioned {
                        version: Version(self.revision),
                        value: (**role).clone(),
                    }),
                    _ => None,
                };
                return;
            }
        };
        if let (Fact::Filed(_), Some(filing)) = (&event.fact, filing) {
            self.asked.push(filing.clone());
        }
        let after = Elevation::apply(self.elevations.get(number).cloned(), event).unwrap();
        if number == self.elevations.len() {
            self.elevations.push(after);
        } else {
            self.elevations[number] = after;
        }
    }

    fn file(
        &self,
        world: &World,
        call: Call<'_>,
        role: Option<&Versioned<Role>>,
        filing: &Filing,
        request: Option<u128>,
    ) -> Result<Ruling, Refusal> {
        let (id, now) = (call.caller.account.id, moment(world, world.now));
        let own = || {
            self.elevations
                .iter()
                .filter(|elevation| elevation.requester.id == id)
        };
        let live: Vec<_> = own()
            .filter(|elevation| is_live(elevation, now))
            .map(|elevation| Versioned {
                version: Version(1),
                value: elevation.clone(),
            })
            .collect();
        let pending = own()
            .filter(|elevation| elevation.status_at(now) == Status::PendingApproval)
            .count();
        let filings = own()
            .filter(|elevation| elevation.create_time > Load::since(now))
            .count();
        let name = request.map(Uuid::from_u128);
        let is_named =
            |elevation: &&Elevation| elevation.client_request.map(|named| named.id) == name;
        let allowance = Allowance {
            quota: self.policy.quota,
            load: Load {
                pending: pending.try_into().unwrap(),
                filings: filings.try_into().unwrap(),
            },
        };
        let facts = FilingFacts {
            call,
            policy: &self.policy,
            role,
            allowance: self.policy.quota.is_set().then_some(allowance),
            filed_before: name.and_then(|_| own().rfind(is_named)),
        };
        let filing = decide::Filing {
            elevation: ElevationId(Uuid::from_u128(
                (self.elevations.len() + 1).try_into().unwrap(),
            )),
            approval: APPROVAL,
            duration: filing.duration.map(duration),
            justification: filing.justification.map(str::to_owned),
            requested_start_time: filing.start.map(|start| moment(world, start)),
            client_request: request.map(|request| client_request(world, request, filing)),
        };
        if filing.is_release() {
            let facts = ReleaseFacts {
                filing: facts,
                live: &live,
            };
            decide::release(&facts, &filing, now)
        } else {
            decide::filing(&facts, &filing, now)
        }
    }

    /// With the facts for a command on an elevation.
    fn about<T>(
        &self,
        world: &World,
        call: Call<'_>,
        role: Option<&Versioned<Role>>,
        number: usize,
        then: impl FnOnce(&ApprovalFacts<'_>) -> T,
    ) -> T {
        let elevation = &self.elevations[number];
        then(&ApprovalFacts {
            call,
            elevation,
            role,
            requester: &principals(world, elevation.requester.id),
            deciders: &deciders(world, elevation),
        })
    }

    pub fn plain_event(&self, world: &World, event: &Event, ask: Option<&Command>) -> world::Event {
        let elevation = match event.subject {
            Subject::Elevation(id) => Some(number(id)),
            Subject::Role(id) => {
                assert_eq!(id, ROLE);
                None
            }
        };
        let by = event.by.as_ref().map(plain_actor);
        world::Event {
            at: ticks(world, event.time),
            by,
            elevation,
            what: self.plain_fact(world, event, ask),
        }
    }

    fn plain_fact(&self, world: &World, event: &Event, ask: Option<&Command>) -> EventKind {
        match &event.fact {
            Fact::Activated(event::Activated {
                expire_time,
                role_revision,
                requester_via,
            }) => EventKind::Activated {
                until: ticks(world, *expire_time),
                revision: *role_revision,
                candidate: requester_via.as_ref().map(plain_principal),
            },
            Fact::Approved(decided) => EventKind::Approved(plain_decided(decided)),
            Fact::Closed => EventKind::Closed,
            Fact::Expired => EventKind::Expired,
            Fact::Filed(filed) => {
                let Some(Command::File { filing, .. }) = ask else {
                    panic!("filed without an ask")
                };
                let elevation = Elevation::apply(None, event).unwrap();
                assert_eq!(filed.role, ROLE);
                EventKind::Filed {
                    elevation: plain_elevation(world, &elevation, filing),
                    revision: filed.role_revision,
                    approved_as: filed.approved_as.as_ref().map(plain_principal),
                }
            }
            Fact::Lapsed(Lapse::Approvals) => EventKind::Lapsed("Approvals"),
            Fact::Lapsed(Lapse::Candidacy) => EventKind::Lapsed("Candidacy"),
            Fact::Lapsed(Lapse::Role) => EventKind::Lapsed("Role"),
            Fact::Rejected(decided) => EventKind::Rejected(plain_decided(decided)),
            Fact::RoleCreated(_) => EventKind::RoleCreated,
            Fact::RoleDeleted => EventKind::RoleDeleted,
            Fact::RoleUpdated(_) => EventKind::RoleUpdated,
            Fact::Scheduled => EventKind::Scheduled,
        }
    }

    pub fn plain_elevation(&self, world: &World, number: usize) -> world::Elevation {
        plain_elevation(world, &self.elevations[number], &self.asked[number])
    }
}

fn events(ruling: Ruling) -> Vec<Event> {
    match ruling {
        Ruling::AlreadySo => Vec::new(),
        Ruling::Happened(events) => events,
    }
}

fn plain_elevation(world: &World, elevation: &Elevation, asked: &Filing) -> world::Elevation {
    assert_eq!((elevation.role, elevation.channel), (ROLE, Channel::Grpc));
    assert_eq!(elevation.role_display_name, "SQL");
    let request = elevation.client_request.map(|request| {
        let id = request.id.as_u128();
        assert_eq!(request, client_request(world, id, asked));
        (id, asked.clone())
    });
    world::Elevation {
        requester: name(elevation.requester.id.into()),
        create_time: ticks(world, elevation.create_time),
        justification: elevation.justification.as_deref().map(known),
        asked: elevation.requested_duration.seconds(),
        duration: elevation.duration.seconds(),
        start: ticks(world, elevation.requested_start_time),
        state: elevation.status.name(),
        activate_time: elevation.activate_time.map(|moment| ticks(world, moment)),
        ends_at: elevation.expire_time.map(|moment| ticks(world, moment)),
        approval: elevation
            .approval
            .as_ref()
            .map(|approval| plain_approval(world, approval)),
        request,
    }
}

fn plain_approval(world: &World, approval: &approval::Approval) -> world::Approval {
    assert_eq!(approval.id, APPROVAL);
    let plain = |decision: &approval::Decision| world::Decision {
        by: name(decision.approver.id.into()),
        stage: decision.stage,
        approve: decision.verdict == Verdict::Approve,
        reason: decision.reason.as_deref().map(known),
        at: ticks(world, decision.decide_time),
    };
    world::Approval {
        until: ticks(world, approval.pending_expire_time),
        reached: approval.stage,
        approved: approval.outcome.map(|outcome| outcome == Verdict::Approve),
        decisions: approval.decisions.iter().map(plain).collect(),
    }
}

fn plain_decided(decided: &event::Decided) -> world::Decided {
    world::Decided {
        reason: decided.reason.as_deref().map(known),
        revision: decided.role_revision,
        candidate: decided.requester_via.as_ref().map(plain_principal),
        stage: decided.stage,
        open: decided.open_stage,
    }
}

fn plain_explanation(explanation: Explanation) -> PlainExplanation {
    let plain = |would: Result<(), Refusal>| would.err().map(plain_refusal);
    PlainExplanation {
        status: status_name(explanation.status),
        candidate: explanation.requester_is_candidate,
        undecidable: explanation.undecidable,
        stages: explanation.stages.iter().map(plain_stage).collect(),
        approve: plain(explanation.approve).unwrap_or_default(),
        reject: plain(explanation.reject).unwrap_or_default(),
    }
}

/// A refusal in one word, without the rule that a reason does not follow.
pub fn plain_refusal(refusal: Refusal) -> String {
    match refusal {
        Refusal::ReasonNotAccepted(fault, _) => format!("ReasonNotAccepted({fault:?})"),
        refusal => format!("{refusal:?}"),
    }
}

fn plain_stage(stage: &StageExplanation) -> PlainStage {
    let decisions = stage.decisions.iter();
    PlainStage {
        open: stage.open,
        required_approvals: stage.required_approvals.try_into().unwrap(),
        missing: stage.missing.try_into().unwrap(),
        decisions: decisions
            .map(|made| (name(made.decision.approver.id.into()), made.counts))
            .collect(),
        deciders: stage
            .deciders
            .as_ref()
            .map(|named| named.iter().map(plain_principal).collect()),
        people: stage.people.map(|people| people.try_into().unwrap()),
        insufficient: stage.insufficient,
    }
}

fn status_name(status: ApprovalStatus) -> &'static str {
    use ApprovalStatus::{Approved, Closed, Expired, Pending, Rejected};
    match status {
        Approved => "Approved",
        Closed => "Closed",
        Expired => "Expired",
        Pending => "Pending",
        Rejected => "Rejected",
    }
}

fn plain_actor(actor: &Actor) -> PlainActor {
    assert_eq!(
        (actor.credential.as_str(), &actor.origin),
        ("bearer:1", &*ORIGIN)
    );
    PlainActor {
        who: name(actor.account.id.into()),
        via: actor.via.as_ref().map(plain_principal),
    }
}

fn plain_principal(principal: &Principal) -> Name {
    name(principal.id())
}

/// Whose account that is.
pub fn person(id: AccountId) -> Name {
    name(id.into())
}

/// The name of a person or a group.
fn name(id: PrincipalId) -> Name {
    let person = ACCOUNTS
        .iter()
        .position(|account| PrincipalId::from(account.id) == id);
    person.map_or_else(
        || GROUPS[THE_GROUPS.iter().position(|group| group.id == id).unwrap()],
        |person| PEOPLE[person],
    )
}

/// The text that chance gave.
fn known(text: &str) -> &'static str {
    super::chance::REASONS
        .into_iter()
        .flatten()
        .find(|known| *known == text)
        .unwrap()
}

fn account(who: Name) -> &'static Account {
    &ACCOUNTS[PEOPLE.iter().position(|name| *name == who).unwrap()]
}

fn group(named: Name) -> &'static Group {
    &THE_GROUPS[GROUPS.iter().position(|name| *name == named).unwrap()]
}

/// A role names people in letters of another case than they call themselves.
fn principal(named: Name) -> Principal {
    match PEOPLE.iter().position(|name| *name == named) {
        Some(person) => Principal::Account(LOUD[person].clone()),
        None => Principal::Group(group(named).clone()),
    }
}

pub fn role_of(plain: &world::Role) -> Role {
    let minutes = |minutes: u16| {
        TimeOfDay::read(&format!("{:02}:{:02}", minutes / 60, minutes % 60)).unwrap()
    };
    Role {
        id: ROLE,
        display_name: "SQL".into(),
        description: String::new(),
        max_duration: duration(plain.longest),
        candidates: plain.candidates.iter().copied().map(principal).collect(),
        stages: plain.stages.iter().map(stage_of).collect(),
        rules: Rules {
            auto_approve_owners: plain.auto_approve_owners,
            pending_timeout: plain.timeout.map(duration),
            window: plain
                .window
                .map(|(from, to)| Window::new(minutes(from), minutes(to)).unwrap()),
            justification: rule_of(&plain.justification),
            decision_reason: rule_of(&plain.decision),
        },
    }
}

fn stage_of(plain: &world::Stage) -> Stage {
    Stage {
        approvers: plain.named.iter().copied().map(principal).collect(),
        required_approvals: plain.required_approvals.try_into().unwrap(),
    }
}

fn rule_of(plain: &world::Rule) -> ReasonRule {
    let pattern = plain.pattern.map(|text| Pattern::new(text).unwrap());
    ReasonRule {
        required: plain.required,
        min_length: plain.min_length.try_into().unwrap(),
        pattern,
    }
}

fn caller(world: &World, who: Name) -> Caller {
    let groups = groups_of(world, who);
    Caller::new(
        account(who).clone(),
        groups,
        world.administrators.contains(who),
        "bearer:1".into(),
    )
}

/// Returns the principals of an account, according to the directory.
fn principals(world: &World, id: AccountId) -> Principals {
    let who = name(id.into());
    Principals::new(account(who), &groups_of(world, who))
}

fn groups_of(world: &World, who: Name) -> Vec<Group> {
    let of_person = world
        .groups
        .iter()
        .filter(|(_, people)| people.contains(who));
    of_person.map(|(named, _)| group(named).clone()).collect()
}

fn deciders(world: &World, elevation: &Elevation) -> Vec<Principals> {
    let decisions = elevation
        .approval
        .iter()
        .flat_map(|approval| &approval.decisions);
    decisions
        .map(|decision| principals(world, decision.approver.id))
        .collect()
}

/// Returns the named people with credentials, according to the directory.
fn people(world: &World, named: &[Principal]) -> Option<HashSet<AccountId>> {
    let named: Vec<Name> = named.iter().map(plain_principal).collect();
    Some(
        world
            .callers(&named)?
            .into_iter()
            .map(|who| account(who).id)
            .collect(),
    )
}

fn is_live(elevation: &Elevation, now: Moment) -> bool {
    matches!(
        elevation.status_at(now),
        Status::Active | Status::PendingApproval | Status::Scheduled
    )
}

fn client_request(world: &World, id: u128, filing: &Filing) -> ClientRequest {
    let start = filing.start.map(|start| moment(world, start));
    ClientRequest::of(
        Uuid::from_u128(id),
        ROLE,
        filing.duration.map(duration),
        filing.justification,
        start,
    )
}

fn verdict(approve: bool) -> Verdict {
    if approve {
        Verdict::Approve
    } else {
        Verdict::Reject
    }
}

fn number(id: ElevationId) -> usize {
    usize::try_from(id.0.as_u128()).unwrap() - 1
}

fn duration(seconds: i64) -> Seconds {
    Seconds::new(seconds).unwrap()
}

fn moment(world: &World, ticks: i64) -> Moment {
    Moment::from_ticks(world.began + ticks)
}

fn ticks(world: &World, moment: Moment) -> i64 {
    moment.ticks() - world.began
}

const APPROVAL: ApprovalId = ApprovalId(Uuid::from_u128(7));
const ROLE: RoleId = RoleId(Uuid::from_u128(1 << 64));

static ACCOUNTS: LazyLock<[Account; 6]> =
    LazyLock::new(|| PEOPLE.map(|name| Account::named(&format!("PRIV\\{name}")).unwrap()));
static LOUD: LazyLock<[Account; 6]> = LazyLock::new(|| {
    PEOPLE.map(|name| Account::named(&format!("priv\\{}", name.to_uppercase())).unwrap())
});
static THE_GROUPS: LazyLock<[Group; 3]> =
    LazyLock::new(|| GROUPS.map(|name| Group::named(name).unwrap()));
static BERLIN: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Europe/Berlin").unwrap());
static ORIGIN: LazyLock<Origin> = LazyLock::new(|| Origin {
    channel: Channel::Grpc,
    request_id: "1".into(),
});
