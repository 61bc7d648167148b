//! The limits of messages and metadata, the callers of long messages, and compression.

use bytes::Bytes;
use countersign::proto::pam::v1;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::kit::{ANN, JEN, Kit, principal, reason, replacing, role};

const GZIP: CompressionEncoding = CompressionEncoding::Gzip;
/// Room for every text and comparison that a request may have.
const LONGEST: usize = 64 * 1_024;
/// Room for a role.
const LONGEST_ROLE: usize = 4 * 1_024 * 1_024;
/// The rpcs that take a role.
const ROLES: [&str; 2] = [
    "/pam.v1.RoleService/CreateRole",
    "/pam.v1.RoleService/UpdateRole",
];

#[tokio::test]
async fn a_message_is_longer_than_64_kib_only_where_it_is_a_role() {
    let kit = Kit::start().await;
    let methods = methods();
    assert!(
        methods.len() > ROLES.len()
            && ROLES
                .iter()
                .all(|role| methods.contains(&(*role).to_owned()))
    );
    for method in methods {
        let refused = call(&kit, ANN, &method, filler(LONGEST + 1))
            .await
            .unwrap_err();
        let is_too_long =
            (refused.code(), &*reason(&refused)) == (Code::ResourceExhausted, "BODY_TOO_LARGE");
        assert_eq!(
            is_too_long,
            !ROLES.contains(&&*method),
            "{method}: {refused:?}"
        );
        let longest = call(&kit, ANN, &method, filler(LONGEST)).await;
        assert!(
            longest
                .err()
                .is_none_or(|refused| refused.code() != Code::ResourceExhausted),
            "{method}"
        );
    }
    for method in ROLES {
        let refused = call(&kit, ANN, method, filler(LONGEST_ROLE + 1))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (Code::ResourceExhausted, "BODY_TOO_LARGE"),
            "{method}"
        );
    }
}

/// What cannot be decoded would be INVALID_ARGUMENT, as it is for ann.
#[tokio::test]
async fn who_may_change_no_role_is_refused_before_the_message_is_decoded() {
    let kit = Kit::start().await;
    let short = Bytes::from_static(b"\x0a\xff");
    let long = filler(LONGEST_ROLE + 1);
    for method in ROLES {
        for message in [short.clone(), long.clone()] {
            let refused = call(&kit, JEN, method, message).await.unwrap_err();
            assert_eq!(
                (refused.code(), &*reason(&refused)),
                (Code::PermissionDenied, "ACCESS_DENIED"),
                "{method}"
            );
        }
        let refused = call(&kit, ANN, method, short.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{method}");
        let refused = call_with(&kit, "none", method, short.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{method}");
    }
}

/// 4 MiB of comparisons without anything in them once took 279 MiB.
#[tokio::test]
async fn four_mib_of_empty_comparisons_are_not_decoded() {
    let kit = Kit::start().await;
    let comparisons = Bytes::from(b"\x1a\x00".repeat(LONGEST_ROLE / 2));
    for method in ["ListRoles", "ListAllRoles"] {
        let refused = call(
            &kit,
            JEN,
            &format!("/pam.v1.RoleService/{method}"),
            comparisons.clone(),
        )
        .await;
        assert_eq!(
            refused.unwrap_err().code(),
            Code::ResourceExhausted,
            "{method}"
        );
    }
}

#[tokio::test]
async fn ann_creates_a_role_that_is_longer_than_64_kib() {
    let kit = Kit::start().await;
    let approvers: Vec<String> = (0..1_000)
        .map(|i| format!("group:{i}{}", "x".repeat(200)))
        .collect();
    let approvers: Vec<&str> = approvers.iter().map(String::as_str).collect();
    let wide = role("Wide", &approvers, 1);
    assert!(wide.encoded_len() > LONGEST);
    let created = kit.as_(ANN).create_role(wide.clone()).await.unwrap();
    assert_eq!(created.stages, wide.stages);
    let revised = v1::Role {
        description: "Revised".into(),
        ..created
    };
    let request = replacing(revised);
    let revised = kit
        .as_(ANN)
        .roles()
        .update_role(request)
        .await
        .unwrap()
        .into_inner()
        .role
        .unwrap();
    assert_eq!((revised.revision, &*revised.description), (2, "Revised"));
}

/// The path of every method of the contract.
fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET)
        .unwrap()
        .file;
    let services = files
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file, service)));
    let methods = services.flat_map(|(file, service)| {
        let name = format!("/{}.{}", file.package(), service.name());
        service
            .method
            .iter()
            .map(move |method| format!("{name}/{}", method.name()))
    });
    methods.collect()
}

/// Returns a message with a number of octets in one field that no message of the contract has.
fn filler(octets: usize) -> Bytes {
    // The number 1000 and its kind take two octets, the length takes up to four.
    let mut message = vec![0xc2, 0x3e];
    let length = (1..=4)
        .map(|width| octets - 2 - width)
        .find(|rest| octets - 2 - rest == varint(*rest).len());
    let length = length.unwrap();
    message.extend(varint(length));
    message.extend(std::iter::repeat_n(b'x', length));
    assert_eq!(message.len(), octets);
    message.into()
}

fn varint(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number as u64, &mut bytes);
    bytes
}

