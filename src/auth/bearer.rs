//! Bearer tokens (RFC 6750), in the `Authorization` header only: never in a URL, which ends up in logs.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::tokens::TokensFile;
use super::{Answer, Scheme};
use crate::domain::moment::Moment;

/// Bearer tokens from a tokens file.
#[derive(Debug)]
pub struct Bearer(pub Arc<TokensFile>);

impl Scheme for Bearer {
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer realm=\"countersign\"")
    }

    fn authenticate(&self, headers: &HeaderMap, now: Moment) -> Answer {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(AUTHORIZATION) {
                Answer::Failed("more than one Authorization header")
            } else {
                Answer::NotRequested
            };
        };
        match value.to_str().ok().and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.0.verify(token.trim(), now)
            }
            _ => Answer::NotRequested,
        }
    }

    fn expiring(&self, now: Moment, end: Moment) -> usize {
        self.0.expiring(now, end)
    }
}
