//! Races: two approvers, two dialects, one outcome.

use std::sync::Arc;

use countersign::proto::pam::v1::{ApprovalStatus, ElevationStatus};
use tokio::sync::Barrier;

use crate::kit::{JEN, KIM, Kit, Person, SAM, reason};

/// One racer: who, which way, over which dialect.
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
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{one:?} {other:?}: {won:?}");
        wins[usize::from(won[1])] += 1;

        let (winner, verdict, _) = if won[0] { one } else { other };
        let approval = kit.as_(SAM).approval(&filed.approval_id).await.unwrap();
        assert_eq!(approval.decisions.len(), 1);
        assert_eq!(approval.decisions[0].approver.as_ref().unwrap().name, winner);
        let elevation = kit.as_(JEN).elevation(&filed.id).await.unwrap();
        let expected = match verdict {
            "Approve" => (ApprovalStatus::Approved, ElevationStatus::Active),
            _ => (ApprovalStatus::Rejected, ElevationStatus::Rejected),
        };
        assert_eq!((approval.status(), elevation.status()), expected);
        assert_eq!(elevation.revision, 2, "the loser wrote nothing");
    }
    assert!(wins[0] > 0 && wins[1] > 0, "a race that one side always wins is none: {wins:?}");
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
            assert!(click.await.unwrap(), "everybody who repeats a decision is told that it stands");
        }
        let approval = kit.as_(SAM).approval(&filed.approval_id).await.unwrap();
        assert_eq!(approval.decisions.len(), 1);
        assert_eq!(kit.as_(JEN).elevation(&filed.id).await.unwrap().revision, 2);
    }
}

/// Whether the decision stands; a loser must be told that the approval is not pending any more.
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
    let decided = if action == "Approve" { person.approve(id).await } else { person.reject(id).await };
    match decided {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(reason(&status), "APPROVAL_NOT_PENDING", "{status:?}");
            false
        }
    }
}