/// A message that is compressed grows when it is read, which must not get around the bound.
#[tokio::test]
async fn a_message_is_no_longer_for_being_compressed() {
    let kit = Kit::start().await;
    for method in methods() {
        let (longest, name) = match ROLES.contains(&&*method) {
            true => (LONGEST_ROLE, ANN),
            false => (LONGEST, JEN),
        };
        let refused = compressed(&kit, name, &method, filler(longest + 1))
            .await
            .unwrap_err();
        let told = (refused.code(), &*reason(&refused));
        assert_eq!(
            told,
            (Code::ResourceExhausted, "BODY_TOO_LARGE"),
            "{method}"
        );
        let longest = compressed(&kit, name, &method, filler(longest)).await;
        assert!(
            longest
                .err()
                .is_none_or(|refused| refused.code() != Code::ResourceExhausted),
            "{method}"
        );
    }
    for method in ROLES {
        let refused = compressed(&kit, JEN, method, filler(LONGEST_ROLE + 1))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{method}");
    }
    // 16 MiB take 16 KiB on the way.
    let bomb = compressed(
        &kit,
        JEN,
        "/pam.v1.RoleService/ListRoles",
        filler(16 * 1_024 * 1_024),
    )
    .await;
    assert_eq!(reason(&bomb.unwrap_err()), "BODY_TOO_LARGE");
}

#[tokio::test]
async fn ann_creates_and_lists_a_role_by_compressed_messages() {
    let kit = Kit::start().await;
    let candidates: Vec<String> = (0..1_000)
        .map(|i| format!("group:Candidates {i}"))
        .collect();
    let wide = v1::Role {
        candidates: candidates.iter().map(|name| principal(name)).collect(),
        ..role("Wide", &[], 0)
    };
    let mut roles = kit
        .as_(ANN)
        .roles()
        .send_compressed(GZIP)
        .accept_compressed(GZIP);
    let created = roles
        .create_role(v1::CreateRoleRequest {
            role: Some(wide.clone()),
        })
        .await
        .unwrap();
    assert_eq!(created.metadata().get("grpc-encoding").unwrap(), "gzip");
    let listed = roles
        .list_all_roles(v1::ListAllRolesRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(listed.into_inner().roles[0].candidates, wide.candidates);
    let plain = kit
        .as_(ANN)
        .roles()
        .list_all_roles(v1::ListAllRolesRequest::default())
        .await
        .unwrap();
    assert!(
        plain.metadata().get("grpc-encoding").is_none(),
        "nobody asked for it"
    );
}

#[tokio::test]
async fn a_compression_that_is_not_known_is_refused_with_those_that_are() {
    let kit = Kit::start().await;
    let headers = "Content-Type: application/grpc\r\nTE: trailers\r\ngrpc-encoding: <b>\r\nContent-Length: 5\r\n";
    let answer = kit
        .as_(JEN)
        .rest(
            "POST",
            "/pam.v1.SessionService/GetSession",
            headers,
            "\x01\0\0\0\0",
        )
        .await;
    assert_eq!(
        (
            answer.header("grpc-status"),
            answer.header("grpc-accept-encoding")
        ),
        (Some("12"), Some("gzip,identity"))
    );
    let message = answer.header("grpc-message").unwrap();
    assert!(
        message.contains("gzip%20or%20identity") && !message.contains("%3Cb"),
        "{message}"
    );
}

#[tokio::test]
async fn metadata_has_up_to_64_kib() {
    let kit = Kit::start().await;
    for (octets, is_taken) in [
        (1_024, true),
        (60 * 1_024, true),
        (66 * 1_024, false),
        (80 * 1_024, false),
    ] {
        let mut request = Request::new(v1::GetSessionRequest {});
        for i in 0..octets / 1_024 {
            let key =
                tonic::metadata::MetadataKey::from_bytes(format!("x-{i:03}").as_bytes()).unwrap();
            // With the name, and with what HTTP/2 counts for each, this is 1 KiB.
            request
                .metadata_mut()
                .insert(key, "x".repeat(1_024 - 5 - 32).parse().unwrap());
        }
        let answer = kit.as_(JEN).sessions().get_session(request).await;
        let refused = answer
            .err()
            .map(|refused| (refused.code(), reason(&refused)));
        let expected = (!is_taken).then(|| (Code::ResourceExhausted, "HEAD_TOO_LARGE".to_owned()));
        assert_eq!(refused, expected, "{octets}");
    }
}

async fn call(kit: &Kit, name: &str, method: &str, message: Bytes) -> Result<Bytes, Status> {
    call_with(kit, kit.token(name), method, message).await
}

async fn compressed(kit: &Kit, name: &str, method: &str, message: Bytes) -> Result<Bytes, Status> {
    send(
        client(kit).await.send_compressed(GZIP),
        kit.token(name),
        method,
        message,
    )
    .await
}

async fn call_with(kit: &Kit, token: &str, method: &str, message: Bytes) -> Result<Bytes, Status> {
    send(client(kit).await, token, method, message).await
}

async fn client(kit: &Kit) -> tonic::client::Grpc<Channel> {
    let channel = Channel::from_shared(format!("http://{}", kit.address))
        .unwrap()
        .connect()
        .await
        .unwrap();
    tonic::client::Grpc::new(channel)
}

async fn send(
    mut client: tonic::client::Grpc<Channel>,
    token: &str,
    method: &str,
    message: Bytes,
) -> Result<Bytes, Status> {
    client.ready().await.unwrap();
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    Ok(client
        .unary(request, method.parse().unwrap(), Raw)
        .await?
        .into_inner())
}

/// Messages as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(buffer, message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes::Buf::copy_to_bytes(
            buffer,
            bytes::Buf::remaining(buffer),
        )))
    }
}
