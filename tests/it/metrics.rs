//! `GET /metrics`: the counts, and the accounts that may read them.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::domain::moment::Moment;
use countersign::proto::pam::v1::ListAllRolesRequest;
use countersign::server::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::kit::{self, ANN, EVE, GIL, JEN, KIM, Kit, MAX, Options, Person, SAM, reason};

const LIST: &str = "/api/pamresources/pamrequeststoapprove";

#[tokio::test]
async fn decisions_are_counted_where_they_were_committed() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let [first, second] = [
        kit.as_(JEN).file(&role.id).await,
        kit.as_(JEN).file(&role.id).await,
    ];
    let [first, second] = [first.unwrap(), second.unwrap()];
    kit.as_(SAM).approve(&first.approval_id).await.unwrap();
    assert_eq!(
        kit.as_(KIM).act(&second.approval_id, "Reject").await.status,
        200
    );
    // A repeat and a refusal commit nothing.
    kit.as_(SAM).approve(&first.approval_id).await.unwrap();
    assert_eq!(
        kit.as_(SAM).act(&first.approval_id, "Reject").await.status,
        403
    );
    let close = format!("/api/pamresources/pamrequests(guid'{}')/Close", first.id);
    assert!([200, 204].contains(&kit.as_(JEN).post(&close).await.status));
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    for (kind, count) in [
        ("Activated", 1),
        ("Approved", 1),
        ("Closed", 1),
        ("Filed", 2),
        ("Rejected", 1),
        ("RoleCreated", 1),
        ("RoleDeleted", 0),
        ("RoleUpdated", 0),
    ] {
        assert_eq!(
            metrics.of(&format!("events_total{{kind=\"{kind}\"}}")),
            f64::from(count),
            "{kind}"
        );
    }
    assert_eq!(
        metrics.of("commit_duration_seconds_count"),
        6.0,
        "a change each"
    );
    assert_eq!(metrics.of("commit_group_changes_sum"), 6.0);
    assert_eq!(
        metrics.of("commit_group_duration_seconds_count"),
        metrics.of("commit_group_changes_count")
    );
    assert_eq!(metrics.of("commit_queue_changes"), 0.0);
}

#[tokio::test]
async fn refusals_are_counted_by_operation_and_reason() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    kit.as_(EVE).approve(&filed.approval_id).await.unwrap_err();
    kit.as_(EVE).act(&filed.approval_id, "Approve").await;
    kit.anonymous().get(LIST).await;
    kit.anonymous().get(LIST).await;
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    for (operation, reason, count) in [
        ("/pam.v1.ApprovalService/Approve", "ACCESS_DENIED", 1.0),
        ("rest:Approve", "ACCESS_DENIED", 1.0),
        ("rest:pamrequeststoapprove", "UNAUTHENTICATED", 2.0),
    ] {
        let name = format!("refusals_total{{operation=\"{operation}\",reason=\"{reason}\"}}");
        assert_eq!(metrics.of(&name), count, "{name}");
    }
    let durations = "request_duration_seconds_count{operation=\"rest:pamrequeststoapprove\"}";
    assert_eq!(
        metrics.of(durations),
        2.0,
        "what was refused took its time too"
    );
}

#[tokio::test]
async fn what_a_caller_sends_is_never_a_label() {
    let kit = Kit::start().await;
    for path in [
        "/secret-path",
        "/api/pamresources/secret",
        "/api/pamresources/pamroles/secret",
    ] {
        kit.as_(SAM).get(path).await;
        kit.as_(SAM)
            .rest(
                "SECRET",
                path,
                "x-request-id: secret\r\nUser-Agent: secret\r\n",
                "",
            )
            .await;
        let grpc = "Content-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 0\r\n";
        kit.as_(SAM).rest("POST", path, grpc, "").await;
    }
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    assert!(!metrics.0.to_lowercase().contains("secret"));
    let unknown = "refusals_total{operation=\"unknown\",reason=\"NO_SUCH_OPERATION\"}";
    assert_eq!(metrics.of(unknown), 9.0);
}

