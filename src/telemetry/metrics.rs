//! What the server counts and measures, for `GET /metrics`.
//!
//! There is one [`Metrics`] to a server, handed down as a value; whoever counts something holds the handle of it. A label
//! is always a word of ours, never a caller's text, so that no caller can make series.

mod text;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::domain::event::Fact;
use crate::time::Stopwatch;
pub use text::{Format, Readings};

/// Everything that one server measures.
#[derive(Debug)]
pub struct Metrics {
    /// `countersign_connections_open`: connections that clients have open.
    pub connections: Gauge,
    /// What becomes of requests.
    pub requests: RequestMetrics,
    /// What the store does.
    pub store: StoreMetrics,
    ready: Gauge,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let build =
            Family::<Build, ConstGauge<i64>, fn() -> ConstGauge<i64>>::new_with_constructor(|| {
                ConstGauge::new(1)
            });
        drop(build.get_or_create(&Build {
            version: env!("CARGO_PKG_VERSION"),
        }));
        registry.register("build_info", "The version that runs; always 1", build);
        let ready = Gauge::default();
        registry.register(
            "ready",
            "Whether the last commit went through: 1 or 0",
            ready.clone(),
        );
        let connections = Gauge::default();
        registry.register(
            "connections_open",
            "Connections that clients have open",
            connections.clone(),
        );
        Self {
            connections,
            requests: RequestMetrics::register(&mut registry),
            store: StoreMetrics::register(&mut registry),
            ready,
            registry,
        }
    }
}

/// What becomes of requests.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    /// `countersign_requests_in_flight`: requests that have come and are not answered yet.
    pub in_flight: Gauge,
    /// `countersign_request_duration_seconds`, by `operation`: from the end of a request's headers to the head of its
    /// answer, or until the client gave up. Its count is the number of requests.
    duration: Family<Operation, Histogram, fn() -> Histogram>,
    /// `countersign_refusals_total`, by `operation` and `reason`: requests that were answered with an error.
    refusals: Family<Refused, Counter>,
}

impl RequestMetrics {
    fn register(registry: &mut Registry) -> Self {
        let (in_flight, refusals) = (Gauge::default(), Family::default());
        let duration = Family::<_, _, fn() -> _>::new_with_constructor(latency);
        registry.register(
            "requests_in_flight",
            "Requests that are not answered yet",
            in_flight.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "How long answers take, by operation",
            duration.clone(),
        );
        registry.register(
            "refusals",
            "Requests that were answered with an error",
            refusals.clone(),
        );
        Self {
            in_flight,
            duration,
            refusals,
        }
    }

    /// The durations of one operation.
    pub fn duration(&self, operation: &'static str) -> Histogram {
        self.duration.get_or_create_owned(&Operation { operation })
    }

    /// Counts a request that was answered with an error.
    pub fn refused(&self, operation: &'static str, reason: &'static str) {
        self.refusals
            .get_or_create(&Refused { operation, reason })
            .inc();
    }
}

/// What a store measures, whatever its backend.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// `countersign_commit_duration_seconds`: of each change, from entering the queue until it is durable or refused.
    pub commit_duration: Histogram,
    /// `countersign_commit_group_changes`: how many changes a transaction had.
    group_changes: Histogram,
    /// `countersign_commit_group_duration_seconds`: of each transaction, from its begin to the end of its sync.
    group_duration: Histogram,
    /// `countersign_commit_queue_changes`: changes that wait for a transaction.
    pub queue: Gauge,
    /// `countersign_readers`: how many reads the store does at once.
    pub readers: Gauge,
    /// `countersign_readers_in_use`: how many it does now.
    pub readers_in_use: Gauge,
    events: Events,
}

