//! Paths: one pure parser over the raw path.
//!
//! The raw path is split at `/` first and each segment is percent-decoded once, so that `%2527` never becomes a quote.
//! An encoded slash makes no new segment, except before an action, where DevExtreme sends it. Empty segments are
//! dropped, and names are read in any case (`docs/rest-api.md` 6, 11, 13 to 16, A12).

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::odata::literal::guid as odata_guid;
use crate::errors::{Error, Kind};

/// The target of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// An action on an approval.
    ApprovalAction(Uuid, Action),
    /// One pending approval.
    PendingApproval(Uuid),
    /// The list of pending approvals.
    PendingApprovals,
    /// The types of the API.
    Metadata,
    /// One request of the caller.
    Request(Uuid),
    /// The close of a request.
    RequestClose(Uuid),
    /// The caller's requests: the list, and the target for posting new ones.
    Requests,
    /// One role that the caller may request.
    Role(Uuid),
    /// The roles that the caller may request.
    Roles,
    /// The root, which names the sets.
    ServiceDocument,
    /// The caller.
    Session,
}

/// An action on an approval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// `/Approve`.
    Approve,
    /// `/Reject`.
    Reject,
}

impl Target {
    /// Returns the operation of a request with that method: one of [`OPERATIONS`].
    pub(super) fn operation(self, method: &Method) -> &'static str {
        match self {
            Self::ApprovalAction(_, Action::Approve) => APPROVE,
            Self::ApprovalAction(_, Action::Reject) => REJECT,
            Self::Metadata => METADATA,
            Self::PendingApproval(_) => PENDING_APPROVAL,
            Self::PendingApprovals => PENDING_APPROVALS,
            Self::Request(_) => REQUEST,
            Self::RequestClose(_) => CLOSE,
            Self::Requests if method == Method::POST => CREATE,
            Self::Requests => REQUESTS,
            Self::Role(_) => ROLE,
            Self::Roles => ROLES,
            Self::ServiceDocument => SERVICE_DOCUMENT,
            Self::Session => SESSION,
        }
    }

    /// Returns the methods that the target supports, as in an `Allow` header.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::ApprovalAction(..) | Self::RequestClose(_) => "POST, OPTIONS",
            Self::Requests => "GET, HEAD, POST, OPTIONS",
            Self::Metadata
            | Self::PendingApproval(_)
            | Self::PendingApprovals
            | Self::Request(_)
            | Self::Role(_)
            | Self::Roles
            | Self::ServiceDocument
            | Self::Session => "GET, HEAD, OPTIONS",
        }
    }
}

/// Reads the target of a raw path.
pub(super) fn parse(path: &str) -> Result<Target, Error> {
    let segments: Vec<Cow<'_, str>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect::<Result<_, _>>()?;
    let [api, service, set, rest @ ..] = &*segments else {
        let is_root =
            matches!(&*segments, [api, service] if is(api, "api") && is(service, "pamresources"));
        return if is_root {
            Ok(Target::ServiceDocument)
        } else {
            Err(not_found())
        };
    };
    let (set, rest) = match (split_action(set), rest) {
        (Some((set, action)), []) => (set, vec![action]),
        _ => (&**set, rest.iter().map(|segment| &**segment).collect()),
    };
    let (name, key) = split_key(set)?;
    let key = key.filter(|key| !key.is_empty() || !rest.is_empty());
    match (key, &*rest) {
        _ if !is(api, "api") => Err(not_found()),
        // The address that was documented until March 2017 (`docs/rest-api.md` 26).
        (None, []) if is(service, "session") && is(name, "sessioninfo") => Ok(Target::Session),
        _ if !is(service, "pamresources") => Err(not_found()),
        (None, []) if name == "$metadata" => Ok(Target::Metadata),
        (None, []) if is(name, "pamrequests") => Ok(Target::Requests),
        (None, []) if is(name, "pamrequeststoapprove") => Ok(Target::PendingApprovals),
        (None, []) if is(name, "pamroles") => Ok(Target::Roles),
        (None, []) if is(name, "sessioninfo") => Ok(Target::Session),
        (Some(key), []) if is(name, "pamrequests") => Ok(Target::Request(guid(key)?)),
        (Some(key), []) if is(name, "pamrequeststoapprove") => {
            Ok(Target::PendingApproval(guid(key)?))
        }
        (Some(key), []) if is(name, "pamroles") => Ok(Target::Role(guid(key)?)),
        (Some(key), [action]) if is(name, "pamrequests") && is(unqualified(action), "close") => {
            Ok(Target::RequestClose(guid(key)?))
        }
        (Some(key), [action]) if is(name, "pamrequeststoapprove") => {
            Ok(Target::ApprovalAction(guid(key)?, approval_action(action)?))
        }
        _ => Err(not_found()),
    }
}

