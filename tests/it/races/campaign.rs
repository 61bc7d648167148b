//! A campaign of races: approvals that many callers decide, close and let expire at once, and the
//! faults afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use countersign::domain::approval::Verdict;
use countersign::domain::elevation::Elevation;
use countersign::domain::id::ElevationId;
use countersign::domain::status::Status;
use countersign::proto::pam::v1;
use countersign::store::{ElevationKey, Store};
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost_types::Duration;
use sha2::{Digest, Sha256};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use tokio::sync::{Barrier, watch};

use super::alone::{Alone, Call, Ends, Stage, Told};
use super::caller::Caller;
use crate::kit::{ANN, EVE, GIL, JEN, KIM, Kit, SAM, principal, role};

/// The approvers of every role; kim is one by a group.
const APPROVERS: [&str; 4] = [SAM, KIM, EVE, GIL];

const STAGES: [&[Stage]; 3] = [
    &[(&APPROVERS, 1)],
    &[(&APPROVERS, 2)],
    &[(&[SAM, KIM], 1), (&[EVE, GIL, SAM], 1)],
];

const ENDS: [Ends; 3] = [Ends::Duration, Ends::Nothing, Ends::Waiting];

/// How long it takes what the turning of the clock ends, and by how much it is turned.
const BRIEF: i64 = 30;
const TURN: i64 = 60;

const CALLERS: usize = 8;
/// How many approvals are raced for at the same time.
const WAVE: usize = 8;
/// The threads of a history: the callers, the clock, and the final reader.
const CLOCK: usize = CALLERS;
const AFTERWARDS: usize = CALLERS + 1;

type Tester = LinearizabilityTester<usize, Alone>;

/// What one caller does in a race.
#[derive(Clone, Copy, Debug)]
struct Part {
    what: What,
    who: &'static str,
    /// At which node.
    node: usize,
    grpc: bool,
    /// How often it lets others go first.
    patience: usize,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Close,
    Decide(Verdict),
    Look,
}

/// An approval and its racers.
#[derive(Clone, Debug)]
struct Plan {
    stages: usize,
    ends: usize,
    parts: Vec<Part>,
}

/// A race that is run.
struct Race {
    plan: Plan,
    filed: v1::Elevation,
    history: Mutex<History>,
}

/// The calls and the responses, in their order.
struct History {
    tester: Tester,
    turned: bool,
    told: Vec<(Call, Told)>,
    faults: Vec<String>,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Report {
    pub faults: Vec<String>,
    /// The number of responses of each kind.
    pub tally: BTreeMap<String, usize>,
}

/// Races for a number of approvals, over one server or several nodes with one clock.
pub async fn run(nodes: &[Kit], approvals: usize) -> Report {
    let campaign = Arc::new(Campaign::set_up(nodes).await);
    let mut runner = TestRunner::deterministic();
    let plans = plan(nodes.len());
    let mut report = Report::default();
    let mut left = approvals;
    while left > 0 {
        let mut races = Vec::new();
        for _ in 0..left.min(WAVE) {
            let plan = plans.new_tree(&mut runner).unwrap().current();
            races.push(Arc::new(campaign.file(plan).await));
        }
        left -= races.len();
        let turn_after = (0..races.len() * CALLERS)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        campaign.race(&races, &nodes[0], turn_after).await;
        join_all(nodes.iter().map(Kit::catch_up)).await;
        for race in races {
            campaign.look_afterwards(&race).await;
            race.judge(&nodes[0].store, &mut report).await;
        }
    }
    report.faults.extend(chain_faults(&nodes[0].store).await);
    report
}

fn plan(nodes: usize) -> impl Strategy<Value = Plan> {
    let what = prop_oneof![
        1 => Just(What::Close),
        6 => Just(What::Decide(Verdict::Approve)),
        1 => Just(What::Decide(Verdict::Reject)),
        1 => Just(What::Look),
    ];
    let part = (
        what,
        prop::sample::select(&APPROVERS[..]),
        0..nodes,
        any::<bool>(),
        0..20_usize,
    );
    let part = part.prop_map(|(what, who, node, grpc, patience)| Part {
        what,
        who,
        node,
        grpc,
        patience,
    });
    (0..STAGES.len(), 0..ENDS.len(), vec(part, CALLERS)).prop_map(|(stages, ends, parts)| Plan {
        stages,
        ends,
        parts,
    })
}

/// The callers at each node, and the ids of the roles.
struct Campaign {
    people: Vec<BTreeMap<&'static str, Caller>>,
    roles: BTreeMap<(usize, usize), String>,
}

impl Campaign {
    async fn set_up(nodes: &[Kit]) -> Self {
        let mut roles = BTreeMap::new();
        for (number, stages) in STAGES.into_iter().enumerate() {
            for (ending, ends) in ENDS.into_iter().enumerate() {
                let made = nodes[0]
                    .as_(ANN)
                    .create_role(raced(stages, ends))
                    .await
                    .unwrap();
                roles.insert((number, ending), made.id);
            }
        }
        let cast = |node| {
            let names = APPROVERS.into_iter().chain([JEN]);
            names.map(|name| (name, Caller::at(node, name))).collect()
        };
        Self {
            people: nodes.iter().map(cast).collect(),
            roles,
        }
    }

