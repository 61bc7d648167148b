//! Stories of the quota: how much one requester may ask for.

use std::collections::HashSet;
use std::sync::Arc;

use countersign::domain::quota::Quota;
use countersign::proto::pam::v1::{CloseElevationRequest, CreateElevationRequest, Elevation};
use prost_types::Duration;
use tokio::sync::Barrier;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::kit::{GIL, JEN, Kit, Options, Person, SAM, reason};
use crate::postgres::Database;

#[tokio::test]
async fn jen_waits_for_three_answers_at_once_and_for_no_more() {
    let kit = kit(Some(3), None).await;
    let role = kit.role().await.id;
    let jen = kit.as_(JEN);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(jen.file(&role).await.unwrap());
    }
    let refused = jen.file(&role).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::ResourceExhausted, "TOO_MANY_PENDING")
    );
    assert_eq!(
        refused.message(),
        "You have reached the limit of 3 requests that wait for approval."
    );
    kit.as_(GIL)
        .file(&role)
        .await
        .expect("what jen asks for is nothing to gil");

    kit.as_(SAM).approve(&waiting[0].approval_id).await.unwrap();
    waiting[0] = jen.file(&role).await.expect("one was approved");
    kit.as_(SAM).reject(&waiting[1].approval_id).await.unwrap();
    waiting[1] = jen.file(&role).await.expect("one was rejected");
    let close = CloseElevationRequest {
        elevation_id: waiting[2].id.clone(),
    };
    jen.elevations().close_elevation(close).await.unwrap();
    jen.file(&role).await.expect("one was withdrawn");
    assert_eq!(
        reason(&jen.file(&role).await.unwrap_err()),
        "TOO_MANY_PENDING"
    );
    kit.clock.advance(7 * 86_400);
    jen.file(&role).await.expect("all the others have expired");
}

#[tokio::test]
async fn jen_files_four_times_an_hour_and_no_more() {
    let kit = kit(None, Some(4)).await;
    let role = kit.role().await.id;
    let jen = kit.as_(JEN);
    for _ in 0..4 {
        jen.file(&role).await.unwrap();
        kit.clock.advance(600);
    }
    let refused = jen.file(&role).await.unwrap_err();
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::ResourceExhausted, "TOO_MANY_FILINGS")
    );
    kit.clock.advance(1_199);
    assert_eq!(
        reason(&jen.file(&role).await.unwrap_err()),
        "TOO_MANY_FILINGS"
    );
    kit.clock.advance(1);
    jen.file(&role).await.expect("the first is an hour ago");
    assert_eq!(
        reason(&jen.file(&role).await.unwrap_err()),
        "TOO_MANY_FILINGS"
    );
}

#[tokio::test]
async fn a_role_can_be_given_up_however_much_was_filed() {
    let kit = kit(Some(2), Some(2)).await;
    let role = kit.role().await.id;
    let jen = kit.as_(JEN);
    let [first, second] = [
        jen.file(&role).await.unwrap(),
        jen.file(&role).await.unwrap(),
    ];
    kit.as_(SAM).approve(&first.approval_id).await.unwrap();
    assert_eq!(
        reason(&jen.file(&role).await.unwrap_err()),
        "TOO_MANY_FILINGS"
    );
    give_up(&jen, &role)
        .await
        .expect("whoever holds a role may give it up");
    for given_up in [first, second] {
        assert_eq!(
            jen.elevation(&given_up.id)
                .await
                .unwrap()
                .status()
                .as_str_name(),
            "ELEVATION_STATUS_CLOSED"
        );
    }
    let refused = give_up(&jen, &role).await.unwrap_err();
    assert_eq!(
        reason(&refused),
        "TOO_MANY_FILINGS",
        "there is nothing left to give up, only to write"
    );
}

#[tokio::test]
async fn a_role_without_approval_counts_by_the_hour_only() {
    let kit = kit(Some(1), Some(3)).await;
    let waiting = kit.role().await.id;
    let free = kit.role_with(&[], 0).await.id;
    let jen = kit.as_(JEN);
    jen.file(&waiting).await.unwrap();
    assert_eq!(
        reason(&jen.file(&waiting).await.unwrap_err()),
        "TOO_MANY_PENDING"
    );
    for _ in 0..2 {
        jen.file(&free).await.expect("it waits for nobody");
    }
    assert_eq!(
        reason(&jen.file(&free).await.unwrap_err()),
        "TOO_MANY_FILINGS"
    );
}

#[tokio::test]
async fn legacy_clients_are_told_403_and_why() {
    let kit = kit(Some(1), None).await;
    let role = kit.role().await.id;
    let path = format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTTL=600");
    assert_eq!(kit.as_(JEN).post(&path).await.status, 201);
    let refused = kit.as_(JEN).post(&path).await;
    assert_eq!(
        (refused.status, &*refused.code()),
        (403, "TOO_MANY_PENDING")
    );
    assert_eq!(
        refused.header("retry-after"),
        None,
        "an hour or a decision has to pass, not a second"
    );
}

/// An account that may not request a role learns nothing of its quota, nor of the role.
#[tokio::test]
async fn the_quota_is_looked_at_last() {
    let kit = kit(Some(1), None).await;
    let role = kit.role().await.id;
    kit.as_(JEN).file(&role).await.unwrap();
    let of_nobody = kit
        .as_(JEN)
        .file("5a5a5a5a-0000-4000-8000-000000000000")
        .await
        .unwrap_err();
    assert_eq!(reason(&of_nobody), "ACCESS_DENIED");
}

