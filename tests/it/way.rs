//! The whole way of a request, in either dialect: with nothing in between, with the server stopped at every step, and
//! with the program killed at every step; and what a copy of the store makes of it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use countersign::proto::pam::v1::{
    Approval, CloseElevationRequest, CreateElevationRequest, Elevation, ElevationStatus,
    ListElevationsRequest,
};
use prost_types::Duration;

use crate::kit::{ANN, JEN, KIM, Kit, Person, SAM, reason, role};
use crate::server::{Program, countersign, token};

/// The requester and the two approvers.
type People = [Person; 3];

/// Which dialect a step of a story speaks.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    Grpc,
    Rest,
}

const BOTH: [Dialect; 2] = [Dialect::Grpc, Dialect::Rest];
const HOUR: i64 = 3_600;

#[tokio::test]
async fn the_whole_way() {
    for dialect in BOTH {
        let kit = Kit::start().await;
        let role = kit.role().await.id;
        walk(&role, dialect, async || people(&kit)).await;
    }
}

#[tokio::test]
async fn the_whole_way_with_the_server_stopped_at_every_step() {
    for dialect in BOTH {
        let kit = Kit::start().await;
        let role = kit.role().await.id;
        let mut running = Some(kit);
        let stop_and_start = async || {
            let kit = running.take().unwrap().restart().await;
            kit.clock.advance(60);
            people(running.insert(kit))
        };
        walk(&role, dialect, stop_and_start).await;
    }
}

#[tokio::test]
async fn the_whole_way_with_the_program_killed_at_every_step() {
    for dialect in BOTH {
        let house = House::new().await;
        let mut running = Some(house.program);
        let kill_and_start = async || {
            drop(running.take());
            let program = running.insert(Program::serve(house.folder.path().to_str().unwrap()));
            house
                .tokens
                .each_ref()
                .map(|token| Person::at(program.address, token))
        };
        walk(&house.role, dialect, kill_and_start).await;
    }
}

/// A copy is a snapshot: it has every change that was acknowledged before, no change without its
/// predecessors, and the same rules decide in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_under_load_decides_as_the_original_would() {
    let house = House::new().await;
    let role = house.role.clone();
    let original = house.people();
    let [jen, sam, kim] = original.clone();
    let [held, rejected, closed, waiting] = [
        jen.file(&role).await.unwrap(),
        jen.file(&role).await.unwrap(),
        jen.file(&role).await.unwrap(),
        jen.file(&role).await.unwrap(),
    ];
    sam.approve(&held.approval_id).await.unwrap();
    kim.reject(&rejected.approval_id).await.unwrap();
    close(&jen, &closed, Dialect::Grpc).await;
    let before = seen(&original).await;

    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let load = tokio::spawn(load(original.clone(), role, acknowledged.clone()));
    while acknowledged.lock().unwrap().len() < 10 {
        tokio::task::yield_now().await;
    }
    let early = acknowledged.lock().unwrap().clone();
    let copy = house.copy().await;
    load.abort();
    let filed = seen(&original).await.0;
    drop(house.program);

    let program = Program::serve(copy.to_str().unwrap());
    let copied = house
        .tokens
        .each_ref()
        .map(|token| Person::at(program.address, token));
    let [jen, sam, kim] = copied.clone();
    let (elevations, approvals) = seen(&copied).await;
    assert_eq!(
        (&elevations[..4], &approvals[..4]),
        (&before.0[..], &before.1[..])
    );
    for elevation in &early {
        assert_eq!(
            jen.elevation(&elevation.id).await.unwrap(),
            *elevation,
            "acknowledged before the copy"
        );
    }
    assert_eq!(
        ids(&elevations),
        ids(&filed)[..elevations.len()],
        "nothing without what came before it"
    );

    check_decided_once(&[jen.clone(), sam.clone(), kim.clone()], &held).await;
    assert_eq!(
        decide(&sam, &rejected, "Approve", Dialect::Rest).await,
        "APPROVAL_NOT_PENDING"
    );
    assert_eq!(
        decide(&sam, &closed, "Approve", Dialect::Grpc).await,
        "APPROVAL_NOT_PENDING"
    );
    assert_eq!(decide(&sam, &waiting, "Approve", Dialect::Rest).await, "");
    check_decided_once(&[jen, sam, kim], &waiting).await;
}

