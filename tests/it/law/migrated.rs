//! A store that was written before there were stages, rules and a scheduler.

use countersign::domain::account::Principal;
use countersign::domain::approval::{Decision, Verdict};
use countersign::domain::elevation::Elevation;
use countersign::domain::event::Filed;
use countersign::domain::id::RoleId;
use countersign::domain::moment::Moment;
use countersign::domain::query::Query;
use countersign::domain::role::Role;
use countersign::domain::version::{Version, Versioned};
use uuid::Uuid;

use super::Backend;
use super::history::{
    History, ROLE, account, activated_until, approved_by, at, closed_by, committed, filing, group,
    read, rejected_by, role, sams_role, scheduled_by,
};
use super::lists::{caller, everything, list};
use crate::kit::{JEN, KIM, SAM, START};

const FREE: RoleId = RoleId(Uuid::from_u128(0xB));

pub async fn a_store_from_before_stages_reads_as_it_was(backend: impl Backend) {
    let approved = role(
        ROLE,
        &[Principal::Account(account(SAM)), group("SQL Owners")],
    );
    let free = Role {
        id: FREE,
        stages: vec![],
        ..sams_role()
    };
    let pending = History::filed(1).then(at(60), [approved_by(KIM)]);
    let active = History::filed(2).then(at(60), [approved_by(SAM), activated_until(at(500))]);
    let waits = Filed {
        requested_start_time: at(400),
        approval: None,
        role: FREE,
        ..filing(3)
    };
    let waits = History::of(3, START, waits);
    let scheduled = History::filed(4).then(at(60), [approved_by(SAM), scheduled_by(SAM)]);
    let ended = [
        History::filed(5).then(at(60), [rejected_by(SAM)]),
        History::filed(6).then(at(60), [closed_by(JEN)]),
    ];
    let histories = [
        vec![pending.clone(), active, waits, scheduled],
        ended.to_vec(),
    ]
    .concat();
    let mut rows = vec!["UPDATE head SET sequence = 20".to_owned()];
    rows.extend([role_row(&approved), role_row(&free)].into_iter().flatten());
    rows.extend(
        histories
            .iter()
            .map(|history| elevation_row(&history.elevation)),
    );
    backend.make_version_4(&rows.join(";\n")).await;

    let store = backend.open().await;
    for known in [&approved, &free] {
        let stored = Versioned {
            version: Version(3),
            value: known.clone(),
        };
        assert_eq!(store.role(known.id).await.unwrap(), Some(stored));
    }
    for history in &histories {
        let found = read(&store, history).await.unwrap();
        assert_eq!(
            found.elevation,
            Versioned {
                version: Version(2),
                value: history.elevation.clone()
            }
        );
    }
    let due = store.due(at(1_000_000), 10).await.unwrap();
    let due: Vec<_> = due
        .elevations
        .iter()
        .map(|read| read.elevation.value.id.0.as_u128())
        .collect();
    // The start that was asked for, the start, the end of the duration, the end of the waiting.
    assert_eq!(due, [4, 3, 2, 1]);
    let now = at(61);
    for (person, expected) in [
        (caller(SAM, &[]), 1),
        (caller(KIM, &["SQL Owners"]), 0),
        (caller(JEN, &["SQL Owners"]), 0),
    ] {
        let page = list(&store, &person, everything(), now).await;
        assert_eq!(
            page.items,
            vec![pending.elevation.clone(); expected],
            "{}",
            person.account.name
        );
    }
    for (role, live) in [(ROLE, 13), (FREE, 13)] {
        let role_use = store.role_use(role, now).await.unwrap();
        assert_eq!((role_use.in_use, role_use.live), (true, Version(live)));
    }
    let candidates = Some(caller(JEN, &[]).principals().iter().collect());
    let query = Query {
        filter: vec![],
        order: vec![],
        offset: 0,
        limit: 9,
        count: true,
        after: None,
    };
    assert_eq!(
        store
            .roles(candidates, query.clone(), now)
            .await
            .unwrap()
            .items
            .len(),
        2
    );

    let rejected = pending.then(at(62), [rejected_by(SAM)]);
    assert_eq!(committed(&store, rejected.change()).await, 21);
    assert_eq!(
        read(&store, &rejected).await.unwrap().elevation.value,
        rejected.elevation
    );
}

