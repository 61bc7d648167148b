//! Authentication: turns the credentials of a request into a [`Caller`], before both dialects.
//!
//! Nothing else reads an `Authorization` header. The schemes are asked in order until one accepts or refuses.
//!
//! One rule decides which groups a caller is in: the directory wins. Credentials may name groups too, and they can only
//! narrow: a caller counts as those named groups that the directory confirms. Credentials that name no groups give their
//! owner all groups of the directory. So a stale credential never restores a lost membership, and a decision counts the
//! same when it is made and when it is counted again later.

pub mod scheme;
pub mod tokens;

use std::collections::HashSet;
use std::sync::Arc;

use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::directory::Directory;
use crate::domain::account::{Account, Group};
use crate::domain::caller::Caller;
use crate::domain::error::{Error, Kind};
use crate::domain::id::AccountId;
use crate::domain::moment::{Moment, Seconds};
use crate::errors::refuse;
use crate::time::Clock;
use scheme::{Answer, Connection, Identity, Parts, Scheme};

/// Identifies the callers.
pub struct Authenticator {
    /// In the order in which they are asked.
    pub schemes: Vec<Box<dyn Scheme>>,
    /// Knows the groups of the callers.
    pub directory: Arc<dyn Directory>,
    /// The accounts with rights that no role gives.
    pub powers: Powers,
    /// The time by which credentials expire.
    pub clock: Arc<dyn Clock>,
}

/// The accounts that the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Powers {
    administrators: HashSet<AccountId>,
    monitors: HashSet<AccountId>,
}

impl Powers {
    /// Returns the powers of those administrators and monitors.
    pub fn new(administrators: &[Account], monitors: &[Account]) -> Self {
        Self {
            administrators: administrators.iter().map(|account| account.id).collect(),
            monitors: monitors.iter().map(|account| account.id).collect(),
        }
    }
}

/// A caller, and the value of `WWW-Authenticate` by which a scheme proves the identity of the server.
pub type Authentication = (Arc<Caller>, Option<HeaderValue>);

/// The reason why a request has no caller.
#[derive(Debug)]
pub enum Stop {
    /// The client has to send another leg. The value of `WWW-Authenticate` asks for it.
    Continue(HeaderValue),
    /// The request is refused.
    Refuse(Error),
}

impl Authenticator {
    /// Returns the number of credentials that are valid now and expire within `duration`.
    pub fn expiring_within(&self, duration: Seconds) -> usize {
        let now = self.clock.now();
        self.schemes
            .iter()
            .map(|scheme| scheme.expiring(now, now.after(duration)))
            .sum()
    }

    /// Returns the caller, by the credentials in the headers or on the connection.
    ///
    /// # Errors
    ///
    /// The reason for the response that [`refuse`](Self::refuse) returns.
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        connection: &Connection,
    ) -> Result<Authentication, Stop> {
        let now = self.clock.now();
        if headers.get_all(AUTHORIZATION).iter().count() > 1 {
            let cause = "more than one Authorization header";
            return Err(Stop::Refuse(unauthenticated().because(cause)));
        }
        let parts = Parts {
            headers,
            connection,
        };
        for scheme in &self.schemes {
            match scheme.authenticate(&parts, now).await {
                Answer::Accepted { identity, reply } => {
                    let caller = self.caller(identity, now).await.map_err(Stop::Refuse)?;
                    return Ok((Arc::new(caller), reply));
                }
                Answer::Continue(challenge) => return Err(Stop::Continue(challenge)),
                Answer::Refused(cause) => {
                    return Err(Stop::Refuse(unauthenticated().because(cause)));
                }
                Answer::NotMine => {}
            }
        }
        Err(Stop::Refuse(unauthenticated()))
    }

    /// Returns the caller with the groups that count.
    async fn caller(&self, identity: Identity, now: Moment) -> Result<Caller, Error> {
        let known = self.directory.groups(&identity.account, now).await?;
        let groups = match identity.groups {
            Some(named) => confirmed(named, &known),
            None => known,
        };
        let id = identity.account.id;
        let administrator = self.powers.administrators.contains(&id);
        let mut caller = Caller::new(identity.account, groups, administrator, identity.credential);
        caller.monitor = self.powers.monitors.contains(&id);
        Ok(caller)
    }

    /// Refuses a request. Asks for another leg, or for credentials of any scheme.
    pub fn refuse(&self, stop: Stop) -> Response {
        let error = match stop {
            Stop::Continue(challenge) => {
                let mut response: Response = refuse(unauthenticated());
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                return response;
            }
            Stop::Refuse(error) => error,
        };
        let asks = error.kind == Kind::Unauthenticated;
        let mut response: Response = refuse(error);
        if asks {
            for scheme in &self.schemes {
                response
                    .headers_mut()
                    .append(WWW_AUTHENTICATE, scheme.challenge());
            }
        }
        response
    }
}

