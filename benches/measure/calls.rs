//! The requests that the clients send.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use clap::ValueEnum;
use countersign::proto::pam::v1::{
    ApproveRequest, CreateElevationRequest, GetApprovalRequest, ListApprovalsRequest,
    ListElevationsRequest,
};
use prost::Message;

/// A kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Call {
    /// Approves, over gRPC.
    Approve,
    /// Files an elevation, over gRPC. The id is of the role.
    File,
    /// Reads one approval, over gRPC.
    GetApproval,
    /// Reads the first page of pending approvals, over gRPC.
    ListApprovals,
    /// Reads the first page of the caller's elevations, over gRPC.
    ListElevations,
    /// Approves, over REST.
    RestApprove,
    /// Approves through a proxy that translates JSON to gRPC.
    Transcode,
}

impl Call {
    /// Returns whether it is a gRPC call. Otherwise it is a POST over HTTP/1.1.
    pub fn is_grpc(self) -> bool {
        !matches!(self, Self::RestApprove | Self::Transcode)
    }

    /// Returns the request over HTTP/1.1.
    pub fn post(self, address: SocketAddr, token: &str, id: &str) -> String {
        let path = match self {
            Self::Transcode => format!("/v1/approvals/{id}/approve"),
            _ => format!("/api/pamresources/pamrequeststoapprove(guid'{id}')/Approve"),
        };
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// Returns the request over gRPC, with its framed message.
    pub fn grpc(self, address: SocketAddr, token: &str, id: &str) -> (http::Request<()>, Bytes) {
        let (method, message) = self.message(id.to_owned());
        let request = http::Request::post(format!("http://{address}/pam.v1.{method}"))
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .unwrap();
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).unwrap());
        framed.extend_from_slice(&message);
        (request, framed.freeze())
    }

    fn message(self, id: String) -> (&'static str, Vec<u8>) {
        match self {
            Self::Approve | Self::RestApprove | Self::Transcode => {
                let request = ApproveRequest {
                    approval_id: id,
                    reason: None,
                };
                ("ApprovalService/Approve", request.encode_to_vec())
            }
            Self::File => {
                let request = CreateElevationRequest {
                    role_id: id,
                    justification: Some("Ticket 4711".to_owned()),
                    ..Default::default()
                };
                ("ElevationService/CreateElevation", request.encode_to_vec())
            }
            Self::GetApproval => {
                let request = GetApprovalRequest { approval_id: id };
                ("ApprovalService/GetApproval", request.encode_to_vec())
            }
            Self::ListApprovals => {
                let request = ListApprovalsRequest::default();
                ("ApprovalService/ListApprovals", request.encode_to_vec())
            }
            Self::ListElevations => {
                let request = ListElevationsRequest::default();
                ("ElevationService/ListElevations", request.encode_to_vec())
            }
        }
    }
}
