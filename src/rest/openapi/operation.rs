//! What can be asked for.

use serde_json::{Map, Value, json};

use super::answer::{Refusal, entity, header, named, refused};
use super::parameter;
use super::schema::{self, SERVICE_DOCUMENT, single_of};
use crate::rest::metadata::{Described, sets};
use crate::rest::odata::list::Set;
use crate::rest::resources::approvals::PendingApprovals;
use crate::rest::resources::requests::Requests;
use crate::rest::resources::roles::Roles;
use crate::rest::resources::session::Session;
use crate::status::Kind;

/// A method of a resource.
pub(super) struct Operation {
    /// The path, with its parameters in braces.
    pub(super) path: String,
    /// The method, in lower case.
    pub(super) method: &'static str,
    /// The word that the log and the metrics have for it; none for the second path of an operation.
    id: Option<&'static str>,
    about: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(&'static str, Value)>,
    /// How it is refused, beside what may befall every operation.
    pub(super) refusals: &'static [Refusal],
}

impl Operation {
    fn get(path: String, id: &'static str, about: &'static str, answer: Value) -> Self {
        let answers = vec![("200", answer)];
        Self {
            path,
            method: "get",
            id: Some(id),
            about,
            parameters: Vec::new(),
            body: None,
            answers,
            refusals: &[],
        }
    }

    /// An action on a row, which takes nothing and answers nothing.
    fn action(
        path: String,
        id: &'static str,
        about: &'static str,
        key: Value,
        refusals: &'static [Refusal],
    ) -> Self {
        let parameters = vec![key, parameter::reference("v")];
        let answer = json!({ "description": "It is done, or was before.", "headers": named(&["x-request-id"]) });
        let answers = vec![("200", answer)];
        Self {
            path,
            method: "post",
            id: Some(id),
            about,
            parameters,
            body: None,
            answers,
            refusals,
        }
    }

    /// The Operation Object.
    pub(super) fn print(&self) -> Value {
        let mut object = json!({ "description": self.about, "parameters": self.parameters });
        match self.id {
            Some(id) => object["operationId"] = id.into(),
            None => object["deprecated"] = true.into(),
        }
        if let Some(body) = &self.body {
            object["requestBody"] = body.clone();
        }
        let answers = self
            .answers
            .iter()
            .map(|(status, answer)| ((*status).to_owned(), answer.clone()));
        object["responses"] = answers
            .chain(refused(self.refusals))
            .collect::<Map<_, _>>()
            .into();
        object
    }
}

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    let mut operations = vec![service_document(), metadata()];
    operations.extend(sets().iter().map(list));
    operations.extend([
        session_of_old(),
        create(),
        read(),
        read_role(),
        read_approval(),
    ]);
    operations.extend([close(), approve(), reject()]);
    operations
}

fn service_document() -> Operation {
    let parameters = ["format", "v", "MaxDataServiceVersion"]
        .map(parameter::reference)
        .to_vec();
    let answer = entity(
        "The names of the lists.",
        SERVICE_DOCUMENT,
        "application/atomsvc+xml",
    );
    Operation {
        parameters,
        ..Operation::get(API.to_owned(), "service", "What lists there are.", answer)
    }
}

fn metadata() -> Operation {
    let answer = json!({
        "description": "The types, in EDMX 1.0 with CSDL 3.",
        "headers": named(&["x-request-id", "DataServiceVersion"]),
        "content": { "application/xml": {} },
    });
    Operation {
        parameters: vec![parameter::reference("v")],
        ..Operation::get(
            format!("{API}$metadata"),
            "$metadata",
            "What the types of the lists are, for OData clients.",
            answer,
        )
    }
}

fn list(set: &Described) -> Operation {
    let mut answer = entity("The list.", &format!("{}List", set.kind), ATOM);
    if let Some(links) = links(set.name) {
        answer["links"] = links;
    }
    Operation {
        parameters: parameter::of_list(set),
        refusals: &[],
        ..Operation::get(format!("{API}{}", set.name), set.name, set.about, answer)
    }
}

