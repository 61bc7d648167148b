//! A server that is killed under load loses no acknowledged change, and keeps no half of one.
//!
//! A few cycles with every run of the tests; `COUNTERSIGN_TEST_CYCLES=50` says how many.

mod client;
mod judge;
mod machine;

use std::env;
use std::process::Command;

use crate::postgres::Database;
use client::{Act, Answer, Entry};
use judge::{Remains, judge};
use machine::{Machine, Place};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_outlives_kill_9() {
    outlives(Place::File(tempfile::tempdir().unwrap())).await;
}

/// Of the server, and now and then of the database under it.
#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_outlives_kill_9_on_postgres() {
    outlives(Place::Postgres(Database::alone().await)).await;
}

#[expect(clippy::print_stdout, reason = "how much was judged")]
async fn outlives(place: Place) {
    let cycles = env::var("COUNTERSIGN_TEST_CYCLES").map_or(5, |cycles| cycles.parse().unwrap());
    let mut machine = Machine::new(place).await;
    for cycle in 1..=cycles {
        machine.live_and_die().await;
        let wrong = judge(&machine.log, &machine.remains().await);
        assert!(wrong.is_empty(), "cycle {cycle}:\n{}", wrong.join("\n"));
    }
    machine.ask_again().await;
    println!("{cycles} cycles: {}", machine.summary());
}

/// Of a Patroni cluster the primary is killed, frozen, relieved and left alone; what follows it has everything.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a campaign of minutes, which needs a cluster: .ci/patroni"]
async fn what_is_acknowledged_outlives_the_primary_of_a_cluster() {
    let folder = env::var("COUNTERSIGN_TEST_CLUSTER").expect("the folder of a cluster");
    let cycles = env::var("COUNTERSIGN_TEST_CYCLES").map_or(1, |cycles| cycles.parse().unwrap());
    let url = std::fs::read_to_string(format!("{folder}/url")).unwrap();
    let mut machine = Machine::new(Place::Cluster(url.trim_end().to_owned())).await;
    for cycle in 1..=cycles {
        for fault in ["kill", "switch", "freeze", "bereave"] {
            let happens = of_the_cluster(fault, &folder);
            let quiet = machine.live_through(happens).await;
            of_the_cluster("heal", &folder)();
            let wrong = judge(&machine.log, &machine.remains().await);
            println!(
                "cycle {cycle}, {fault}: nothing was acknowledged for {quiet:.1?}; {}",
                machine.summary()
            );
            assert!(
                wrong.is_empty(),
                "cycle {cycle}, {fault}:\n{}",
                wrong.join("\n")
            );
        }
    }
    machine.ask_again().await;
}

/// What a script does to a cluster.
fn of_the_cluster(what: &str, folder: &str) -> impl FnOnce() + Send + use<> {
    let mut command = Command::new("tests/patroni/cluster");
    command.args([what, folder]);
    move || assert!(command.status().unwrap().success(), "{command:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_is_not_blind() {
    let mut machine = Machine::new(Place::File(tempfile::tempdir().unwrap())).await;
    machine.live_and_die().await;
    let (log, remains) = (&machine.log, machine.remains().await);
    assert_eq!(judge(log, &remains), Vec::<String>::new());
    let spoilt = |what: &str, spoil: &dyn Fn(&mut Vec<Entry>, &mut Remains)| {
        let (mut log, mut remains) = (log.clone(), remains.clone());
        spoil(&mut log, &mut remains);
        assert!(!judge(&log, &remains).is_empty(), "{what}");
    };
    spoilt("the end of the record is gone", &|_, remains| {
        remains.record.truncate(remains.record.len() / 2);
    });
    spoilt("a gap", &|_, remains| drop(remains.record.remove(5)));
    spoilt("an event twice", &|_, remains| {
        remains.record.push(remains.record[5].clone())
    });
    spoilt("another payload", &|_, remains| {
        remains.record[5].payload[3] ^= 1
    });
    spoilt("another header", &|_, remains| {
        let header = &mut remains.record[5].header;
        *header.last_mut().unwrap() ^= 1;
    });
    spoilt("a row is gone", &|_, remains| remains.rows.clear());
    spoilt("an older row", &|_, remains| {
        let row = remains
            .rows
            .values_mut()
            .find(|row| row.activate_time.is_some())
            .unwrap();
        row.activate_time = None;
    });
    spoilt("something that nobody sent", &|log, _| log.clear());
    spoilt("a refusal that was none", &|log, _| {
        for entry in log {
            entry.answer = Answer::Refused(String::new());
        }
    });
    spoilt("an acknowledgement of nothing", &|log, _| {
        let refused = |entry: &&mut Entry| {
            matches!(entry.answer, Answer::Refused(_)) && !matches!(entry.act, Act::File(_))
        };
        log.iter_mut().find(refused).unwrap().answer = Answer::Done(None);
    });
}
