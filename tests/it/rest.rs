//! The REST dialect: the rows of the wire contract, with expected bytes written by hand.

use std::sync::Arc;

use countersign::domain::account::Account;
use countersign::domain::caller::Caller;
use countersign::domain::event::{Channel, Origin};
use countersign::grpc::Grpc;
use countersign::proto::OutcomeOnly;
use countersign::proto::pam::v1::ApproveRequest;
use countersign::proto::pam::v1::approval_service_server::ApprovalService;
use countersign::server::Limits;
use countersign::service::Context;

use crate::kit::{Answer, EVE, GIL, JEN, KIM, Kit, Options, SAM, role};

const NO_BODY: &str = "Content-Length: 0\r\n";

/// The services in this process build no message that the adapter would only drop.
#[tokio::test]
async fn an_action_decides_and_gets_no_message() {
    let kit = Kit::start().await;
    let services = Grpc::new(kit.service.clone());
    let sam = Account::named(SAM).unwrap();
    let caller = Arc::new(Caller::new(sam, Vec::new(), false, "bearer:1".to_owned()));
    let origin = Origin {
        channel: Channel::PamWebApi,
        request_id: "1".to_owned(),
    };
    let context = Arc::new(Context {
        origin,
        deadline: None,
    });
    for is_action in [false, true] {
        let approval_id = kit.pending().await.approval_id;
        let reason = None;
        let mut request = tonic::Request::new(ApproveRequest {
            approval_id,
            reason,
        });
        request.extensions_mut().insert(caller.clone());
        request.extensions_mut().insert(context.clone());
        if is_action {
            request.extensions_mut().insert(OutcomeOnly);
        }
        let response = services.approve(request).await.unwrap().into_inner();
        assert_eq!(response.approval.is_none(), is_action);
        assert_eq!(kit.as_(SAM).pending().await, [""; 0]);
    }
}