/// What the rows of a list lead to.
fn links(set: &str) -> Option<Value> {
    let request = json!({ "requestId": "$response.body#/value/0/RequestId" });
    let approval = json!({ "approvalId": "$response.body#/value/0/ApprovalObjectID/Value" });
    match set {
        "pamroles" => Some(json!({
            "Create": { "operationId": "Create", "requestBody": { "RoleId": "$response.body#/value/0/RoleId" } },
        })),
        "pamrequests" => Some(of_request(&request)),
        "pamrequeststoapprove" => Some(json!({
            "Approve": { "operationId": "Approve", "parameters": approval },
            "Reject": { "operationId": "Reject", "parameters": approval },
        })),
        _ => None,
    }
}

/// What a request leads to.
fn of_request(parameters: &Value) -> Value {
    json!({
        "Read": { "operationId": "pamrequest", "parameters": parameters },
        "Close": { "operationId": "Close", "parameters": parameters },
    })
}

fn session_of_old() -> Operation {
    let of_old = "/api/session/sessioninfo".to_owned();
    Operation {
        path: of_old,
        id: None,
        ..list(&Described::of::<Session>())
    }
}

fn create() -> Operation {
    let content = json!({
        "application/x-www-form-urlencoded": { "schema": schema::reference("NewPamRequestForm") },
        "application/json": { "schema": schema::reference("NewPamRequest") },
        ATOM: {},
    });
    let mut created = entity(
        "The request that was filed, with all its properties.",
        &single_of(Requests::TYPE),
        ATOM,
    );
    let names: Vec<_> = Requests::PROPERTIES
        .iter()
        .map(|property| property.column.name)
        .collect();
    created["content"]["application/json"]["schema"]["required"] = names.into();
    created["headers"]["Location"] = header("Location");
    created["links"] = of_request(&json!({ "requestId": "$response.body#/RequestId" }));
    let unsaid = json!({
        "description": "The request was filed; the client prefers not to be told more.",
        "headers": named(&["x-request-id", "DataServiceId", "Location", "Preference-Applied"]),
    });
    Operation {
        path: format!("{API}{}", Requests::NAME),
        method: "post",
        id: Some("Create"),
        about: "Asks to hold a role. A field of the body may be in the query instead. A field that is given twice, \
                wherever the two are, is refused. A body that is not UTF-8 must declare its charset. When the outcome \
                is not known, repeating it may file a second request: look at the list first.",
        parameters: ["format", "v", "MaxDataServiceVersion", "Prefer"]
            .map(parameter::reference)
            .to_vec(),
        body: Some(json!({ "required": true, "content": content })),
        answers: vec![("201", created), ("204", unsaid)],
        refusals: &[
            (
                Kind::AccessDenied,
                "The caller may not ask for the role, or there is none.",
            ),
            (
                Kind::TooManyFilings,
                "The caller has filed as many requests within the hour as one may.",
            ),
            (
                Kind::TooManyPending,
                "As many of the caller's requests wait for approval as may.",
            ),
            (
                Kind::OutsideWindow,
                "The start is outside the availability window of the role.",
            ),
            (
                Kind::ReasonNotAccepted,
                "The justification is not what the role asks for.",
            ),
            CROSS_ORIGIN,
            CLOCK_SKEWED,
        ],
    }
}

fn read() -> Operation {
    let about = "Reads a request. Whoever filed it, its approvers and administrators may.";
    let mut read = single::<Requests>(request(""), "pamrequest", about);
    let same = json!({ "requestId": "$request.path.requestId" });
    read.answers[0].1["links"] = json!({ "Close": { "operationId": "Close", "parameters": same } });
    read.parameters
        .push(key("requestId", "The id of the request."));
    read
}

fn read_role() -> Operation {
    let path = format!("{API}{}(guid'{{roleId}}')", Roles::NAME);
    let mut read = single::<Roles>(path, "pamrole", "Reads a role that the caller may ask for.");
    read.parameters.push(key("roleId", "The id of the role."));
    read
}

fn read_approval() -> Operation {
    let about = "Reads a request that waits for the caller's decision.";
    let mut read = single::<PendingApprovals>(approval(""), "pamrequesttoapprove", about);
    read.parameters.push(key("approvalId", APPROVAL_ID));
    read
}

