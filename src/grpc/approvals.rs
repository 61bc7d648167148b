//! `pam.v1.ApprovalService`.

use tonic::{Request, Response, Status, async_trait};

use super::convert::{approval, remark, uuid};
use super::{Grpc, caller, context, list, needs_message, reply};
use crate::domain::approval::Verdict;
use crate::domain::id::ApprovalId;
use crate::proto::pam::v1::approval_service_server::ApprovalService;
use crate::proto::pam::v1::{
    Approval, ApproveRequest, ApproveResponse, ExplainApprovalRequest, ExplainApprovalResponse,
    GetApprovalRequest, GetApprovalResponse, ListApprovalsRequest, ListApprovalsResponse,
    RejectRequest, RejectResponse,
};
use crate::service::ApprovalDecision;

#[async_trait]
impl ApprovalService for Grpc {
    async fn list_approvals(
        &self,
        request: Request<ListApprovalsRequest>,
    ) -> Result<Response<ListApprovalsResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let caller = caller(&extensions)?;
        let (query, listing) = list::query(message, &list::APPROVAL_FIELDS, &caller)?;
        let page = self.service.pending_approvals(&caller, query).await?;
        let next_page_token = listing.next_page_token(&page);
        let now = page.now;
        let approvals = page
            .items
            .into_iter()
            .map(|elevation| approval(elevation.value, now));
        Ok(reply(ListApprovalsResponse {
            approvals: approvals.collect::<Result<_, _>>()?,
            next_page_token,
            total_size: page.total.map(u64::cast_signed),
        }))
    }

    async fn get_approval(
        &self,
        request: Request<GetApprovalRequest>,
    ) -> Result<Response<GetApprovalResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = approval_id(&message.approval_id)?;
        let view = self.service.approval(&*caller(&extensions)?, id).await?;
        let approval = approval(view.elevation.value, view.now)?;
        Ok(reply(GetApprovalResponse {
            approval: Some(approval),
        }))
    }

    async fn explain_approval(
        &self,
        request: Request<ExplainApprovalRequest>,
    ) -> Result<Response<ExplainApprovalResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let id = approval_id(&message.approval_id)?;
        let reason = remark(message.reason, "reason")?;
        let (caller, context) = (caller(&extensions)?, context(&extensions)?);
        let explanation = self
            .service
            .explain_approval(&caller, id, reason, &context)
            .await?;
        Ok(reply(ExplainApprovalResponse {
            explanation: Some(explanation.into()),
        }))
    }

    async fn approve(
        &self,
        request: Request<ApproveRequest>,
    ) -> Result<Response<ApproveResponse>, Status> {
        let request = request.map(|message| (message.approval_id, message.reason));
        let approval = self.decide_approval(request, Verdict::Approve).await?;
        Ok(reply(ApproveResponse { approval }))
    }

    async fn reject(
        &self,
        request: Request<RejectRequest>,
    ) -> Result<Response<RejectResponse>, Status> {
        let request = request.map(|message| (message.approval_id, message.reason));
        let approval = self.decide_approval(request, Verdict::Reject).await?;
        Ok(reply(RejectResponse { approval }))
    }
}

impl Grpc {
    /// Decides, and returns the approval if the caller needs it.
    async fn decide_approval(
        &self,
        request: Request<(String, Option<String>)>,
        verdict: Verdict,
    ) -> Result<Option<Approval>, Status> {
        let (_, extensions, (id, reason)) = request.into_parts();
        let asked = ApprovalDecision {
            approval: approval_id(&id)?,
            verdict,
            reason: remark(reason, "reason")?,
        };
        let caller = caller(&extensions)?;
        let view = self
            .service
            .decide_approval(&caller, asked, &*context(&extensions)?)
            .await?;
        if !needs_message(&extensions) {
            return Ok(None);
        }
        Ok(Some(approval(view.elevation.value, view.now)?))
    }
}

fn approval_id(id: &str) -> Result<ApprovalId, Status> {
    Ok(ApprovalId(uuid(id, "approval_id")?))
}