/// Rows 1 to 13 and A12: every form in which clients send an approval or a rejection.
#[tokio::test]
async fn every_form_of_an_action_is_understood() {
    let kit = Kit::start().await;
    let sql = kit.role().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n";
    let json = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let wcf = "Content-Length: 0\r\nAccept: application/atom+xml,application/xml\r\nAccept-Charset: UTF-8\r\n\
               MaxDataServiceVersion: 3.0;NetFx\r\nDataServiceVersion: 1.0;NetFx\r\n\
               User-Agent: Microsoft ADO.NET Data Services\r\n";
    let portal =
        "Content-Length: 0\r\nAccept: */*\r\nOrigin: http://pamsrv:8090\r\nCookie: a=b\r\n";
    let set = "/api/pamresources/pamrequeststoapprove";
    #[rustfmt::skip]
    let table = [
        ("1, the portal",            format!("{set}(guid'@')/Approve"), portal, ""),
        ("2, the portal",            format!("{set}(guid'@')/Reject"), portal, ""),
        ("6, everything encoded",    format!("{set}%28guid%27@%27%29/Approve"), NO_BODY, ""),
        ("7, no length, no body",    format!("{set}(guid'@')/Approve"), "", ""),
        ("8, PowerShell",            format!("{set}(guid'@')/Reject"), form, ""),
        ("9, WCF",                   format!("{set}(guid'@')/Approve"), wcf, ""),
        ("10, a body",               format!("{set}(guid'@')/Approve"), json, "{}"),
        ("11, a slash at the end",   format!("{set}(guid'@')/Approve/"), NO_BODY, ""),
        ("11, doubled slashes",      "/api//pamresources//pamrequeststoapprove(guid'@')//Reject".into(), NO_BODY, ""),
        ("12, v",                    format!("{set}(guid'@')/Approve?v=1"), NO_BODY, ""),
        ("12, an empty v",           format!("{set}(guid'@')/Approve?v="), NO_BODY, ""),
        ("13, upper case",           format!("{set}(GUID'@')/Approve"), NO_BODY, ""),
        ("14, any case",             format!("{set}(guid'@')/rejECT"), NO_BODY, ""),
        ("15, any case",             "/API/PamResources/PAMrequestsToApprove(guid'@')/Approve".into(), NO_BODY, ""),
        ("84, OData 4 headers",      format!("{set}(guid'@')/Approve"), "Content-Length: 0\r\nOData-Version: 4.0\r\n", ""),
        ("81, chunked",              format!("{set}(guid'@')/Approve"), "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ("unknown option",           format!("{set}(guid'@')/Approve?_=1448274"), NO_BODY, ""),
    ];
    for (row, path, headers, body) in table {
        let filed = kit.as_(JEN).file(&sql.id).await.unwrap();
        let id = if row.contains("upper") {
            filed.approval_id.to_uppercase()
        } else {
            filed.approval_id.clone()
        };
        let answer = kit
            .as_(SAM)
            .rest("POST", &path.replace('@', &id), headers, body)
            .await;
        assert_eq!(
            (answer.status, &*answer.body),
            (200, ""),
            "{row}: {answer:?}"
        );
        assert_eq!(answer.header("content-type"), None, "{row}");
        assert_eq!(answer.header("content-length"), Some("0"), "{row}");
        let status = kit
            .as_(SAM)
            .approval(&filed.approval_id)
            .await
            .unwrap()
            .status()
            .as_str_name();
        let rejected = path.to_lowercase().contains("reject");
        assert_eq!(
            status,
            if rejected {
                "APPROVAL_STATUS_REJECTED"
            } else {
                "APPROVAL_STATUS_APPROVED"
            },
            "{row}"
        );
    }
}

/// Row 1 to the byte, as the portal gets it.
#[tokio::test]
async fn an_approval_to_the_byte() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let headers = "Content-Length: 0\r\nOrigin: http://pamsrv:8090\r\nx-request-id: portal-1\r\n";
    let path = format!(
        "/api/pamresources/pamrequeststoapprove(guid'{}')/Approve",
        filed.approval_id
    );
    let mut answer = kit.as_(SAM).rest("POST", &path, headers, "").await;
    answer
        .headers
        .retain(|(name, _)| name != "date" && name != "connection");
    answer.headers.sort();
    let expected = [
        ("access-control-allow-credentials", "true"),
        (
            "access-control-allow-headers",
            "content-type, authorization, accept, dataserviceversion, maxdataserviceversion, odata-version, \
             odata-maxversion, prefer, x-request-id, x-requested-with",
        ),
        ("access-control-allow-origin", "http://pamsrv:8090"),
        ("content-length", "0"),
        ("vary", "Origin"),
        ("x-request-id", "portal-1"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        answer,
        Answer {
            status: 200,
            headers: expected.to_vec(),
            body: String::new()
        }
    );
}

/// Rows 16 and 17, and the seed's own literal.
#[tokio::test]
async fn a_malformed_key_is_a_clear_error() {
    let kit = Kit::start().await;
    let golden = r#"{"odata.error":{"code":"INVALID_ARGUMENT","message":{"lang":"en-US","value":"The key in the URL has the form guid'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'."}}}"#;
    for key in [
        "({approvalId)",
        "(guid'undefined')",
        "(guid'garbage')",
        "()",
        "(5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143)",
        "('5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')",
        "(guid%25275dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143%2527)",
    ] {
        for action in ["Approve", "Reject"] {
            let answer = kit
                .as_(SAM)
                .post(&format!(
                    "/api/pamresources/pamrequeststoapprove{key}/{action}"
                ))
                .await;
            assert_eq!((answer.status, &*answer.body), (400, golden), "{key}");
            let content_type =
                "application/json; odata=minimalmetadata; streaming=true; charset=utf-8";
            assert_eq!(answer.header("content-type"), Some(content_type));
            assert_eq!(answer.header("dataserviceversion"), Some("3.0"));
        }
    }
}

/// Rows 18, 36 and 37, A13.
#[tokio::test]
async fn what_is_not_there_says_so() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let list = "/api/pamresources/pamrequeststoapprove".to_owned();
    let action = format!("{list}(guid'{}')/Approve", filed.approval_id);
    for (method, path, status, code) in [
        ("GET", action.clone(), 405, "METHOD_NOT_ALLOWED"),
        ("PUT", action.clone(), 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", action.clone(), 405, "METHOD_NOT_ALLOWED"),
        ("POST", list.clone(), 405, "METHOD_NOT_ALLOWED"),
        ("POST", format!("{action}?v=2"), 400, "INVALID_ARGUMENT"),
        ("POST", format!("{action}/more"), 404, "NO_SUCH_OPERATION"),
        (
            "POST",
            action.replace("Approve", "Delete"),
            404,
            "NO_SUCH_OPERATION",
        ),
        (
            "GET",
            "/api/pamresources/nosuchset".into(),
            404,
            "NO_SUCH_OPERATION",
        ),
        ("GET", "/".into(), 404, "NO_SUCH_OPERATION"),
        (
            "GET",
            "/pam.v1.ApprovalService/Nothing".into(),
            404,
            "NO_SUCH_OPERATION",
        ),
        (
            "POST",
            "/pam.v1.ApprovalService/Approve".into(),
            404,
            "NO_SUCH_OPERATION",
        ),
        (
            "POST",
            "/grpc.health.v1.Health/Check".into(),
            404,
            "NO_SUCH_OPERATION",
        ),
    ] {
        let answer = kit.as_(SAM).rest(method, &path, NO_BODY, "").await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code.to_owned()),
            "{method} {path}"
        );
    }
    let refused = kit.as_(SAM).rest("GET", &action, "", "").await;
    assert_eq!(refused.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(
        kit.as_(SAM).pending().await,
        [filed.approval_id],
        "nothing was decided"
    );
}

