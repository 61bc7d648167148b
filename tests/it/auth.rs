//! Credentials, and attempts to cheat them.

mod schemes;

use std::fs;

use countersign::domain::moment::{Moment, Seconds};
use countersign::proto::pam::v1::GetSessionRequest;
use countersign::time::Clock;
use tonic::Code;

use crate::kit::{ANN, EVE, GIL, JEN, Kit, Person};

#[tokio::test]
async fn a_session_tells_who_calls() {
    let kit = Kit::start().await;
    for (name, groups, administrator) in [
        (JEN, vec![], false),
        (GIL, vec!["SQL Users"], false),
        (ANN, vec![], true),
        (EVE, vec![], false),
    ] {
        let answer = kit
            .as_(name)
            .sessions()
            .get_session(GetSessionRequest {})
            .await
            .unwrap();
        let session = answer.into_inner().session.unwrap();
        assert_eq!(session.account.unwrap().name, name);
        assert_eq!(
            (session.groups, session.administrator),
            (
                groups.iter().map(ToString::to_string).collect(),
                administrator
            )
        );
    }
}

#[tokio::test]
async fn every_method_asks_for_credentials() {
    let kit = Kit::start().await;
    let nobody = kit.anonymous();
    let id = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143";
    let refusals = [
        nobody.approve(id).await.err(),
        nobody.reject(id).await.err(),
        nobody.approval(id).await.err(),
        nobody
            .approvals()
            .list_approvals(countersign::proto::pam::v1::ListApprovalsRequest::default())
            .await
            .err(),
        nobody.file(id).await.err(),
        nobody.elevation(id).await.err(),
        nobody
            .create_role(countersign::proto::pam::v1::Role::default())
            .await
            .err(),
        nobody
            .roles()
            .get_role(countersign::proto::pam::v1::GetRoleRequest { role_id: id.into() })
            .await
            .err(),
        nobody
            .sessions()
            .get_session(GetSessionRequest {})
            .await
            .err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn tokens_that_are_not_quite_right() {
    let kit = Kit::start().await;
    let good = token_of(&kit, "PRIV\\new");
    assert!(works(&kit.bearer(&good)).await);
    let (id, secret) = (&good[4..20], &good[21..]);
    let flipped = secret.replacen(
        &secret[..1],
        if secret.starts_with('A') { "B" } else { "A" },
        1,
    );
    for bad in [
        String::new(),
        "cst_".to_owned(),
        "cst_0123456789abcdef_".to_owned(),
        format!("cst_{id}_"),
        format!("cst_{id}_{flipped}"),
        format!("cst_{id}__{secret}"),
        format!("cst_{id}{secret}"),
        format!("cst_{id}_{}", &secret[..42]),
        format!("cst_{id}_{secret}A"),
        format!("cst_{}_{secret}", id.to_uppercase() + "x"),
        format!("cst_0123456789abcdef_{secret}"),
        good.to_uppercase(),
        stored_hash(&kit, id),
        format!("cst_{id}_{}", stored_hash(&kit, id)),
    ] {
        assert!(!works(&kit.bearer(&bad)).await, "{bad}");
    }
}

#[tokio::test]
async fn headers_that_are_not_quite_right() {
    let kit = Kit::start().await;
    let token = token_of(&kit, "PRIV\\new");
    for (headers, status) in [
        (format!("Authorization: Bearer {token}\r\n"), 200),
        (format!("authorization: bearer   {token}\r\n"), 200),
        (format!("Authorization: BEARER {token}\r\n"), 200),
        (format!("Authorization: {token}\r\n"), 401),
        (format!("Authorization: Basic {token}\r\n"), 401),
        ("Authorization: Bearer\r\n".to_owned(), 401),
        (
            format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
            401,
        ),
        (format!("Cookie: Authorization=Bearer {token}\r\n"), 401),
        (format!("X-Authorization: Bearer {token}\r\n"), 401),
    ] {
        let answer = kit
            .anonymous()
            .rest(
                "GET",
                "/api/pamresources/pamrequeststoapprove",
                &headers,
                "",
            )
            .await;
        assert_eq!(answer.status, status, "{headers}");
    }
    let in_the_url = format!("/api/pamresources/pamrequeststoapprove?access_token={token}");
    assert_eq!(kit.anonymous().get(&in_the_url).await.status, 401);
}

#[tokio::test]
async fn a_token_expires() {
    let kit = Kit::start().await;
    let new = kit.newcomer("PRIV\\new", &[], Some(in_seconds(&kit, 60)));
    assert!(works(&new).await);
    kit.clock.advance(58);
    assert!(works(&new).await);
    kit.clock.advance(1);
    assert!(!works(&new).await, "at the moment of expiry");
}

#[tokio::test]
async fn a_token_is_revoked_by_deleting_its_entry() {
    let kit = Kit::start().await;
    let new = kit.newcomer("PRIV\\new", &[], None);
    assert!(works(&new).await);
    let text = fs::read_to_string(kit.tokens_file()).unwrap();
    let entry = text.rfind("[[token]]").unwrap();
    fs::write(kit.tokens_file(), &text[..entry]).unwrap();
    kit.clock.advance(1);
    assert!(!works(&new).await);
    assert!(works(&kit.as_(JEN)).await);
    fs::remove_file(kit.tokens_file()).unwrap();
    kit.clock.advance(1);
    assert!(!works(&kit.as_(JEN)).await, "no file, no tokens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_dead_for_everybody_at_once() {
    let kit = Kit::start().await;
    // A long file takes a while to read, in which others must not be let in.
    let filler = "[[token]]\nid = \"@\"\nsha256 = \"AWWZW8yCSF6mQWrxYgoGVbyDdsoTIPxjdosjNmr2864\"\naccount = 'A\\b'\ncreated = \"\"\n";
    let text = fs::read_to_string(kit.tokens_file()).unwrap();
    let long: String = (0..3_000)
        .map(|number| filler.replace('@', &format!("{number:016x}")))
        .collect();
    fs::write(kit.tokens_file(), text.clone() + &long).unwrap();
    let new = kit.newcomer("PRIV\\new", &[], None);
    assert!(works(&new).await);
    fs::write(kit.tokens_file(), text + &long).unwrap();
    kit.clock.advance(1);
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let new = new.clone();
            tokio::spawn(async move {
                new.get("/api/pamresources/pamrequeststoapprove")
                    .await
                    .status
            })
        })
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap(), 401);
    }
}

