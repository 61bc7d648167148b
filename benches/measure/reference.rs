//! The references: the smallest axum response, and the REST dialect over a service that does
//! nothing. Both use `axum::serve`, without our edge, limits and authentication.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use countersign::directory::file::FileDirectory;
use countersign::domain::moment::Seconds;
use countersign::domain::policy::Policy;
use countersign::domain::quota::Quota;
use countersign::grpc::Grpc;
use countersign::ids::SystemIds;
use countersign::proto::pam::v1::approval_service_server::ApprovalService;
use countersign::proto::pam::v1::{
    ApproveRequest, ApproveResponse, ExplainApprovalRequest, ExplainApprovalResponse,
    GetApprovalRequest, GetApprovalResponse, ListApprovalsRequest, ListApprovalsResponse,
    RejectRequest, RejectResponse,
};
use countersign::rest::Rest;
use countersign::service::Service;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::{Clock, SystemClock, Time};
use countersign::tokens_file::TokensFile;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tonic::{Response, Status, async_trait};

/// Answers everything with an empty 200.
pub async fn bare() {
    serve(Router::new().fallback(|| async {})).await;
}

/// Answers approvals through the REST dialect alone. It leaves a file in the folder in which it is started.
pub async fn adapter() {
    let others = Arc::new(others().await);
    let rest = Rest {
        approvals: Arc::new(Nothing),
        elevations: others.clone(),
        roles: others.clone(),
        sessions: others,
        longest_list: 1,
        zone: TimeZone::UTC,
    };
    let answer = move |request: Request| {
        let rest = rest.clone();
        async move { rest.answer(request).await }
    };
    serve(Router::new().fallback(answer)).await;
}

async fn serve(router: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("address={}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// The services that this benchmark does not call.
async fn others() -> Grpc {
    let store = SqliteStore::open(Path::new("unused.db"), StoreMetrics::default()).unwrap();
    let tokens = TokensFile::open(Path::new("unused.toml"), SystemClock.now()).unwrap();
    let policy = Policy {
        pending_timeout: Seconds::HOUR,
        quota: Quota::default(),
        zone: TimeZone::UTC,
    };
    let last = store.last_moment().await.unwrap();
    let time = Arc::new(Time::from(last, Arc::new(SystemClock), Seconds::HOUR));
    let service = Service::new(
        Arc::new(store),
        Arc::new(FileDirectory(Arc::new(tokens))),
        time,
        Arc::new(SystemIds),
        policy,
    );
    Grpc::new(Arc::new(service))
}

/// Approves without doing anything.
struct Nothing;

#[async_trait]
impl ApprovalService for Nothing {
    async fn approve(
        &self,
        _: tonic::Request<ApproveRequest>,
    ) -> Result<Response<ApproveResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn reject(
        &self,
        _: tonic::Request<RejectRequest>,
    ) -> Result<Response<RejectResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn explain_approval(
        &self,
        _: tonic::Request<ExplainApprovalRequest>,
    ) -> Result<Response<ExplainApprovalResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn get_approval(
        &self,
        _: tonic::Request<GetApprovalRequest>,
    ) -> Result<Response<GetApprovalResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_approvals(
        &self,
        _: tonic::Request<ListApprovalsRequest>,
    ) -> Result<Response<ListApprovalsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}