#[tokio::test]
async fn what_goes_on_is_told() {
    let kit = Kit::start().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(kit.address).await.unwrap();
        kit::answered(&mut stream, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        open.push(stream);
    }
    let mut slow = TcpStream::connect(kit.address).await.unwrap();
    let authorization = format!("Authorization: Bearer {}", kit.token(JEN));
    let head = format!(
        "POST /api/pamresources/pamrequests HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Length: 9\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The scheduler reads once when it starts.
    let is_calm = |metrics: &Metrics| {
        metrics.of("requests_in_flight") == 2.0 && metrics.of("readers_in_use") == 0.0
    };
    let metrics = Metrics::once(&kit.as_(MAX), is_calm).await;
    assert_eq!(
        metrics.of("connections_open"),
        5.0,
        "those, the slow one, and the one that asks"
    );
    assert_eq!(metrics.of("ready"), 1.0);
    assert_eq!(metrics.of("readers"), 4.0);
    assert_eq!(
        metrics.of(&format!(
            "build_info{{version=\"{}\"}}",
            env!("CARGO_PKG_VERSION")
        )),
        1.0
    );
    drop((slow, open));
    Metrics::once(&kit.as_(MAX), |metrics| {
        metrics.of("connections_open") == 1.0 && metrics.of("requests_in_flight") == 1.0
    })
    .await;
}

#[tokio::test]
async fn the_text_is_what_scrapers_read() {
    let kit = Kit::start().await;
    let openmetrics = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let answer = kit.as_(MAX).rest("GET", "/metrics", openmetrics, "").await;
    let content_type = answer.header("content-type").unwrap();
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(
        answer.body.contains("# TYPE countersign_events counter\n"),
        "a family without the suffix"
    );
    let plain = kit.as_(MAX).get("/metrics").await;
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        plain
            .body
            .contains("# TYPE countersign_events_total counter\n")
    );
    assert!(!plain.body.contains("# EOF"));
    every_sample_is_described(&plain.body);
    for line in plain.body.lines() {
        let sample = line
            .split_once("} ")
            .or_else(|| line.split_once(' '))
            .unwrap();
        assert!(
            line.starts_with("# ") || sample.1.parse::<f64>().is_ok(),
            "{line}"
        );
        assert!(
            line.starts_with("# ") || line.starts_with("countersign_"),
            "{line}"
        );
    }
}