impl StoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let (commit_duration, group_duration) = (latency(), latency());
        let group_changes = Histogram::new(exponential_buckets(1.0, 2.0, 9));
        let (queue, readers, readers_in_use) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        #[rustfmt::skip]
        let histograms = [
            ("commit_duration_seconds", "How long a change takes to be durable or refused, the queue included", &commit_duration),
            ("commit_group_changes", "Changes in one transaction", &group_changes),
            ("commit_group_duration_seconds", "How long a transaction takes, its sync included", &group_duration),
        ];
        for (name, help, histogram) in histograms {
            registry.register(name, help, histogram.clone());
        }
        let gauges = [
            (
                "commit_queue_changes",
                "Changes that wait for a transaction",
                &queue,
            ),
            ("readers", "Reads that the store does at once", &readers),
            (
                "readers_in_use",
                "Reads that the store does now",
                &readers_in_use,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let events = Events::register(registry);
        Self {
            commit_duration,
            group_changes,
            group_duration,
            queue,
            readers,
            readers_in_use,
            events,
        }
    }

    /// Measures a transaction with so many changes that is durable now, and began with the watch.
    pub fn group(&self, changes: usize, watch: Stopwatch) {
        self.group_changes.observe(changes as f64);
        self.group_duration.observe(watch.elapsed().as_secs_f64());
    }

    /// Counts an event that is durable.
    pub fn committed(&self, fact: &Fact) {
        self.events.of(fact).inc();
    }
}

impl Default for StoreMetrics {
    /// Handles that nobody reads.
    fn default() -> Self {
        Self::register(&mut Registry::default())
    }
}

/// `countersign_events_total`, by `kind`: what was committed to the record. `Approved` and `Rejected` are decisions.
#[derive(Clone, Debug)]
struct Events {
    activated: Counter,
    approved: Counter,
    closed: Counter,
    expired: Counter,
    filed: Counter,
    lapsed: Counter,
    rejected: Counter,
    role_created: Counter,
    role_deleted: Counter,
    role_updated: Counter,
    scheduled: Counter,
}

impl Events {
    fn register(registry: &mut Registry) -> Self {
        let events = Family::<Kind, Counter>::default();
        registry.register(
            "events",
            "Events committed to the record, by what happened",
            events.clone(),
        );
        let of = |kind| events.get_or_create_owned(&Kind { kind });
        Self {
            activated: of("Activated"),
            approved: of("Approved"),
            closed: of("Closed"),
            expired: of("Expired"),
            filed: of("Filed"),
            lapsed: of("Lapsed"),
            rejected: of("Rejected"),
            role_created: of("RoleCreated"),
            role_deleted: of("RoleDeleted"),
            role_updated: of("RoleUpdated"),
            scheduled: of("Scheduled"),
        }
    }

    fn of(&self, fact: &Fact) -> &Counter {
        match fact {
            Fact::Activated(_) => &self.activated,
            Fact::Approved(_) => &self.approved,
            Fact::Closed => &self.closed,
            Fact::Expired => &self.expired,
            Fact::Filed(_) => &self.filed,
            Fact::Lapsed(_) => &self.lapsed,
            Fact::Rejected(_) => &self.rejected,
            Fact::RoleCreated(_) => &self.role_created,
            Fact::RoleDeleted => &self.role_deleted,
            Fact::RoleUpdated(_) => &self.role_updated,
            Fact::Scheduled => &self.scheduled,
        }
    }
}

/// One more of what a gauge counts, until this is dropped.
#[derive(Debug)]
pub struct OneMore(Gauge);

impl OneMore {
    /// Counts one more.
    pub fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Measures until it is dropped, so that what was given up is measured too.
#[derive(Debug)]
pub struct Measured {
    watch: Stopwatch,
    duration: Histogram,
}

impl Measured {
    /// Starts to measure.
    pub fn into(duration: &Histogram) -> Self {
        Self {
            watch: Stopwatch::start(),
            duration: duration.clone(),
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.duration.observe(self.watch.elapsed().as_secs_f64());
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Build {
    version: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    operation: &'static str,
    reason: &'static str,
}

/// From a quarter of a millisecond to eight seconds.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}