/// Row 19: a preflight is answered without credentials, and only to the origins that the operator named.
#[tokio::test]
async fn a_preflight_needs_no_credentials() {
    let kit = Kit::start().await;
    let path = "/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Approve";
    let asks = |origin| format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
    let answer = kit
        .anonymous()
        .rest("OPTIONS", path, &asks("http://pamsrv:8090"), "")
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://pamsrv:8090")
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, HEAD, POST, OPTIONS")
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .unwrap()
            .starts_with("content-type")
    );
    for stranger in [
        "http://evil.test",
        "null",
        "http://pamsrv:8090.evil.test",
        "HTTP://PAMSRV:8090",
    ] {
        let answer = kit
            .anonymous()
            .rest("OPTIONS", path, &asks(stranger), "")
            .await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{stranger}"
        );
    }
}

/// Row 98: without the marks a page cannot read the error.
#[tokio::test]
async fn errors_are_marked_for_the_portal_too() {
    let kit = Kit::start().await;
    let origin = "Origin: http://pamsrv:8090\r\nContent-Length: 0\r\n";
    for (person, path, status) in [
        (
            kit.anonymous(),
            "/api/pamresources/pamrequeststoapprove",
            401,
        ),
        (kit.as_(SAM), "/api/pamresources/nosuchset", 404),
        (
            kit.as_(SAM),
            "/api/pamresources/pamrequeststoapprove?$filter=x",
            400,
        ),
    ] {
        let answer = person.rest("GET", path, origin, "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("http://pamsrv:8090"),
            "{path}"
        );
        assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
    }
}