fn is(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
}

fn decode(segment: &str) -> Result<Cow<'_, str>, Error> {
    percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| Error::invalid("The path is not UTF-8."))
}

/// Splits the name of a set from the key in parentheses after it.
fn split_key(segment: &str) -> Result<(&str, Option<&str>), Error> {
    match segment.split_once('(') {
        None => Ok((segment, None)),
        Some((name, key)) => match key.strip_suffix(')') {
            Some(key) => Ok((name, Some(key))),
            None => Err(malformed_key()),
        },
    }
}

/// Splits a row from its action, if the slash between them was encoded.
fn split_action(segment: &str) -> Option<(&str, &str)> {
    let end = segment.find(")/")? + 1;
    Some((&segment[..end], &segment[end + 1..]))
}

/// Returns the name of an action without its container, `Container.Approve`, or its namespace,
/// `Default.Container.Approve`.
fn unqualified(action: &str) -> &str {
    match action.rsplit_once('.') {
        Some((container, name))
            if is(container, "Container") || is(container, "Default.Container") =>
        {
            name
        }
        _ => action,
    }
}

/// Reads an OData v3 literal of a GUID: `guid'..'`, prefix and digits in any case.
fn guid(literal: &str) -> Result<Uuid, Error> {
    match literal.split_at_checked(5) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("guid'") => {
            let digits = rest.strip_suffix('\'').ok_or_else(malformed_key)?;
            odata_guid(digits).ok_or_else(malformed_key)
        }
        _ => Err(malformed_key()),
    }
}

fn approval_action(action: &str) -> Result<Action, Error> {
    let name = unqualified(action);
    if name.eq_ignore_ascii_case("approve") {
        Ok(Action::Approve)
    } else if name.eq_ignore_ascii_case("reject") {
        Ok(Action::Reject)
    } else {
        Err(not_found())
    }
}

fn malformed_key() -> Error {
    Error::invalid("The key in the URL has the form guid'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'.")
}

fn not_found() -> Error {
    Error::new(
        Kind::NoSuchOperation,
        "No HTTP resource was found that matches the request URI.",
    )
}

