//! Conversions of single fields.

use uuid::Uuid;

use crate::domain::account;
use crate::domain::error::Error;
use crate::domain::text;
use crate::proto::pam::v1;

/// Reads the id in a field: a GUID with hyphens, in any case.
pub(in crate::grpc) fn uuid(text: &str, field: &'static str) -> Result<Uuid, Error> {
    if text.is_empty() {
        return Err(Error::required(field));
    }
    match Uuid::try_parse(text) {
        Ok(id) if text.len() == 36 => Ok(id),
        _ => Err(Error::invalid("must be a GUID in its hyphenated form.").in_field(field)),
    }
}

/// Reads a justification or a reason.
pub(in crate::grpc) fn remark(
    text: Option<String>,
    field: &'static str,
) -> Result<Option<String>, Error> {
    text::remark(text).map_err(in_field(field))
}

/// Adds the name of the field to an error.
pub(in crate::grpc) fn in_field(field: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.in_field(field)
}

/// Returns the number of a stage, counted from 1.
pub(super) fn counted(stage: usize) -> u32 {
    u32::try_from(stage).unwrap_or(u32::MAX).saturating_add(1)
}

/// Reads the principals of a list.
pub(super) fn principals(
    principals: Vec<v1::Principal>,
    field: &str,
) -> Result<Vec<account::Principal>, Error> {
    let mut read = Vec::new();
    for (index, principal) in principals.into_iter().enumerate() {
        let principal = account::Principal::try_from(principal);
        read.push(principal.map_err(|error| error.at(field, index))?);
    }
    Ok(read)
}
