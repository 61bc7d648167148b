//! Filters, orders and forms of JSON over the whole way, from the bytes of the request to those of the answer.

use countersign::proto::pam::v1::Elevation;
use countersign::server::Forwarded;

use crate::kit::{ANN, Answer, GIL, JEN, KIM, Kit, Options, Person, SAM, role};

const REQUESTS: &str = "/api/pamresources/pamrequests";

/// Jen's elevations, in order: expired, active, pending, rejected, closed before a decision, and
/// active again. It is an hour and 40 seconds after the start.
async fn history(kit: &Kit) -> [Elevation; 6] {
    let (jen, sam) = (kit.as_(JEN), kit.as_(SAM));
    let role = kit.role().await.id;
    let expired = jen.file(&role).await.unwrap();
    sam.approve(&expired.approval_id).await.unwrap();
    kit.clock.advance(1_800);
    let active = jen.file(&role).await.unwrap();
    sam.approve(&active.approval_id).await.unwrap();
    kit.clock.advance(1_810);
    let pending = jen.file(&role).await.unwrap();
    kit.clock.advance(10);
    let rejected = jen.file(&role).await.unwrap();
    sam.reject(&rejected.approval_id).await.unwrap();
    kit.clock.advance(10);
    let closed = jen.file(&role).await.unwrap();
    assert_eq!(
        jen.post(&format!("{REQUESTS}(guid'{}')/Close", closed.id))
            .await
            .status,
        200
    );
    kit.clock.advance(10);
    let again = jen
        .post(&format!(
            "{REQUESTS}?RoleId={role}&RequestedTTL=600&Justification=O%27Brien"
        ))
        .await;
    assert_eq!(again.status, 201);
    let again =
        serde_json::from_str::<serde_json::Value>(&again.body).unwrap()["RequestId"].clone();
    let again = jen.elevation(again.as_str().unwrap()).await.unwrap();
    sam.approve(&again.approval_id).await.unwrap();
    [expired, active, pending, rejected, closed, again]
}