#[tokio::test]
async fn a_token_can_be_added_behind_a_line_without_end() {
    let kit = Kit::start().await;
    let text = fs::read_to_string(kit.tokens_file()).unwrap();
    fs::write(kit.tokens_file(), text.trim_end()).unwrap();
    let new = kit.newcomer("PRIV\\new", &[], None);
    assert!(works(&new).await);
    assert!(works(&kit.as_(JEN)).await);
    fs::write(kit.tokens_file(), "[[token").unwrap();
    let account = countersign::domain::account::Account::named("PRIV\\new").unwrap();
    let added =
        countersign::tokens_file::add(&kit.tokens_file(), &account, &[], kit.clock.now(), None);
    assert!(added.is_err(), "nothing is added to what cannot be read");
}

#[tokio::test]
async fn a_slip_in_the_tokens_file_locks_nobody_out() {
    let kit = Kit::start().await;
    let text = fs::read_to_string(kit.tokens_file()).unwrap();
    for slip in [
        "[[token",
        "[[token]]\nid = \"x\"\n",
        "[[token]]\nsecret = 1\n",
    ] {
        fs::write(kit.tokens_file(), format!("{text}{slip}")).unwrap();
        kit.clock.advance(1);
        assert!(works(&kit.as_(JEN)).await, "{slip}");
    }
}

#[tokio::test]
async fn the_tokens_file_keeps_no_secret_and_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let kit = Kit::start().await;
    let token = token_of(&kit, "PRIV\\new");
    let text = fs::read_to_string(kit.tokens_file()).unwrap();
    assert!(!text.contains(&token[21..]));
    assert_eq!(
        fs::metadata(kit.tokens_file())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[tokio::test]
async fn an_account_is_the_same_in_any_letters() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let jen = kit.newcomer("priv\\ＪＥＮ", &["SQL Owners"], None);
    assert_eq!(jen.elevation(&filed.id).await.unwrap().id, filed.id);
    assert_eq!(
        jen.approve(&filed.approval_id).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

async fn works(person: &Person) -> bool {
    let grpc = person
        .sessions()
        .get_session(GetSessionRequest {})
        .await
        .is_ok();
    let rest = person
        .get("/api/pamresources/pamrequeststoapprove")
        .await
        .status
        == 200;
    assert_eq!(grpc, rest, "both dialects take the same credentials");
    grpc
}

fn token_of(kit: &Kit, name: &str) -> String {
    let account = countersign::domain::account::Account::named(name).unwrap();
    let token =
        countersign::tokens_file::add(&kit.tokens_file(), &account, &[], kit.clock.now(), None)
            .unwrap();
    kit.clock.advance(1);
    token
}

fn stored_hash(kit: &Kit, id: &str) -> String {
    let text = fs::read_to_string(kit.tokens_file()).unwrap();
    let entry = text
        .split("[[token]]")
        .find(|entry| entry.contains(id))
        .unwrap();
    entry
        .split("sha256 = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned()
}

fn in_seconds(kit: &Kit, seconds: i64) -> Moment {
    kit.clock.now().after(Seconds::new(seconds).unwrap())
}
