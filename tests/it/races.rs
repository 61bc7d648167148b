//! Races: many callers, two dialects, one outcome.
//!
//! A small campaign with every run of the tests; `COUNTERSIGN_TEST_RACES=10000` says how many approvals a long one has.

mod alone;
mod caller;
mod campaign;
pub mod instead;

use std::env;
use std::sync::Arc;

use campaign::Report;
use countersign::domain::quota::Quota;
use countersign::proto::pam::v1::{ApprovalStatus, CloseElevationRequest, ElevationStatus, Role};
use instead::{Gate, without_the_version_check};
use prost_types::Duration;
use tokio::sync::Barrier;
use tonic_types::StatusExt;

use crate::kit::{ANN, JEN, KIM, Kit, Options, Person, SAM, reason, role};
use crate::postgres::Database;

/// One racer: the account, the verdict, and the dialect.
type Racer = (&'static str, &'static str, bool);

/// Every combination of verdicts and dialects that two approvers can race with.
const RACES: [(Racer, Racer); 6] = [
    ((SAM, "Approve", true), (KIM, "Reject", true)),
    ((SAM, "Approve", false), (KIM, "Reject", false)),
    ((SAM, "Approve", true), (KIM, "Reject", false)),
    ((SAM, "Reject", true), (KIM, "Approve", false)),
    ((SAM, "Approve", true), (KIM, "Approve", false)),
    ((SAM, "Reject", true), (KIM, "Reject", false)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_approvers_exactly_one_wins() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let mut wins = [0, 0];
    for round in 0..300 {
        let (one, other) = RACES[round % RACES.len()];
        let filed = kit.as_(JEN).file(&role.id).await.unwrap();
        let start = Arc::new(Barrier::new(2));
        let racers = [one, other].map(|(name, action, grpc)| {
            let (person, id, start) = (kit.as_(name), filed.approval_id.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                decide(&person, &id, action, grpc).await
            })
        });
        let [one_won, other_won] = racers;
        let won = [one_won.await.unwrap(), other_won.await.unwrap()];
        assert_eq!(
            won.iter().filter(|won| **won).count(),
            1,
            "{one:?} {other:?}: {won:?}"
        );
        wins[usize::from(won[1])] += 1;

        let (winner, verdict, _) = if won[0] { one } else { other };
        let approval = kit.as_(SAM).approval(&filed.approval_id).await.unwrap();
        assert_eq!(approval.decisions.len(), 1);
        assert_eq!(
            approval.decisions[0].approver.as_ref().unwrap().name,
            winner
        );
        let elevation = kit.as_(JEN).elevation(&filed.id).await.unwrap();
        let expected = match verdict {
            "Approve" => (ApprovalStatus::Approved, ElevationStatus::Active),
            _ => (ApprovalStatus::Rejected, ElevationStatus::Rejected),
        };
        assert_eq!((approval.status(), elevation.status()), expected);
        assert_eq!(elevation.revision, 2, "the loser wrote nothing");
    }
    assert!(
        wins[0] > 0 && wins[1] > 0,
        "a race that one side always wins is none: {wins:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_click_in_both_dialects_is_one_decision() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    for _ in 0..100 {
        let filed = kit.as_(JEN).file(&role.id).await.unwrap();
        let clicks = [true, false, true, false].map(|grpc| {
            let (person, id) = (kit.as_(SAM), filed.approval_id.clone());
            tokio::spawn(async move { decide(&person, &id, "Approve", grpc).await })
        });
        for click in clicks {
            assert!(
                click.await.unwrap(),
                "everybody who repeats a decision is told that it stands"
            );
        }
        let approval = kit.as_(SAM).approval(&filed.approval_id).await.unwrap();
        assert_eq!(approval.decisions.len(), 1);
        assert_eq!(kit.as_(JEN).elevation(&filed.id).await.unwrap().revision, 2);
    }
}

