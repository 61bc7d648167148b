//! The references: the smallest axum response, the smallest tonic response, and the REST dialect over a service that
//! does nothing. They use `axum::serve` and tonic's own server, without our pipeline, limits and authentication.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use countersign::directory::file::FileDirectory;
use countersign::domain::moment::Seconds;
use countersign::domain::policy::Policy;
use countersign::domain::quota::Quota;
use countersign::grpc::Grpc;
use countersign::ids::SystemIds;
use countersign::proto::pam::v1::approval_service_server::{
    ApprovalService, ApprovalServiceServer,
};
use countersign::proto::pam::v1::elevation_service_server::{
    ElevationService, ElevationServiceServer,
};
use countersign::proto::pam::v1::{
    ApproveRequest, ApproveResponse, CloseElevationRequest, CloseElevationResponse,
    CreateElevationRequest, CreateElevationResponse, ExplainApprovalRequest,
    ExplainApprovalResponse, GetApprovalRequest, GetApprovalResponse, GetElevationRequest,
    GetElevationResponse, ListApprovalsRequest, ListApprovalsResponse, ListElevationsRequest,
    ListElevationsResponse, RejectRequest, RejectResponse,
};
use countersign::rest::Rest;
use countersign::service::Service;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::telemetry::metrics::StoreMetrics;
use countersign::time::{Clock, SystemClock, Time};
use countersign::tokens_file::TokensFile;
use jiff::tz::TimeZone;
use prost::Message;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Response, Status, async_trait};

/// Answers everything with an empty 200.
pub async fn bare() {
    serve(Router::new().fallback(|| async {})).await;
}

/// Answers approvals through the REST dialect alone. It leaves a file in the folder in which it is started.
pub async fn adapter() {
    let others = Arc::new(others().await);
    let approvals = Arc::new(Answers::default());
    let rest = Rest::new(
        approvals,
        others.clone(),
        others.clone(),
        others,
        1,
        TimeZone::UTC,
    );
    let rest = Arc::new(rest);
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

/// Returns the services that this bench does not call.
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

/// Answers calls with the messages of a folder, or with empty ones.
pub async fn tonic(folder: Option<PathBuf>) {
    let answers = folder.map_or_else(Answers::default, |folder| Answers::read(&folder));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("address={}", listener.local_addr().unwrap());
    tonic::transport::Server::builder()
        .add_service(ApprovalServiceServer::new(answers.clone()))
        .add_service(ElevationServiceServer::new(answers))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .unwrap();
}

/// A service that does nothing but return the same messages.
#[derive(Clone, Default)]
struct Answers {
    approval: GetApprovalResponse,
    approvals: ListApprovalsResponse,
    elevations: ListElevationsResponse,
}

impl Answers {
    fn read(folder: &Path) -> Self {
        let bytes = |name| fs::read(folder.join(name)).unwrap();
        Self {
            approval: Message::decode(&bytes("approval")[..]).unwrap(),
            approvals: Message::decode(&bytes("approvals")[..]).unwrap(),
            elevations: Message::decode(&bytes("elevations")[..]).unwrap(),
        }
    }
}

#[async_trait]
impl ApprovalService for Answers {
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
        Ok(Response::new(self.approval.clone()))
    }

    async fn list_approvals(
        &self,
        _: tonic::Request<ListApprovalsRequest>,
    ) -> Result<Response<ListApprovalsResponse>, Status> {
        Ok(Response::new(self.approvals.clone()))
    }
}

#[async_trait]
impl ElevationService for Answers {
    async fn create_elevation(
        &self,
        _: tonic::Request<CreateElevationRequest>,
    ) -> Result<Response<CreateElevationResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn get_elevation(
        &self,
        _: tonic::Request<GetElevationRequest>,
    ) -> Result<Response<GetElevationResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_elevations(
        &self,
        _: tonic::Request<ListElevationsRequest>,
    ) -> Result<Response<ListElevationsResponse>, Status> {
        Ok(Response::new(self.elevations.clone()))
    }

    async fn close_elevation(
        &self,
        _: tonic::Request<CloseElevationRequest>,
    ) -> Result<Response<CloseElevationResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}
