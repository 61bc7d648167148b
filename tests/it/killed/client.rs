//! A client under whom the server dies: it writes down what it is about to send before it does, and the answer after it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::domain::approval::Verdict;
use countersign::ids::{Ids, SystemIds};
use countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient;
use countersign::proto::pam::v1::elevation_service_client::ElevationServiceClient;
use countersign::proto::pam::v1::{
    ApproveRequest, CloseElevationRequest, CreateElevationRequest, RejectRequest,
};
use countersign::time::Stopwatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::kit::{GIL, JEN, KIM, SAM, reason};

/// One request in a client's log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The `x-request-id`, by which the record knows the request.
    pub request: String,
    pub who: &'static str,
    pub act: Act,
    pub answer: Answer,
}

/// The request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    Close(Filed),
    Decide(Filed, Verdict),
    /// By the id of the role.
    File(String),
}

/// The outcome that the client knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is done. A filing answers what it made.
    Done(Option<Filed>),
    /// It was refused, and nothing happened.
    Refused(String),
    /// No answer came, or one that says that the outcome is not known.
    Unknown,
}

/// A filed elevation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filed {
    pub requester: &'static str,
    pub elevation: String,
    pub approval: String,
}

/// What all clients know together.
pub struct Crowd {
    pub address: SocketAddr,
    /// The token of each of the cast.
    pub tokens: Vec<(&'static str, String)>,
    pub roles: Vec<String>,
    /// What has been filed, oldest first.
    pub filed: Mutex<Vec<Filed>>,
    /// One permit for every answer.
    pub answers: Semaphore,
    /// When the clients of a server that lives on have to end; none outlives a server that is killed.
    pub end: Option<End>,
}

/// Stops the clients, also those without a response.
#[derive(Default)]
pub struct End {
    pub over: AtomicBool,
    /// Since when nothing was acknowledged, and the longest time for which that was so.
    pub quiet: Mutex<(Option<Stopwatch>, Duration)>,
}

impl Crowd {
    fn is_over(&self, last: Option<&Entry>) -> bool {
        match &self.end {
            Some(end) => end.over.load(Ordering::SeqCst),
            None => last.is_some_and(|last| last.answer == Answer::Unknown),
        }
    }

