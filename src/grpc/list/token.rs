//! Page tokens: the row after which the next page begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};

use super::value::{message, value};
use crate::domain::caller::Caller;
use crate::domain::error::Error;
use crate::domain::query::{Field, Order, Page, Position};
use crate::domain::version::Versioned;
use crate::proto::pam::v1;

/// A list of one caller: everything that the caller asks for, except the page.
pub(in crate::grpc) struct Listing<F> {
    fingerprint: [u8; 8],
    order: Vec<Order<F>>,
}

/// A page token. It is opaque, not secret: it holds values of a row that the caller has seen, and rights are checked on
/// every page.
#[derive(Clone, PartialEq, Message)]
struct PageToken {
    /// The fingerprint of the list.
    #[prost(bytes = "vec", tag = "1")]
    list: Vec<u8>,
    /// The values of the last row in all keys of the order.
    #[prost(message, repeated, tag = "2")]
    values: Vec<v1::Value>,
}

impl<F: Field> Listing<F> {
    /// Returns the list that `request` asks for, a message of that name without the size and the token of a page.
    pub(super) fn of(
        name: &str,
        request: &impl Message,
        caller: &Caller,
        order: Vec<Order<F>>,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(caller.account.id.0.as_bytes());
        hash.update(name);
        hash.update(request.encode_to_vec());
        let mut fingerprint = [0; 8];
        fingerprint.copy_from_slice(&hash.finalize()[..8]);
        Self { fingerprint, order }
    }

    /// Returns the token of the page after `page`; empty if it is the last one.
    pub(in crate::grpc) fn next_page_token(&self, page: &Page<Versioned<F::Row>>) -> String {
        let row = match page.items.last() {
            Some(row) if page.more => row,
            _ => return String::new(),
        };
        let position = Position::of(&row.value, &self.order, page.now);
        let values = position.values().map(|value| v1::Value {
            kind: Some(message(value)),
        });
        let token = PageToken {
            list: self.fingerprint.to_vec(),
            values: values.collect(),
        };
        URL_SAFE_NO_PAD.encode(token.encode_to_vec())
    }

    /// Returns the position in a token; `None` if the token is empty, as it is for a first page.
    pub(super) fn position(&self, token: &str) -> Result<Option<Position>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        match self.read(token) {
            Some(position) => Ok(Some(position)),
            None => {
                Err(Error::invalid("The page token is not one of this list.")
                    .in_field("page_token"))
            }
        }
    }

    fn read(&self, token: &str) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let token = PageToken::decode(&*bytes).ok()?;
        if token.list != self.fingerprint {
            return None;
        }
        if token.values.len() != self.order.len() + F::LAST_KEYS.len() {
            return None;
        }
        let fields = self.order.iter().map(|key| key.field).chain(F::LAST_KEYS);
        let mut values = Vec::new();
        for (field, message) in fields.zip(token.values) {
            values.push(value(field.holds(), message.kind?).ok()?);
        }
        Position::new(values, &self.order).ok()
    }
}