    async fn file(&self, plan: Plan) -> Race {
        let filed = self.people[0][JEN]
            .files(&self.roles[&(plan.stages, plan.ends)])
            .await;
        let alone = Alone::new(STAGES[plan.stages], ENDS[plan.ends]);
        let history = History {
            tester: Tester::new(alone),
            turned: false,
            told: Vec::new(),
            faults: Vec::new(),
        };
        Race {
            plan,
            filed,
            history: Mutex::new(history),
        }
    }

    /// Runs all callers of all races at once, and sets the clock after a number of responses.
    async fn race(self: &Arc<Self>, races: &[Arc<Race>], clock: &Kit, turn_after: usize) {
        let start = Arc::new(Barrier::new(races.len() * CALLERS));
        let answered = watch::Sender::new(0);
        let calls = races
            .iter()
            .flat_map(|race| (0..CALLERS).map(move |thread| (race.clone(), thread)));
        let running: Vec<_> = calls
            .map(|(race, thread)| {
                let (campaign, start, answered) = (self.clone(), start.clone(), answered.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    let part = race.plan.parts[thread];
                    for _ in 0..part.patience {
                        tokio::task::yield_now().await;
                    }
                    campaign.call(&race, thread, part).await;
                    answered.send_modify(|answered| *answered += 1);
                })
            })
            .collect();
        answered
            .subscribe()
            .wait_for(|answered| *answered >= turn_after)
            .await
            .unwrap();
        races
            .iter()
            .for_each(|race| race.history().invoke(CLOCK, Call::Turn));
        clock.clock.advance(TURN);
        races
            .iter()
            .for_each(|race| race.history().returned(CLOCK, Call::Turn, Ok(Told::Turned)));
        for call in running {
            call.await.unwrap();
        }
    }

    async fn call(&self, race: &Race, thread: usize, part: Part) {
        let Part {
            what,
            who,
            node,
            grpc,
            ..
        } = part;
        let call = race.begin(thread, what, who);
        let (person, requester) = (&self.people[node][who], &self.people[node][JEN]);
        let told = match what {
            What::Close => requester.closes(&race.filed.id, grpc).await,
            What::Decide(verdict) => person.decides(&race.filed.approval_id, verdict, grpc).await,
            What::Look if grpc => person.sees_approval(&race.filed.approval_id).await,
            What::Look => person.sees_elevation(&race.filed.id).await,
        };
        race.history().returned(thread, call, told);
    }

    async fn look_afterwards(&self, race: &Race) {
        for people in &self.people {
            let looks = [
                people[SAM].sees_approval(&race.filed.approval_id).await,
                people[JEN].sees_elevation(&race.filed.id).await,
            ];
            for told in looks {
                let mut history = race.history();
                history.invoke(AFTERWARDS, Call::Look);
                history.returned(AFTERWARDS, Call::Look, told);
            }
        }
    }
}

/// A role with these stages, of which the turning of the clock ends this.
fn raced(stages: &'static [Stage], ends: Ends) -> v1::Role {
    let named = |name: &&str| {
        if **name == *KIM {
            principal("group:SQL Owners")
        } else {
            principal(name)
        }
    };
    let stage = |(approvers, required_approvals): &Stage| v1::Stage {
        approvers: approvers.iter().map(named).collect(),
        required_approvals: u32::try_from(*required_approvals).unwrap(),
    };
    let brief = Duration {
        seconds: BRIEF,
        nanos: 0,
    };
    let usual = role("SQL File Access", &[SAM], 1);
    v1::Role {
        stages: stages.iter().map(stage).collect(),
        max_duration: if ends == Ends::Duration {
            Some(brief)
        } else {
            usual.max_duration
        },
        pending_timeout: (ends == Ends::Waiting).then_some(brief),
        ..usual
    }
}

impl History {
    fn invoke(&mut self, thread: usize, call: Call) {
        self.tester.on_invoke(thread, call).unwrap();
    }

    fn returned(&mut self, thread: usize, call: Call, told: Result<Told, String>) {
        match told {
            Ok(told) => {
                self.turned |= told == Told::Turned;
                self.tester.on_return(thread, told).unwrap();
                self.told.push((call, told));
            }
            Err(answer) => self.faults.push(format!("{call:?} is told {answer}")),
        }
    }
}

