//! The metrics as text, in both formats that scrapers read.

use std::collections::HashSet;
use std::fmt;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::domain::census::Census;

/// A format of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// OpenMetrics 1.0, in which the family of a counter has the name of its sample without `_total`.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus, in which the family of a counter has the name of its sample.
    Prometheus,
}

impl Format {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The values that are read for each scrape.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    /// Whether the server can decide.
    pub ready: bool,
    /// The counts of the store. `None` if it cannot count now; then their metrics are absent.
    pub census: Option<Census>,
    /// The number of tokens that expire within a week.
    pub tokens_expiring: usize,
}

/// Returns the metrics of a registry and the readings in a format.
pub(super) fn encode(
    counted: &Registry,
    readings: Readings,
    format: Format,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, counted)?;
    encode_registry(&mut text, &registry(readings))?;
    match format {
        Format::OpenMetrics => encode_eof(&mut text)?,
        Format::Prometheus => text = with_names_of_samples(&text),
    }
    Ok(text)
}

/// The readings as metrics.
fn registry(readings: Readings) -> Registry {
    let mut registry = Registry::with_prefix("countersign");
    let tokens = ConstGauge::<u64>::new(readings.tokens_expiring as u64);
    registry.register(
        "tokens_expiring",
        "Tokens that are valid and expire within a week",
        tokens,
    );
    let Some(census) = readings.census else {
        return registry;
    };
    let counts = [
        (
            "pending_approvals",
            "Elevations whose approval is pending",
            census.pending,
        ),
        (
            "active_elevations",
            "Elevations that are active",
            census.active,
        ),
    ];
    for (name, help, count) in counts {
        registry.register(name, help, ConstGauge::<u64>::new(count));
    }
    let ages = [
        (
            "oldest_pending_approval_age_seconds",
            "Waiting time of the oldest pending approval; 0 if none is pending",
            census.oldest_pending_age(),
        ),
        (
            "scheduler_lag_seconds",
            "Delay of the earliest start or end that is due and not recorded; 0 if nothing is due",
            census.scheduler_lag(),
        ),
    ];
    for (name, help, age) in ages {
        registry.register(name, help, ConstGauge::<f64>::new(age.as_secs_f64()));
    }
    registry
}

/// Gives each family of counters in OpenMetrics text the name of its samples.
fn with_names_of_samples(text: &str) -> String {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let counters: HashSet<&str> = types
        .filter_map(|family| family.strip_suffix(" counter"))
        .collect();
    let mut renamed = String::with_capacity(text.len());
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", word, name, rest] if counters.contains(name) => {
                renamed += &format!("# {word} {name}_total {rest}\n");
            }
            _ => {
                renamed += line;
                renamed.push('\n');
            }
        }
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_families_of_counters_are_renamed() {
        let before = "# HELP a_events Events of a.\n# TYPE a_events counter\na_events_total{kind=\"b c\"} 1\n\
                      # HELP a_open Open a_events.\n# TYPE a_open gauge\na_open 2\n";
        let after = "# HELP a_events_total Events of a.\n# TYPE a_events_total counter\na_events_total{kind=\"b c\"} 1\n\
                     # HELP a_open Open a_events.\n# TYPE a_open gauge\na_open 2\n";
        assert_eq!(with_names_of_samples(before), after);
    }
}