/// A role at its third version, and whom it names.
fn role_row(role: &Role) -> Vec<String> {
    let names = |part: &'static str, principals: &[Principal]| {
        let name = move |principal: &Principal| {
            format!(
                "INSERT INTO role_principal VALUES ({}, '{part}', {})",
                id(principal.id().0),
                id(role.id.0)
            )
        };
        principals.iter().map(name).collect::<Vec<_>>()
    };
    let approvers = role
        .stages
        .first()
        .map_or(&[][..], |stage| &stage.approvers);
    let inserted = format!(
        "INSERT INTO role (id, version, since, display_name, description, max_duration, candidates, approvers, required_approvals) \
         VALUES ({}, 3, 12, {})",
        id(role.id.0),
        role_columns(role)
    );
    [
        vec![inserted],
        names("candidate", &role.candidates),
        names("approver", approvers),
    ]
    .concat()
}

fn role_columns(role: &Role) -> String {
    let stage = role.stages.first();
    format!(
        "'{}', '{}', {}, '{}', {}, {}",
        role.display_name,
        role.description,
        role.max_duration.seconds(),
        principals(&role.candidates),
        stage.map_or("NULL".to_owned(), |stage| format!(
            "'{}'",
            principals(&stage.approvers)
        )),
        or_null(stage.map(|stage| stage.required_approvals)),
    )
}

fn elevation_row(elevation: &Elevation) -> String {
    let approval = elevation.approval.as_ref();
    let decisions = approval.map_or(&[][..], |approval| &approval.decisions);
    let decisions: Vec<String> = decisions.iter().map(decision).collect();
    let outcome = approval
        .and_then(|approval| approval.outcome)
        .map(|outcome| format!("'{}'", verdict(outcome)));
    let moment = |moment: Option<Moment>| or_null(moment.map(Moment::ticks));
    format!(
        "INSERT INTO elevation (id, version, since, requester_id, requester_name, role, role_display_name, justification, \
         requested_duration, duration, requested_start_time, create_time, activate_time, expire_time, state, fim_request_id, approval, \
         pending_expire_time, outcome, decisions, channel) VALUES ({}, 2, 13, {}, '{}', {}, '{}', '{}', {}, {}, {}, {}, {}, {}, \
         '{}', {}, {}, {}, {}, '[{}]', 'pam_web_api')",
        id(elevation.id.0),
        id(elevation.requester.id.0),
        elevation.requester.name,
        id(elevation.role.0),
        elevation.role_display_name,
        elevation.justification.as_deref().unwrap(),
        elevation.requested_duration.seconds(),
        elevation.duration.seconds(),
        elevation.requested_start_time.ticks(),
        elevation.create_time.ticks(),
        moment(elevation.activate_time),
        moment(elevation.expire_time),
        elevation.status.name(),
        id(elevation.id.fim_request_id()),
        or_null(approval.map(|approval| id(approval.id.0))),
        moment(approval.map(|approval| approval.pending_expire_time)),
        or_null(outcome),
        decisions.join(","),
    )
}

fn decision(decision: &Decision) -> String {
    serde_json::json!({
        "approver": decision.approver.id.0,
        "name": decision.approver.name,
        "verdict": verdict(decision.verdict),
        "reason": decision.reason,
        "at": decision.decide_time.ticks(),
    })
    .to_string()
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Reject => "reject",
    }
}

fn principals(principals: &[Principal]) -> String {
    let column = |principal: &Principal| {
        let (name, group) = match principal {
            Principal::Account(account) => (&account.name, false),
            Principal::Group(group) => (&group.name, true),
        };
        serde_json::json!({ "id": principal.id().0, "name": name, "group": group })
    };
    serde_json::Value::from_iter(principals.iter().map(column)).to_string()
}

fn id(id: Uuid) -> String {
    format!("ID'{}'", id.simple())
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}