/// Every sample belongs to the family described last, as the text format 0.0.4 has it, and every family is described.
fn every_sample_is_described(text: &str) {
    let (mut helped, mut family, mut kind) = ("", "", "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap().0;
        } else if let Some(described) = line.strip_prefix("# TYPE ") {
            (family, kind) = described.split_once(' ').unwrap();
            assert_eq!(family, helped);
            assert_eq!(family.ends_with("_total"), kind == "counter", "{line}");
        } else {
            let rest = line
                .strip_prefix(family)
                .unwrap_or_else(|| panic!("{line} in {family}"));
            let suffix = rest.split(['{', ' ']).next().unwrap();
            let parts = ["_bucket", "_count", "_sum"];
            assert!(
                if kind == "histogram" {
                    parts.contains(&suffix)
                } else {
                    suffix.is_empty()
                },
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn the_documentation_names_every_metric_and_no_other() {
    let kit = Kit::start().await;
    // The family of refusals appears with the first refusal.
    kit.anonymous().get(LIST).await;
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    let types = metrics
        .0
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let told = types.map(|line| line.split_once(' ').unwrap().0.to_owned());
    let quoted = include_str!("../../docs/metrics.md").split('`');
    let named = quoted
        .filter(|word| word.starts_with("countersign_"))
        .map(str::to_owned);
    assert_eq!(named.collect::<BTreeSet<_>>(), told.collect());
}

#[tokio::test]
async fn only_monitors_and_administrators_read_the_metrics() {
    let kit = Kit::start().await;
    for (who, status) in [
        (ANN, 200),
        (MAX, 200),
        (JEN, 403),
        (GIL, 403),
        (SAM, 403),
        (KIM, 403),
        (EVE, 403),
    ] {
        let answer = kit.as_(who).get("/metrics").await;
        assert_eq!(
            (answer.status, answer.body.contains("countersign_")),
            (status, status == 200),
            "{who}"
        );
    }
    let answer = kit.anonymous().get("/metrics").await;
    assert_eq!((answer.status, &*answer.code()), (401, "UNAUTHENTICATED"));
    assert!(answer.header("www-authenticate").is_some());
    let answer = kit.bearer("cst_0000000000000000_x").get("/metrics").await;
    assert_eq!((answer.status, &*answer.code()), (401, "UNAUTHENTICATED"));
    let answer = kit.as_(JEN).get("/metrics").await;
    assert_eq!(&*answer.code(), "ACCESS_DENIED");
}

#[tokio::test]
async fn nobody_becomes_a_monitor_by_a_name() {
    let kit = Kit::start().await;
    // A group that is called like the monitor, a name that only looks like it, and headers that say so.
    let impostor = kit.newcomer("PRIV\\mallory", &[MAX, "monitor", ANN], None);
    assert_eq!(impostor.get("/metrics").await.status, 403);
    let lookalike = kit.newcomer("PRIV\\mаx", &[], None);
    assert_eq!(
        lookalike.get("/metrics").await.status,
        403,
        "the a is Cyrillic"
    );
    let headers = "X-Forwarded-User: PRIV\\max\r\nX-Monitor: true\r\n";
    assert_eq!(
        kit.as_(EVE)
            .rest("GET", "/metrics", headers, "")
            .await
            .status,
        403
    );
    assert_eq!(
        kit.as_(EVE).get("/metrics?account=PRIV%5Cmax").await.status,
        403
    );
    for path in [
        "//metrics",
        "/metrics/",
        "/%6detrics",
        "/METRICS",
        "/api/../metrics",
    ] {
        assert_ne!(kit.anonymous().get(path).await.status, 200, "{path}");
        assert_ne!(kit.as_(EVE).get(path).await.status, 200, "{path}");
    }
    // The same account, written otherwise, is the monitor; its token ends like any other.
    let expires = Moment::from_ticks(kit::START.ticks() + 60 * Moment::TICKS_PER_SECOND);
    let again = kit.newcomer("priv\\MAX", &[], Some(expires));
    assert_eq!(again.get("/metrics").await.status, 200);
    kit.clock.advance(60);
    assert_eq!(again.get("/metrics").await.status, 401);
}

#[tokio::test]
async fn a_monitor_can_do_nothing_else() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let max = kit.as_(MAX);
    assert_eq!(max.pending().await, [""; 0]);
    let refusals = [
        max.approve(&filed.approval_id).await.unwrap_err(),
        max.approval(&filed.approval_id).await.unwrap_err(),
        max.elevation(&filed.id).await.unwrap_err(),
        max.file(&filed.role_id).await.unwrap_err(),
        max.create_role(kit::role("Mine", &[MAX], 1))
            .await
            .unwrap_err(),
        max.roles()
            .list_all_roles(ListAllRolesRequest::default())
            .await
            .unwrap_err(),
    ];
    for refused in refusals {
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (Code::PermissionDenied, "ACCESS_DENIED")
        );
    }
}

#[tokio::test]
async fn the_metrics_are_only_read() {
    let kit = Kit::start().await;
    for method in ["POST", "PUT", "DELETE"] {
        let answer = kit
            .as_(MAX)
            .rest(method, "/metrics", "Content-Length: 0\r\n", "")
            .await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (405, "METHOD_NOT_ALLOWED"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
        assert_eq!(
            kit.anonymous()
                .rest(method, "/metrics", "Content-Length: 0\r\n", "")
                .await
                .status,
            401
        );
    }
}

#[tokio::test]
async fn overload_does_not_keep_a_monitor_out() {
    let kit = Kit::with(Options {
        limits: Limits {
            requests: 0,
            ..Limits::default()
        },
        ..Options::default()
    });
    let kit = kit.await;
    assert_eq!(kit.as_(SAM).get(LIST).await.status, 503);
    let metrics = Metrics::read(&kit.as_(MAX)).await;
    let overloaded =
        "refusals_total{operation=\"rest:pamrequeststoapprove\",reason=\"OVERLOADED\"}";
    assert_eq!(metrics.of(overloaded), 1.0);
}

#[tokio::test]
async fn servers_in_one_process_count_for_themselves() {
    let [one, other] = [Kit::start().await, Kit::start().await];
    one.role().await;
    let created = "events_total{kind=\"RoleCreated\"}";
    assert_eq!(Metrics::read(&one.as_(MAX)).await.of(created), 1.0);
    assert_eq!(Metrics::read(&other.as_(MAX)).await.of(created), 0.0);
}

/// The metrics of a server at one moment.
pub struct Metrics(pub String);

impl Metrics {
    pub async fn read(person: &Person) -> Self {
        let answer = person.get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self(answer.body)
    }

    /// Reads again and again until they are so, for what the server does in its own time.
    pub async fn once(person: &Person, so: impl Fn(&Self) -> bool) -> Self {
        let reading = async {
            loop {
                let metrics = Self::read(person).await;
                if so(&metrics) {
                    return metrics;
                }
            }
        };
        timeout(Duration::from_secs(30), reading)
            .await
            .expect("metrics that never come")
    }

    /// The value of the one sample with that name and those labels.
    pub fn of(&self, name: &str) -> f64 {
        let name = format!("countersign_{name} ");
        let mut values = self.0.lines().filter_map(|line| line.strip_prefix(&name));
        let value = values
            .next()
            .unwrap_or_else(|| panic!("no {name}in:\n{}", self.0));
        assert_eq!(values.next(), None, "{name}");
        value.parse().unwrap()
    }
}
