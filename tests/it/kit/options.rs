//! The options of a test's server.

use std::sync::Arc;

use countersign::auth::scheme::Scheme;
use countersign::domain::quota::Quota;
use countersign::server::{Forwarded, Limits};
use countersign::store::Store;

/// The options of a server; the usual ones are the default.
pub struct Options {
    pub limits: Limits,
    pub allowed_origins: Vec<&'static str>,
    pub trusted_proxies: Vec<&'static str>,
    pub forwarded: Forwarded,
    pub reflection: bool,
    /// The limits of one requester.
    pub quota: Quota,
    pub collector: Option<http::Uri>,
    /// Schemes that are asked after the tokens.
    pub schemes: Vec<Box<dyn Scheme>>,
    /// Wraps the store.
    pub before_store: Option<Around>,
}

/// Wraps a store.
pub type Around = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            allowed_origins: vec!["http://pamsrv:8090"],
            trusted_proxies: Vec::new(),
            forwarded: Forwarded::default(),
            reflection: true,
            quota: Quota {
                pending: Some(100),
                filings: Some(1_000),
            },
            collector: None,
            schemes: Vec::new(),
            before_store: None,
        }
    }
}
