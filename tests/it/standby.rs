//! Stories of a standby that is missing: no response confirms what a failover could undo.

use std::pin::{Pin, pin};
use std::time::Duration;

use countersign::proto::pam::v1::{CloseElevationRequest, CreateElevationRequest, Elevation, Role};
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::kit::{ANN, JEN, KIM, Kit, Person, SAM, reason, replacing};
use crate::law::postgres::{keep_waiting, set_standby, waits_for_standby};
use crate::postgres::Database;

/// The commit of sam's approval stops to wait for the standby, again and again, until the server gives up.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_whose_wait_was_cut_short_is_not_confirmed_by_its_repeat() {
    let database = Database::alone().await;
    let kit = Kit::on_postgres(database.clone()).await;
    let filed = kit.pending().await;
    let operator = database.connect().await;
    keep_waiting(&database, &operator).await;

    let sam = kit.as_(SAM);
    let mut approval = pin!(sam.approve(&filed.approval_id));
    let refused = loop {
        tokio::select! {
            answer = &mut approval => break answer.unwrap_err(),
            waiting = waits_for_standby(&operator, 0) => {
                operator.query("SELECT pg_cancel_backend($1)", &[&waiting]).await.unwrap();
            }
        }
    };
    assert_eq!(
        (refused.code(), &*reason(&refused)),
        (Code::Unavailable, "UNAVAILABLE")
    );
    assert_eq!(
        sam.approval(&filed.approval_id)
            .await
            .unwrap()
            .decisions
            .len(),
        1,
        "it is in the database"
    );

    let repeat = async || loop {
        if let Ok(approval) = sam.approve(&filed.approval_id).await {
            return approval;
        }
    };
    let confirmed = timeout(Duration::from_secs(2), repeat()).await;
    assert!(
        confirmed.is_err(),
        "it was confirmed without the standby: {confirmed:?}"
    );
    set_standby(&operator, "").await;
    assert_eq!(repeat().await.decisions.len(), 1);
    let record = kit.store.events(0, 100).await.unwrap();
    assert_eq!(
        record.len(),
        4,
        "the role, the filing, the approval and the activation"
    );
}

/// Every response that reports an earlier decision, filing or change of a role.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_that_reports_what_is_there_waits_for_the_standby() {
    let database = Database::alone().await;
    let kit = Kit::on_postgres(database.clone()).await;
    let [ann, jen, sam, kim] = [ANN, JEN, SAM, KIM].map(|name| kit.as_(name));
    let role = kit.role_with(&[SAM, "group:SQL Owners"], 2).await;
    let [half, approved, rejected, closed] = [(); 4].map(|()| jen.file(&role.id));
    let (half, approved) = (half.await.unwrap(), approved.await.unwrap());
    let (rejected, closed) = (rejected.await.unwrap(), closed.await.unwrap());
    sam.approve(&half.approval_id).await.unwrap();
    sam.approve(&approved.approval_id).await.unwrap();
    kim.approve(&approved.approval_id).await.unwrap();
    sam.reject(&rejected.approval_id).await.unwrap();
    close(&jen, &closed).await.unwrap();
    file(&jen, &role, "Ticket 4711").await.unwrap();
    update(&ann, &role).await.unwrap();
    let operator = database.connect().await;

    let responses: [(Response<'_>, &str); 12] = [
        (Box::pin(done(sam.approve(&half.approval_id))), ""),
        (Box::pin(done(kim.approve(&approved.approval_id))), ""),
        (Box::pin(done(sam.reject(&rejected.approval_id))), ""),
        (Box::pin(close(&jen, &closed)), ""),
        (Box::pin(file(&jen, &role, "Ticket 4711")), ""),
        (
            Box::pin(done(sam.reject(&half.approval_id))),
            "ALREADY_DECIDED",
        ),
        (
            Box::pin(done(kim.approve(&rejected.approval_id))),
            "APPROVAL_NOT_PENDING",
        ),
        (
            Box::pin(done(kim.approve(&closed.approval_id))),
            "APPROVAL_NOT_PENDING",
        ),
        (Box::pin(close(&jen, &rejected)), "ELEVATION_ENDED"),
        (
            Box::pin(file(&jen, &role, "Ticket 4712")),
            "REQUEST_ID_REUSED",
        ),
        (Box::pin(done(ann.create_role(role.clone()))), "ROLE_EXISTS"),
        (Box::pin(update(&ann, &role)), "ROLE_CHANGED"),
    ];
    for (mut response, expected) in responses {
        keep_waiting(&database, &operator).await;
        tokio::select! {
            answer = &mut response => panic!("{expected:?} was answered without the standby: {answer:?}"),
            _ = waits_for_standby(&operator, 0) => {}
        }
        set_standby(&operator, "").await;
        let refusal = response
            .await
            .err()
            .map(|refused| reason(&refused))
            .unwrap_or_default();
        assert_eq!(refusal, expected);
    }
}

type Response<'a> = Pin<Box<dyn Future<Output = Result<(), Status>> + Send + 'a>>;

async fn done<T>(response: impl Future<Output = Result<T, Status>>) -> Result<(), Status> {
    response.await.map(drop)
}

async fn close(person: &Person, elevation: &Elevation) -> Result<(), Status> {
    let request = CloseElevationRequest {
        elevation_id: elevation.id.clone(),
    };
    person.elevations().close_elevation(request).await.map(drop)
}

/// Files under a name of the client's.
async fn file(person: &Person, role: &Role, justification: &str) -> Result<(), Status> {
    let request = CreateElevationRequest {
        role_id: role.id.clone(),
        justification: Some(justification.to_owned()),
        request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
        ..CreateElevationRequest::default()
    };
    person
        .elevations()
        .create_elevation(request)
        .await
        .map(drop)
}

async fn update(person: &Person, role: &Role) -> Result<(), Status> {
    person
        .roles()
        .update_role(replacing(role.clone()))
        .await
        .map(drop)
}
