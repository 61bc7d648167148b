//! Two nodes on one PostgreSQL: they decide as one.

use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::sync::Arc;

use countersign::domain::event::Fact;
use countersign::proto::pam::v1::{
    ApprovalStatus, CreateElevationRequest, ListApprovalsRequest, Role,
};
use prost_types::{Duration, Timestamp};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::kit::{ANN, GIL, JEN, KIM, Kit, SAM, START, reason, role};
use crate::postgres::Database;

/// Two servers on one database.
async fn nodes() -> [Kit; 2] {
    let one = Kit::on_postgres(Database::new().await).await;
    let other = one.another_node().await;
    [one, other]
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_approvers_at_two_nodes_exactly_one_wins() {
    let nodes = nodes().await;
    let role = nodes[0].role().await;
    let mut wins = [0, 0];
    for round in 0..500 {
        // At least so often; and until either has won, or it was no race.
        if round >= 60 && !wins.contains(&0) {
            break;
        }
        let filed = nodes[0].as_(JEN).file(&role.id).await.unwrap();
        let start = Arc::new(Barrier::new(2));
        let racers =
            [(nodes[0].as_(SAM), true), (nodes[1].as_(KIM), false)].map(|(person, approve)| {
                let (id, start) = (filed.approval_id.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    if approve {
                        person.approve(&id).await
                    } else {
                        person.reject(&id).await
                    }
                })
            });
        let [one, other] = racers;
        let answers = [one.await.unwrap(), other.await.unwrap()];
        let winners = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(winners, 1, "{answers:?}");
        let won = usize::from(answers[1].is_ok());
        wins[won] += 1;
        let refused = answers[1 - won].as_ref().unwrap_err();
        assert_eq!(reason(refused), "APPROVAL_NOT_PENDING", "{refused:?}");

        let expected = [ApprovalStatus::Approved, ApprovalStatus::Rejected][won];
        let winner = [SAM, KIM][won];
        for node in &nodes {
            let approval = node.as_(SAM).approval(&filed.approval_id).await.unwrap();
            assert_eq!(approval.status(), expected);
            let deciders: Vec<_> = approval
                .decisions
                .iter()
                .map(|it| &*it.approver.as_ref().unwrap().name)
                .collect();
            assert_eq!(deciders, [winner]);
        }
    }
    assert!(
        wins[0] > 0 && wins[1] > 0,
        "a race that one side always wins is none: {wins:?}"
    );
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn what_one_node_acknowledges_the_other_shows_at_once() {
    let [one, other] = nodes().await;
    let role = one.role().await;
    for _ in 0..10 {
        let filed = one.as_(JEN).file(&role.id).await.unwrap();
        assert_eq!(
            other.as_(SAM).pending().await,
            std::slice::from_ref(&filed.approval_id)
        );
        other.as_(SAM).approve(&filed.approval_id).await.unwrap();
        assert!(one.as_(SAM).pending().await.is_empty());
    }
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn the_next_page_is_read_at_the_other_node_and_shows_the_present() {
    let [one, other] = nodes().await;
    let role = one.role().await;
    let mut filed = Vec::new();
    for _ in 0..5 {
        filed.push(one.as_(JEN).file(&role.id).await.unwrap().approval_id);
    }
    let request = ListApprovalsRequest {
        page_size: 2,
        ..Default::default()
    };
    let first = one
        .as_(SAM)
        .approvals()
        .list_approvals(request.clone())
        .await
        .unwrap()
        .into_inner();
    other.as_(KIM).approve(&filed[3]).await.unwrap();
    let last = one.as_(JEN).file(&role.id).await.unwrap();

    let mut shown: Vec<_> = first
        .approvals
        .into_iter()
        .map(|approval| approval.id)
        .collect();
    let mut token = first.next_page_token;
    for node in [&other, &one] {
        let request = ListApprovalsRequest {
            page_token: token,
            ..request.clone()
        };
        let page = node
            .as_(SAM)
            .approvals()
            .list_approvals(request)
            .await
            .unwrap()
            .into_inner();
        shown.extend(page.approvals.into_iter().map(|approval| approval.id));
        token = page.next_page_token;
    }
    filed.remove(3);
    filed.push(last.approval_id);
    assert_eq!(shown, filed);
    assert!(token.is_empty());
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_of_both_nodes_is_one_chain_without_a_gap() {
    let nodes = nodes().await;
    let mut running = JoinSet::new();
    for number in 0..40 {
        let node = &nodes[number % 2];
        let ann = node.as_(ANN);
        running.spawn(async move {
            ann.create_role(role(&format!("Role {number}"), &[SAM], 1))
                .await
                .unwrap()
        });
    }
    let roles = running.join_all().await;
    let events = nodes[1].store.events(0, 1_000).await.unwrap();
    assert_eq!(events.len(), roles.len());
    let mut previous = events[0].header().unwrap().previous_hash;
    for (sequence, event) in (1..).zip(&events) {
        assert_eq!(event.sequence, sequence);
        assert_eq!(event.header().unwrap().previous_hash, previous);
        previous = event.hash().0.to_vec();
    }
}

/// Half of them start and half of them end, in another order than they were filed, while both nodes
/// look for due elevations.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_done_once_whichever_node_does_it() {
    const COUNT: i64 = 200;
    let nodes = nodes().await;
    let open = nodes[0].role_with(&[], 0).await;
    let brief = Role {
        pending_timeout: Some(Duration {
            seconds: 500,
            nanos: 0,
        }),
        ..role("Brief", &[SAM], 1)
    };
    let brief = nodes[0].as_(ANN).create_role(brief).await.unwrap();
    let mut due = HashMap::new();
    for number in 0..COUNT / 2 {
        let [jen, gil] = [JEN, GIL].map(|name| nodes[0].as_(name));
        let start = 1_000 + (number * 37) % (COUNT / 2);
        let start = Timestamp {
            seconds: Timestamp::from(START).seconds + start,
            nanos: 0,
        };
        let request = CreateElevationRequest {
            role_id: open.id.clone(),
            requested_start_time: Some(start),
            ..Default::default()
        };
        let scheduled = jen
            .elevations()
            .create_elevation(request)
            .await
            .unwrap()
            .into_inner()
            .elevation
            .unwrap();
        due.insert(scheduled.id, start.seconds);
        let waiting = gil.file(&brief.id).await.unwrap();
        let until = nodes[0]
            .as_(SAM)
            .approval(&waiting.approval_id)
            .await
            .unwrap()
            .pending_expire_time
            .unwrap();
        due.insert(waiting.id, until.seconds);
        nodes[0].clock.advance(1);
    }
    let filed = nodes[0].store.last_event().await.unwrap().unwrap().sequence;

    nodes[0].clock.advance(2_000);
    tokio::join!(nodes[0].catch_up(), nodes[1].catch_up());

    let events = nodes[1].store.events(filed, 1_000).await.unwrap();
    let done: Vec<_> = events.iter().map(|event| event.event().unwrap()).collect();
    assert!(
        events
            .iter()
            .map(|event| event.sequence)
            .eq(filed + 1..=filed + COUNT.cast_unsigned())
    );
    let subjects: HashSet<_> = done
        .iter()
        .map(|event| event.subject.id().to_string())
        .collect();
    assert_eq!(subjects, due.keys().cloned().collect());
    let started = done
        .iter()
        .filter(|event| matches!(event.fact, Fact::Activated(_)))
        .count();
    let ended = done
        .iter()
        .filter(|event| matches!(event.fact, Fact::Expired))
        .count();
    assert_eq!((started, ended), (100, 100));
    assert!(done.iter().all(|event| event.by.is_none()));
    assert_in_the_order_of_two(
        done.iter()
            .map(|event| due[&event.subject.id().to_string()]),
    );
}

/// Each node keeps the order of moments, so that what both have done is two orders, put into each other.
fn assert_in_the_order_of_two(moments: impl Iterator<Item = i64>) {
    let mut last = [i64::MIN; 2];
    for moment in moments {
        // After the later of its two possible predecessors, which leaves the most choice to the
        // next ones.
        last.sort_unstable();
        let node = last
            .iter()
            .rposition(|last| *last <= moment)
            .expect("nobody goes back");
        last[node] = moment;
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let url = "postgres://ann:hunter2@127.0.0.1:1/countersign";
    let folder = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .args(arguments);
        let served = command
            .envs(variable.map(|url| ("COUNTERSIGN_STORE", url)))
            .output()
            .unwrap();
        assert!(!served.status.success());
        let told = String::from_utf8_lossy(&[served.stdout, served.stderr].concat()).into_owned();
        assert!(!told.contains("hunter2"), "{told}");
        told
    };
    assert!(serve(&["--store", url], None).contains("on the command line"));
    assert!(serve(&[&format!("--store={url}")], None).contains("on the command line"));
    assert!(
        !serve(&[], Some(url)).contains("on the command line"),
        "nothing listens there, but it was tried"
    );
}

/// A node of a version that knows no `due` would leave what no scheduler ends. The database refuses what it writes.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn what_an_older_node_would_write_is_refused() {
    let database = Database::new().await;
    let kit = Kit::on_postgres(database.clone()).await;
    let open = kit.role_with(&[], 0).await;
    kit.as_(JEN).file(&open.id).await.unwrap();
    let client = database.connect().await;
    let refused = client
        .execute("UPDATE elevation SET due = NULL", &[])
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Some(&tokio_postgres::error::SqlState::CHECK_VIOLATION)
    );
    let refused = client
        .execute("UPDATE elevation SET state = 'Closed'", &[])
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Some(&tokio_postgres::error::SqlState::CHECK_VIOLATION)
    );
}
