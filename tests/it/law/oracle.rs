//! The naive list: what a store has to answer, computed in memory by the rules of the domain.

use std::cmp::Ordering;

use countersign::domain::caller::Caller;
use countersign::domain::elevation::Elevation;
use countersign::domain::moment::Moment;
use countersign::domain::query::{Comparison, ElevationField, Operator, Query, Value};
use countersign::domain::role::Role;
use countersign::domain::status::Status;

pub const FIELDS: [ElevationField; 16] = [
    ElevationField::ActivateTime,
    ElevationField::ExpireTime,
    ElevationField::ApprovalId,
    ElevationField::Channel,
    ElevationField::ElevationId,
    ElevationField::CreateTime,
    ElevationField::FimRequestId,
    ElevationField::Justification,
    ElevationField::PendingExpireTime,
    ElevationField::RequestedDuration,
    ElevationField::RequestedStartTime,
    ElevationField::RequesterId,
    ElevationField::RequesterName,
    ElevationField::RequesterUser,
    ElevationField::RoleDisplayName,
    ElevationField::RoleId,
];

pub const OPERATORS: [Operator; 6] = [
    Operator::Eq,
    Operator::Ge,
    Operator::Gt,
    Operator::Le,
    Operator::Lt,
    Operator::Ne,
];

/// All that `query` selects, in order, before the page is cut out.
pub fn listed(
    elevations: &[Elevation],
    roles: &[Role],
    caller: &Caller,
    query: &Query<ElevationField>,
    now: Moment,
) -> Vec<Elevation> {
    let mut listed: Vec<Elevation> = elevations
        .iter()
        .filter(|elevation| is_decidable(elevation, roles, caller, now))
        .filter(|elevation| {
            query
                .filter
                .iter()
                .all(|comparison| holds(comparison, elevation))
        })
        .cloned()
        .collect();
    listed.sort_by(|one, other| order(query, one, other));
    listed
}

/// The value of a field; [`Value::Null`] where there is none.
pub fn value(field: ElevationField, elevation: &Elevation) -> Value {
    let approval = elevation.approval.as_ref();
    match field {
        ElevationField::ActivateTime => elevation.activate_time.map_or(Value::Null, Value::Moment),
        ElevationField::ExpireTime => elevation.expire_time.map_or(Value::Null, Value::Moment),
        ElevationField::ApprovalId => {
            approval.map_or(Value::Null, |approval| Value::Id(approval.id.0))
        }
        ElevationField::Channel => Value::Channel(elevation.channel),
        ElevationField::ElevationId => Value::Id(elevation.id.0),
        ElevationField::CreateTime => Value::Moment(elevation.create_time),
        ElevationField::FimRequestId => Value::Id(elevation.id.fim_request_id()),
        ElevationField::Justification => elevation
            .justification
            .clone()
            .map_or(Value::Null, Value::Text),
        ElevationField::PendingExpireTime => approval.map_or(Value::Null, |approval| {
            Value::Moment(approval.pending_expire_time)
        }),
        ElevationField::RequestedDuration => Value::Duration(elevation.requested_duration),
        ElevationField::RequestedStartTime => Value::Moment(elevation.requested_start_time),
        ElevationField::RequesterId => Value::Id(elevation.requester.id.0),
        ElevationField::RequesterName => Value::Text(elevation.requester.name.clone()),
        ElevationField::RequesterUser => Value::Text(elevation.requester.user().to_owned()),
        ElevationField::RoleDisplayName => Value::Text(elevation.role_display_name.clone()),
        ElevationField::RoleId => Value::Id(elevation.role.0),
        ElevationField::Status => unreachable!("only what is pending is listed"),
    }
}

fn is_decidable(elevation: &Elevation, roles: &[Role], caller: &Caller, now: Moment) -> bool {
    let role = roles.iter().find(|role| role.id == elevation.role);
    let stage = elevation
        .approval
        .as_ref()
        .zip(role)
        .and_then(|(approval, role)| role.stages.get(approval.stage));
    let decisions = elevation
        .approval
        .iter()
        .flat_map(|approval| &approval.decisions);
    elevation.status_at(now) == Status::PendingApproval
        && elevation.requester.id != caller.account.id
        && stage.is_some_and(|stage| stage.approver(caller.principals()).is_some())
        && decisions
            .into_iter()
            .all(|decision| decision.approver.id != caller.account.id)
}

fn holds(comparison: &Comparison<ElevationField>, elevation: &Elevation) -> bool {
    let [left, right] =
        [&value(comparison.field(), elevation), comparison.value()].map(in_milliseconds);
    let order = compare(&left, &right);
    match comparison.operator() {
        Operator::Eq => order.is_eq(),
        Operator::Ge => order.is_ge(),
        Operator::Gt => order.is_gt(),
        Operator::Le => order.is_le(),
        Operator::Lt => order.is_lt(),
        Operator::Ne => order.is_ne(),
    }
}

fn in_milliseconds(value: &Value) -> Value {
    match value {
        Value::Moment(moment) => Value::Moment(moment.millisecond()),
        value => value.clone(),
    }
}

/// Null before everything else.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        // By its name, as it is stored.
        (Value::Channel(one), Value::Channel(other)) => {
            format!("{one:?}").cmp(&format!("{other:?}"))
        }
        (Value::Id(one), Value::Id(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Duration(one), Value::Duration(other)) => one.cmp(other),
        (Value::Moment(one), Value::Moment(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (one, other) => panic!("{one:?} and {other:?} are of different types"),
    }
}

fn order(query: &Query<ElevationField>, one: &Elevation, other: &Elevation) -> Ordering {
    let keys = query.order.iter().map(|key| {
        let order = compare(&value(key.field, one), &value(key.field, other));
        if key.descending {
            order.reverse()
        } else {
            order
        }
    });
    let rest = (one.create_time, one.id).cmp(&(other.create_time, other.id));
    keys.fold(Ordering::Equal, Ordering::then).then(rest)
}