/// Rows 20 (the frame) and 24 to the byte; 21 and 22 on this set.
#[tokio::test]
async fn the_pending_list_to_the_byte() {
    let kit = Kit::start().await;
    let asked = role("Zürich \"SQL\" <b>", &[SAM], 1);
    let role = kit.as_(crate::kit::ANN).create_role(asked).await.unwrap();
    kit.as_(JEN).file(&role.id).await.unwrap();
    let golden = concat!(
        r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#pamrequeststoapprove","#,
        r#""value":[{"RoleName":"Z\u00fcrich \"SQL\" <b>","Requestor":"jen","Justification":"Ticket 4711","#,
        r#""RequestedTTL":"3600","RequestedTime":"2015-06-12T04:49:37.58Z","CreationTime":"2015-06-12T04:49:37.58Z","#,
        r#""FIMRequestID":{"Value":"874e345a-404e-5935-a20f-aecb6cc05547"},"#,
        r#""RequestorID":{"Value":"e9010058-c10c-542f-b64c-39d40597ca35"},"#,
        r#""ApprovalObjectID":{"Value":"00000000-0000-7000-8000-000000000003"}}]}"#,
    );
    for path in [
        "/api/pamresources/pamrequeststoapprove",
        "/api/pamresources/pamrequeststoapprove/",
        "/api/pamresources/pamrequeststoapprove()",
        "/API/pamresources//PAMREQUESTSTOAPPROVE?v=1",
    ] {
        let answer = kit.as_(SAM).get(path).await;
        assert_eq!((answer.status, &*answer.body), (200, golden), "{path}");
        let content_type = "application/json; odata=minimalmetadata; streaming=true; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert_eq!(answer.header("dataserviceversion"), Some("3.0"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let head = kit
        .as_(SAM)
        .rest("HEAD", "/api/pamresources/pamrequeststoapprove", "", "")
        .await;
    assert_eq!((head.status, &*head.body), (200, ""));
}

/// Row 27.
#[tokio::test]
async fn a_list_with_nothing_to_show_is_empty() {
    let kit = Kit::start().await;
    kit.pending().await;
    let golden = r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#pamrequeststoapprove","value":[]}"#;
    for person in [EVE, JEN, GIL] {
        let answer = kit
            .as_(person)
            .get("/api/pamresources/pamrequeststoapprove")
            .await;
        assert_eq!((answer.status, &*answer.body), (200, golden), "{person}");
    }
}

#[tokio::test]
async fn what_is_no_filter_is_refused_and_never_ignored() {
    let kit = Kit::start().await;
    kit.pending().await;
    for query in [
        "$filter=Nobody%20eq%20'nobody'",
        "%24filter=Requestor+EQ+%27nobody%27",
        "$filter=Requestor%20eq%20'nobody'%20or%20true",
        "$filter=nobody",
        "$filter=",
        "$Filter=nobody",
        "$expand=nobody",
        "$orderby=nobody",
        "$select=nobody",
    ] {
        let answer = kit
            .as_(SAM)
            .get(&format!("/api/pamresources/pamrequeststoapprove?{query}"))
            .await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (400, "INVALID_ARGUMENT"),
            "{query}"
        );
        assert!(
            !answer.body.contains("nobody"),
            "what the caller sent never comes back"
        );
    }
}

/// B41: the portal reads the list again at once.
#[tokio::test]
async fn what_was_decided_is_gone_from_the_very_next_list() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let list = "/api/pamresources/pamrequeststoapprove";
    assert!(
        kit.as_(KIM)
            .get(list)
            .await
            .body
            .contains(&filed.approval_id)
    );
    assert_eq!(
        kit.as_(SAM).act(&filed.approval_id, "Approve").await.status,
        200
    );
    for person in [SAM, KIM] {
        assert!(
            !kit.as_(person)
                .get(list)
                .await
                .body
                .contains(&filed.approval_id),
            "{person}"
        );
    }
}

/// Rows 91 to 95, A15, A16: what a refusal looks like.
#[tokio::test]
async fn refusals_to_the_byte() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let denied = r#"{"odata.error":{"code":"ACCESS_DENIED","message":{"lang":"en-US","value":"You may not do this, or there is no such object."}}}"#;
    for (person, id) in [
        (EVE, &*filed.approval_id),
        (JEN, &filed.approval_id),
        (SAM, "5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143"),
    ] {
        let answer = kit.as_(person).act(id, "Approve").await;
        assert_eq!((answer.status, &*answer.body), (403, denied), "{person}");
    }
    kit.as_(SAM).act(&filed.approval_id, "Approve").await;
    assert_eq!(
        kit.as_(SAM).act(&filed.approval_id, "Approve").await.status,
        200,
        "a double click"
    );
    let late = r#"{"odata.error":{"code":"APPROVAL_NOT_PENDING","message":{"lang":"en-US","value":"The approval is no longer pending: it was approved."}}}"#;
    for (person, action) in [(SAM, "Reject"), (KIM, "Reject"), (KIM, "Approve")] {
        let answer = kit.as_(person).act(&filed.approval_id, action).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (403, late),
            "{person} {action}"
        );
    }
}

/// Row 96.
#[tokio::test]
async fn without_credentials_the_answer_says_which_are_asked_for() {
    let kit = Kit::start().await;
    let golden = r#"{"odata.error":{"code":"UNAUTHENTICATED","message":{"lang":"en-US","value":"Present valid credentials."}}}"#;
    for path in [
        "/api/pamresources/pamrequeststoapprove",
        "/api/pamresources/nosuchset",
        "/",
        "/metrics",
    ] {
        let answer = kit.anonymous().get(path).await;
        assert_eq!((answer.status, &*answer.body), (401, golden), "{path}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"countersign\""),
            "{path}"
        );
    }
}