impl Race {
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    fn begin(&self, thread: usize, what: What, who: &'static str) -> Call {
        let mut history = self.history();
        let in_time = !history.turned;
        let call = match what {
            What::Close => Call::Close { in_time },
            What::Decide(verdict) => Call::Decide {
                who,
                verdict,
                in_time,
            },
            What::Look => Call::Look,
        };
        history.invoke(thread, call);
        call
    }

    /// Finds the faults of the responses, of the stored rows and of the record.
    async fn judge(&self, store: &Arc<dyn Store>, report: &mut Report) {
        let id = ElevationId(self.filed.id.parse().unwrap());
        let stored = store
            .elevation(ElevationKey::Elevation(id))
            .await
            .unwrap()
            .unwrap()
            .elevation
            .value;
        let events = store.events_of(id).await.unwrap();
        let folded = events.iter().try_fold(None, |before, envelope| {
            Elevation::apply(before, &envelope.event()?).map(Some)
        });
        let mut history = self.history();
        let History {
            tester,
            told,
            faults,
            ..
        } = &mut *history;
        if faults.is_empty() && !tester.is_consistent() {
            faults.push("its history is not linearizable".to_owned());
        }
        match folded {
            Ok(folded) if folded.as_ref() == Some(&stored) => {}
            Ok(folded) => faults.push(format!("stored is {stored:?}, and recorded {folded:?}")),
            Err(error) => faults.push(format!("it has two outcomes: {:?}", error.cause)),
        }
        faults.extend(
            told.iter()
                .filter_map(|(call, told)| contradicts(*call, *told, &stored)),
        );
        faults.extend(decisions_fault(told, &stored));
        *report
            .tally
            .entry(format!("{:?}", stored.status))
            .or_default() += 1;
        for (call, told) in &*told {
            *report.tally.entry(kind(*call, *told)).or_default() += 1;
        }
        let described = faults
            .iter()
            .map(|fault| format!("{}: {fault}\n{:?}\n{told:#?}", self.filed.id, self.plan));
        report.faults.extend(described);
    }
}

/// Returns the contradiction between a response and the final state.
fn contradicts(call: Call, told: Told, stored: &Elevation) -> Option<String> {
    let approval = stored.approval_status_at(stored.create_time);
    let own = |who: &str| {
        let decisions = &stored.approval.as_ref().unwrap().decisions;
        decisions
            .iter()
            .find(|decision| decision.approver.name == who)
            .map(|decision| decision.verdict)
    };
    let holds = match (call, told) {
        (_, Told::NotPending(status)) => approval == Some(status),
        (_, Told::Ended(status)) => stored.status_at(stored.create_time) == status,
        (Call::Decide { who, verdict, .. }, Told::AlreadyDecided) => {
            own(who).is_some_and(|own| own != verdict)
        }
        (Call::Decide { who, verdict, .. }, Told::Stands(_)) => own(who) == Some(verdict),
        (_, Told::Closed) => stored.status_at(stored.create_time) == Status::Closed,
        _ => true,
    };
    (!holds).then(|| format!("{call:?} was told {told:?}, and it is {:?}", stored.status))
}

/// Compares the number of stored decisions with the number of acknowledged ones.
fn decisions_fault(told: &[(Call, Told)], stored: &Elevation) -> Option<String> {
    let stands = |(call, told): &(Call, Told)| match (call, told) {
        (Call::Decide { who, .. }, Told::Stands(_)) => Some(*who),
        _ => None,
    };
    let people: BTreeSet<_> = told.iter().filter_map(stands).collect();
    let decisions = &stored.approval.as_ref().unwrap().decisions;
    (decisions.len() != people.len())
        .then(|| format!("{people:?} decided, and stored is {decisions:?}"))
}

/// Returns a call and its response, without names.
fn kind(call: Call, told: Told) -> String {
    let call = match call {
        Call::Close { .. } => "Close",
        Call::Decide {
            verdict: Verdict::Approve,
            ..
        } => "Approve",
        Call::Decide {
            verdict: Verdict::Reject,
            ..
        } => "Reject",
        Call::Look => "Look",
        Call::Turn => "Turn",
    };
    let told = if matches!(told, Told::Stands(_)) {
        "Stands".to_owned()
    } else {
        format!("{told:?}")
    };
    format!("{call}: {told}")
}

/// Returns the faults of the chain of the whole record.
async fn chain_faults(store: &Arc<dyn Store>) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut after, mut previous) = (0, None);
    loop {
        let events = store.events(after, 1_000).await.unwrap();
        if events.is_empty() {
            return faults;
        }
        for envelope in events {
            let header = envelope.header().unwrap();
            after += 1;
            let chained = previous.is_none_or(|previous| header.previous_hash == previous);
            if (envelope.sequence, header.sequence) != (after, after) || !chained {
                faults.push(format!("the chain is broken at {after}"));
            }
            previous = Some(Sha256::digest(&envelope.header).to_vec());
        }
    }
}
