//! The host that a request names: it becomes part of every link, so it has a form and a length, whichever way it comes in.

use countersign::server::Forwarded;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request};

use crate::kit::{Answer, JEN, Kit, Options, SAM, reason};

const LIST: &str = "/api/pamresources/pamrequeststoapprove";
/// What makes the oldest clients get every link of every row.
const VERBOSE: &str = "Accept: application/json;odata=verbose\r\n";

/// Returns a host name with a number of octets.
fn host(octets: usize) -> String {
    let mut name = format!("{}.", "x".repeat(49)).repeat(octets / 50);
    name.push_str(&"y".repeat(octets % 50));
    if name.ends_with('.') {
        name.pop();
        name.push('z');
    }
    name
}

/// Hosts that are none, or are too long to be one.
fn bad() -> Vec<String> {
    let bad = [
        "<b>", "a@b", "a b", "a/b", "a\\b", "a,b", "a..b", "%41", "[::1", "[x]", "::1", "a:",
        "a:x", "a:65536",
    ];
    let long = [host(256), format!("{}:8086", host(251)), host(60_000)];
    bad.into_iter().map(str::to_owned).chain(long).collect()
}

fn good() -> Vec<String> {
    let good = [
        "pam",
        "PAM.contoso.com:8086",
        "127.0.0.1:80",
        "[::1]:8086",
        "[fd00::1]",
        "sql_1.test",
        "xn--mnchen-3ya.de",
    ];
    let long = [host(250), format!("{}:8086", host(250))];
    good.into_iter().map(str::to_owned).chain(long).collect()
}

#[tokio::test]
async fn sam_names_a_host_in_each_way_that_rest_knows() {
    let direct: [Way; 2] = [
        |host| format!("GET {LIST} HTTP/1.1\r\nHost: {host}\r\n"),
        |host| format!("GET http://{host}{LIST} HTTP/1.1\r\nHost: pam.test\r\n"),
    ];
    named(Forwarded::X, &direct).await;
    named(
        Forwarded::X,
        &[|host| format!("GET {LIST} HTTP/1.1\r\nHost: pam.test\r\nX-Forwarded-Host: {host}\r\n")],
    )
    .await;
    let standard = |host: &str| {
        format!("GET {LIST} HTTP/1.1\r\nHost: pam.test\r\nForwarded: host=\"{host}\"\r\n")
    };
    named(Forwarded::Standard, &[standard]).await;
    let behind = |host: &str| {
        format!("GET {LIST} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: pam.test\r\n")
    };
    named(Forwarded::X, &[behind]).await;
}

/// The head of a request that names a host.
type Way = fn(&str) -> String;

/// Sam names good and bad hosts in these ways, to a server whose proxies set headers of that family.
async fn named(forwarded: Forwarded, ways: &[Way]) {
    let trusted_proxies = vec!["127.0.0.1/32"];
    let kit = Kit::with(Options {
        trusted_proxies,
        forwarded,
        ..Options::default()
    })
    .await;
    let token = kit.token(SAM);
    let rest = format!("Connection: close\r\nAuthorization: Bearer {token}\r\n{VERBOSE}\r\n");
    for way in ways {
        for host in good() {
            let head = way(&host);
            assert_eq!(
                kit.raw(&format!("{head}{rest}")).await.status,
                200,
                "{head}"
            );
        }
        for host in bad() {
            let head = way(&host);
            // In an address `/` ends the host, and in a list a comma ends the element.
            if ["http://a/b", "host=\"a,b", "X-Forwarded-Host: a,b"]
                .iter()
                .any(|end| head.contains(end))
            {
                continue;
            }
            let answer = kit.raw(&format!("{head}{rest}")).await;
            let shown: String = head.chars().take(200).collect();
            assert_eq!(
                (answer.status, &*answer.code()),
                (400, "INVALID_ARGUMENT"),
                "{shown}"
            );
            assert!(!answer.body.contains(&host), "{shown}");
        }
    }
}

/// 60 KiB of host, twice in every row of a thousand, were more than 100 MiB.
#[tokio::test]
async fn a_long_host_does_not_make_a_list_long() {
    let kit = Kit::start().await;
    let role = kit.role_with(&[], 0).await;
    for _ in 0..50 {
        kit.as_(JEN).file(&role.id).await.unwrap();
    }
    let request = format!(
        "GET /api/pamresources/pamrequests HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n{VERBOSE}\r\n",
        host(60 * 1_024),
        kit.token(JEN),
    );
    let answer = kit.bytes(&request).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 "),
        "{}",
        answer.lines().next().unwrap()
    );
    assert!(answer.len() < 2_048, "{}", answer.len());
}

#[tokio::test]
async fn sam_names_a_host_over_grpc() {
    let kit = Kit::start().await;
    for authority in [
        "x".repeat(256),
        "a".repeat(64),
        "a@b".to_owned(),
        "a..b".to_owned(),
    ] {
        let refused = listed_at(&kit, &authority).await.unwrap_err();
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (Code::InvalidArgument, "INVALID_ARGUMENT"),
            "{authority}"
        );
    }
    for authority in ["pam.test:8086", "[::1]", "localhost"] {
        listed_at(&kit, authority).await.unwrap();
    }
}

/// Lists sam's approvals over HTTP/2, with that `:authority`.
async fn listed_at(kit: &Kit, authority: &str) -> Result<(), tonic::Status> {
    let channel =
        tonic::transport::Channel::from_shared(format!("http://{}", kit.address)).unwrap();
    let channel = channel
        .origin(format!("http://{authority}").parse().unwrap())
        .connect()
        .await
        .unwrap();
    let mut client =
        countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient::new(channel);
    let mut request = Request::new(Default::default());
    request.metadata_mut().insert(
        "authorization",
        format!("Bearer {}", kit.token(SAM)).parse().unwrap(),
    );
    client.list_approvals(request).await.map(drop)
}

#[tokio::test]
async fn a_probe_may_leave_the_host_out() {
    let kit = Kit::start().await;
    for host in ["", "Host: \r\n"] {
        let mut stream = TcpStream::connect(kit.address).await.unwrap();
        stream
            .write_all(
                format!("GET /healthz HTTP/1.1\r\n{host}Connection: close\r\n\r\n").as_bytes(),
            )
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(Answer::parse(&answer).status, 200, "{host:?}");
    }
}
