//! What an operator reads in the log and learns from `--version`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::kit::{Kit, MAX, Options, Person};
use crate::metrics::Metrics;
use crate::server::{Program, countersign, token};

#[test]
fn the_first_line_says_which_program_decides_by_which_zone_in_which_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let log = beginning(&[
        "--data-dir",
        data,
        "--zone",
        "Europe/Berlin",
        "--log-format",
        "json",
    ]);
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(first["message"], "starting");
    assert!(
        first["version"]
            .as_str()
            .unwrap()
            .starts_with(concat!(env!("CARGO_PKG_VERSION"), " ("))
    );
    assert_eq!(
        (&first["zone"], &first["store"]),
        (
            &"Europe/Berlin".into(),
            &format!("{data}/countersign.db").into()
        )
    );
}

#[test]
fn the_version_says_revision_zone_and_store() {
    let version = |variables: &[(&str, &str)]| {
        let output = countersign(&["--version"])
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = version(&[
        ("COUNTERSIGN_ZONE", "Europe/Berlin"),
        ("COUNTERSIGN_DATA_DIR", "data"),
    ]);
    let revision = match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(revision) => revision,
        None => "unknown revision".to_owned(),
    };
    let version_line = format!("countersign {} ({revision})", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        said,
        format!("{version_line}\nzone: Europe/Berlin\nstore: data/countersign.db\n")
    );
    let said = version(&[("COUNTERSIGN_STORE", "postgres://ann:hunter2@db/x")]);
    assert!(said.ends_with("\nstore: PostgreSQL\n"), "{said}");
}

/// What git says of the source, if that is a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let folder = env!("CARGO_MANIFEST_DIR");
    if !Path::new(folder).join(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn probes_and_scrapes_are_logged_for_those_who_look_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let ann = token(data, "PRIV\\ann");
    for (level, expected) in [
        ("info", &["rest:sessioninfo"][..]),
        (
            "debug",
            &["healthz", "readyz", "metrics", CHECK, "rest:sessioninfo"],
        ),
    ] {
        let program = Program::run(countersign(&["serve", "--data-dir", data, "--log", level]));
        let person = Person::at(program.address, &ann);
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            for path in ["/healthz", "/readyz", "/metrics"] {
                assert_eq!(person.get(path).await.status, 200);
            }
            let channel = Channel::from_shared(format!("http://{}", program.address))
                .unwrap()
                .connect_lazy();
            let request = HealthCheckRequest {
                service: String::new(),
            };
            HealthClient::new(channel).check(request).await.unwrap();
            assert_eq!(
                person.get("/api/pamresources/sessioninfo").await.status,
                200
            );
        });
        for operation in expected {
            let line = program.logged("answered");
            assert_eq!(line["span"]["operation"], *operation, "{level}: {line}");
        }
    }
}

/// Reflection and health count as operations of their own, not as unknown ones.
#[tokio::test]
async fn reflection_and_health_have_names() {
    let kit = Kit::with(Options {
        reflection: true,
        ..Options::default()
    })
    .await;
    let channel = || {
        Channel::from_shared(format!("http://{}", kit.address))
            .unwrap()
            .connect_lazy()
    };
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: None,
    };
    let mut answers = ServerReflectionClient::new(channel())
        .server_reflection_info(tokio_stream::once(request.clone()))
        .await
        .unwrap()
        .into_inner();
    while answers.next().await.is_some() {}
    HealthClient::new(channel())
        .check(HealthCheckRequest {
            service: String::new(),
        })
        .await
        .unwrap();
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    for (operation, count) in [(REFLECTION, 1.0), (CHECK, 1.0), ("unknown", 0.0)] {
        let name = format!("request_duration_seconds_count{{operation=\"{operation}\"}}");
        assert_eq!(metrics.of(&name), count, "{operation}");
    }
}

#[test]
fn a_log_that_goes_into_a_file_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let log = beginning(&["--data-dir", folder.path().to_str().unwrap()]);
    assert!(!log.contains('\u{1b}'), "{log}");
}

/// The log of a server until it listens.
fn beginning(arguments: &[&str]) -> String {
    let mut child = countersign(&["serve", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("listening") {
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
