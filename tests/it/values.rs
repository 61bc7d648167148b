//! Values that would do harm, whichever way they come in.

use std::fs;

use countersign::proto::pam::v1::{CreateElevationRequest, GetSessionRequest, Role};
use countersign::tokens_file::TokensFile;
use prost_types::Timestamp;
use tonic::Code;

use crate::kit::{ANN, JEN, Kit, SAM, START, principal, role};
use crate::server::countersign;

/// A start outside the years 1 to 9999 would make every approver's list unreadable for strict clients.
#[tokio::test]
async fn a_start_outside_the_calendar_is_refused_in_both_dialects() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let jen = kit.as_(JEN);
    let beyond = [
        (-62_135_596_801, 0),
        (-377_705_023_201, 0),
        (253_402_300_800, 0),
        (0, -1),
        (0, 1_000_000_000),
    ];
    for (seconds, nanos) in beyond {
        let request = CreateElevationRequest {
            role_id: role.clone(),
            requested_start_time: Some(Timestamp { seconds, nanos }),
            ..CreateElevationRequest::default()
        };
        let refused = jen
            .elevations()
            .create_elevation(request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{seconds} {nanos}");
        assert!(refused.message().contains("years 1 to 9999"), "{refused}");
    }
    for time in [
        "0000-12-31T23:59:59Z",
        "-000001-01-01T00:00:00Z",
        "-009999-01-03T00:00:00Z",
        "0001-01-01T00:00:00%2B02:00",
        "2015-06-12T10:00:00-25:59",
        "2015-06-12T10:00:00%2B23:59",
    ] {
        let path = format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTime={time}");
        let answer = jen.post(&path).await;
        assert_eq!(answer.status, 400, "{time}: {answer:?}");
        assert!(answer.body.contains("RequestedTime"), "{time}: {answer:?}");
    }
    let list = jen.get("/api/pamresources/pamrequests").await.body;
    assert!(list.ends_with(r#""value":[]}"#), "{list}");
}

/// Names that look like `PRIV\jen`, or like her group, and are none of both.
const LIKE_JEN: [&str; 9] = [
    "PRIV\\jen ",
    " PRIV\\jen",
    "PRIV\\ jen",
    "PRIV\\jen\u{a0}",
    "PRIV\\jen\u{3000}",
    "PRIV\\je\u{ad}n",
    "PRIV\\jen\u{200d}",
    "PRIV\\\u{202e}nej",
    "\u{feff}PRIV\\jen",
];

#[tokio::test]
async fn no_role_names_an_account_or_a_group_that_looks_like_another() {
    let kit = Kit::start().await;
    let ann = kit.as_(ANN);
    let groups = LIKE_JEN.map(|name| format!("group:{name}"));
    for name in LIKE_JEN
        .into_iter()
        .chain(groups.iter().map(String::as_str))
    {
        let approved = role("SQL", &[name], 1);
        let held = Role {
            candidates: vec![principal(name)],
            ..role("SQL", &[SAM], 1)
        };
        for role in [approved, held] {
            let refused = ann.create_role(role).await.expect_err(name);
            assert_eq!(refused.code(), Code::InvalidArgument, "{name:?}");
        }
    }
}

#[tokio::test]
async fn a_display_name_shows_what_it_is() {
    let kit = Kit::start().await;
    let bad = [
        " ",
        "\u{a0}",
        "\u{200b}",
        "\u{2060}\u{feff}",
        "\u{3164}",
        "\u{2800}",
        "Readers \u{202e}toor",
        "a\u{2066}b",
        "Ops\u{2028}Domain Admins",
        "SQL\u{fe0f}",
    ];
    for name in bad {
        let refused = kit
            .as_(ANN)
            .create_role(role(name, &[], 0))
            .await
            .expect_err(name);
        assert_eq!(refused.code(), Code::InvalidArgument, "{name:?}");
    }
    for name in ["Größen der Gruppe", "管理者", "O'Brien & Söhne (SQL)"] {
        assert_eq!(
            kit.as_(ANN)
                .create_role(role(name, &[], 0))
                .await
                .unwrap()
                .display_name,
            name
        );
    }
}

#[tokio::test]
async fn no_token_is_of_somebody_who_looks_like_another() {
    let kit = Kit::start().await;
    let folder = kit.tokens_file().parent().unwrap().to_owned();
    let new = |account: &str, group: &str| {
        let arguments = [
            "token",
            "new",
            "--account",
            account,
            "--group",
            group,
            "--data-dir",
        ];
        countersign(&arguments).arg(&folder).output().unwrap()
    };
    let before = fs::read_to_string(kit.tokens_file()).unwrap();
    for name in LIKE_JEN {
        assert!(!new(name, "ops").status.success(), "{name:?}");
        assert!(!new(JEN, name).status.success(), "{name:?}");
        let entry = before.replacen("PRIV\\jen", name, 1);
        assert_ne!(entry, before);
        fs::write(kit.tokens_file(), &entry).unwrap();
        let opened = TokensFile::open(&kit.tokens_file(), START);
        assert!(opened.is_err(), "{name:?}");
        fs::write(kit.tokens_file(), &before).unwrap();
    }
    assert!(new("PRIV\u{ff3c}ｊｅｎ", "ops").status.success());
    let after = fs::read_to_string(kit.tokens_file()).unwrap();
    assert!(
        after
            .strip_prefix(&before)
            .unwrap()
            .contains(r"account = 'PRIV\jen'"),
        "{after}"
    );
    kit.clock.advance(1);
    kit.as_(JEN)
        .sessions()
        .get_session(GetSessionRequest {})
        .await
        .unwrap();
}

/// A reason has as many characters as are visible.
#[tokio::test]
async fn a_short_reason_does_not_grow_by_what_nobody_sees() {
    let kit = Kit::start().await;
    let rule = countersign::proto::pam::v1::ReasonRule {
        required: true,
        min_length: 5,
        pattern: String::new(),
    };
    let asked = Role {
        justification_rule: Some(rule),
        ..role("SQL", &[], 0)
    };
    let role_id = kit.as_(ANN).create_role(asked).await.unwrap().id;
    for (justification, is_enough) in [
        ("abcd", false),
        ("ab cd", false),
        ("abcd\u{200b}\u{2060}\u{ad}", false),
        ("a\u{301}b\u{301}c", false),
        ("\u{3164}\u{3164}\u{3164}\u{3164}\u{3164}", false),
        ("ab cde", true),
    ] {
        let request = CreateElevationRequest {
            role_id: role_id.clone(),
            justification: Some(justification.to_owned()),
            ..CreateElevationRequest::default()
        };
        let filed = kit.as_(JEN).elevations().create_elevation(request).await;
        assert_eq!(filed.is_ok(), is_enough, "{justification:?}: {filed:?}");
    }
}