/// Returns whether the decision was recorded. A loser must get APPROVAL_NOT_PENDING.
async fn decide(person: &Person, id: &str, action: &str, grpc: bool) -> bool {
    if !grpc {
        let answer = person.act(id, action).await;
        return match answer.status {
            200 => true,
            403 => {
                assert_eq!(answer.code(), "APPROVAL_NOT_PENDING");
                false
            }
            _ => panic!("{answer:?}"),
        };
    }
    let decided = if action == "Approve" {
        person.approve(id).await
    } else {
        person.reject(id).await
    };
    match decided {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(reason(&status), "APPROVAL_NOT_PENDING", "{status:?}");
            false
        }
    }
}

/// A campaign files more than a quota allows.
fn unlimited() -> Options {
    Options {
        quota: Quota {
            pending: None,
            filings: None,
        },
        ..Options::default()
    }
}

fn approvals(usual: usize) -> usize {
    env::var("COUNTERSIGN_TEST_RACES").map_or(usual, |approvals| approvals.parse().unwrap())
}

/// Nothing is wrong, though everything has happened that there is to lose by.
#[expect(
    clippy::print_stdout,
    reason = "a long campaign says what happened in it"
)]
fn assert_decided_once(report: &Report) {
    println!("{:#?}", report.tally);
    assert!(report.faults.is_empty(), "{}", report.faults.join("\n"));
    for happened in [
        "Active",
        "Closed",
        "Expired",
        "Rejected",
        "Approve: Stands",
        "Approve: NotPending(Approved)",
    ] {
        assert!(
            report.tally.contains_key(happened),
            "a campaign without {happened} proves little"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_callers_and_the_clock_bring_about_one_outcome() {
    let kit = Kit::with(unlimited()).await;
    assert_decided_once(&campaign::run(&[kit], approvals(200)).await);
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_callers_at_two_nodes_and_the_clock_bring_about_one_outcome() {
    let one = Kit::on_postgres_with(unlimited(), Database::new().await).await;
    let other = one.another_node().await;
    assert_decided_once(&campaign::run(&[one, other], approvals(60)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_version_check_the_tester_goes_red() {
    let options = Options {
        before_store: Some(without_the_version_check()),
        ..unlimited()
    };
    // A decision reads from memory, so in most rounds no other one comes between its read and its commit.
    let report = campaign::run(&[Kit::with(options).await], 400).await;
    for fault in [
        "its history is not linearizable",
        "it has two outcomes",
        "was told NotPending",
    ] {
        assert!(
            report.faults.iter().any(|found| found.contains(fault)),
            "{fault}: {:#?}",
            report.tally
        );
    }
}

/// Sam decides just in time. Before that is recorded, the approval expires, and a caller would see
/// it as expired.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_told_that_it_expired_is_told_what_stays() {
    for closes in [false, true] {
        let gate = Arc::new(Gate::default());
        let kit = Kit::with(Options {
            before_store: Some(gate.before()),
            ..Options::default()
        })
        .await;
        let brief = Some(Duration {
            seconds: 60,
            nanos: 0,
        });
        let role = Role {
            pending_timeout: brief,
            ..role("SQL File Access", &[SAM, KIM], 1)
        };
        let role = kit.as_(ANN).create_role(role).await.unwrap();
        let filed = kit.as_(JEN).file(&role.id).await.unwrap();

        gate.hold(2);
        let (sam, id) = (kit.as_(SAM), filed.approval_id.clone());
        let approving = tokio::spawn(async move { sam.approve(&id).await });
        gate.holds_all_but(1).await;
        kit.clock.advance(60);
        // The scheduler.
        gate.holds_all_but(0).await;
        let told = if closes {
            let request = CloseElevationRequest {
                elevation_id: filed.id.clone(),
            };
            kit.as_(JEN)
                .elevations()
                .close_elevation(request)
                .await
                .unwrap_err()
        } else {
            kit.as_(KIM).reject(&filed.approval_id).await.unwrap_err()
        };
        assert_eq!(
            told.get_error_details().error_info().unwrap().metadata["status"],
            "EXPIRED"
        );
        gate.open();
        let told = approving.await.unwrap().unwrap_err();
        assert_eq!(
            told.get_error_details().error_info().unwrap().metadata["status"],
            "EXPIRED"
        );
        let elevation = kit.as_(JEN).elevation(&filed.id).await.unwrap();
        assert_eq!(
            (elevation.status(), elevation.revision),
            (ElevationStatus::Expired, 2)
        );
    }
}
