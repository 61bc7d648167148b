//! Atom over the whole way, read with a parser that takes nothing but well-formed XML.

use countersign::server::Limits;
use xml::reader::{EventReader, XmlEvent};

use crate::kit::{ANN, Answer, JEN, Kit, Options, Person, SAM, role};

const REQUESTS: &str = "/api/pamresources/pamrequests";
const DATA: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices";

async fn feed(person: &Person, path: &str, version: &str) -> Answer {
    let headers = format!(
        "Accept: application/atom+xml,application/xml\r\nMaxDataServiceVersion: {version};NetFx\r\n"
    );
    person.rest("GET", path, &headers, "").await
}

/// The texts of a property, one for each row.
fn texts(feed: &str, property: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut inside = false;
    for event in EventReader::from_str(feed) {
        match event.expect("well-formed XML") {
            XmlEvent::StartElement { name, .. } if name.namespace.as_deref() == Some(DATA) => {
                inside = name.local_name == property;
                texts.extend(inside.then(String::new));
            }
            XmlEvent::EndElement { .. } => inside = false,
            XmlEvent::Characters(text) | XmlEvent::Whitespace(text) if inside => {
                texts.last_mut().unwrap().push_str(&text);
            }
            _ => {}
        }
    }
    texts
}

/// The link to the next page.
fn next(feed: &str) -> Option<String> {
    let link = EventReader::from_str(feed).into_iter().find_map(|event| {
        match event.expect("well-formed XML") {
            XmlEvent::StartElement {
                name, attributes, ..
            } if name.local_name == "link" => {
                let value = |name: &str| {
                    attributes
                        .iter()
                        .find(|found| found.name.local_name == name)
                        .map(|found| found.value.clone())
                };
                value("rel")
                    .filter(|rel| rel == "next")
                    .and_then(|_| value("href"))
            }
            _ => None,
        }
    });
    link.map(|link| {
        link.strip_prefix("http://pam.test:8086")
            .unwrap()
            .to_owned()
    })
}

#[tokio::test]
async fn jen_follows_the_links_of_a_feed() {
    let limits = Limits {
        list: 2,
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let jen = kit.as_(JEN);
    let role = kit.role().await.id;
    let mut filed = Vec::new();
    for _ in 0..5 {
        filed.push(jen.file(&role).await.unwrap().id);
    }
    let first = format!(
        "{REQUESTS}()?$select=RequestId&$inlinecount=allpages&$filter=RequestedTTL%20gt%200"
    );
    let (mut read, mut pages, mut link) = (Vec::new(), 0, Some(first));
    while let Some(path) = link {
        let page = feed(&jen, &path, "2.0").await;
        assert_eq!(
            (page.status, page.header("dataserviceversion")),
            (200, Some("2.0"))
        );
        assert!(page.body.contains("<m:count>5</m:count>"), "{}", page.body);
        read.extend(texts(&page.body, "RequestId"));
        link = next(&page.body);
        pages += 1;
    }
    assert_eq!((read, pages), (filed, 3));
}

/// A client of version 1 would take the first page for the whole list.
#[tokio::test]
async fn a_list_that_version_1_cannot_go_on_with_is_refused() {
    let limits = Limits {
        list: 2,
        ..Limits::default()
    };
    let kit = Kit::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let jen = kit.as_(JEN);
    let role = kit.role().await.id;
    for _ in 0..3 {
        jen.file(&role).await.unwrap();
    }
    let whole = feed(&jen, REQUESTS, "1.0").await;
    assert_eq!(
        (whole.status, whole.header("dataserviceversion")),
        (400, Some("1.0"))
    );
    assert!(whole.body.contains("Use $top or $filter"), "{}", whole.body);
    let verbose = jen
        .rest("GET", REQUESTS, "MaxDataServiceVersion: 1.0\r\n", "")
        .await;
    assert_eq!(
        (verbose.status, verbose.header("dataserviceversion")),
        (400, Some("1.0"))
    );
    let part = feed(&jen, &format!("{REQUESTS}?$top=2"), "1.0").await;
    assert_eq!(
        (part.status, texts(&part.body, "RequestId").len()),
        (200, 2)
    );
    assert_eq!(next(&part.body), None);
}

#[tokio::test]
async fn no_reason_breaks_the_feed() {
    let kit = Kit::start().await;
    let (jen, sam) = (kit.as_(JEN), kit.as_(SAM));
    let sql = kit
        .as_(ANN)
        .create_role(role("SQL File Access", &[SAM], 1))
        .await
        .unwrap()
        .id;
    for (written, read) in [
        (
            r#"<b>]]>&amp; \"J\u00fcrgen\""#,
            "<b>]]>&amp; \"J\u{fc}rgen\"",
        ),
        (
            r" first\r\nsecond\rthird\n\tfourth ",
            " first\r\nsecond\rthird\n\tfourth ",
        ),
        (
            r"rung \u0007 by \u001b[1m, \uffff",
            "rung \u{fffd} by \u{fffd}[1m, \u{fffd}",
        ),
        (r"\ud83d\udd11 key", "\u{1f511} key"),
    ] {
        let body = format!(r#"{{"RoleId":"{sql}","Justification":"{written}"}}"#);
        let headers = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        assert_eq!(
            jen.rest("POST", REQUESTS, &headers, &body).await.status,
            201,
            "{written}"
        );
        for (person, list) in [(&jen, "pamrequests"), (&sam, "pamrequeststoapprove")] {
            let page = feed(person, &format!("/api/pamresources/{list}"), "3.0").await;
            assert_eq!(
                texts(&page.body, "Justification").pop().as_deref(),
                Some(read),
                "{list}"
            );
        }
    }
}
