//! The schemes by which a caller can prove an identity, and attempts to cheat schemes of several legs.

use async_trait::async_trait;
use countersign::auth::scheme::{Answer, Identity, Parts, Scheme};
use countersign::domain::account::{Account, Group};
use countersign::domain::moment::Moment;
use countersign::proto::pam::v1::GetSessionRequest;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::kit::{Answer as Response, EVE, GIL, JEN, Kit, Options, SAM};

/// A scheme of two legs: it asks a number, and accepts the answer that is larger by one, for the named account.
struct Riddle;

/// The first leg: the number that was asked.
struct Asked(u32);

#[async_trait]
impl Scheme for Riddle {
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Riddle")
    }

    async fn authenticate(&self, parts: &Parts<'_>, _: Moment) -> Answer {
        let Some(text) = parts.credentials("riddle") else {
            return Answer::NotMine;
        };
        if let Some(number) = text.strip_prefix("ask ") {
            let number = number.parse().unwrap();
            parts.connection.keep_handshake(Asked(number));
            return Answer::Continue(HeaderValue::from_str(&format!("Riddle {number}")).unwrap());
        }
        let Some(Asked(number)) = parts.connection.take_handshake() else {
            return Answer::Refused("no riddle was asked on this connection");
        };
        match text.split_once(' ') {
            Some((answer, name)) if answer == (number + 1).to_string() => Answer::Accepted {
                identity: identity(name, None),
                reply: Some(HeaderValue::from_static("Riddle solved")),
            },
            _ => Answer::Refused("a wrong answer"),
        }
    }

    fn expiring(&self, _: Moment, _: Moment) -> usize {
        0
    }
}

/// Bearer credentials that are `<account>` or `<account>=<group>,<group>`, and never checked.
struct AnyBearer;

#[async_trait]
impl Scheme for AnyBearer {
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer realm=\"any\"")
    }

    async fn authenticate(&self, parts: &Parts<'_>, _: Moment) -> Answer {
        let Some(text) = parts.credentials("bearer") else {
            return Answer::NotMine;
        };
        let identity = match text.split_once('=') {
            Some((name, "")) => identity(name, Some(Vec::new())),
            Some((name, groups)) => identity(
                name,
                Some(
                    groups
                        .split(',')
                        .map(|name| Group::named(name).unwrap())
                        .collect(),
                ),
            ),
            None => identity(text, None),
        };
        Answer::Accepted {
            identity,
            reply: None,
        }
    }

    fn expiring(&self, _: Moment, _: Moment) -> usize {
        0
    }
}

fn identity(name: &str, groups: Option<Vec<Group>>) -> Identity {
    Identity {
        account: Account::named(name).unwrap(),
        groups,
        credential: "test".to_owned(),
    }
}

const LIST: &str = "/api/pamresources/pamrequeststoapprove";

#[tokio::test]
async fn a_first_leg_does_not_let_the_request_through() {
    let kit = with(Riddle).await;
    let filed = kit.pending().await;
    let mut sam = Connection::to(&kit).await;
    let approve = format!("{LIST}(guid'{}')/Approve", filed.approval_id);
    let first = sam.send("POST", &approve, "Riddle ask 7").await;
    assert_eq!(first.status, 401);
    assert_eq!(
        challenges(&first),
        ["Riddle 7"],
        "the next leg and no other scheme"
    );
    let pending = kit.as_(SAM).approval(&filed.approval_id).await;
    assert!(pending.unwrap().decisions.is_empty(), "nothing was decided");

    let second = sam.send("POST", &approve, "Riddle 8 PRIV\\sam").await;
    assert_eq!(second.status, 200, "{}", second.body);
    assert_eq!(challenges(&second), ["Riddle solved"]);
}

#[tokio::test]
async fn another_connection_cannot_finish_a_handshake() {
    let kit = with(Riddle).await;
    let mut sam = Connection::to(&kit).await;
    let mut eve = Connection::to(&kit).await;
    assert_eq!(sam.get("Riddle ask 7").await.status, 401);
    let refused = eve.get("Riddle 8 PRIV\\eve").await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        challenges(&refused),
        ["Bearer realm=\"countersign\"", "Riddle"]
    );
    assert_eq!(
        sam.get("Riddle 8 PRIV\\sam").await.status,
        200,
        "sam's own leg still counts"
    );
}

