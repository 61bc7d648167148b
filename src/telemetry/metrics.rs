//! The metrics of the server, for `GET /metrics`.
//!
//! A server has one [`Metrics`] and passes it on as a value; each part of the server holds the handles that it counts with.
//! A label is a fixed word, never a caller's text, so that no caller can create series.

mod text;

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::domain::event::Fact;
use crate::time::Stopwatch;
pub use text::{Format, Readings};

/// The metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    /// `countersign_connections_open`: open connections.
    pub connections: Gauge,
    /// The metrics of requests.
    pub requests: RequestMetrics,
    /// The metrics of the store.
    pub store: StoreMetrics,
    ready: Gauge,
    registry: Registry,
}

impl Metrics {
    /// Returns all metrics in a format.
    ///
    /// # Errors
    ///
    /// Fails only if a metric cannot be printed, which is a defect.
    pub fn text(&self, readings: Readings, format: Format) -> Result<String, fmt::Error> {
        self.ready.set(readings.ready.into());
        text::encode(&self.registry, readings, format)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let build =
            Family::<BuildLabels, ConstGauge<i64>, fn() -> ConstGauge<i64>>::new_with_constructor(
                || ConstGauge::new(1),
            );
        drop(build.get_or_create(&BuildLabels {
            version: env!("CARGO_PKG_VERSION"),
        }));
        registry.register("build_info", "The running version; always 1", build);
        let ready = Gauge::default();
        registry.register(
            "ready",
            "Whether the last commit succeeded and the clock is right: 1 or 0",
            ready.clone(),
        );
        let connections = Gauge::default();
        registry.register("connections_open", "Open connections", connections.clone());
        Self {
            connections,
            requests: RequestMetrics::register(&mut registry),
            store: StoreMetrics::register(&mut registry),
            ready,
            registry,
        }
    }
}

/// The metrics of requests.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    /// `countersign_requests_in_flight`: requests without an answer.
    pub in_flight: Gauge,
    /// `countersign_request_duration_seconds`, by `operation`: from the end of a request's headers to the head of its
    /// answer, or until the client left. Its count is the number of requests.
    duration: Family<OperationLabels, Histogram, fn() -> Histogram>,
    /// `countersign_refusals_total`, by `operation` and `reason`: requests that were answered with an error.
    refusals: Family<RefusalLabels, Counter>,
}

impl RequestMetrics {
    fn register(registry: &mut Registry) -> Self {
        let (in_flight, refusals) = (Gauge::default(), Family::default());
        let duration = Family::<_, _, fn() -> _>::new_with_constructor(latency);
        registry.register(
            "requests_in_flight",
            "Requests without an answer",
            in_flight.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time until the answer, by operation",
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

    /// Returns the durations of one operation.
    pub fn duration(&self, operation: &'static str) -> Histogram {
        self.duration
            .get_or_create_owned(&OperationLabels { operation })
    }

    /// Counts a request that was answered with an error.
    pub fn refused(&self, operation: &'static str, reason: &'static str) {
        self.refusals
            .get_or_create(&RefusalLabels { operation, reason })
            .inc();
    }
}

/// The metrics of a store of any backend.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    /// `countersign_commit_duration_seconds`: for each change, from entering the queue until it is durable or refused.
    pub commit_duration: Histogram,
    /// `countersign_commit_group_changes`: the changes in one transaction.
    group_changes: Histogram,
    /// `countersign_commit_group_duration_seconds`: for each transaction, from its begin to the end of its sync.
    group_duration: Histogram,
    /// `countersign_commit_queue_changes`: changes that wait for a transaction.
    pub queue: Gauge,
    /// `countersign_readers`: the maximum of simultaneous reads.
    pub readers: Gauge,
    /// `countersign_readers_in_use`: the present number of reads.
    pub readers_in_use: Gauge,
    /// `countersign_events_total`, by `kind`: events committed to the record.
    events: Family<EventLabels, Counter>,
}

impl StoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let (commit_duration, group_duration) = (latency(), latency());
        let group_changes = Histogram::new(exponential_buckets(1.0, 2.0, 9));
        let (queue, readers, readers_in_use) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        #[rustfmt::skip]
        let histograms = [
            ("commit_duration_seconds", "Time until a change is durable or refused, including the queue", &commit_duration),
            ("commit_group_changes", "Changes in one transaction", &group_changes),
            ("commit_group_duration_seconds", "Time of a transaction, including its sync", &group_duration),
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
            (
                "readers",
                "Maximum of simultaneous reads of the store",
                &readers,
            ),
            (
                "readers_in_use",
                "Present number of reads of the store",
                &readers_in_use,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let events = Family::<EventLabels, Counter>::default();
        for kind in EVENT_KINDS {
            drop(events.get_or_create(&EventLabels { kind }));
        }
        registry.register(
            "events",
            "Events committed to the record, by kind",
            events.clone(),
        );
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

    /// Measures a transaction that has become durable and began with the stopwatch.
    pub fn group(&self, changes: usize, watch: Stopwatch) {
        self.group_changes.observe(changes as f64);
        self.group_duration.observe(watch.elapsed().as_secs_f64());
    }

    /// Counts a durable event.
    pub fn committed(&self, fact: &Fact) {
        let kind = event_kind(fact);
        self.events.get_or_create(&EventLabels { kind }).inc();
    }
}

impl Default for StoreMetrics {
    /// Returns handles of metrics that no scrape reads.
    fn default() -> Self {
        Self::register(&mut Registry::default())
    }
}

/// The values of the label `kind` of `countersign_events_total`. All exist from the start with a count of 0.
const EVENT_KINDS: [&str; 11] = [
    "Activated",
    "Approved",
    "Closed",
    "Expired",
    "Filed",
    "Lapsed",
    "Rejected",
    "RoleCreated",
    "RoleDeleted",
    "RoleUpdated",
    "Scheduled",
];

/// Returns the value of the label for an event, one of [`EVENT_KINDS`].
fn event_kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Activated(_) => "Activated",
        Fact::Approved(_) => "Approved",
        Fact::Closed => "Closed",
        Fact::Expired => "Expired",
        Fact::Filed(_) => "Filed",
        Fact::Lapsed(_) => "Lapsed",
        Fact::Rejected(_) => "Rejected",
        Fact::RoleCreated(_) => "RoleCreated",
        Fact::RoleDeleted => "RoleDeleted",
        Fact::RoleUpdated(_) => "RoleUpdated",
        Fact::Scheduled => "Scheduled",
    }
}

/// A gauge that is larger by one until this is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    /// Adds one to a gauge.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Measures a duration until it is dropped, so that abandoned work is measured too.
#[derive(Debug)]
pub struct Timer {
    watch: Stopwatch,
    duration: Histogram,
}

impl Timer {
    /// Starts to measure for a histogram.
    pub fn start(duration: &Histogram) -> Self {
        Self {
            watch: Stopwatch::start(),
            duration: duration.clone(),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.duration.observe(self.watch.elapsed().as_secs_f64());
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct BuildLabels {
    version: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EventLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RefusalLabels {
    operation: &'static str,
    reason: &'static str,
}

/// From a quarter of a millisecond to eight seconds.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}