    /// Counts an answer. Of a server that lives on only what it acknowledges counts.
    async fn take(&self, answer: &Answer) {
        if let Some(end) = &self.end {
            match answer {
                Answer::Done(_) => end.acknowledged(),
                Answer::Refused(_) => return,
                // A client that calls without a pause would delay the responses to the others.
                Answer::Unknown => return sleep(Duration::from_millis(20)).await,
            }
        }
        self.answers.add_permits(1);
    }
}

impl End {
    fn acknowledged(&self) {
        let mut quiet = self.quiet.lock().unwrap();
        let lasted = quiet.0.map_or(Duration::ZERO, Stopwatch::elapsed);
        *quiet = (Some(Stopwatch::start()), quiet.1.max(lasted));
    }
}

/// Sends whatever comes to mind until it is over, and answers the log.
pub async fn run(crowd: Arc<Crowd>) -> Vec<Entry> {
    let channel = Channel::from_shared(format!("http://{}", crowd.address))
        .unwrap()
        .connect_lazy();
    let mut log: Vec<Entry> = Vec::new();
    while !crowd.is_over(log.last()) {
        let mut entry = idea(&crowd, log.last());
        log.push(entry.clone());
        entry.answer = match random(2) {
            0 => by_grpc(&crowd, channel.clone(), &entry).await,
            _ => by_rest(&crowd, &entry).await,
        };
        if let Answer::Done(Some(filed)) = &entry.answer {
            crowd.filed.lock().unwrap().push(filed.clone());
        }
        crowd.take(&entry.answer).await;
        *log.last_mut().unwrap() = entry;
    }
    log
}

/// What to do next: file, decide what others may be deciding too, close, or repeat the last.
fn idea(crowd: &Crowd, last: Option<&Entry>) -> Entry {
    let filed = crowd.filed.lock().unwrap();
    let recent = filed.len() - filed.len().min(8);
    let some = (!filed.is_empty()).then(|| filed[recent + random(filed.len() - recent)].clone());
    let entry = |who, act| Entry {
        request: SystemIds.next().to_string(),
        who,
        act,
        answer: Answer::Unknown,
    };
    match (random(10), some, last) {
        (0, Some(filed), _) => entry(filed.requester, Act::Close(filed)),
        (1..=5, Some(filed), _) => {
            let verdict = if random(4) == 0 {
                Verdict::Reject
            } else {
                Verdict::Approve
            };
            entry([SAM, KIM][random(2)], Act::Decide(filed, verdict))
        }
        (6, _, Some(last)) => entry(last.who, last.act.clone()),
        _ => entry(
            [JEN, GIL][random(2)],
            Act::File(crowd.roles[random(crowd.roles.len())].clone()),
        ),
    }
}

async fn by_grpc(crowd: &Crowd, channel: Channel, entry: &Entry) -> Answer {
    let request = |token: &str| {
        let mut request = Request::new(());
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
            .metadata_mut()
            .insert("x-request-id", entry.request.parse().unwrap());
        request
    };
    let request = request(crowd.token(entry.who));
    let mut approvals = ApprovalServiceClient::new(channel.clone());
    let mut elevations = ElevationServiceClient::new(channel);
    let answer = match entry.act.clone() {
        Act::Close(Filed { elevation, .. }) => {
            let message = CloseElevationRequest {
                elevation_id: elevation,
            };
            elevations
                .close_elevation(request.map(|()| message))
                .await
                .map(|_| None)
        }
        Act::Decide(Filed { approval, .. }, Verdict::Approve) => {
            let message = ApproveRequest {
                approval_id: approval,
                reason: None,
            };
            approvals
                .approve(request.map(|()| message))
                .await
                .map(|_| None)
        }
        Act::Decide(Filed { approval, .. }, Verdict::Reject) => {
            let message = RejectRequest {
                approval_id: approval,
                reason: None,
            };
            approvals
                .reject(request.map(|()| message))
                .await
                .map(|_| None)
        }
        Act::File(role) => {
            let message = CreateElevationRequest {
                role_id: role,
                ..Default::default()
            };
            elevations
                .create_elevation(request.map(|()| message))
                .await
                .map(|answer| {
                    let filed = answer.into_inner().elevation.unwrap();
                    Some(Filed {
                        requester: entry.who,
                        elevation: filed.id,
                        approval: filed.approval_id,
                    })
                })
        }
    };
    match answer {
        Ok(filed) => Answer::Done(filed),
        Err(status) if is_unknown(&status) => Answer::Unknown,
        Err(status) => Answer::Refused(reason(&status)),
    }
}

/// Whether the answer leaves the outcome open. What tonic makes of a connection that ends has no reason.
fn is_unknown(status: &Status) -> bool {
    use tonic_types::StatusExt;
    let reason = status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone());
    match reason.as_deref() {
        None => matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
        ),
        Some(reason) => ["UNAVAILABLE", "DEADLINE_EXCEEDED"].contains(&reason),
    }
}

/// REST does not return the id of the new approval, so these approvals stay undecided.
async fn by_rest(crowd: &Crowd, entry: &Entry) -> Answer {
    let (path, body) = match &entry.act {
        Act::Close(filed) => (
            format!("pamrequests(guid'{}')/Close", filed.elevation),
            String::new(),
        ),
        Act::Decide(filed, verdict) => {
            let action = if *verdict == Verdict::Approve {
                "Approve"
            } else {
                "Reject"
            };
            (
                format!("pamrequeststoapprove(guid'{}')/{action}", filed.approval),
                String::new(),
            )
        }
        Act::File(role) => ("pamrequests".to_owned(), format!("RoleId={role}")),
    };
    let request = format!(
        "POST /api/pamresources/{path} HTTP/1.1\r\nHost: pam.test\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nX-Request-Id: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        crowd.token(entry.who),
        entry.request,
        body.len(),
    );
    let answer = exchanged(crowd.address, &request).await.unwrap_or_default();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Answer::Unknown;
    };
    match head.split(' ').nth(1).unwrap() {
        "200" | "201" | "204" => Answer::Done(None),
        "408" => Answer::Unknown,
        "503" if body.contains("\"UNAVAILABLE\"") => Answer::Unknown,
        _ => Answer::Refused(body.to_owned()),
    }
}

async fn exchanged(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

impl Crowd {
    pub fn token(&self, who: &str) -> &str {
        &self.tokens.iter().find(|(name, _)| *name == who).unwrap().1
    }
}

/// Returns a number below `many`, from the random part of an id.
pub fn random(many: usize) -> usize {
    let (_, low) = Uuid::as_u64_pair(&SystemIds.next());
    usize::try_from(low).unwrap() % many
}