/// A list over the limit has a link to its rest, which is the rest at the time when it is read.
#[tokio::test]
async fn a_list_that_is_too_long_goes_on_behind_its_next_link() {
    let limits = Limits {
        list: 3,
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let role = kit.role().await;
    let mut filed = Vec::new();
    for _ in 0..6 {
        kit.clock.advance(1);
        filed.push(kit.as_(JEN).file(&role.id).await.unwrap().approval_id);
    }
    let list = "/api/pamresources/pamrequeststoapprove";
    let first = kit.as_(SAM).get(list).await;
    let body: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!(body["value"].as_array().unwrap().len(), 3);
    kit.as_(KIM).approve(&filed[3]).await.unwrap();
    let next = body["odata.nextLink"]
        .as_str()
        .unwrap()
        .strip_prefix("http://pam.test:8086")
        .unwrap();
    let second = kit.as_(SAM).get(next).await;
    let shown = filed.iter().filter(|id| second.body.contains(&**id));
    assert!(shown.eq(&filed[4..]), "the fourth one is decided");
    assert!(!second.body.contains("odata.nextLink"));
    let answer = kit
        .as_(SAM)
        .get(&format!("{list}?$skiptoken=garbage"))
        .await;
    assert_eq!((answer.status, &*answer.code()), (400, "INVALID_ARGUMENT"));
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let kit = Kit::start().await;
    let token = kit.token(SAM);
    for (hosts, status) in [
        ("Host: pam.test\r\n", 200),
        ("Host: <b>\r\n", 400),
        ("Host: a@b\r\n", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("", 400),
    ] {
        let head = format!(
            "GET /api/pamresources/pamrequeststoapprove HTTP/1.1\r\n{hosts}Connection: close\r\n"
        );
        let answer = kit
            .raw(&format!("{head}Authorization: Bearer {token}\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status, "{hosts:?}");
        assert!(!answer.body.contains("<b>"));
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let path = format!(
        "/api/pamresources/pamrequeststoapprove(guid'{}')/Approve",
        filed.approval_id
    );
    let answer = kit
        .as_(SAM)
        .rest("POST", &path, "Content-Length: 70000\r\n", "")
        .await;
    assert_eq!((answer.status, &*answer.code()), (413, "BODY_TOO_LARGE"));
}

/// Rows 20 to 22 to the byte.
#[tokio::test]
async fn the_roles_to_the_byte() {
    let kit = Kit::start().await;
    kit.role().await;
    let golden = concat!(
        r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#pamroles","value":["#,
        r#"{"RoleId":"00000000-0000-7000-8000-000000000001","DisplayName":"SQL File Access","#,
        r#""Description":"Read access to the files of the SQL servers.","TTL":"3600","#,
        r#""AvailableFrom":"0001-01-01T00:00:00","AvailableTo":"0001-01-01T00:00:00","MFAEnabled":false,"#,
        r#""ApprovalEnabled":true,"AvailabilityWindowEnabled":false}]}"#,
    );
    for path in ["pamroles", "pamroles/", "pamroles()", "PAMRoles?v=1"] {
        let answer = kit.as_(JEN).get(&format!("/api/pamresources/{path}")).await;
        assert_eq!((answer.status, &*answer.body), (200, golden), "{path}");
    }
    let nothing = r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#pamroles","value":[]}"#;
    assert_eq!(
        kit.as_(SAM).get("/api/pamresources/pamroles").await.body,
        nothing,
        "an approver is no candidate"
    );
}

/// Rows 25 and 26 to the byte.
#[tokio::test]
async fn the_session_to_the_byte() {
    let kit = Kit::start().await;
    let golden = r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#sessioninfo","value":[{"Username":"PRIV\\jen"}]}"#;
    for path in [
        "pamresources/sessioninfo",
        "pamresources/sessioninfo/",
        "session/sessioninfo",
        "session/sessioninfo/",
    ] {
        let answer = kit.as_(JEN).get(&format!("/api/{path}")).await;
        assert_eq!((answer.status, &*answer.body), (200, golden), "{path}");
    }
}

/// Rows 23 and 33 to the byte, B1, B4, B6 and B35: one request in each state.
#[tokio::test]
async fn the_requests_to_the_byte() {
    let kit = Kit::start().await;
    let role = kit.role().await;
    let mut filed = Vec::new();
    for _ in 0..4 {
        filed.push(kit.as_(JEN).file(&role.id).await.unwrap());
        kit.clock.advance(1);
    }
    kit.as_(GIL).file(&role.id).await.unwrap();
    kit.as_(SAM).approve(&filed[0].approval_id).await.unwrap();
    kit.as_(SAM).reject(&filed[1].approval_id).await.unwrap();
    kit.as_(SAM).approve(&filed[2].approval_id).await.unwrap();
    kit.clock.advance(60);
    let close = format!("/api/pamresources/pamrequests(guid'{}')/Close", filed[2].id);
    assert_eq!(kit.as_(JEN).post(&close).await.status, 200);
    let row = |id: &str, second: &str, expires: &str, status: &str| {
        format!(
            "{{\"RequestId\":\"00000000-0000-7000-8000-00000000000{id}\",\
             \"CreatorID\":\"e9010058-c10c-542f-b64c-39d40597ca35\",\"Justification\":\"Ticket 4711\",\
             \"CreationTime\":\"2015-06-12T04:49:{second}.58Z\",\"CreationMethod\":\"gRPC\",\
             \"ExpirationTime\":\"{expires}\",\"RoleId\":\"00000000-0000-7000-8000-000000000001\",\
             \"RequestedTTL\":\"3600\",\"RequestedTime\":\"2015-06-12T04:49:{second}.58Z\",\
             \"RequestStatus\":\"{status}\"}}"
        )
    };
    let rows = [
        row("2", "37", "2015-06-12T05:49:41.58Z", "Active"),
        row("4", "38", "0001-01-01T00:00:00", "Rejected"),
        row("6", "39", "2015-06-12T04:50:41.58Z", "Closed"),
        row("8", "40", "0001-01-01T00:00:00", "PendingApproval"),
    ];
    let metadata =
        "\"odata.metadata\":\"http://pam.test:8086/api/pamresources/%24metadata#pamrequests";
    let answer = kit.as_(JEN).get("/api/pamresources/pamrequests").await;
    assert_eq!(
        answer.body,
        format!("{{{metadata}\",\"value\":[{}]}}", rows.join(","))
    );
    let one = kit
        .as_(JEN)
        .get(&format!(
            "/api/pamresources/pamrequests(guid'{}')",
            filed[0].id
        ))
        .await;
    assert_eq!(
        one.body,
        format!("{{{metadata}/@Element\",{}", &rows[0][1..])
    );
    let not_his = kit
        .as_(GIL)
        .get(&format!(
            "/api/pamresources/pamrequests(guid'{}')",
            filed[0].id
        ))
        .await;
    assert_eq!((not_his.status, &*not_his.code()), (403, "ACCESS_DENIED"));
}

/// Row 3, A15, B28.
#[tokio::test]
async fn a_close_is_answered_as_an_approval_is() {
    let kit = Kit::start().await;
    let filed = kit.pending().await;
    let path = format!("/api/pamresources/pamrequests(guid'{}')/Close", filed.id);
    assert_eq!(kit.as_(SAM).post(&path).await.code(), "ACCESS_DENIED");
    for _ in 0..2 {
        let answer = kit.as_(JEN).post(&path).await;
        assert_eq!(
            (answer.status, &*answer.body, answer.header("content-type")),
            (200, "", None)
        );
    }
    assert_eq!(kit.as_(JEN).get(&path).await.status, 405);
    assert_eq!(
        kit.as_(JEN)
            .post("/api/pamresources/pamrequests(guid'undefined')/Close")
            .await
            .status,
        400
    );
    let rejected = kit.pending().await;
    kit.as_(SAM).act(&rejected.approval_id, "Reject").await;
    let ended = kit
        .as_(JEN)
        .post(&path.replace(&filed.id, &rejected.id))
        .await;
    assert_eq!((ended.status, &*ended.code()), (403, "ELEVATION_ENDED"));
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// Rows 71, 72 and 78 to the byte, B16 and B36: the portal's form, with a time that is local to the server.
#[tokio::test]
async fn a_creation_to_the_byte() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let body = format!(
        "Justification=J%C3%BCrgen&RoleId={role}&RequestedTTL=7200&RequestedTime=2015%2F06%2F11+21%3A40"
    );
    let headers = format!("{FORM}Accept: */*\r\nContent-Length: {}\r\n", body.len());
    let answer = kit
        .as_(JEN)
        .rest("POST", "/api/pamresources/pamrequests", &headers, &body)
        .await;
    let golden = concat!(
        r#"{"odata.metadata":"http://pam.test:8086/api/pamresources/%24metadata#pamrequests/@Element","#,
        r#""RequestId":"00000000-0000-7000-8000-000000000002","CreatorID":"e9010058-c10c-542f-b64c-39d40597ca35","#,
        r#""Justification":"J\u00fcrgen","CreationTime":"2015-06-11T21:49:37.58-07:00","#,
        r#""CreationMethod":"PAM Web API","ExpirationTime":"0001-01-01T00:00:00","#,
        r#""RoleId":"00000000-0000-7000-8000-000000000001","RequestedTTL":"7200","#,
        r#""RequestedTime":"2015-06-12T04:40:00Z","RequestStatus":"PendingApproval"}"#,
    );
    assert_eq!((answer.status, &*answer.body), (201, golden));
    let location = "http://pam.test:8086/api/pamresources/pamrequests(guid'00000000-0000-7000-8000-000000000002')";
    assert_eq!(answer.header("location"), Some(location));
    let listed = kit.as_(JEN).get("/api/pamresources/pamrequests").await.body;
    assert!(
        listed
            .contains(r#""CreationTime":"2015-06-12T04:49:37.58Z","CreationMethod":"PAM Web API""#),
        "{listed}"
    );
}

/// Rows 65 to 70, 74, 75, 79 to 81: every form in which clients send a request.
#[tokio::test]
async fn every_form_of_a_creation_is_understood() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let chunked = "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n";
    let verbose = "Content-Type: application/json;odata=verbose;charset=utf-8\r\n";
    #[rustfmt::skip]
    let table = [
        ("65, a form",          "", FORM, "Justification=x&RoleId=@&RequestedTTL=7200&RequestedTime=".to_owned(), "x", 7_200),
        ("66, the query alone", "?Justification=Sample+Reason&RoleId=@&RequestedTTL=7200&RequestedTime=2015%2F06%2F11+20%3A00", "", String::new(), "Sample Reason", 7_200),
        ("67, JSON",            "", JSON, r#"{"Justification":"x","RoleId":"@","RequestedTTL":"3600","RequestedTime":null}"#.to_owned(), "x", 3_600),
        ("68, a number",        "", JSON, r#"{"RoleId":"@","RequestedTTL":3600}"#.to_owned(), "", 3_600),
        ("69, verbose and BOM", "", verbose, "\u{feff}{\"odata.type\":\"x\",\"RoleId\":\"@\",\"RequestedTTL\":60}".to_owned(), "", 60),
        ("70, empty values",    "", FORM, "Justification=&RoleId=@&RequestedTTL=60&RequestedTime=".to_owned(), "", 60),
        ("74, a fraction",      "", FORM, "RoleId=@&RequestedTTL=1199.8799999999999".to_owned(), "", 1_199),
        ("75, too much",        "", FORM, "RoleId=@&RequestedTTL=3612".to_owned(), "", 3_612),
        ("79, other letters",   "", JSON, r#"{"roleId":"@","REQUESTEDTTL":"60","justification":"x","more":[1]}"#.to_owned(), "x", 60),
        ("80, body and query",  "?Justification=query&RequestedTTL=60", FORM, "RoleId=@".to_owned(), "query", 60),
        ("81, chunked",         "", chunked, "45\r\n{\"RoleId\":\"@\",\"RequestedTTL\":\"60\"}\r\n0\r\n\r\n".to_owned(), "", 60),
        ("B11, no TTL",         "", FORM, "RoleId=@".to_owned(), "", 3_600),
    ];
    for (row, query, headers, body, justification, ttl) in table {
        let (query, body) = (query.replace('@', &role), body.replace('@', &role));
        let length = format!("Content-Length: {}\r\n", body.len());
        let headers = if headers.contains("chunked") {
            headers.to_owned()
        } else {
            format!("{headers}{length}")
        };
        let path = format!("/api/pamresources/pamrequests{query}");
        let answer = kit.as_(JEN).rest("POST", &path, &headers, &body).await;
        assert_eq!(answer.status, 201, "{row}: {answer:?}");
        let entry: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            entry["Justification"].as_str().unwrap_or_default(),
            justification,
            "{row}"
        );
        assert_eq!(
            entry["Justification"].is_null(),
            justification.is_empty(),
            "{row}"
        );
        assert_eq!(entry["RequestedTTL"], ttl.to_string(), "{row}");
    }
}

/// Row 77: bad input gets a clear error, and files nothing.
#[tokio::test]
async fn what_cannot_be_filed_says_so() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    for (headers, body, status) in [
        (FORM, "RequestedTTL=60".to_owned(), 400),
        (
            FORM,
            "RoleId=<b>garbage</b>&RequestedTTL=60".to_owned(),
            400,
        ),
        (FORM, format!("RoleId={role}&RequestedTTL=NaN"), 400),
        (FORM, format!("RoleId={role}&RequestedTTL=-1"), 400),
        (FORM, format!("RoleId={role}&RequestedTTL=1e300"), 400),
        (FORM, format!("RoleId={role}&RequestedTTL=99999999999"), 400),
        (
            FORM,
            format!("RoleId={role}&RequestedTTL=60&RequestedTime=tomorrow"),
            400,
        ),
        (
            FORM,
            format!("RoleId={role}&Justification={}", "x".repeat(1_025)),
            400,
        ),
        (
            FORM,
            format!("RoleId={role}&Justification={}", "x".repeat(70_000)),
            413,
        ),
        (JSON, format!("{{\"RoleId\":\"{role}\""), 400),
        (JSON, "[]".to_owned(), 400),
        (
            JSON,
            format!("{{\"RoleId\":\"{role}\",\"RequestedTTL\":false}}"),
            400,
        ),
        (
            FORM,
            "RoleId=5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143&RequestedTTL=60".to_owned(),
            403,
        ),
    ] {
        let headers = format!("{headers}Content-Length: {}\r\n", body.len());
        let answer = kit
            .as_(JEN)
            .rest("POST", "/api/pamresources/pamrequests", &headers, &body)
            .await;
        assert_eq!(answer.status, status, "{body:.60}: {answer:?}");
        assert!(!answer.code().is_empty() && !answer.body.contains("<b>"));
    }
    let list = kit.as_(JEN).get("/api/pamresources/pamrequests").await.body;
    assert!(list.ends_with(r#""value":[]}"#), "{list}");
}

/// Row 73.
#[tokio::test]
async fn a_client_may_prefer_no_content() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let headers = "Content-Length: 0\r\nPrefer: return-no-content\r\n";
    let path = format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTTL=60");
    let answer = kit.as_(JEN).rest("POST", &path, headers, "").await;
    assert_eq!(
        (answer.status, &*answer.body, answer.header("content-type")),
        (204, "", None)
    );
    assert_eq!(
        answer.header("preference-applied"),
        Some("return-no-content")
    );
    assert!(
        answer
            .header("location")
            .unwrap()
            .ends_with("pamrequests(guid'00000000-0000-7000-8000-000000000002')")
    );
}

/// Row 76, A3, B8 and B9: the whole way of a portal's user.
#[tokio::test]
async fn request_approve_extend_deactivate() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let post = async |ttl: &str| {
        let path = format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTTL={ttl}");
        kit.as_(JEN).post(&path).await
    };
    let statuses = async || {
        let body = kit.as_(JEN).get("/api/pamresources/pamrequests").await.body;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let rows = body["value"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["RequestStatus"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert_eq!(post("3600").await.status, 201);
        let pending = kit.as_(SAM).pending().await;
        assert_eq!(kit.as_(SAM).act(&pending[0], "Approve").await.status, 200);
        kit.clock.advance(600);
    }
    assert_eq!(statuses().await, ["Active", "Active"]);
    let deactivated = post("0").await;
    assert_eq!(deactivated.status, 201);
    assert!(deactivated.body.contains(r#""RequestedTTL":"0""#));
    assert!(deactivated.body.ends_with(r#""RequestStatus":"Closed"}"#));
    assert_eq!(statuses().await, ["Closed", "Closed", "Closed"]);
}
