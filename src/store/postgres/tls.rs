//! TLS to PostgreSQL.
//!
//! A certificate is always verified, chain and name. libpq's `require` and `verify-ca` verify less; here they mean
//! `verify-full`. `allow` and `prefer` are refused: they continue in the clear if an attacker in between claims that
//! there is no TLS.

use std::path::PathBuf;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::domain::error::Error;

/// The trusted certificates for the server's certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// The certificates in this file.
    File(PathBuf),
    /// The certificates that the machine trusts.
    Machine,
    /// No TLS at all.
    NoTls,
}

impl Trust {
    /// Takes `sslmode` and `sslrootcert` out of a URL; `None` if it names neither.
    pub(super) fn split(url: &str) -> Result<(String, Option<Self>), Error> {
        let Some((address, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), None));
        };
        let (mut mode, mut root, mut others) = (None, None, Vec::new());
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(decoded(value)?),
                _ => others.push(pair),
            }
        }
        let root = root.map(|root| {
            if root == "system" {
                Self::Machine
            } else {
                Self::File(root.into())
            }
        });
        let trust = match mode {
            None => root,
            Some("disable") => Some(Self::NoTls),
            Some("require" | "verify-ca" | "verify-full") => Some(root.unwrap_or(Self::Machine)),
            Some(_) => {
                return Err(Error::invalid(
                    "The sslmode of the store is disable or verify-full; require and verify-ca mean the same.",
                ));
            }
        };
        Ok((format!("{address}?{}", others.join("&")), trust))
    }

    /// Returns whether there is TLS.
    pub(super) fn is_tls(&self) -> bool {
        *self != Self::NoTls
    }
}

/// Returns the TLS part of a connection.
pub(super) fn connector(trust: &Trust) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::File(path) => {
            let unreadable = |error| {
                Error::invalid("The file of sslrootcert holds no certificates that can be read.")
                    .because(error)
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots
                    .add(certificate.map_err(unreadable)?)
                    .map_err(Error::internal)?;
            }
        }
        Trust::Machine => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Trust::NoTls => {}
    }
    if trust.is_tls() && roots.is_empty() {
        return Err(Error::invalid(
            "There is no certificate to check the store's against. Name a file by sslrootcert.",
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn decoded(value: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(value).decode_utf8();
    Ok(decoded
        .map_err(|_| Error::invalid("The sslrootcert of the store is not UTF-8."))?
        .into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_is_trusted() {
        let file = || Some(Trust::File("/etc/db ca.pem".into()));
        for (query, rest, trust) in [
            ("", "", None),
            ("?user=c", "?user=c", None),
            ("?sslmode=disable", "?", Some(Trust::NoTls)),
            ("?sslmode=verify-full", "?", Some(Trust::Machine)),
            ("?sslmode=require", "?", Some(Trust::Machine)),
            ("?sslmode=verify-ca&user=c", "?user=c", Some(Trust::Machine)),
            ("?sslrootcert=%2Fetc%2Fdb%20ca.pem", "?", file()),
            (
                "?a=b&sslmode=require&c=d&sslrootcert=%2Fetc%2Fdb%20ca.pem",
                "?a=b&c=d",
                file(),
            ),
            (
                "?sslmode=verify-full&sslrootcert=system",
                "?",
                Some(Trust::Machine),
            ),
        ] {
            let expected = (format!("postgres://h/d{rest}"), trust);
            assert_eq!(
                Trust::split(&format!("postgres://h/d{query}")).unwrap(),
                expected,
                "{query}"
            );
        }
        for mode in ["prefer", "allow", "", "VERIFY-FULL"] {
            assert!(
                Trust::split(&format!("postgres://h/d?sslmode={mode}")).is_err(),
                "{mode}"
            );
        }
    }
}