/// Sixteen at once over both dialects, of whom three may pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filing_at_the_same_time_gets_nobody_more() {
    let kit = kit(Some(3), Some(1_000)).await;
    let role = kit.role().await.id;
    for round in 0..20 {
        let start = Arc::new(Barrier::new(16));
        let filings: Vec<_> = (0..16)
            .map(|number| {
                let (jen, role, start) = (kit.as_(JEN), role.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    if number % 2 == 0 {
                        return jen
                            .file(&role)
                            .await
                            .map_err(|status| reason(&status))
                            .err();
                    }
                    let path =
                        format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTTL=600");
                    let answer = jen.post(&path).await;
                    (answer.status != 201).then(|| answer.code())
                })
            })
            .collect();
        let mut filed = 0;
        for filing in filings {
            match filing.await.unwrap().as_deref() {
                None => filed += 1,
                Some(reason) => assert_eq!(reason, "TOO_MANY_PENDING", "round {round}"),
            }
        }
        assert_eq!(filed, 3, "round {round}");
        assert_eq!(kit.as_(SAM).pending().await.len(), 3, "round {round}");
        give_up(&kit.as_(JEN), &role).await.unwrap();
    }
}

/// Each of sixteen files again and again, all by one account. The limits are out of their way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_at_once_by_one_account_are_all_filed() {
    all_are_filed(kit(Some(100_000), Some(100_000)).await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_at_once_by_one_account_are_all_filed_on_postgres() {
    let quota = Quota {
        pending: Some(100_000),
        filings: Some(100_000),
    };
    let options = Options {
        quota,
        ..Options::default()
    };
    all_are_filed(Kit::on_postgres_with(options, Database::new().await).await).await;
}

async fn all_are_filed(kit: Kit) {
    let role = kit.role().await.id;
    let filing: Vec<_> = (0..16)
        .map(|_| {
            let (jen, role) = (kit.as_(JEN), role.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    jen.file(&role).await.unwrap();
                }
            })
        })
        .collect();
    for caller in filing {
        caller.await.unwrap();
    }
    let filed = kit.store.events(1, 1_000).await.unwrap();
    assert_eq!(filed.len(), 16 * 20);
}

/// Without a quota only those that have a name of the client's take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_and_without_a_name_all_are_filed_at_once() {
    let kit = kit(None, None).await;
    let role = kit.role().await.id;
    let file = |number: u128| {
        let named = number.is_multiple_of(2);
        let request = CreateElevationRequest {
            role_id: role.clone(),
            request_id: if named {
                Uuid::from_u128(number).to_string()
            } else {
                String::new()
            },
            ..CreateElevationRequest::default()
        };
        let mut elevations = kit.as_(JEN).elevations();
        tokio::spawn(async move { elevations.create_elevation(request).await })
    };
    for filing in (1..=200).map(file).collect::<Vec<_>>() {
        filing.await.unwrap().unwrap();
    }
    assert_eq!(kit.as_(SAM).pending().await.len(), 100, "the first page");
    assert_eq!(kit.store.events(1, 1_000).await.unwrap().len(), 200);
}

/// A client that was not answered in time asks again, while what it asked for is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_sixteen_times_at_once_is_filed_once() {
    once(kit(Some(3), Some(100)).await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_sixteen_times_at_once_is_filed_once_on_postgres() {
    let options = Options {
        quota: Quota {
            pending: Some(3),
            filings: Some(100),
        },
        ..Options::default()
    };
    once(Kit::on_postgres_with(options, Database::new().await).await).await;
}

async fn once(kit: Kit) {
    let role = kit.role().await.id;
    for round in 1..=10u128 {
        let filing: Vec<_> = (0..16)
            .map(|_| {
                let request = CreateElevationRequest {
                    role_id: role.clone(),
                    request_id: Uuid::from_u128(round).to_string(),
                    ..CreateElevationRequest::default()
                };
                let mut elevations = kit.as_(JEN).elevations();
                tokio::spawn(async move { elevations.create_elevation(request).await })
            })
            .collect();
        let mut filed = HashSet::new();
        for answer in filing {
            filed.insert(
                answer
                    .await
                    .unwrap()
                    .unwrap()
                    .into_inner()
                    .elevation
                    .unwrap()
                    .id,
            );
        }
        assert_eq!(filed.len(), 1, "round {round}");
        assert_eq!(kit.as_(SAM).pending().await.len(), 1);
        give_up(&kit.as_(JEN), &role).await.unwrap();
    }
}

async fn kit(pending: Option<u32>, filings: Option<u32>) -> Kit {
    Kit::with(Options {
        quota: Quota { pending, filings },
        ..Options::default()
    })
    .await
}

async fn give_up(person: &Person, role: &str) -> Result<Elevation, Status> {
    let request = CreateElevationRequest {
        role_id: role.to_owned(),
        duration: Some(Duration::default()),
        ..CreateElevationRequest::default()
    };
    Ok(person
        .elevations()
        .create_elevation(request)
        .await?
        .into_inner()
        .elevation
        .unwrap())
}
