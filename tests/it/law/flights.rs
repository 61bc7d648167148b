//! The rows of a group and its COMMIT travel to PostgreSQL together, before any of them has succeeded.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::domain::effect::{Effect, EffectPayload};
use countersign::domain::error::{Error, Kind};
use countersign::domain::id::{EffectId, RoleId};
use countersign::domain::version::Version;
use countersign::store::postgres::PostgresStore;
use countersign::store::{Change, Commit, Key, Record, Store};
use countersign::telemetry::metrics::StoreMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use uuid::Uuid;

use super::history::{
    History, account, at, both, committed, read, record, rejected_by, role, role_change,
    was_committed, was_conflict,
};
use crate::kit::{KIM, SAM, START};
use crate::postgres::Database;

/// One change of a group cannot be written. The refused statement is in the middle of the flight, and COMMIT arrives after
/// it. Then the server rolls back, and reports a success.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_in_a_flight_takes_only_its_own_change_back() {
    for (table, operation, id) in [
        ("event", "INSERT", "header"),
        ("elevation", "INSERT", "id"),
        ("elevation", "UPDATE", "id"),
        ("alarm", "INSERT", "id"),
        ("guard", "INSERT", "account"),
        ("effect", "INSERT", "id"),
        ("role", "INSERT", "id"),
    ] {
        let database = Database::new().await;
        let store = database.open().await;
        let operator = database.connect().await;
        committed(&store, History::filed(50).change()).await;
        let refused = match (table, operation) {
            ("guard", _) => account(KIM).id.0,
            ("elevation", "UPDATE") => Uuid::from_u128(50),
            _ => Uuid::from_u128(51),
        };
        let condition = match table {
            "event" => format!("position('\\x{}'::bytea IN NEW.{id}) > 0", refused.simple()),
            _ => format!("NEW.{id} = '{refused}'"),
        };
        refuse(&database, table, operation, &condition).await;

        // The writer waits with the first, so the others are one group.
        operator.batch_execute(LOCK).await.unwrap();
        let stale = History::filed(50).change();
        let changes = [
            History::filed(1).change(),
            History::filed(2).change(),
            of_every_kind(),
            stale,
            History::filed(3).change(),
        ];
        let mut waiting = Vec::new();
        for change in changes {
            waiting.push(handed_over(&store, change).await);
            if waiting.len() == 1 {
                database.waits_for_lock().await;
            }
        }
        operator.batch_execute("ROLLBACK").await.unwrap();
        let mut answers = Vec::new();
        for answer in waiting {
            answers.push(answer.await);
        }

        let place = format!("{operation} {table}");
        let error = answers.remove(2).unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable, "{place}");
        assert!(was_conflict(&answers.remove(2)), "{place}");
        assert!(answers.iter().all(was_committed), "{place}: {answers:?}");
        assert_eq!(record(&store).await.len(), 4, "{place}");
        nothing_of_it(&store, &place).await;
    }
}

/// The head is written last, and a deferred constraint is checked by COMMIT itself.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_flight_whose_end_fails_confirms_nothing() {
    for table in ["head", "deferred"] {
        let database = Database::new().await;
        let store = database.open().await;
        let operator = database.connect().await;
        committed(&store, History::filed(50).change()).await;
        let repair = if table == "head" {
            refuse(&database, "head", "UPDATE", "true").await;
            "DROP TRIGGER refusal ON head"
        } else {
            operator.batch_execute(REFUSAL).await.unwrap();
            let trigger = "CREATE CONSTRAINT TRIGGER refusal AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED \
                           FOR EACH ROW EXECUTE FUNCTION refuse()";
            operator.batch_execute(trigger).await.unwrap();
            "DROP TRIGGER refusal ON event"
        };
        let mut waiting = Vec::new();
        for change in [of_every_kind(), History::filed(1).change()] {
            waiting.push(handed_over(&store, change).await);
        }
        for answer in waiting {
            let error = answer.await.unwrap_err();
            assert_eq!(error.kind, Kind::Unavailable, "{table}");
        }
        assert_eq!(record(&store).await.len(), 1, "{table}");
        operator.batch_execute(repair).await.unwrap();
        nothing_of_it(&store, table).await;
        committed(&store, of_every_kind()).await;
    }
}

/// The connection is cut right before COMMIT, or right after it, when no response arrives.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_in_a_flight_loses_nothing_and_doubles_nothing() {
    for forwards_commit in [false, true] {
        let database = Database::new().await;
        let cut = Arc::new(AtomicBool::new(false));
        let port = cutting(&database, cut.clone(), forwards_commit).await;
        let url = database.url_at(&format!("127.0.0.1:{port}"));
        let store: Arc<dyn Store> = Arc::new(
            PostgresStore::open(&url, None, None, StoreMetrics::default())
                .await
                .unwrap(),
        );
        committed(&store, History::filed(50).change()).await;
        cut.store(true, Ordering::SeqCst);
        committed(&store, of_every_kind()).await;
        assert!(!cut.load(Ordering::SeqCst), "it was cut");
        committed(&store, History::filed(1).change()).await;
        let mut subjects: Vec<Uuid> = record(&store)
            .await
            .iter()
            .map(|envelope| envelope.event().unwrap().subject.id())
            .collect();
        subjects.sort();
        assert_eq!(subjects, [1, 50, 50, 51, 51].map(Uuid::from_u128));
    }
}