#[tokio::test]
async fn a_handshake_counts_once_and_a_connection_remembers_no_caller() {
    let kit = with(Riddle).await;
    let mut sam = Connection::to(&kit).await;
    assert_eq!(
        sam.get("Riddle 8 PRIV\\sam").await.status,
        401,
        "no first leg"
    );
    assert_eq!(sam.get("Riddle ask 7").await.status, 401);
    assert_eq!(
        sam.get("Riddle 9 PRIV\\sam").await.status,
        401,
        "a wrong answer"
    );
    assert_eq!(
        sam.get("Riddle 8 PRIV\\sam").await.status,
        401,
        "a second guess"
    );
    assert_eq!(sam.get("Riddle ask 7").await.status, 401);
    assert_eq!(sam.get("Riddle ask 20").await.status, 401);
    assert_eq!(
        sam.get("Riddle 8 PRIV\\sam").await.status,
        401,
        "the older handshake"
    );
    assert_eq!(sam.get("Riddle ask 7").await.status, 401);
    assert_eq!(sam.get("Riddle 8 PRIV\\sam").await.status, 200);
    assert_eq!(sam.get("Riddle 8 PRIV\\sam").await.status, 401, "a replay");
    let without = sam
        .request(&format!("GET {LIST} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await;
    assert_eq!(without.status, 401, "the connection is not logged in");
}

#[tokio::test]
async fn a_bearer_token_without_our_prefix_is_for_other_schemes() {
    let kit = Kit::start().await;
    let alone = kit.bearer("eyJhbGciOiJSUzI1NiJ9.e30.x").sessions();
    let refused = { alone }
        .get_session(GetSessionRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(refused.message(), "Present valid credentials.");

    let kit = with(AnyBearer).await;
    assert_eq!(
        groups(&kit, EVE).await,
        Some(vec![]),
        "the second scheme takes it"
    );
    for bad in ["cst_", "cst_0123456789abcdef_x", "cst_eve"] {
        assert_eq!(groups(&kit, bad).await, None, "{bad} has our prefix");
    }
}

/// The directory of the kit is its tokens file, in which gil is in `SQL Users`.
#[tokio::test]
async fn the_directory_wins_and_credentials_only_narrow() {
    let kit = with(AnyBearer).await;
    for (credentials, expected) in [
        (GIL.to_owned(), vec!["SQL Users"]),
        (format!("{GIL}=SQL Users"), vec!["SQL Users"]),
        (format!("{GIL}=SQL Owners,sql users"), vec!["sql users"]),
        (format!("{GIL}=SQL Owners"), vec![]),
        (format!("{GIL}="), vec![]),
        (JEN.to_owned(), vec![]),
        (format!("{JEN}=SQL Owners"), vec![]),
        ("PRIV\\new=SQL Owners".to_owned(), vec![]),
    ] {
        assert_eq!(
            groups(&kit, &credentials).await,
            Some(expected.into_iter().map(str::to_owned).collect()),
            "{credentials}"
        );
    }
    let filed = kit.pending().await;
    let refused = kit
        .bearer("PRIV\\new=SQL Owners")
        .approve(&filed.approval_id)
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

/// Returns the groups of a caller, or `None` if the credentials are not valid.
async fn groups(kit: &Kit, credentials: &str) -> Option<Vec<String>> {
    let person = kit.bearer(credentials);
    match person.sessions().get_session(GetSessionRequest {}).await {
        Ok(answer) => Some(answer.into_inner().session.unwrap().groups),
        Err(refused) => {
            assert_eq!(refused.code(), Code::Unauthenticated);
            None
        }
    }
}

/// Starts a server that asks a scheme after the tokens.
async fn with(scheme: impl Scheme + 'static) -> Kit {
    Kit::with(Options {
        schemes: vec![Box::new(scheme)],
        ..Options::default()
    })
    .await
}

fn challenges(answer: &Response) -> Vec<&str> {
    let headers = answer.headers.iter();
    headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
        .map(|(_, value)| &**value)
        .collect()
}

/// A connection of HTTP/1.1 that stays open.
struct Connection(TcpStream);

impl Connection {
    async fn to(kit: &Kit) -> Self {
        Self(TcpStream::connect(kit.address).await.unwrap())
    }

    async fn get(&mut self, credentials: &str) -> Response {
        self.send("GET", LIST, credentials).await
    }

    async fn send(&mut self, method: &str, path: &str, credentials: &str) -> Response {
        let length = if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        };
        self.request(&format!(
            "{method} {path} HTTP/1.1\r\nHost: pam.test:8086\r\nAuthorization: {credentials}\r\n{length}\r\n"
        ))
        .await
    }

    async fn request(&mut self, request: &str) -> Response {
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_lowercase()
                            .strip_prefix("content-length: ")?
                            .parse()
                            .ok()
                    })
                    .unwrap_or(0);
                if body.len() >= length {
                    return Response::parse(&text);
                }
            }
            let mut bytes = [0; 4_096];
            let read = self.0.read(&mut bytes).await.unwrap();
            assert!(read > 0, "the connection ended: {text}");
            text += &String::from_utf8_lossy(&bytes[..read]);
        }
    }
}