#[tokio::test]
async fn jen_filters_her_history() {
    let kit = Kit::start().await;
    let history = history(&kit).await;
    #[rustfmt::skip]
    let table = [
        // The portal's own bytes (`docs/rest-api.md` 38, 41).
        ("$filter=ExpirationTime%20gt%20datetime%272015-06-12T05:50:17.58Z%27", "26"),
        ("$filter=CreationTime%20gt%20datetime%272015-06-12T05:00:00Z%27%20and%20CreationTime%20lt%20datetime%272015-06-12T05:49:50Z%27", "23"),
        // The documentation's and Python's (39, 40, 42).
        ("$filter=CreationTime%20gt%20datetime'2015-06-12T05:00:00Z'%20and%20CreationTime%20lt%20datetime'2015-06-12T05:49:50Z'", "23"),
        ("%24filter=ExpirationTime+gt+datetime%272015-06-12T05%3A50%3A17.58Z%27", "26"),
        ("$filter=Justification%20eq%20'Ticket%204711'%20", "12345"),
        // Never active compares as year 1 (trap 15).
        ("$filter=ExpirationTime%20lt%20datetime'2015-06-12T05:00:00'", "345"),
        ("$filter=ExpirationTime%20eq%20datetime'0001-01-01T00:00:00'", "345"),
        ("$filter=ExpirationTime%20ne%20datetime'0001-01-01T00:00:00'", "126"),
        ("$filter=ExpirationTime%20le%20datetime'2015-06-12T05:49:37.58'", "1345"),
        ("$filter=RequestStatus%20eq%20'Closed'", "5"),
        ("$filter=RequestStatus%20eq%20'Active'", "26"),
        ("$filter=RequestStatus%20eq%20'active'", ""),
        ("$filter=RequestStatus%20ne%20'Active'%20and%20RequestStatus%20ne%20'Expired'", "345"),
        ("$filter=RequestStatus%20gt%20'E'", "134"),
        ("$filter='PAM%20Web%20API'%20eq%20CreationMethod", "6"),
        ("$filter=(RequestedTTL%20ge%20600)%20and%20(RequestedTTL%20lt%203600L)", "6"),
        ("$filter=Justification%20eq%20%27O%27%27Brien%27", "6"),
        ("$filter=Justification%20eq%20null", ""),
        ("$filter=CreationTime%20gt%20datetime'2015-06-12T08:49:37%2B03:00'", "3456"),
        ("$filter=CreationTime%20gt%20datetime'2015-06-12T08:49:57+03:00'", "456"),
        ("$orderby=CreationTime%20desc", "654321"),
        // Active, Closed, Expired, PendingApproval, Rejected.
        ("$orderby=RequestStatus,CreationTime%20desc", "625134"),
        ("$orderby=CreationMethod,CreationTime", "612345"),
        ("$top=2&$skip=1", "23"),
        ("$top=0", ""),
        ("$filter=RequestStatus%20eq%20'Active'&$top=1&$orderby=CreationTime%20desc", "6"),
    ];
    for (query, expected) in table {
        assert_eq!(
            numbers(&kit.as_(JEN), &history, query).await,
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn sam_filters_what_waits_for_him() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let (of_jen, of_gil) = (
        kit.as_(JEN).file(&role).await.unwrap(),
        kit.as_(GIL).file(&role).await.unwrap(),
    );
    let account = of_jen.requester.clone().unwrap().id;
    let first = [&of_jen.approval_id];
    let both = [&of_jen.approval_id, &of_gil.approval_id];
    for (query, expected) in [
        ("$filter=Requestor%20eq%20'jen'", &first[..]),
        ("$filter=Requestor%20eq%20'PRIV%5Cjen'", &[]),
        ("$filter=Requestor%20le%20'jen'", &both),
        (
            &format!("$filter=RequestorID/Value%20eq%20guid'{account}'"),
            &first,
        ),
        (
            &format!(
                "$filter=ApprovalObjectID/Value%20eq%20guid'{}'",
                of_jen.approval_id
            ),
            &first,
        ),
        (
            &format!(
                "$filter=ApprovalObjectID/Value%20ne%20guid'{}'",
                of_gil.approval_id
            ),
            &first,
        ),
        (
            &format!("$filter=ApprovalId%20eq%20guid'{}'", of_jen.approval_id),
            &first,
        ),
        (
            "$filter=RoleName%20eq%20'SQL%20File%20Access'%20and%20RequestedTTL%20eq%203600",
            &both,
        ),
        ("$orderby=Requestor%20desc&$top=1", &first),
    ] {
        let answer = kit
            .as_(SAM)
            .get(&format!("/api/pamresources/pamrequeststoapprove?{query}"))
            .await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let ids: Vec<&str> = body["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["ApprovalObjectID"]["Value"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn jen_filters_the_roles_that_she_may_ask_for() {
    let kit = Kit::start().await;
    let ann = kit.as_(ANN);
    kit.role().await;
    ann.create_role(role("Backup", &[], 0)).await.unwrap();
    ann.create_role(countersign::proto::pam::v1::Role {
        description: String::new(),
        ..role("O'Brien's", &[SAM], 1)
    })
    .await
    .unwrap();
    for (query, expected) in [
        (
            "$filter=DisplayName%20eq%20'SQL%20File%20Access'%20",
            &["SQL File Access"][..],
        ),
        (
            "$filter=DisplayName%20eq%20%27O%27%27Brien%27%27s%27",
            &["O'Brien's"],
        ),
        ("$filter=ApprovalEnabled", &["O'Brien's", "SQL File Access"]),
        ("$filter=ApprovalEnabled%20eq%20false", &["Backup"]),
        ("$filter=MFAEnabled", &[]),
        (
            "$filter=MFAEnabled%20eq%20false%20and%20TTL%20ge%203600",
            &["Backup", "O'Brien's", "SQL File Access"],
        ),
        ("$filter=Description%20eq%20null", &["O'Brien's"]),
        (
            "$filter=Description%20ne%20null",
            &["Backup", "SQL File Access"],
        ),
        (
            "$filter=AvailableFrom%20eq%20datetime'0001-01-01T00:00:00'",
            &["Backup", "O'Brien's", "SQL File Access"],
        ),
        (
            "$orderby=DisplayName%20desc",
            &["SQL File Access", "O'Brien's", "Backup"],
        ),
    ] {
        let answer = kit
            .as_(JEN)
            .get(&format!("/api/pamresources/pamroles?{query}"))
            .await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let names: Vec<&str> = body["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["DisplayName"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{query}");
    }
}

#[tokio::test]
async fn a_list_says_how_many_and_goes_on_where_it_ends() {
    let limits = countersign::server::Limits {
        list: 2,
        ..Default::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let role = kit.role().await.id;
    for _ in 0..5 {
        kit.as_(JEN).file(&role).await.unwrap();
    }
    let mut next = format!(
        "{REQUESTS}?$filter=RequestStatus%20eq%20'PendingApproval'&$inlinecount=allpages&$top=4&$select=RequestStatus"
    );
    let mut sizes = Vec::new();
    loop {
        let answer = kit.as_(JEN).get(&next).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["odata.count"], "5");
        let rows = body["value"].as_array().unwrap();
        assert!(
            rows.iter()
                .all(|row| *row == serde_json::json!({"RequestStatus": "PendingApproval"})),
            "{rows:?}"
        );
        sizes.push(rows.len());
        let Some(link) = body["odata.nextLink"].as_str() else {
            break;
        };
        next = link
            .strip_prefix("http://pam.test:8086")
            .unwrap()
            .to_owned();
    }
    assert_eq!(sizes, [2, 2]);
}

/// Rows 82 to 88, to the byte.
#[tokio::test]
async fn a_role_in_every_form_of_json() {
    let kit = Kit::start().await;
    let id = "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143";
    let sql = countersign::proto::pam::v1::Role {
        id: id.to_owned(),
        ..role("SQL", &[SAM], 1)
    };
    kit.as_(ANN).create_role(sql).await.unwrap();
    let list = "/api/pamresources/pamroles?$select=RoleId,TTL,AvailableFrom,MFAEnabled&$inlinecount=allpages";
    let light = r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#pamroles&$select=RoleId,TTL,AvailableFrom,MFAEnabled","odata.count":"1","value":[{"RoleId":"5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143","TTL":"3600","AvailableFrom":"0001-01-01T00:00:00","MFAEnabled":false}]}"#;
    let without = r#"{"odata.count":"1","value":[{"RoleId":"5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143","TTL":"3600","AvailableFrom":"0001-01-01T00:00:00","MFAEnabled":false}]}"#;
    let address = "http://pam.test:8086/api/pamresources/pamroles(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')";
    let metadata =
        format!(r#""__metadata":{{"id":"{address}","uri":"{address}","type":"PAM.PamRole"}}"#);
    let verbose3 = format!(
        r#"{{"d":{{"__count":"1","results":[{{{metadata},"RoleId":"5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143","TTL":"3600","AvailableFrom":"0001-01-01T00:00:00","MFAEnabled":false}}]}}}}"#
    );
    let verbose2 = verbose3.replace("\"0001-01-01T00:00:00\"", r#""\/Date(-62135596800000)\/""#);
    #[rustfmt::skip]
    let table = [
        ("Accept: application/json, text/javascript, */*; q=0.01\r\n", "application/json; odata=minimalmetadata; streaming=true; charset=utf-8", "3.0", light),
        ("Accept: application/json;odata=nometadata\r\n", "application/json; odata=nometadata; streaming=true; charset=utf-8", "3.0", without),
        ("Accept: application/atomsvc+xml;q=0.8, application/json;odata=verbose;q=0.5, */*;q=0.1\r\nMaxDataServiceVersion: 2.0\r\n", "application/json; odata=verbose; charset=utf-8", "2.0", &verbose2),
        ("Accept: application/json;odata=verbose\r\nMaxDataServiceVersion: 3.0;NetFx\r\n", "application/json; odata=verbose; charset=utf-8", "3.0", &verbose3),
    ];
    for (headers, content_type, version, body) in table {
        let answer = kit.as_(JEN).rest("GET", list, headers, "").await;
        assert_eq!(answer.body, body, "{headers}");
        assert_eq!(
            answer.header("content-type"),
            Some(content_type),
            "{headers}"
        );
        assert_eq!(
            answer.header("dataserviceversion"),
            Some(version),
            "{headers}"
        );
    }
}

#[tokio::test]
async fn machines_read_what_there_is() {
    let kit = Kit::start().await;
    let document = r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata","value":[{"name":"pamroles","url":"pamroles"},{"name":"pamrequests","url":"pamrequests"},{"name":"pamrequeststoapprove","url":"pamrequeststoapprove"},{"name":"sessioninfo","url":"sessioninfo"}]}"#;
    for path in ["/api/pamresources", "/api/pamresources/"] {
        assert_eq!(kit.as_(JEN).get(path).await.body, document);
    }
    for path in [
        "/api/pamresources/$metadata",
        "/api/pamresources/%24metadata",
    ] {
        let answer = kit.as_(JEN).get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/xml; charset=utf-8"))
        );
        assert_eq!(answer.body, include_str!("../../src/rest/metadata.xml"));
    }
    assert_eq!(
        kit.anonymous()
            .get("/api/pamresources/$metadata")
            .await
            .status,
        401
    );
}

/// Because a browser adds credentials by itself, a page that may not call must not be able to decide anything.
#[tokio::test]
async fn a_page_of_another_origin_decides_nothing() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let approve = format!(
        "/api/pamresources/pamrequeststoapprove(guid'{}')/Approve",
        filed.approval_id
    );
    for headers in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://pam.test\r\n",
        "Origin: http://pam.test:8086.evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let answer = kit
            .as_(SAM)
            .rest(
                "POST",
                &approve,
                &format!("Content-Length: 0\r\n{headers}"),
                "",
            )
            .await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (403, "CROSS_ORIGIN"),
            "{headers}"
        );
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{headers}"
        );
    }
    assert_eq!(kit.as_(SAM).pending().await.len(), 1);
    for headers in [
        "Origin: http://pamsrv:8090\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: http://pam.test:8086\r\n",
        "Origin: https://PAM.test:8086\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        let answer = kit
            .as_(SAM)
            .rest(
                "POST",
                &approve,
                &format!("Content-Length: 0\r\n{headers}"),
                "",
            )
            .await;
        assert_eq!(answer.status, 200, "{headers}");
    }
    let read = kit
        .as_(SAM)
        .rest("GET", REQUESTS, "Origin: http://evil.example\r\n", "")
        .await;
    assert_eq!(
        (read.status, read.header("access-control-allow-origin")),
        (200, None),
        "the browser shows it to nobody"
    );
}

#[tokio::test]
async fn links_follow_a_trusted_proxy_and_nobody_else() {
    let forwarded = "Forwarded: host=evil.example, host=pam.contoso.com;proto=https\r\n";
    for (trusted, family, base) in [
        (
            vec!["127.0.0.0/8"],
            Forwarded::Standard,
            "https://pam.contoso.com/",
        ),
        (vec!["127.0.0.0/8"], Forwarded::X, "http://pam.test:8086/"),
        (
            vec!["10.0.0.0/8"],
            Forwarded::Standard,
            "http://pam.test:8086/",
        ),
        (vec![], Forwarded::Standard, "http://pam.test:8086/"),
    ] {
        let options = Options {
            trusted_proxies: trusted,
            forwarded: family,
            ..Options::default()
        };
        let kit = Kit::with(options).await;
        let answer: Answer = kit.as_(KIM).rest("GET", REQUESTS, forwarded, "").await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            body["odata.metadata"],
            format!("{base}api/pamresources/%24metadata#pamrequests")
        );
    }
}

async fn numbers(person: &Person, history: &[Elevation], query: &str) -> String {
    let answer = person.get(&format!("{REQUESTS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let number = |row: &serde_json::Value| {
        history
            .iter()
            .position(|known| known.id == row["RequestId"])
            .unwrap()
            + 1
    };
    body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| number(row).to_string())
        .collect()
}