/// Files, approves, uses, extends and closes. `interrupted` may do anything to the server in
/// between, and returns the people who continue.
async fn walk(role: &str, dialect: Dialect, mut interrupted: impl AsyncFnMut() -> People) {
    let people = interrupted().await;
    let filed = file(&people[0], role, HOUR, dialect).await;
    let unwanted = file(&people[0], role, HOUR, dialect).await;
    assert_eq!(
        (filed.status(), filed.revision),
        (ElevationStatus::PendingApproval, 1)
    );

    let [jen, sam, kim] = after(people, &mut interrupted).await;
    assert_eq!(
        sam.pending().await,
        [&*filed.approval_id, &unwanted.approval_id]
    );
    assert_eq!(decide(&sam, &filed, "Approve", dialect).await, "");
    assert_eq!(decide(&kim, &unwanted, "Reject", dialect).await, "");
    assert_eq!(listed(&jen, dialect).await, ["Active", "Rejected"]);

    let people = after([jen, sam, kim], &mut interrupted).await;
    check_decided_once(&people, &filed).await;
    let [jen, sam, kim] = people;
    assert_eq!(
        decide(&sam, &unwanted, "Approve", dialect).await,
        "APPROVAL_NOT_PENDING"
    );
    let extension = file(&jen, role, HOUR, dialect).await;
    assert_eq!(decide(&kim, &extension, "Approve", dialect).await, "");
    assert_eq!(
        listed(&jen, dialect).await,
        ["Active", "Rejected", "Active"]
    );

    let [jen, sam, kim] = after([jen, sam, kim], &mut interrupted).await;
    close(&jen, &filed, dialect).await;
    let closed = jen.elevation(&filed.id).await.unwrap();
    assert_eq!(
        listed(&jen, dialect).await,
        ["Closed", "Rejected", "Active"]
    );

    let [jen, sam, kim] = after([jen, sam, kim], &mut interrupted).await;
    close(&jen, &filed, dialect).await;
    assert_eq!(
        jen.elevation(&filed.id).await.unwrap(),
        closed,
        "closing again writes nothing"
    );
    file(&jen, role, 0, dialect).await;
    assert_eq!(
        listed(&jen, dialect).await,
        ["Closed", "Rejected", "Closed", "Closed"]
    );

    let [jen, sam, kim] = after([jen, sam, kim], &mut interrupted).await;
    assert_eq!(
        listed(&jen, dialect).await,
        ["Closed", "Rejected", "Closed", "Closed"]
    );
    assert_eq!(sam.pending().await, kim.pending().await);
    assert_eq!(sam.pending().await, [""; 0]);
}

/// Interrupts the server, which forgets and changes nothing by it.
async fn after(people: People, interrupted: &mut impl AsyncFnMut() -> People) -> People {
    let before = seen(&people).await;
    let people = interrupted().await;
    assert_eq!(seen(&people).await, before);
    people
}

/// All that there is: ids, statuses, moments, versions and decisions.
async fn seen([jen, sam, _]: &People) -> (Vec<Elevation>, Vec<Approval>) {
    let request = ListElevationsRequest {
        page_size: 1_000,
        ..ListElevationsRequest::default()
    };
    let elevations = jen
        .elevations()
        .list_elevations(request)
        .await
        .unwrap()
        .into_inner()
        .elevations;
    let mut approvals = Vec::new();
    for elevation in elevations
        .iter()
        .filter(|elevation| !elevation.approval_id.is_empty())
    {
        approvals.push(sam.approval(&elevation.approval_id).await.unwrap());
    }
    (elevations, approvals)
}

/// Sam's approval stays, although others repeat or contradict it in both dialects; those calls
/// write nothing.
async fn check_decided_once([jen, sam, kim]: &People, filed: &Elevation) {
    let elevation = jen.elevation(&filed.id).await.unwrap();
    let approval = sam.approval(&filed.approval_id).await.unwrap();
    assert_eq!(
        (elevation.status(), elevation.revision),
        (ElevationStatus::Active, 2)
    );
    assert_eq!(approval.decisions.len(), 1);
    for dialect in BOTH {
        assert_eq!(decide(sam, filed, "Approve", dialect).await, "", "a repeat");
        for (person, action) in [(sam, "Reject"), (kim, "Reject"), (kim, "Approve")] {
            assert_eq!(
                decide(person, filed, action, dialect).await,
                "APPROVAL_NOT_PENDING"
            );
        }
    }
    assert_eq!(jen.elevation(&filed.id).await.unwrap(), elevation);
    assert_eq!(sam.approval(&filed.approval_id).await.unwrap(), approval);
}

