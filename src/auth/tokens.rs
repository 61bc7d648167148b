//! The tokens scheme: bearer tokens (RFC 6750) of the tokens file, in the `Authorization` header only. A token in a URL
//! would end up in logs.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::scheme::{Answer, Identity, Parts, Scheme};
use crate::domain::moment::Moment;
use crate::tokens_file::{PREFIX, TokensFile, split};

/// Verifies bearer tokens against a tokens file.
#[derive(Debug)]
pub struct TokenScheme(pub Arc<TokensFile>);

#[async_trait]
impl Scheme for TokenScheme {
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer realm=\"countersign\"")
    }

    async fn authenticate(&self, parts: &Parts<'_>, now: Moment) -> Answer {
        match parts.credentials("bearer") {
            Some(token) if token.starts_with(PREFIX) => self.verify(token, now),
            _ => Answer::NotMine,
        }
    }

    fn expiring(&self, now: Moment, end: Moment) -> usize {
        self.0.entries(now).expiring(now, end)
    }
}

impl TokenScheme {
    fn verify(&self, token: &str, now: Moment) -> Answer {
        let Some((id, secret)) = split(token) else {
            return Answer::Refused("a malformed token");
        };
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let entries = self.0.entries(now);
        let entry = entries.get(id);
        // The hash is also compared if the id is unknown, so that both cases take the same time.
        let expected = match entry {
            Some(entry) => entry.sha256,
            None => [0; 32],
        };
        let matches = bool::from(hash.ct_eq(&expected));
        match entry {
            Some(entry) if matches && !entry.expired(now) => Answer::Accepted {
                identity: Identity {
                    account: entry.account.clone(),
                    groups: Some(entry.groups.clone()),
                    credential: format!("bearer:{id}"),
                },
                reply: None,
            },
            Some(_) => Answer::Refused("a wrong or expired token"),
            None => Answer::Refused("an unknown token"),
        }
    }
}