/// The operations of the REST API, as used in logs and metrics.
pub const OPERATIONS: [&str; 13] = [
    APPROVE,
    CLOSE,
    CREATE,
    METADATA,
    PENDING_APPROVAL,
    PENDING_APPROVALS,
    REJECT,
    REQUEST,
    REQUESTS,
    ROLE,
    ROLES,
    SERVICE_DOCUMENT,
    SESSION,
];
const APPROVE: &str = "rest:Approve";
const CLOSE: &str = "rest:Close";
const CREATE: &str = "rest:Create";
const METADATA: &str = "rest:$metadata";
const PENDING_APPROVAL: &str = "rest:pamrequesttoapprove";
const PENDING_APPROVALS: &str = "rest:pamrequeststoapprove";
const REJECT: &str = "rest:Reject";
const REQUEST: &str = "rest:pamrequest";
const REQUESTS: &str = "rest:pamrequests";
const ROLE: &str = "rest:pamrole";
const ROLES: &str = "rest:pamroles";
const SERVICE_DOCUMENT: &str = "rest:service";
const SESSION: &str = "rest:sessioninfo";

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = uuid::uuid!("5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143");

    #[test]
    fn every_operation_is_listed() {
        let targets = [
            Target::ApprovalAction(ID, Action::Approve),
            Target::ApprovalAction(ID, Action::Reject),
            Target::PendingApproval(ID),
            Target::PendingApprovals,
            Target::Request(ID),
            Target::RequestClose(ID),
            Target::Requests,
            Target::Role(ID),
            Target::Roles,
            Target::ServiceDocument,
            Target::Session,
            Target::Metadata,
        ];
        let mut operations: Vec<&str> = targets
            .iter()
            .flat_map(|target| [&Method::GET, &Method::POST].map(|method| target.operation(method)))
            .collect();
        operations.sort_unstable();
        operations.dedup();
        let mut listed = OPERATIONS;
        listed.sort_unstable();
        assert_eq!(operations, listed);
    }

    #[test]
    fn paths_that_name_an_action() {
        let approve = Target::ApprovalAction(ID, Action::Approve);
        let reject = Target::ApprovalAction(ID, Action::Reject);
        #[rustfmt::skip]
        let table = [
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Approve", approve),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Reject", reject),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Approve/", approve),
            ("/api/pamresources//pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')//Approve", approve),
            ("//api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Approve", approve),
            ("/api/pamresources/pamrequeststoapprove%28guid%275dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143%27%29/Approve", approve),
            ("/api/pamresources/pamrequeststoapprove(guid%275dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143%27)/Appro%76e", approve),
            ("/%61pi/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Reject", reject),
            ("/API/PamResources/PAMRequestsToApprove(GUID'5DBD9D0C-0A9D-4F75-8CBD-FF6FFDC00143')/approve", approve),
            ("/api/pamresources/pamrequeststoapprove(Guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/REJECT", reject),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')%2FApprove", approve),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')%2fReject/", reject),
            ("/api/pamresources/pamrequeststoapprove(guid%275dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143%27%29%2FApprove", approve),
            ("/api/pamresources/pamrequests(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')%2FClose", Target::RequestClose(ID)),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Container.Approve", approve),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Default.Container.Approve", approve),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/container.reject", reject),
            ("/api/pamresources/pamrequeststoapprove(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')%2FDefault.Container.Reject", reject),
            ("/api/pamresources/pamrequests(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Container.Close", Target::RequestClose(ID)),
            ("/api/pamresources/pamrequests(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Default.Container.Close", Target::RequestClose(ID)),
        ];
        for (path, target) in table {
            assert_eq!(parse(path).unwrap(), target, "{path}");
        }
    }

    #[test]
    fn paths_that_name_the_rest() {
        #[rustfmt::skip]
        let table = [
            ("/api/pamresources/pamrequeststoapprove", Target::PendingApprovals),
            ("/api/pamresources/pamrequeststoapprove/", Target::PendingApprovals),
            ("/api/pamresources/pamrequeststoapprove()", Target::PendingApprovals),
            ("/api/pamresources/pamrequeststoapprove%28%29/", Target::PendingApprovals),
            ("/API//pamresources/PAMREQUESTSTOAPPROVE", Target::PendingApprovals),
            ("/api/pamresources/pamroles/", Target::Roles),
            ("/api/pamresources/PamRoles()", Target::Roles),
            ("/api/pamresources/pamrequests", Target::Requests),
            ("/api/pamresources/pamrequests()/", Target::Requests),
            ("/api/pamresources/sessioninfo/", Target::Session),
            ("/api/pamresources", Target::ServiceDocument),
            ("/API/PamResources/", Target::ServiceDocument),
            ("/api/pamresources/$metadata", Target::Metadata),
            ("/api/pamresources/%24metadata/", Target::Metadata),
            ("/api/session/sessioninfo", Target::Session),
            ("/api/session/sessioninfo/", Target::Session),
            ("/api/pamresources/pamrequests(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')", Target::Request(ID)),
            ("/api/pamresources/pamrequests(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/Close", Target::RequestClose(ID)),
            ("/api/pamresources/pamrequests(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')/close/", Target::RequestClose(ID)),
        ];
        for (path, target) in table {
            assert_eq!(parse(path).unwrap(), target, "{path}");
        }
    }

    #[test]
    fn paths_whose_key_is_malformed() {
        for key in [
            "({approvalId)",
            "({approvalId})",
            "(guid'undefined')",
            "(guid'garbage')",
            "()",
            "(5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143)",
            "('5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')",
            "(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143)",
            "(guid5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')",
            "(guid'5dbd9d0c0a9d4f758cbdff6ffdc00143')",
            "(guid'{5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143}')",
            "(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc0014g')",
            "(guid%25275dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143%2527)",
            "(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143'",
            "(éguid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')",
            "(gui",
        ] {
            let path = format!("/api/pamresources/pamrequeststoapprove{key}/Approve");
            assert_eq!(
                parse(&path).unwrap_err().kind,
                Kind::InvalidArgument,
                "{path}"
            );
        }
        assert_eq!(
            parse("/api/pamresources/%ff").unwrap_err().kind,
            Kind::InvalidArgument
        );
    }

    #[test]
    fn paths_that_name_nothing() {
        let key = "(guid'5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143')";
        for path in [
            "/".to_owned(),
            "/api".to_owned(),
            "/api/session".to_owned(),
            "/api/session/$metadata".to_owned(),
            "/api/pamresources/nosuchset".to_owned(),
            "/api%2Fpamresources/pamrequeststoapprove".to_owned(),
            "/api/pamresources/pamrequeststoapprove/Approve".to_owned(),
            "/api/session/pamroles".to_owned(),
            "/api/session/sessioninfo/more".to_owned(),
            format!("/api/pamresources/pamrequests{key}/Approve"),
            format!("/api/pamresources/pamrequeststoapprove{key}/Close"),
            format!("/api/pamresources/pamrequeststoapprove{key}/Delete"),
            format!("/api/pamresources/pamrequeststoapprove{key}/Approve/more"),
            format!("/api/pamresources%2Fpamrequeststoapprove{key}/Approve"),
            format!("/api/pamresources/pamrequeststoapprove{key}%252FApprove"),
            format!("/api/pamresources/pamrequeststoapprove{key}%2FApprove/more"),
            format!("/api/pamresources/pamrequeststoapprove{key}%2FApprove%2Fmore"),
            format!("/api/pamresources/pamrequeststoapprove{key}%2F%2FApprove"),
            format!("/api/pamresources/pamrequeststoapprove{key}/%2FApprove"),
            format!("/api/pamresources/pamrequeststoapprove{key}%2FApprove%2F"),
            format!("/api/pamresources/pamrequeststoapprove{key}%2F"),
            format!("/api/pamresources/pamrequeststoapprove{key}%2FClose"),
            format!("/api/pamresources/pamrequeststoapprove%2F{key}/Approve"),
            format!("/api/pamresources/pamrequeststoapprove{key}/Default.Approve"),
            format!("/api/pamresources/pamrequeststoapprove{key}/PAM.Container.Approve"),
            format!("/api/pamresources/pamrequeststoapprove{key}/.Approve"),
            format!("/api/pamresources/pamrequeststoapprove{key}/Approve."),
            format!("/api/pamresources/pamrequeststoapprove{key}/Container.Container.Approve"),
            format!("/api/pamresources/pamrequests{key}/Default.Container.Approve"),
            format!("/other/pamresources/pamrequeststoapprove{key}/Approve"),
        ] {
            let kind = parse(&path).unwrap_err().kind;
            assert!(
                matches!(kind, Kind::NoSuchOperation | Kind::InvalidArgument),
                "{path}"
            );
        }
    }
}