/// A change that writes a row of every kind: elevation 50, which is there, elevation 51, a role, a guard, and an effect.
fn of_every_kind() -> Change {
    let rejected = History::filed(50).then(at(60), [rejected_by(SAM)]);
    let role = role_change(&role(RoleId(Uuid::from_u128(51)), &[]), Version::ABSENT);
    let mut change = both(both(rejected.change(), History::filed(51).change()), role);
    let effect = Effect {
        id: EffectId(Uuid::from_u128(51)),
        subject: Uuid::from_u128(51),
        due: START,
        attempts: 0,
        payload: EffectPayload::new(vec![1]).unwrap(),
    };
    let guard = account(KIM).id;
    change.expects.extend([
        (Key::Guard(guard), Version::ABSENT),
        (Key::Effect(effect.id), Version::ABSENT),
    ]);
    change
        .puts
        .extend([Record::Guard(guard), Record::Effect(Box::new(effect))]);
    change
}

async fn nothing_of_it(store: &Arc<dyn Store>, place: &str) {
    let found = read(store, &History::filed(50)).await.unwrap();
    assert_eq!(found.elevation.version, Version(1), "{place}");
    assert!(read(store, &History::filed(51)).await.is_none(), "{place}");
    let role = store.role(RoleId(Uuid::from_u128(51))).await.unwrap();
    assert!(role.is_none(), "{place}");
    assert_eq!(store.effects_due(at(60), 9).await.unwrap(), [], "{place}");
    // Its guard was not written, so this expects what it expected.
    let change = History::filed(60).change();
    let guard = (Key::Guard(account(KIM).id), Version::ABSENT);
    let expects = [change.expects, vec![guard]].concat();
    committed(store, Change { expects, ..change }).await;
}

/// Hands a change over to the writer, and returns the future of its answer.
async fn handed_over(
    store: &Arc<dyn Store>,
    change: Change,
) -> impl Future<Output = Result<Commit, Error>> {
    let store = store.clone();
    let mut commit = Box::pin(async move { store.commit(change).await });
    tokio::select! {
        biased;
        answer = &mut commit => panic!("it was not queued: {answer:?}"),
        () = ready(()) => {}
    }
    commit
}

/// Has the database refuse a row.
async fn refuse(database: &Database, table: &str, operation: &str, condition: &str) {
    let trigger = format!(
        "CREATE TRIGGER refusal BEFORE {operation} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
    );
    let operator = database.connect().await;
    operator.batch_execute(REFUSAL).await.unwrap();
    operator.batch_execute(&trigger).await.unwrap();
}

/// Passes bytes on between connections and the server. When it is to cut, it cuts the next connection that sends COMMIT,
/// and no other after it. The server has COMMIT or not, and its responses to the flight are lost.
async fn cutting(database: &Database, cut: Arc<AtomicBool>, forwards_commit: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = format!("{}/.s.PGSQL.5432", database.server.folder());
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (requests, responses) = client.into_split();
            let (from_server, to_server) = UnixStream::connect(&socket).await.unwrap().into_split();
            let is_cut = Arc::new(AtomicBool::new(false));
            tokio::spawn(pass_back(from_server, responses, is_cut.clone()));
            let cut = cut.clone();
            tokio::spawn(async move {
                pass_on(requests, to_server, &cut, &is_cut, forwards_commit).await;
            });
        }
    });
    port
}

async fn pass_back(
    mut from: impl AsyncReadExt + Unpin,
    to: impl AsyncWriteExt + Unpin,
    is_cut: Arc<AtomicBool>,
) {
    let mut to = Some(to);
    let mut bytes = [0; 65_536];
    // After the cut it still takes what the server sends, so that the server goes on.
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if is_cut.load(Ordering::SeqCst) {
            to = None;
        }
        if let Some(to) = &mut to
            && to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}

async fn pass_on(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    cut: &AtomicBool,
    is_cut: &AtomicBool,
    forwards_commit: bool,
) {
    const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let sent = &bytes[..count];
        let commit = sent.windows(COMMIT.len()).position(|part| part == COMMIT);
        match commit {
            Some(start) if cut.swap(false, Ordering::SeqCst) => {
                is_cut.store(true, Ordering::SeqCst);
                let end = start + if forwards_commit { COMMIT.len() } else { 0 };
                return to.write_all(&sent[..end]).await.unwrap();
            }
            _ if to.write_all(sent).await.is_err() => return,
            _ => {}
        }
    }
}

const LOCK: &str = "BEGIN; SELECT FROM head FOR UPDATE";
const REFUSAL: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION 'refused'; END $$";