/// Returns the groups that the credentials name and the directory confirms.
fn confirmed(named: Vec<Group>, known: &[Group]) -> Vec<Group> {
    named
        .into_iter()
        .filter(|group| known.iter().any(|known| known.id == group.id))
        .collect()
}

fn unauthenticated() -> Error {
    Error::new(Kind::Unauthenticated, "Present valid credentials.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use rustls::pki_types::CertificateDer;

    use super::*;
    use crate::domain::account::Principal;

    /// Accepts a client certificate whose bytes are the name of an account.
    struct Certificates;

    #[async_trait]
    impl Scheme for Certificates {
        fn challenge(&self) -> HeaderValue {
            HeaderValue::from_static("Mutual")
        }

        async fn authenticate(&self, parts: &Parts<'_>, _: Moment) -> Answer {
            let Some(certificate) = parts.connection.certificate() else {
                return Answer::NotMine;
            };
            let Ok(name) = std::str::from_utf8(certificate) else {
                return Answer::Refused("a certificate of no account");
            };
            Answer::Accepted {
                identity: Identity {
                    account: Account::named(name).unwrap(),
                    groups: None,
                    credential: "certificate".to_owned(),
                },
                reply: None,
            }
        }

        fn expiring(&self, _: Moment, _: Moment) -> usize {
            0
        }
    }

    /// A directory that cannot be asked about sam.
    struct Flaky;

    #[async_trait]
    impl Directory for Flaky {
        async fn groups(&self, account: &Account, _: Moment) -> Result<Vec<Group>, Error> {
            if account.name == "PRIV\\sam" {
                return Err(Error::unavailable("the directory does not answer"));
            }
            Ok(vec![Group::named("SQL Users").unwrap()])
        }

        async fn members(
            &self,
            _: &[Principal],
            _: usize,
            _: Moment,
        ) -> Result<Option<HashSet<AccountId>>, Error> {
            Ok(None)
        }
    }

    struct StoppedClock;

    #[async_trait]
    impl Clock for StoppedClock {
        fn now(&self) -> Moment {
            Moment::from_ticks(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        async fn reaches(&self, _: Option<Moment>) {}
    }

    async fn caller(certificate: Option<&'static [u8]>) -> Result<Arc<Caller>, Kind> {
        let authenticator = Authenticator {
            schemes: vec![Box::new(Certificates)],
            directory: Arc::new(Flaky),
            powers: Powers::default(),
            clock: Arc::new(StoppedClock),
        };
        let connection = match certificate {
            Some(name) => Connection::with_certificate(CertificateDer::from(name)),
            None => Connection::default(),
        };
        let headers = HeaderMap::new();
        match authenticator.identify(&headers, &connection).await {
            Ok((caller, _)) => Ok(caller),
            Err(Stop::Refuse(error)) => Err(error.kind),
            Err(Stop::Continue(_)) => panic!("there is no second leg"),
        }
    }

    #[tokio::test]
    async fn a_certificate_is_a_part_of_its_connection() {
        let jen = caller(Some(b"PRIV\\jen")).await.unwrap();
        assert_eq!((&*jen.account.name, jen.groups.len()), ("PRIV\\jen", 1));
        for (certificate, kind) in [
            (None, Kind::Unauthenticated),
            (Some(&b"\xff"[..]), Kind::Unauthenticated),
            // Without its groups a caller is refused, not served with less or more.
            (Some(b"PRIV\\sam"), Kind::Unavailable),
        ] {
            assert_eq!(
                caller(certificate).await.err(),
                Some(kind),
                "{certificate:?}"
            );
        }
    }
}
