//! Values that would do harm, whichever way they come in.

use countersign::proto::pam::v1::CreateElevationRequest;
use prost_types::Timestamp;
use tonic::Code;

use crate::kit::{JEN, Kit};

/// A start outside the years 1 to 9999 would make every approver's list unreadable for strict clients.
#[tokio::test]
async fn a_start_outside_the_calendar_is_refused_in_both_dialects() {
    let kit = Kit::start().await;
    let role = kit.role().await.id;
    let jen = kit.as_(JEN);
    let beyond =
        [(-62_135_596_801, 0), (-377_705_023_201, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)];
    for (seconds, nanos) in beyond {
        let request = CreateElevationRequest {
            role_id: role.clone(),
            requested_start: Some(Timestamp { seconds, nanos }),
            ..CreateElevationRequest::default()
        };
        let refused = jen.elevations().create_elevation(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{seconds} {nanos}");
        assert!(refused.message().contains("years 1 to 9999"), "{refused}");
    }
    for time in [
        "0000-12-31T23:59:59Z",
        "-000001-01-01T00:00:00Z",
        "-009999-01-03T00:00:00Z",
        "0001-01-01T00:00:00%2B02:00",
        "2015-06-12T10:00:00-25:59",
        "2015-06-12T10:00:00%2B23:59",
    ] {
        let path = format!("/api/pamresources/pamrequests?RoleId={role}&RequestedTime={time}");
        let answer = jen.post(&path).await;
        assert_eq!(answer.status, 400, "{time}: {answer:?}");
        assert!(answer.body.contains("RequestedTime"), "{time}: {answer:?}");
    }
    let list = jen.get("/api/pamresources/pamrequests").await.body;
    assert!(list.ends_with(r#""value":[]}"#), "{list}");
}