fn single<S: Set>(path: String, id: &'static str, about: &'static str) -> Operation {
    let mut parameters = vec![parameter::select(&Described::of::<S>())];
    parameters.extend(["format", "v", "MaxDataServiceVersion"].map(parameter::reference));
    let answer = entity("The row.", &single_of(S::TYPE), ATOM);
    let refusals: &[Refusal] = &[(
        Kind::AccessDenied,
        "The caller may not see the row, or there is none.",
    )];
    Operation {
        parameters,
        refusals,
        ..Operation::get(path, id, about, answer)
    }
}

fn close() -> Operation {
    Operation::action(
        request("/Close"),
        "Close",
        "Gives a request up, whether the role is held or still waited for. Only who filed it may. It is held no more \
         from now on, and what waits for approval cannot be decided any more. It may be repeated.",
        key("requestId", "The id of the request."),
        &[
            (
                Kind::AccessDenied,
                "The caller has not filed the request, or there is none.",
            ),
            (
                Kind::ElevationEnded,
                "The request was rejected or has expired.",
            ),
            CROSS_ORIGIN,
            CLOCK_SKEWED,
        ],
    )
}

fn approve() -> Operation {
    Operation::action(
        approval("/Approve"),
        "Approve",
        "Approves exactly what was asked for. The approvers of the open stage may, but never who asked. With the last \
         approval that is needed, the role is held at once, or from the start that was asked for. It may be repeated.",
        key("approvalId", APPROVAL_ID),
        &[
            MAY_NOT_DECIDE,
            DECIDED_BEFORE,
            NOT_PENDING,
            NOT_OPEN,
            NO_REASON,
            (
                Kind::RequesterNotCandidate,
                "Who asked may not hold the role any more; the request can only be rejected.",
            ),
            CROSS_ORIGIN,
            CLOCK_SKEWED,
        ],
    )
}

fn reject() -> Operation {
    Operation::action(
        approval("/Reject"),
        "Reject",
        "Rejects what was asked for, and ends it; one rejection is enough. The approvers of the open stage may, but never \
         who asked. It may be repeated.",
        key("approvalId", APPROVAL_ID),
        &[
            MAY_NOT_DECIDE,
            DECIDED_BEFORE,
            NOT_PENDING,
            NOT_OPEN,
            NO_REASON,
            CROSS_ORIGIN,
            CLOCK_SKEWED,
        ],
    )
}

fn request(action: &str) -> String {
    format!("{API}{}(guid'{{requestId}}'){action}", Requests::NAME)
}

fn approval(action: &str) -> String {
    format!(
        "{API}{}(guid'{{approvalId}}'){action}",
        PendingApprovals::NAME
    )
}

fn key(name: &str, about: &str) -> Value {
    let schema = json!({ "type": "string", "format": "uuid" });
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}

const CROSS_ORIGIN: Refusal = (
    Kind::CrossOrigin,
    "A browser sent it for a page of an origin that may not call.",
);
const CLOCK_SKEWED: Refusal = (
    Kind::ClockSkewed,
    "The clock of the server is wrong. Nothing happened.",
);
const NOT_OPEN: Refusal = (
    Kind::StageNotOpen,
    "It waits for approvers of another stage.",
);
const NO_REASON: Refusal = (
    Kind::ReasonNotAccepted,
    "The role asks for reasons, which can be given over gRPC only.",
);
const MAY_NOT_DECIDE: Refusal = (
    Kind::AccessDenied,
    "The caller may not decide it, or there is no such approval.",
);
const DECIDED_BEFORE: Refusal = (
    Kind::AlreadyDecided,
    "The caller has decided the other way before.",
);
const NOT_PENDING: Refusal = (
    Kind::ApprovalNotPending,
    "It is decided, expired or closed.",
);
const APPROVAL_ID: &str =
    "The id of the approval, which is `ApprovalObjectID` in the list and not that of the request.";
const ATOM: &str = "application/atom+xml";
const API: &str = "/api/pamresources/";
