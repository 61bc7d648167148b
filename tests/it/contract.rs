//! The comments of the contract. Every rpc documents its credentials, its reasons and its limits, and every client of
//! the kit fails when a call returns a reason that the comment of its rpc does not list.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use countersign::domain::error::Kind;
use countersign::errors::row;
use countersign::proto::pam::v1::FILE_DESCRIPTOR_SET;
use http::{Request, Response};
use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::source_code_info::Location;
use tonic::body::Body;
use tonic::transport::{self, Channel};
use tonic_types::StatusExt;
use tower::Service;

use crate::kit::{EVE, Kit};

/// The comment of every rpc by its path, such as `/pam.v1.ApprovalService/Approve`.
static RPCS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mut rpcs = HashMap::new();
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    for file in files.file.iter().filter(|file| file.package() == "pam.v1") {
        let comments = &file.source_code_info.as_ref().expect("comments").location;
        for (service, index) in file.service.iter().zip(0..) {
            for (rpc, number) in service.method.iter().zip(0..) {
                let path = format!("/pam.v1.{}/{}", service.name(), rpc.name());
                rpcs.insert(path, comment(comments, &[SERVICE, index, METHOD, number]));
            }
        }
    }
    rpcs
});

/// The field numbers of `FileDescriptorProto.service` and `ServiceDescriptorProto.method`.
const SERVICE: i32 = 6;
const METHOD: i32 = 2;

fn comment(locations: &[Location], path: &[i32]) -> String {
    let location = locations.iter().find(|location| location.path == path);
    location
        .expect("a location")
        .leading_comments()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns whether a comment lists a reason.
fn lists(comment: &str, reason: &str) -> bool {
    comment
        .split(|c: char| !c.is_ascii_uppercase() && c != '_')
        .any(|word| word == reason)
}

/// A channel that holds every refusal to the comment of its rpc.
#[derive(Clone)]
pub struct Documented(pub Channel);

impl Service<Request<Body>> for Documented {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            assert_eq!(undocumented(&path, &response), None, "{path}");
            Ok(response)
        })
    }
}

/// Returns the reason of a refusal if the comment of the rpc does not list it. A refused unary call has its status in the
/// headers.
fn undocumented<T>(path: &str, response: &Response<T>) -> Option<String> {
    let comment = RPCS.get(path)?;
    let status = tonic::Status::from_header_map(response.headers())?;
    let reason = status.get_error_details().error_info()?.reason.clone();
    (!lists(comment, &reason)).then_some(reason)
}

#[test]
fn every_rpc_documents_the_reasons_of_every_call_and_its_limit() {
    assert_eq!(RPCS.len(), 16);
    for (path, comment) in &*RPCS {
        for kind in [
            Kind::BodyTooLarge,
            Kind::DeadlineExceeded,
            Kind::HeadTooLarge,
            Kind::Internal,
            Kind::InvalidArgument,
            Kind::Overloaded,
            Kind::Unauthenticated,
            Kind::Unavailable,
        ] {
            assert!(
                lists(comment, row(kind).reason),
                "{path} does not list {kind:?}"
            );
        }
        assert!(
            comment.contains("The request message is limited to "),
            "{path}"
        );
    }
}

#[test]
fn every_reason_of_grpc_is_documented_somewhere() {
    let others = [
        Kind::CrossOrigin,
        Kind::MethodNotAllowed,
        Kind::NoSuchOperation,
        Kind::NoSuchService,
    ];
    for kind in Kind::all().filter(|kind| !others.contains(kind)) {
        let reason = row(kind).reason;
        assert!(
            RPCS.values().any(|comment| lists(comment, reason)),
            "{reason} is in no comment"
        );
    }
}

#[test]
fn every_service_says_how_to_authenticate() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    for file in files.file.iter().filter(|file| file.package() == "pam.v1") {
        let comments = &file.source_code_info.as_ref().expect("comments").location;
        for (service, index) in file.service.iter().zip(0..) {
            let comment = comment(comments, &[SERVICE, index]);
            for words in [
                "`authorization`",
                "`Bearer <token>`",
                "google.rpc.ErrorInfo",
            ] {
                assert!(comment.contains(words), "{}: {words}", service.name());
            }
        }
    }
}

#[test]
fn every_file_names_the_packages_of_generated_code() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    for file in files.file.iter().filter(|file| file.package() == "pam.v1") {
        let options = file.options.as_ref().expect("options");
        assert_eq!(
            options.csharp_namespace(),
            "Countersign.Pam.V1",
            "{}",
            file.name()
        );
        assert_eq!(
            options.go_package(),
            "countersign/pam/v1;pamv1",
            "{}",
            file.name()
        );
        assert_eq!(
            options.java_package(),
            "countersign.pam.v1",
            "{}",
            file.name()
        );
        assert!(options.java_multiple_files(), "{}", file.name());
    }
}

#[tokio::test]
async fn a_reason_that_is_not_listed_is_noticed() {
    let kit = Kit::start().await;
    let status = kit
        .as_(EVE)
        .approval("5dbd9d0c-0a9d-4f75-8cbd-ff6ffdc00143")
        .await
        .unwrap_err();
    let response = status.into_http::<()>();
    assert_eq!(
        undocumented("/pam.v1.ApprovalService/GetApproval", &response),
        None
    );
    let undocumented = undocumented("/pam.v1.SessionService/GetSession", &response);
    assert_eq!(undocumented.as_deref(), Some("ACCESS_DENIED"));
}
