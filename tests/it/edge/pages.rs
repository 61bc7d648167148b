//! Pages that are bounded by size: a client that takes 4 MiB, as most do by default, can read every list.

use std::fmt::Debug;

use countersign::domain::quota::Quota;
use countersign::proto::pam::v1::{
    CreateElevationRequest, ListAllRolesRequest, ListApprovalsRequest, ListElevationsRequest,
    ListRolesRequest, Role,
};
use prost::Message;
use tonic::{Response, Status};

use crate::kit::{ANN, JEN, Kit, Options, SAM, principal, role};
use crate::postgres::Database;

/// The maximum size of a page, and the octets around its rows.
const LARGEST: usize = 1_048_576 + 128;

#[tokio::test]
async fn wide_roles_are_listed_in_pages_that_clients_take() {
    wide_roles(Kit::start().await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn wide_roles_are_listed_in_pages_that_clients_take_on_postgres() {
    wide_roles(Kit::on_postgres(Database::new().await).await).await;
}

async fn wide_roles(kit: Kit) {
    let mut ids = Vec::new();
    for i in 0..6 {
        let mut candidates = vec![principal(JEN)];
        candidates
            .extend((1..250).map(|j| principal(&format!("group:{j}-{}", "\u{20000}".repeat(240)))));
        let wide = Role {
            candidates,
            ..role(&format!("Wide {i:02}"), &[], 0)
        };
        ids.push(kit.as_(ANN).create_role(wide).await.unwrap().id);
    }
    let all = async |page_size, page_token| {
        let request = ListAllRolesRequest {
            page_size,
            page_token,
            ..Default::default()
        };
        let page = unwrapped(kit.as_(ANN).roles().list_all_roles(request).await);
        let rows: Vec<String> = page.roles.iter().map(|role| role.id.clone()).collect();
        (rows, page.encoded_len(), page.next_page_token)
    };
    let own = async |page_size, page_token| {
        let request = ListRolesRequest {
            page_size,
            page_token,
            ..Default::default()
        };
        let page = unwrapped(kit.as_(JEN).roles().list_roles(request).await);
        let rows: Vec<String> = page.roles.iter().map(|role| role.id.clone()).collect();
        (rows, page.encoded_len(), page.next_page_token)
    };
    for page_size in [0, 2, 1_000] {
        assert_eq!(pages(page_size, all).await, ids);
        assert_eq!(pages(page_size, own).await, ids);
    }
    let answer = kit
        .as_(JEN)
        .get("/api/pamresources/pamroles?$select=RoleId")
        .await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let listed: Vec<&str> = body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["RoleId"].as_str().unwrap())
        .collect();
    assert_eq!(
        (listed, &body["odata.nextLink"]),
        (
            ids.iter().map(String::as_str).collect(),
            &serde_json::Value::Null
        )
    );
}

#[tokio::test]
async fn wordy_requests_are_listed_in_pages_that_clients_take() {
    wordy_requests(Kit::with(without_quota()).await).await;
}

#[cfg_attr(no_postgres, ignore = "no PostgreSQL is installed")]
#[tokio::test]
async fn wordy_requests_are_listed_in_pages_that_clients_take_on_postgres() {
    wordy_requests(Kit::on_postgres_with(without_quota(), Database::new().await).await).await;
}

fn without_quota() -> Options {
    Options {
        quota: Quota {
            pending: None,
            filings: None,
        },
        ..Options::default()
    }
}

async fn wordy_requests(kit: Kit) {
    let role_id = kit.role().await.id;
    let justification = Some("\u{1F600}".repeat(1_024));
    let (mut elevations, mut approvals) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        kit.clock.advance(1);
        let request = CreateElevationRequest {
            role_id: role_id.clone(),
            justification: justification.clone(),
            ..Default::default()
        };
        let filed = unwrapped(kit.as_(JEN).elevations().create_elevation(request).await)
            .elevation
            .unwrap();
        elevations.push(filed.id);
        approvals.push(filed.approval_id);
    }
    let pending = async |page_size, page_token| {
        let request = ListApprovalsRequest {
            page_size,
            page_token,
            ..Default::default()
        };
        let page = unwrapped(kit.as_(SAM).approvals().list_approvals(request).await);
        let rows: Vec<String> = page
            .approvals
            .iter()
            .map(|approval| approval.id.clone())
            .collect();
        (rows, page.encoded_len(), page.next_page_token)
    };
    let own = async |page_size, page_token| {
        let request = ListElevationsRequest {
            page_size,
            page_token,
            ..Default::default()
        };
        let page = unwrapped(kit.as_(JEN).elevations().list_elevations(request).await);
        let rows: Vec<String> = page
            .elevations
            .iter()
            .map(|elevation| elevation.id.clone())
            .collect();
        (rows, page.encoded_len(), page.next_page_token)
    };
    assert_eq!(pages(1_000, pending).await, approvals);
    assert_eq!(pages(1_000, own).await, elevations);
    for (query, rows) in [("", 300), ("?$top=290", 290), ("?$skip=20", 280)] {
        let answer = kit
            .as_(SAM)
            .get(&format!("/api/pamresources/pamrequeststoapprove{query}"))
            .await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["value"].as_array().unwrap().len(), rows, "{query}");
        assert!(body["odata.nextLink"].is_null(), "{query}");
    }
}

/// All rows of a list, page by page. No page is too large, or empty.
async fn pages(
    page_size: i32,
    page: impl AsyncFn(i32, String) -> (Vec<String>, usize, String),
) -> Vec<String> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    loop {
        let (more, octets, next) = page(page_size, token).await;
        assert!(octets <= LARGEST, "{octets}");
        assert!(!more.is_empty());
        rows.extend(more);
        if next.is_empty() {
            return rows;
        }
        token = next;
    }
}

fn unwrapped<T: Debug>(answer: Result<Response<T>, Status>) -> T {
    answer.unwrap().into_inner()
}
