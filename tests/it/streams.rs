//! Streams, which have a gate of their own.

use std::time::Duration;

use countersign::proto::pam::v1::GetSessionRequest;
use countersign::server::Limits;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_types::StatusExt;

use crate::kit::{JEN, Kit, Options};

#[tokio::test]
async fn streams_do_not_count_as_requests_and_have_maximums_of_their_own() {
    let kit = Kit::with(limited(Limits {
        requests: 1,
        streams: 3,
        streams_per_caller: 2,
        ..Limits::default()
    }))
    .await;
    let first = watch(&kit).await.unwrap();
    let second = watch(&kit).await.unwrap();
    session(&kit).await;

    let refused = watch(&kit).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
    assert_eq!(refused.message(), "You have too many open streams.");

    // Another client address is another caller, until the server is full too.
    let far = connect_from(&kit, "127.0.0.2:0").await;
    assert!(far.starts_with("HTTP/1.1 200 OK\r\n"), "{far}");
    assert!(!far.contains("grpc-status"), "{far}");

    session(&kit).await;

    // A stream that its client drops is free for the next one.
    drop(first);
    while watch(&kit).await.is_err() {
        tokio::task::yield_now().await;
    }
    drop(second);
}

#[tokio::test]
async fn a_full_server_refuses_the_streams_of_everyone() {
    let kit = Kit::with(limited(Limits {
        streams: 1,
        ..Limits::default()
    }))
    .await;
    let _open = watch(&kit).await.unwrap();
    let refused = watch(&kit).await.unwrap_err();
    assert_eq!(refused.message(), "The server has too many open streams.");
    let far = connect_from(&kit, "127.0.0.2:0").await;
    assert!(far.contains("grpc-status: 14"), "{far}");
}

#[tokio::test]
async fn the_request_timeout_does_not_end_a_stream() {
    let kit = Kit::with(limited(Limits {
        request_time: Duration::from_millis(300),
        ..Limits::default()
    }))
    .await;
    let mut open = watch(&kit).await.unwrap();
    assert_eq!(open.next().await.unwrap().unwrap().status, 1);
    // A request that began later runs into the timeout meanwhile.
    let path = "/api/pamresources/pamrequests";
    let jen = kit.as_(JEN);
    let unfinished = jen.rest("POST", path, "Content-Length: 9\r\n", "").await;
    assert_eq!(unfinished.status, 408);
    kit.signal();
    kit.ended().await;
    let last = loop {
        match open.next().await {
            Some(Ok(_)) => {}
            Some(Err(status)) => break status,
            None => panic!("the stream has ended without a reason"),
        }
    };
    assert_eq!(last.message(), "The server is shutting down.");
}

/// A stream whose first message never arrives must not keep its place.
#[tokio::test]
async fn a_stream_must_begin_within_the_request_timeout() {
    let kit = Kit::with(limited(Limits {
        request_time: Duration::from_millis(300),
        streams: 1,
        ..Limits::default()
    }))
    .await;
    let silent = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n\
                  Content-Length: 5\r\n\r\n";
    let answer = kit.bytes(silent).await;
    assert!(answer.contains("grpc-status: 4"), "{answer}");
    watch(&kit).await.unwrap();
}

/// Makes a request that is no stream.
async fn session(kit: &Kit) {
    let jen = kit.as_(JEN);
    let answer = jen.sessions().get_session(GetSessionRequest {}).await;
    answer.unwrap();
}

async fn watch(kit: &Kit) -> Result<Streaming<HealthCheckResponse>, Status> {
    let channel = Channel::from_shared(format!("http://{}", kit.address))
        .unwrap()
        .connect_lazy();
    let request = HealthCheckRequest::default();
    let answer = HealthClient::new(channel).watch(request).await?;
    Ok(answer.into_inner())
}

/// Opens a health watch from a client address, and returns the head of the answer. The connection stays open.
async fn connect_from(kit: &Kit, address: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address.parse().unwrap()).unwrap();
    let mut stream = socket.connect(kit.address).await.unwrap();
    let request = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n\
                   Content-Length: 5\r\n\r\n\0\0\0\0\0";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = String::new();
    while !head.contains("\r\n\r\n") {
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{head}");
        head += &String::from_utf8_lossy(&bytes[..read]);
    }
    tokio::spawn(async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    head
}

fn limited(limits: Limits) -> Options {
    Options {
        limits,
        ..Options::default()
    }
}
