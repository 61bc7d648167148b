//! Values of fields as messages.

use prost_types::NullValue;

use crate::domain::error::Error;
use crate::domain::event::Channel;
use crate::domain::moment::Seconds;
use crate::domain::query::{Type, Value};
use crate::domain::status::Status;
use crate::grpc::convert::uuid;
use crate::proto::pam::v1::{self, value::Kind};

/// Returns a value of a message as a value of that type.
pub(super) fn value(holds: Type, kind: Kind) -> Result<Value, Error> {
    Ok(match kind {
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::DurationValue(value) => Value::Duration(Seconds::try_from(value)?),
        Kind::IdValue(value) => Value::Id(uuid(&value, "value")?),
        Kind::NullValue(_) => Value::Null,
        Kind::StringValue(value) => named(holds, value)?,
        Kind::TimestampValue(value) => Value::Moment(value.try_into()?),
    })
}

/// Returns a text, or the value of an enum with that name.
fn named(holds: Type, name: String) -> Result<Value, Error> {
    let value = match holds {
        Type::Channel => v1::CreationMethod::from_str_name(&name)
            .and_then(channel)
            .map(Value::Channel),
        Type::Status => v1::ElevationStatus::from_str_name(&name)
            .and_then(status)
            .map(Value::Status),
        _ => Some(Value::Text(name)),
    };
    value.ok_or_else(|| Error::invalid("The field has no value of that name."))
}

fn channel(method: v1::CreationMethod) -> Option<Channel> {
    match method {
        v1::CreationMethod::Grpc => Some(Channel::Grpc),
        v1::CreationMethod::PamWebApi => Some(Channel::PamWebApi),
        v1::CreationMethod::Unspecified => None,
    }
}

fn status(status: v1::ElevationStatus) -> Option<Status> {
    match status {
        v1::ElevationStatus::Active => Some(Status::Active),
        v1::ElevationStatus::Closed => Some(Status::Closed),
        v1::ElevationStatus::Expired => Some(Status::Expired),
        v1::ElevationStatus::PendingApproval => Some(Status::PendingApproval),
        v1::ElevationStatus::Rejected => Some(Status::Rejected),
        v1::ElevationStatus::Scheduled => Some(Status::Scheduled),
        v1::ElevationStatus::Unspecified => None,
    }
}

/// Returns a value as a message that [`value`] reads.
pub(super) fn message(value: &Value) -> Kind {
    match value {
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Channel(channel) => {
            let method = v1::CreationMethod::from(*channel);
            Kind::StringValue(method.as_str_name().to_owned())
        }
        Value::Duration(duration) => Kind::DurationValue((*duration).into()),
        Value::Id(id) => Kind::IdValue(id.to_string()),
        Value::Moment(moment) => Kind::TimestampValue((*moment).into()),
        Value::Null => Kind::NullValue(NullValue::NullValue.into()),
        Value::Status(status) => {
            let status = v1::ElevationStatus::from(*status);
            Kind::StringValue(status.as_str_name().to_owned())
        }
        Value::Text(text) => Kind::StringValue(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::moment::Moment;

    #[test]
    fn every_value_survives_its_message() {
        let mut table = vec![
            (Type::Bool, Value::Bool(true)),
            (Type::Channel, Value::Channel(Channel::Grpc)),
            (Type::Channel, Value::Channel(Channel::PamWebApi)),
            (Type::Duration, Value::Duration(Seconds::HOUR)),
            (Type::Id, Value::Id(Uuid::from_u128(7))),
            (Type::Moment, Value::Moment(Moment::FIRST)),
            (Type::Moment, Value::Moment(Moment::from_ticks(-1))),
            (Type::Moment, Value::Moment(Moment::from_ticks(12_345_678))),
            (Type::Moment, Value::Moment(Moment::LAST)),
            (Type::Text, Value::Null),
            (Type::Text, Value::Text(String::new())),
            (Type::Text, Value::Text("\u{1F511}".to_owned())),
        ];
        table.extend(
            Status::ALL
                .iter()
                .map(|status| (Type::Status, Value::Status(*status))),
        );
        for (holds, known) in table {
            assert_eq!(value(holds, message(&known)).unwrap(), known);
        }
    }
}
