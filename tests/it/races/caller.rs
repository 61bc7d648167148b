//! A caller over either dialect, and the meaning of each response.

use countersign::domain::approval::Verdict;
use countersign::domain::status::{ApprovalStatus, Status};
use countersign::proto::pam::v1::approval_service_client::ApprovalServiceClient;
use countersign::proto::pam::v1::elevation_service_client::ElevationServiceClient;
use countersign::proto::pam::v1::{
    ApproveRequest, CloseElevationRequest, CreateElevationRequest, Elevation, GetApprovalRequest,
    RejectRequest,
};
use tonic_types::StatusExt;

use super::alone::Told;
use crate::kit::{Answer, Authorized, Kit, Person};

/// One of the cast with a connection that stays.
pub struct Caller {
    person: Person,
    approvals: ApprovalServiceClient<Authorized>,
    elevations: ElevationServiceClient<Authorized>,
}

impl Caller {
    pub fn at(node: &Kit, name: &str) -> Self {
        let person = node.as_(name);
        Self {
            approvals: person.approvals(),
            elevations: person.elevations(),
            person,
        }
    }

    pub async fn files(&self, role: &str) -> Elevation {
        let request = CreateElevationRequest {
            role_id: role.to_owned(),
            ..Default::default()
        };
        self.elevations
            .clone()
            .create_elevation(request)
            .await
            .unwrap()
            .into_inner()
            .elevation
            .unwrap()
    }

    pub async fn decides(
        &self,
        approval: &str,
        verdict: Verdict,
        grpc: bool,
    ) -> Result<Told, String> {
        if !grpc {
            return acted(
                &self.person.act(approval, &format!("{verdict:?}")).await,
                Told::Stands(None),
            );
        }
        let (approval_id, reason) = (approval.to_owned(), None);
        let mut approvals = self.approvals.clone();
        let decided = match verdict {
            Verdict::Approve => {
                let answer = approvals
                    .approve(ApproveRequest {
                        approval_id,
                        reason,
                    })
                    .await;
                answer.map(|answer| answer.into_inner().approval)
            }
            Verdict::Reject => {
                let answer = approvals
                    .reject(RejectRequest {
                        approval_id,
                        reason,
                    })
                    .await;
                answer.map(|answer| answer.into_inner().approval)
            }
        };
        match decided {
            Ok(approval) => Ok(Told::Stands(Some(approval_status(
                approval.unwrap().status().as_str_name(),
            )?))),
            Err(refused) => refusal(&refused),
        }
    }

    pub async fn closes(&self, elevation: &str, grpc: bool) -> Result<Told, String> {
        if !grpc {
            let path = format!("/api/pamresources/pamrequests(guid'{elevation}')/Close");
            return acted(&self.person.post(&path).await, Told::Closed);
        }
        let request = CloseElevationRequest {
            elevation_id: elevation.to_owned(),
        };
        match self.elevations.clone().close_elevation(request).await {
            Ok(_) => Ok(Told::Closed),
            Err(refused) => refusal(&refused),
        }
    }

    /// Looks at the approval, over gRPC.
    pub async fn sees_approval(&self, approval: &str) -> Result<Told, String> {
        let request = GetApprovalRequest {
            approval_id: approval.to_owned(),
        };
        let answer = self
            .approvals
            .clone()
            .get_approval(request)
            .await
            .map_err(|refused| format!("{refused:?}"))?;
        let status = answer.into_inner().approval.unwrap().status();
        Ok(Told::ShowsApproval(approval_status(status.as_str_name())?))
    }

    /// Looks at the elevation, over REST.
    pub async fn sees_elevation(&self, elevation: &str) -> Result<Told, String> {
        let answer = self
            .person
            .get(&format!("/api/pamresources/pamrequests(guid'{elevation}')"))
            .await;
        let body: serde_json::Value =
            serde_json::from_str(&answer.body).map_err(|_| format!("{answer:?}"))?;
        let named = |status: &Status| body["RequestStatus"] == format!("{status:?}");
        Ok(Told::ShowsElevation(
            Status::ALL
                .iter()
                .copied()
                .find(named)
                .ok_or(format!("{answer:?}"))?,
        ))
    }
}

/// Returns the meaning of the response to an action over REST, which has the winning status in its
/// text.
fn acted(answer: &Answer, done: Told) -> Result<Told, String> {
    if answer.status == 200 {
        return Ok(done);
    }
    let words = [
        ("was approved", "APPROVED"),
        ("was closed", "CLOSED"),
        ("expired", "EXPIRED"),
        ("was rejected", "REJECTED"),
    ];
    let status = words
        .into_iter()
        .find(|(words, _)| answer.body.contains(words))
        .map_or("", |(_, status)| status);
    refused(&answer.code(), status).map_err(|_| format!("{answer:?}"))
}

fn refusal(status: &tonic::Status) -> Result<Told, String> {
    let details = status.get_error_details();
    let info = details.error_info().ok_or(format!("{status:?}"))?;
    let won = info.metadata.get("status").map_or("", |status| status);
    refused(&info.reason, won).map_err(|_| format!("{status:?}"))
}

fn refused(reason: &str, status: &str) -> Result<Told, String> {
    Ok(match reason {
        "ALREADY_DECIDED" => Told::AlreadyDecided,
        "APPROVAL_NOT_PENDING" => Told::NotPending(approval_status(status)?),
        "ELEVATION_ENDED" if status == "EXPIRED" => Told::Ended(Status::Expired),
        "ELEVATION_ENDED" if status == "REJECTED" => Told::Ended(Status::Rejected),
        "STAGE_NOT_OPEN" => Told::StageNotOpen,
        reason => return Err(reason.to_owned()),
    })
}

fn approval_status(name: &str) -> Result<ApprovalStatus, String> {
    let all = [
        ApprovalStatus::Approved,
        ApprovalStatus::Closed,
        ApprovalStatus::Expired,
        ApprovalStatus::Pending,
        ApprovalStatus::Rejected,
    ];
    let name = name.trim_start_matches("APPROVAL_STATUS_");
    all.into_iter()
        .find(|status| status.name() == name)
        .ok_or(name.to_owned())
}