async fn file(jen: &Person, role: &str, duration: i64, dialect: Dialect) -> Elevation {
    let id = match dialect {
        Dialect::Grpc => {
            let duration = Some(Duration {
                seconds: duration,
                nanos: 0,
            });
            let request = CreateElevationRequest {
                role_id: role.into(),
                duration,
                ..CreateElevationRequest::default()
            };
            let answer = jen
                .elevations()
                .create_elevation(request)
                .await
                .unwrap()
                .into_inner();
            answer.elevation.unwrap().id
        }
        Dialect::Rest => {
            let path =
                format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTTL={duration}");
            let answer = jen.post(&path).await;
            assert_eq!(answer.status, 201);
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            body["RequestId"].as_str().unwrap().to_owned()
        }
    };
    jen.elevation(&id).await.unwrap()
}

/// The reason of the refusal, or nothing.
async fn decide(person: &Person, filed: &Elevation, action: &str, dialect: Dialect) -> String {
    let id = &filed.approval_id;
    let decided = match (dialect, action) {
        (Dialect::Grpc, "Approve") => person.approve(id).await,
        (Dialect::Grpc, _) => person.reject(id).await,
        (Dialect::Rest, _) => {
            let answer = person.act(id, action).await;
            return if answer.status == 200 {
                String::new()
            } else {
                answer.code()
            };
        }
    };
    decided
        .err()
        .map(|refused| reason(&refused))
        .unwrap_or_default()
}

async fn close(jen: &Person, filed: &Elevation, dialect: Dialect) {
    match dialect {
        Dialect::Grpc => {
            let request = CloseElevationRequest {
                elevation_id: filed.id.clone(),
            };
            jen.elevations().close_elevation(request).await.unwrap();
        }
        Dialect::Rest => {
            let path = format!("/api/pamresources/pamrequests(guid'{}')/Close", filed.id);
            assert_eq!(jen.post(&path).await.status, 200);
        }
    }
}

/// The statuses of jen's requests, in their order and in the words of the REST dialect.
async fn listed(jen: &Person, dialect: Dialect) -> Vec<String> {
    match dialect {
        Dialect::Grpc => {
            let answer = jen
                .elevations()
                .list_elevations(ListElevationsRequest::default())
                .await
                .unwrap();
            let elevations = answer.into_inner().elevations;
            elevations
                .iter()
                .map(|elevation| format!("{:?}", elevation.status()))
                .collect()
        }
        Dialect::Rest => {
            let body: serde_json::Value =
                serde_json::from_str(&jen.get("/api/pamresources/pamrequests").await.body).unwrap();
            let rows = body["value"].as_array().unwrap();
            rows.iter()
                .map(|row| row["RequestStatus"].as_str().unwrap().to_owned())
                .collect()
        }
    }
}

fn people(kit: &Kit) -> People {
    [JEN, SAM, KIM].map(|name| kit.as_(name))
}

fn ids(elevations: &[Elevation]) -> Vec<&str> {
    elevations.iter().map(|elevation| &*elevation.id).collect()
}

/// Files and approves without end, and notes the acknowledged changes.
async fn load([jen, sam, _]: People, role: String, acknowledged: Arc<Mutex<Vec<Elevation>>>) {
    loop {
        let filed = jen.file(&role).await.unwrap();
        sam.approve(&filed.approval_id).await.unwrap();
        let active = jen.elevation(&filed.id).await.unwrap();
        acknowledged.lock().unwrap().push(active);
    }
}

/// The program on a folder of its own, with a role.
struct House {
    folder: tempfile::TempDir,
    tokens: [String; 3],
    program: Program,
    role: String,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let [ann, tokens @ ..] = [ANN, JEN, SAM, KIM].map(|account| token(data, account));
        let program = Program::serve(data);
        let ann = Person::at(program.address, &ann);
        let role = ann
            .create_role(role("SQL", &[SAM, KIM], 1))
            .await
            .unwrap()
            .id;
        Self {
            folder,
            tokens,
            program,
            role,
        }
    }

    fn people(&self) -> People {
        self.tokens
            .each_ref()
            .map(|token| Person::at(self.program.address, token))
    }

    /// A folder with a copy of the store, which nothing overwrites, and the tokens.
    async fn copy(&self) -> std::path::PathBuf {
        let (data, copy) = (
            self.folder.path().to_owned(),
            self.folder.path().join("copy"),
        );
        let folder = copy.clone();
        let copied = tokio::task::spawn_blocking(move || copy_store(&data, &folder));
        copied.await.unwrap();
        copy
    }
}

fn copy_store(data: &Path, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let file = folder.join("countersign.db");
    let backup = [
        "backup",
        "--data-dir",
        data.to_str().unwrap(),
        file.to_str().unwrap(),
    ];
    assert!(countersign(&backup).status().unwrap().success());
    assert!(
        !countersign(&backup).status().unwrap().success(),
        "nothing is written over"
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600,
        "for its owner"
    );
    std::fs::copy(data.join("tokens.toml"), folder.join("tokens.toml")).unwrap();
}
